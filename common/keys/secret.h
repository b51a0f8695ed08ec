/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Secrets in memory that is kept out of core dumps and swap and wiped before it is freed, and their
 * way between processes: a sealed memfd that holds the octets and nothing else.
 */
#include "common/base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

struct secret_pool;

struct secret {
	size_t size;
	uint8_t *data;            /* pages of its own, or a place in the pool's */
	struct secret_pool *pool; /* NULL: pages of its own */
};

/* `size` zero octets, 1 to 65536. 0 or a negative errno. */
int secret_new(size_t size, struct secret **ret);
int secret_new_copy(const void *data, size_t size, struct secret **ret);
/* For secrets by the hundred thousand: a mapping for each would be more than a process may have. So
 * many octets each at most. The pool must outlive them. */
#define SECRET_POOL_SIZE_MAX 64
int secret_pool_new(struct secret_pool **ret);
struct secret_pool *secret_pool_free(struct secret_pool *pool);
/* As secret_new_copy(), in a place of the pool. */
int secret_pool_copy(struct secret_pool *pool, const void *data, size_t size, struct secret **ret);
/* Wipes; takes NULL; returns NULL. */
struct secret *secret_free(struct secret *secret);

/* A new memfd with the octets, sealed against writing, growing, shrinking and unsealing. Returns
 * the descriptor or a negative errno. */
int secret_to_memfd(const struct secret *secret);
/* Reads a memfd of 1 to `limit` octets that carries all of those seals. The descriptor stays the
 * caller's. -EPERM when a seal is missing, -EINVAL for what is no memfd, -EFBIG. */
int secret_from_memfd(int fd, size_t limit, struct secret **ret);
/* Reads a pipe, socket or file to its end, at most `limit` octets, dropping one trailing newline: a
 * password that a person or a program handed over. Blocks until the end: run it as queued work or
 * on a descriptor whose writer is known to have finished. -ENODATA when empty, -EFBIG. */
int secret_from_descriptor(int fd, size_t limit, struct secret **ret);

DEFINE_CLEANUP(struct secret *, secret_free)
