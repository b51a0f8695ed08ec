/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/error-limit.h"

#define TOKEN 1000 /* so that each millisecond gives a whole number */

bool error_limit_take(struct error_limit *limit, uint64_t now)
{
	uint64_t back = (now - limit->since) * ERROR_LIMIT_A_SECOND;

	limit->used = limit->used > back ? limit->used - back : 0;
	limit->since = now;
	if (limit->used + TOKEN > ERROR_LIMIT_BURST * TOKEN)
		return false;
	limit->used += TOKEN;
	return true;
}
