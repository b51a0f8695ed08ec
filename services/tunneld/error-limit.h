/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How many ICMPv6 errors may be sent (RFC 4443 §2.4 f): a bucket of tokens, so that the first
 * errors of many connections go out at once and a flood of packets is not answered by one of
 * errors.
 */
#include <stdbool.h>
#include <stdint.h>

#define ERROR_LIMIT_BURST    64
#define ERROR_LIMIT_A_SECOND 100

/* All zero is a full one. */
struct error_limit {
	uint64_t used;  /* thousandths of a token that are not back yet */
	uint64_t since; /* ms, when that was so */
};

/* Whether one more may be sent now; takes its token. */
bool error_limit_take(struct error_limit *limit, uint64_t now);
