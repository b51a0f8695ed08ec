/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/keys/secret.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SECRET_LIMIT 65536
#define SECRET_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* As many places as a stretch of pages holds. A free place holds the address of the next. */
#define STRETCH_SIZE  (64 * 1024)
#define STRETCHES_MAX 65536

struct secret_pool {
	uint8_t **stretches;
	size_t n_stretches;
	uint8_t *free_place; /* NULL: none */
};

/* Pages for secrets, or NULL. */
static uint8_t *map_pages(size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
	/* Best effort: a machine may not let us lock a page, and that is no reason to fail. */
	(void)mlock(pages, size);
	(void)madvise(pages, size, MADV_DONTDUMP);
	return pages;
}

int secret_new(size_t size, struct secret **ret)
{
	struct secret *secret;

	if (size == 0 || size > SECRET_LIMIT)
		return -EINVAL;
	secret = malloc(sizeof *secret);
	if (!secret)
		return -ENOMEM;
	*secret = (struct secret){ .size = size, .data = map_pages(size) };
	if (!secret->data) {
		free(secret);
		return -ENOMEM;
	}
	*ret = secret;
	return 0;
}

int secret_new_copy(const void *data, size_t size, struct secret **ret)
{
	int r = secret_new(size, ret);

	if (r >= 0)
		memcpy((*ret)->data, data, size);
	return r;
}

static void give_back(struct secret_pool *pool, uint8_t *place)
{
	memcpy(place, &pool->free_place, sizeof pool->free_place);
	pool->free_place = place;
}

static uint8_t *take_place(struct secret_pool *pool)
{
	uint8_t *place = pool->free_place;

	memcpy(&pool->free_place, place, sizeof pool->free_place);
	memset(place, 0, SECRET_POOL_SIZE_MAX);
	return place;
}

static int grow(struct secret_pool *pool)
{
	uint8_t **stretches, *pages;

	if (pool->n_stretches == STRETCHES_MAX)
		return -ENOMEM;
	stretches = reallocarray(pool->stretches, pool->n_stretches + 1, sizeof *stretches);
	if (!stretches)
		return -ENOMEM;
	pool->stretches = stretches;
	pages = map_pages(STRETCH_SIZE);
	if (!pages)
		return -ENOMEM;
	stretches[pool->n_stretches++] = pages;
	for (size_t at = STRETCH_SIZE; at > 0; at -= SECRET_POOL_SIZE_MAX)
		give_back(pool, pages + at - SECRET_POOL_SIZE_MAX);
	return 0;
}

int secret_pool_new(struct secret_pool **ret)
{
	*ret = calloc(1, sizeof **ret);
	return *ret ? 0 : -ENOMEM;
}

struct secret_pool *secret_pool_free(struct secret_pool *pool)
{
	if (!pool)
		return NULL;
	for (size_t i = 0; i < pool->n_stretches; i++)
		munmap(pool->stretches[i], STRETCH_SIZE);
	free(pool->stretches);
	free(pool);
	return NULL;
}

int secret_pool_copy(struct secret_pool *pool, const void *data, size_t size, struct secret **ret)
{
	struct secret *secret;
	int r;

	if (size == 0 || size > SECRET_POOL_SIZE_MAX)
		return -EINVAL;
	if (!pool->free_place) {
		r = grow(pool);
		if (r < 0)
			return r;
	}
	secret = malloc(sizeof *secret);
	if (!secret)
		return -ENOMEM;
	*secret = (struct secret){ size, take_place(pool), pool };
	memcpy(secret->data, data, size);
	*ret = secret;
	return 0;
}

struct secret *secret_free(struct secret *secret)
{
	if (!secret)
		return NULL;
	explicit_bzero(secret->data, secret->size);
	if (secret->pool)
		give_back(secret->pool, secret->data);
	else
		munmap(secret->data, secret->size);
	free(secret);
	return NULL;
}

int secret_to_memfd(const struct secret *secret)
{
	cleanup(close_fdp) int fd = memfd_create("secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	while (done < secret->size) {
		ssize_t n = write(fd, secret->data + done, secret->size - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += n;
	}
	if (fcntl(fd, F_ADD_SEALS, SECRET_SEALS) < 0)
		return -errno;
	return steal_fd(&fd);
}

int secret_from_memfd(int fd, size_t limit, struct secret **ret)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	struct stat status;
	int seals = fcntl(fd, F_GET_SEALS);
	int r;

	if (seals < 0)
		return -EINVAL;
	if ((seals & SECRET_SEALS) != SECRET_SEALS)
		return -EPERM;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_size < 1)
		return -EINVAL;
	if ((uint64_t)status.st_size > limit)
		return -EFBIG;
	r = secret_new(status.st_size, &secret);
	if (r < 0)
		return r;
	if (pread(fd, secret->data, secret->size, 0) != (ssize_t)secret->size)
		return -EIO;
	*ret = steal_ptr(secret);
	return 0;
}

int secret_from_descriptor(int fd, size_t limit, struct secret **ret)
{
	cleanup(secret_freep) struct secret *room = NULL;
	size_t size = 0;
	int r = secret_new(limit + 2, &room);

	if (r < 0)
		return r;
	while (size < room->size) {
		ssize_t got = read(fd, room->data + size, room->size - size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		size += got;
	}
	if (size && room->data[size - 1] == '\n')
		size--;
	if (!size)
		return -ENODATA;
	if (size > limit)
		return -EFBIG;
	return secret_new_copy(room->data, size, ret);
}
