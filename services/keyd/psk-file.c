/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/psk-file.h"

#include "common/base/log.h"
#include "common/keys/secret.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* 0, or a negative errno after a line. */
static int find(const char *place, char path[PATH_MAX], bool *ret_credential)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");

	*ret_credential = !strchr(place, '/');
	if (!*ret_credential)
		folder = "";
	else if (!folder) {
		log_error("[psk] file: %s is no path, and the service manager gave no credentials",
			  place);
		return -ENOENT;
	}
	if (snprintf(path, PATH_MAX, "%s%s%s", folder, *ret_credential ? "/" : "", place) >=
	    PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

/* A credential's access list shows in the group's bits. */
static int check(const char *path, const struct stat *status, bool credential)
{
	if (!S_ISREG(status->st_mode))
		log_error("[psk] file: %s is not a regular file", path);
	else if (status->st_uid != 0 && status->st_uid != geteuid())
		log_error("[psk] file: %s must belong to root or to keyd's user", path);
	else if (status->st_mode & (credential ? 0007 : 0077))
		log_error("[psk] file: %s can be read by others; chmod 0600 it, and make new keys",
			  path);
	else
		return 0;
	return -EPERM;
}

int psk_file_read(const char *place, struct ike_psks **ret)
{
	cleanup(secret_freep) struct secret *text = NULL;
	cleanup(close_fdp) int fd = -1;
	struct stat status;
	const char *complaint;
	unsigned int line;
	char path[PATH_MAX];
	bool credential;
	int r = find(place, path, &credential);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &status) < 0) {
		r = -errno;
		log_error("[psk] file: cannot read %s: %s", path, strerror(-r));
		return r;
	}
	r = check(path, &status, credential);
	if (r < 0)
		return r;
	r = secret_from_descriptor(fd, IKE_PSK_FILE_LIMIT, &text);
	if (r >= 0)
		r = ike_psks_parse((const char *)text->data, text->size, ret, &complaint, &line);
	else
		log_error("[psk] file: cannot read %s: %s", path, strerror(-r));
	/* The line itself is a secret. */
	if (r == -EINVAL && text)
		log_error("%s:%u: %s", path, line, complaint);
	return r;
}
