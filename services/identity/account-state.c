/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * starting --host id, no account--> signed-out --SignIn--> signing-in --keys stored--> signed-in
 * starting --stored account-------> signed-in --SignOut--> signed-out
 * signing-in --failed-------------> signed-out
 */
#include "services/identity/account-state.h"

#include <errno.h>

const char *account_state_name(enum account_state state)
{
	switch (state) {
	case ACCOUNT_STARTING:
		return "starting";
	case ACCOUNT_SIGNED_OUT:
		return "signed-out";
	case ACCOUNT_SIGNING_IN:
		return "signing-in";
	case ACCOUNT_SIGNED_IN:
		return "signed-in";
	}
	return "";
}

static int check_signed_out(enum account_request request)
{
	switch (request) {
	case ACCOUNT_REQUEST_SIGN_IN:
	case ACCOUNT_REQUEST_SET_HOST_NAME:
		return 0;
	case ACCOUNT_REQUEST_SIGN_OUT:
	case ACCOUNT_REQUEST_USE_KEY:
		return -ENOKEY;
	}
	return -EINVAL;
}

int account_state_check(enum account_state state, enum account_request request)
{
	switch (state) {
	case ACCOUNT_STARTING:
		/* The certificate will name the host id: without one there is nothing to sign in.
		 */
		return request == ACCOUNT_REQUEST_SIGN_IN ? -EBUSY : check_signed_out(request);
	case ACCOUNT_SIGNED_OUT:
		return check_signed_out(request);
	case ACCOUNT_SIGNING_IN:
		return request == ACCOUNT_REQUEST_USE_KEY ? -ENOKEY : -EBUSY;
	case ACCOUNT_SIGNED_IN:
		return request == ACCOUNT_REQUEST_SIGN_IN ||
				       request == ACCOUNT_REQUEST_SET_HOST_NAME
			       ? -EALREADY
			       : 0;
	}
	return -EINVAL;
}
