/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Signing in, off the loop: reads the password, derives the account's keys, makes this host's key
 * and certificate, stores them, and wipes what the host shall not keep.
 *
 *   sign_in_start() --thread: read, derive, make, store--> done(), once and always
 *   sign_in_cancel() ends the wait for the password; the request then fails with -ECANCELED
 */
#include "common/loop/loop.h"
#include "services/identity/store.h"

struct sign_in;

/* What it is for; copied. */
struct sign_in_order {
	struct account_name name;
	char host[LABEL_SIZE];
	char tag[TAG_SIZE]; /* the machine's */
	uint64_t time;      /* of this sign-in: seconds since 1970 */
	uint8_t eui64[EUI64_SIZE];
	uint32_t password_msec;    /* until the descriptor must have been closed by its writer */
	const struct store *store; /* borrowed until done() */
};

/*
 * `error` 0: `credentials` is the callback's to keep. Otherwise NULL and -ENODATA, -EFBIG,
 * -ETIMEDOUT or -EBADF for the password's descriptor, -ECANCELED, or what failed inside.
 */
typedef void (*sign_in_done)(void *userdata, int error, struct credentials *credentials);

/* Takes a duplicate of `password_fd`. 0 or a negative errno, and then done() is not called. *ret
 * lives until done() returns. */
int sign_in_start(struct loop *loop, const struct sign_in_order *order, int password_fd,
		  sign_in_done done, void *userdata, struct sign_in **ret);
void sign_in_cancel(struct sign_in *sign_in);
