/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A password from somebody's descriptor, on a thread of queued work. */
#include "common/keys/secret.h"
#include "common/loop/loop.h"

#define PASSWORD_LIMIT 1024

struct password_reader {
	struct loop *loop;
	int fd, cancel_fd; /* -1: none */
	uint32_t msec;     /* until the descriptor must have been closed by its writer */
};

/* Takes a duplicate of `fd`. 0 or a negative errno. */
int password_reader_init(struct password_reader *reader, struct loop *loop, int fd, uint32_t msec);
void password_reader_deinit(struct password_reader *reader);
/* From the loop: ends the wait; password_reader_read() gives -ECANCELED. */
void password_reader_cancel(struct password_reader *reader);
/* On the thread: to the end of the descriptor, without one trailing newline. 0, or -ENODATA for an
 * empty one, -EFBIG above PASSWORD_LIMIT, -ETIMEDOUT, -EBADF, -ECANCELED. */
int password_reader_read(const struct password_reader *reader, struct secret **ret);
/* What such an error means to the person who called; NULL: it is another one. */
const char *password_reader_words(int error);
