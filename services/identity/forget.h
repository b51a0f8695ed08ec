/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Making a revocation list, off the loop: reads the password, derives the account's keys, signs the
 * list, and wipes everything but what one UPDATE needs.
 *
 *   forget_start() --thread: read, derive, sign--> done(), once and always
 *   forget_cancel() ends the wait for the password; the request then fails with -ECANCELED
 */
#include "common/keys/revocation-list.h"
#include "common/loop/loop.h"
#include "services/identity/certificate.h"
#include "services/identity/names.h"

struct forget;

/* What it is for; copied, but for the certificate. */
struct forget_order {
	struct account_name name;
	const struct certificate *account; /* its certificate */
	struct revocation_list list;       /* what is to be signed, complete */
	uint64_t now;                      /* seconds since 1970 */
	uint32_t password_msec;            /* as in struct sign_in_order */
};

struct forget_result {
	/* 0; what password_reader_words() knows; -EKEYREJECTED: it is not the account's password;
	 * -EFBIG with `list_full`: the list would be too large; or what failed inside. */
	int error;
	bool list_full;
	struct certificate list; /* DER; the callback's to keep */
	struct secret *tsig;     /* the account's TSIG key; the callback's to keep */
};

typedef void (*forget_done)(void *userdata, struct forget_result *result);

/* As sign_in_start(). */
int forget_start(struct loop *loop, const struct forget_order *order, int password_fd,
		 forget_done done, void *userdata, struct forget **ret);
void forget_cancel(struct forget *forget);
