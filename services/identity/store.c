/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/store.h"

#include "common/base/atomic-file.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define CREDENTIALS "credentials"
#define STORE_KEY   "homeward-store-key"
#define REVOKED     "revoked"

static char *path_in(const char *folder, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static int save(const char *folder, const char *name, const void *data, size_t size)
{
	cleanup(freep) char *path = path_in(folder, name);

	return path ? atomic_file_write(path, data, size, 0600) : -ENOMEM;
}

static int save_volatile(const char *folder, const char *name, const void *data, size_t size)
{
	cleanup(freep) char *path = path_in(folder, name);

	return path ? atomic_file_write_volatile(path, data, size, 0600) : -ENOMEM;
}

static int save_line(const char *folder, const char *name, const char *text)
{
	char line[512];
	int size = snprintf(line, sizeof line, "%s\n", text);

	return size < (int)sizeof line ? save(folder, name, line, size) : -EINVAL;
}

/* The first line, without its end. */
static int load_line(const char *folder, const char *name, char *ret, size_t capacity)
{
	cleanup(freep) char *path = path_in(folder, name);
	cleanup(freep) uint8_t *data = NULL;
	size_t size, length;
	int r = path ? atomic_file_read(path, 512, &data, &size) : -ENOMEM;

	if (r < 0)
		return r == -EFBIG || r == -EINVAL ? -EBADMSG : r;
	length = strcspn((char *)data, "\n");
	if (!length || length >= capacity)
		return -EBADMSG;
	memcpy(ret, data, length);
	ret[length] = 0;
	return 0;
}

static int make_folder(const char *path)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* Takes the file's name away and returns a descriptor of what had it. */
static int forget(const struct store *store, const char *name)
{
	cleanup(freep) char *path = path_in(store->state_folder, name);
	cleanup(close_fdp) int fd = path ? open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW) : -1;

	if (!path)
		return -ENOMEM;
	if (fd < 0 || unlink(path) < 0)
		return -errno;
	return steal_fd(&fd);
}

int store_prepare(const struct store *store, const char **ret_path)
{
	cleanup(close_fdp) int unfinished = -1;
	int r = make_folder(store->runtime_folder);

	*ret_path = store->runtime_folder;
	if (r < 0)
		return r;
	*ret_path = store->state_folder;
	r = make_folder(store->state_folder);
	if (r < 0)
		return r;
	/* Of a sign-in that was killed: its keys are of no use to anybody. */
	unfinished = forget(store, CREDENTIALS ATOMIC_FILE_UNFINISHED);
	if (unfinished < 0)
		return unfinished == -ENOENT ? 0 : unfinished;
	return store_wipe_credentials(store, unfinished);
}

static int load_host_id(const char *folder, uint8_t ret[static HOST_ID_SIZE])
{
	char text[INET6_ADDRSTRLEN];
	int r = load_line(folder, "host-id", text, sizeof text);

	if (r < 0)
		return r;
	return inet_pton(AF_INET6, text, ret) == 1 ? 0 : -EBADMSG;
}

int store_load_host_id(const struct store *store, uint8_t ret[static HOST_ID_SIZE])
{
	int r = store->keep_host_id ? load_host_id(store->state_folder, ret) : -ENOENT;

	return r == -ENOENT ? load_host_id(store->runtime_folder, ret) : r;
}

