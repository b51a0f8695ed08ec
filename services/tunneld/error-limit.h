/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How many ICMPv6 errors may be sent (RFC 4443 §2.4 f): buckets of tokens, so that the first errors
 * of many connections go out at once and a flood of packets is not answered by one of errors. Which
 * bucket is told by destination, protocol and source port, so that a program that is told often
 * enough does not use up what others are to be told.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERROR_LIMIT_BUCKETS  32
#define ERROR_LIMIT_BURST    16 /* of each */
#define ERROR_LIMIT_A_SECOND 20

struct error_limit {
	uint64_t used;  /* thousandths of a token that are not back yet */
	uint64_t since; /* ms, when that was so */
};

/* All zero are full ones. */
struct error_limits {
	uint64_t salt; /* random, so that nobody can choose a neighbour's bucket */
	struct error_limit buckets[ERROR_LIMIT_BUCKETS];
};

/* Whether one more may be sent now that answers this inner packet; takes its token. */
bool error_limits_take(struct error_limits *limits, uint64_t now, const uint8_t *packet,
		       size_t size);
