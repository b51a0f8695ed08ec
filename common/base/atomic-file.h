/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Small state files: written beside, synced, renamed over, so that a reader or a crash sees the old
 * content or the new, never a part.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What is added to a file's name while it is being written. Always the same, so that what a crash
 * left is written over by the next attempt, and can be removed where it holds a secret. So nobody
 * else may write in the folder, and each file has one writer at a time. */
#define ATOMIC_FILE_UNFINISHED ".new"

/* Replaces `path` with `size` octets, mode as given. Returns 0 or a negative errno; on failure the
 * old file stands and nothing is left beside it. */
int atomic_file_write(const char *path, const void *data, size_t size, mode_t mode);
/* The same for what ends with the machine's power anyway, as all in /run does: it does not wait for
 * a disk, so it may be called on the loop. */
int atomic_file_write_volatile(const char *path, const void *data, size_t size, mode_t mode);

/* Reads a whole file of at most `limit` octets into memory of its own, with a NUL after the last
 * octet that `ret_size` does not count. The caller wipes and frees. -EFBIG when it is larger. */
int atomic_file_read(const char *path, size_t limit, uint8_t **ret_data, size_t *ret_size);
