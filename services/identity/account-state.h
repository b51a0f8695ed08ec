/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether there is an account, and what may be asked for meanwhile. */
enum account_state {
	ACCOUNT_STARTING, /* the host id is not known yet */
	ACCOUNT_SIGNED_OUT,
	ACCOUNT_SIGNING_IN,
	ACCOUNT_SIGNED_IN,
};

enum account_request {
	ACCOUNT_REQUEST_SIGN_IN,
	ACCOUNT_REQUEST_SIGN_OUT,
	ACCOUNT_REQUEST_SET_HOST_NAME,
	ACCOUNT_REQUEST_USE_KEY,
};

/* The word for it on the bus. */
const char *account_state_name(enum account_state state);
/* 0: go on. -EBUSY: something is under way, wait for it. -EALREADY: signed in. -ENOKEY: not signed
 * in. */
int account_state_check(enum account_state state, enum account_request request);