int store_save_host_id(const struct store *store, const uint8_t id[static HOST_ID_SIZE])
{
	cleanup(freep) char *kept = path_in(store->state_folder, "host-id");
	char text[INET6_ADDRSTRLEN + 1];
	int r;

	inet_ntop(AF_INET6, id, text, INET6_ADDRSTRLEN);
	strcat(text, "\n");
	r = save_volatile(store->runtime_folder, "host-id", text, strlen(text));
	/* This one waits for the disk: at the start, or when the first interface came, while
	 * nothing else goes on. */
	if (r >= 0 && store->keep_host_id)
		r = save(store->state_folder, "host-id", text, strlen(text));
	/* One that was kept before the setting changed must not come back later. */
	if (r >= 0 && !store->keep_host_id && kept && unlink(kept) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int store_load_host_name(const struct store *store, char ret[static LABEL_SIZE])
{
	char text[LABEL_SIZE];
	int r = load_line(store->state_folder, "host-name", text, sizeof text);

	if (r < 0)
		return r;
	return names_parse_label(text, ret) < 0 ? -EBADMSG : 0;
}

int store_save_host_name(const struct store *store, const char *host)
{
	return save_line(store->state_folder, "host-name", host);
}

int store_load_tag(const struct store *store, char ret[static TAG_SIZE])
{
	uint32_t number;
	int r = load_line(store->state_folder, "machine-tag", ret, TAG_SIZE);

	if (r >= 0 && names_check_tag(ret) < 0)
		r = -EBADMSG;
	if (r != -ENOENT && r != -EBADMSG)
		return r;
	if (getrandom(&number, sizeof number, 0) != sizeof number)
		return -errno;
	snprintf(ret, TAG_SIZE, "%08x", number);
	return save_line(store->state_folder, "machine-tag", ret);
}

int store_load_key(struct store *store)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	cleanup(freep) char *path = folder ? path_in(folder, STORE_KEY) : NULL;
	uint8_t *data;
	size_t size;
	int r;

	if (!path)
		return folder ? -ENOMEM : -ENOENT;
	r = atomic_file_read(path, STORE_KEY_LIMIT, &data, &size);
	if (r < 0)
		return r == -EFBIG || r == -EINVAL ? -EBADMSG : r;
	r = store_key_parse(data, size, &store->key);
	explicit_bzero(data, size);
	free(data);
	return r;
}

static int decode(const struct store *store, const uint8_t *data, size_t size,
		  struct credentials **ret, bool *ret_sealed)
{
	cleanup(secret_freep) struct secret *octets = NULL;
	int r;

	*ret_sealed = sealed_is(data, size);
	if (!*ret_sealed)
		return credentials_decode(data, size, ret);
	r = sealed_read(store->key, CREDENTIALS, data, size, &octets);
	return r < 0 ? r : credentials_decode(octets->data, octets->size, ret);
}

int store_load_credentials(const struct store *store, struct credentials **ret, bool *ret_sealed)
{
	cleanup(freep) char *path = path_in(store->state_folder, CREDENTIALS);
	uint8_t *data;
	size_t size;
	int r = path ? atomic_file_read(path, CREDENTIALS_SIZE_LIMIT + SEALED_OVERHEAD, &data,
					&size)
		     : -ENOMEM;

	if (r < 0)
		return r == -EFBIG || r == -EINVAL ? -EBADMSG : r;
	r = decode(store, data, size, ret, ret_sealed);
	explicit_bzero(data, size);
	free(data);
	return r;
}

int store_save_credentials(const struct store *store, const struct credentials *credentials)
{
	cleanup(secret_freep) struct secret *octets = NULL, *sealed = NULL;
	const struct secret *content;
	int r = credentials_encode(credentials, &octets);

	if (r >= 0 && store->key)
		r = sealed_write(store->key, CREDENTIALS, octets, &sealed);
	if (r < 0)
		return r;
	content = sealed ? sealed : octets;
	return save(store->state_folder, CREDENTIALS, content->data, content->size);
}

int store_seal_credentials(const struct store *store, const struct credentials *credentials)
{
	cleanup(freep) char *path = path_in(store->state_folder, CREDENTIALS);
	cleanup(close_fdp) int plain = path ? open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	int r;

	if (plain < 0)
		return path ? -errno : -ENOMEM;
	r = store_save_credentials(store, credentials);
	return r < 0 ? r : store_wipe_credentials(store, plain);
}

int store_load_revocations(const struct store *store, struct revocations *ret)
{
	cleanup(freep) char *path = path_in(store->state_folder, REVOKED);
	cleanup(freep) uint8_t *data = NULL;
	size_t size;
	int r = path ? atomic_file_read(path, REVOCATIONS_SIZE_LIMIT, &data, &size) : -ENOMEM;

	if (r < 0)
		return r == -EFBIG || r == -EINVAL ? -EBADMSG : r;
	return revocations_decode(data, size, ret);
}

int store_save_revocations(const struct store *store, const uint8_t *data, size_t size)
{
	cleanup(freep) char *path = path_in(store->state_folder, REVOKED);

	if (data)
		return save(store->state_folder, REVOKED, data, size);
	return !path ? -ENOMEM : unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int store_forget_credentials(const struct store *store)
{
	int unfinished = forget(store, CREDENTIALS ATOMIC_FILE_UNFINISHED);

	/* Where writing failed and so did removing what was written. */
	if (unfinished < 0 && unfinished != -ENOENT)
		return unfinished;
	close_fd(unfinished);
	return forget(store, CREDENTIALS);
}

int store_wipe_credentials(const struct store *store, int fd)
{
	static const uint8_t zeros[4096];
	cleanup(close_fdp) int folder =
		open(store->state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status;
	off_t done = 0;

	if (folder < 0 || fsync(folder) < 0 || fstat(fd, &status) < 0)
		return -errno;
	while (done < status.st_size) {
		size_t left = status.st_size - done;
		ssize_t n = pwrite(fd, zeros, left < sizeof zeros ? left : sizeof zeros, done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}
