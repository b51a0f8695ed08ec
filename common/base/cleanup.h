/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Scope-bound cleanup. A constructor fills a local marked with one of these and gives it away on
 * its last lines with steal_ptr() or steal_fd(); every early return then frees what was built so
 * far.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup(function) __attribute__((cleanup(function)))

/* Declares function##p(), which cleanup() wants: it gets the address of the variable. */
#define DEFINE_CLEANUP(type, function)                                                             \
	static inline void function##p(type *object)                                               \
	{                                                                                          \
		if (*object)                                                                       \
			function(*object);                                                         \
	}

static inline void freep(void *pointer)
{
	free(*(void **)pointer);
}

/* Closes unless negative, keeps errno, and returns -1 to assign back. */
static inline int close_fd(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -1;
}

static inline void close_fdp(int *fd)
{
	*fd = close_fd(*fd);
}

#define steal_ptr(pointer)                                                                         \
	({                                                                                         \
		typeof(pointer) *stolen_ = &(pointer);                                             \
		typeof(pointer) value_ = *stolen_;                                                 \
		*stolen_ = NULL;                                                                   \
		value_;                                                                            \
	})

static inline int steal_fd(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The object whose field `member` is at `pointer`. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
