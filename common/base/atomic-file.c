/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/atomic-file.h"

#include "common/base/cleanup.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t done = write(fd, data, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		data += done;
		size -= done;
	}
	return 0;
}

/* The rename itself survives a power cut only once the folder is on disk. */
static int sync_folder(const char *path)
{
	cleanup(freep) char *copy = strdup(path);
	cleanup(close_fdp) int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

static int replace(const char *path, const char *beside, const void *data, size_t size, mode_t mode,
		   bool sync)
{
	cleanup(close_fdp) int fd = open(
		beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = fchmod(fd, mode) < 0 ? -errno : 0;
	if (r >= 0)
		r = write_all(fd, data, size);
	if (r >= 0 && sync && fsync(fd) < 0)
		r = -errno;
	if (r >= 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(beside);
	return r;
}

static int write_file(const char *path, const void *data, size_t size, mode_t mode, bool sync)
{
	cleanup(freep) char *beside = NULL;

	if (asprintf(&beside, "%s" ATOMIC_FILE_UNFINISHED, path) < 0) {
		beside = NULL;
		return -ENOMEM;
	}
	return replace(path, beside, data, size, mode, sync);
}

int atomic_file_write(const char *path, const void *data, size_t size, mode_t mode)
{
	int r = write_file(path, data, size, mode, true);

	return r < 0 ? r : sync_folder(path);
}

int atomic_file_write_volatile(const char *path, const void *data, size_t size, mode_t mode)
{
	return write_file(path, data, size, mode, false);
}

int atomic_file_read(const char *path, size_t limit, uint8_t **ret_data, size_t *ret_size)
{
	cleanup(close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	cleanup(freep) uint8_t *data = NULL;
	size_t size = 0;
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if (status.st_size < 0 || (uint64_t)status.st_size > limit)
		return -EFBIG;
	data = malloc(limit + 1);
	if (!data)
		return -ENOMEM;
	for (;;) {
		ssize_t got = read(fd, data + size, limit + 1 - size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		size += got;
		if (size > limit)
			return -EFBIG;
	}
	data[size] = 0;
	*ret_size = size;
	*ret_data = steal_ptr(data);
	return 0;
}
