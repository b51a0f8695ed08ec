/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is answered to STUN Binding requests (RFC 8489 §6.3), and how a NAT is tried out for who
 * asks (RFC 5780 §6): with a second address, answers also come from there, and RESPONSE-PORT sends
 * one to another port of who asked. Nothing is remembered of anybody but how much he had lately.
 *
 * Whoever forges an address makes us send to it. So each address (of IPv6: each /64) gets
 * STUN_RATE answers a second; beyond that there is silence. An answer is a few octets longer than a
 * bare request, which has no room for an address: 32 octets for 20, and 68 where a second address
 * is to be told of. PADDING adds nothing to that beyond the length of the request.
 */
#include "services/zoned/endpoint.h"

#include <stddef.h>

#define STUN_RATE         32 /* answers a second to one address */
#define STUN_BURST        64
#define STUN_BUCKETS      4096
#define STUN_ANSWER_LIMIT 2048

struct stun_counters {
	uint64_t requests;
	uint64_t answers; /* errors included */
	uint64_t unknown; /* answered 420 */
	uint64_t changed; /* from another address or port than was asked */
	uint64_t redirected;
	uint64_t malformed;
	uint64_t limited; /* to whom had enough */
};

struct stun_responder {
	/* The second address and port; those of the same family. `primary` without a family: there
	 * is none, CHANGE-REQUEST is refused. */
	struct endpoint primary, alternate;
	uint64_t seed; /* random: strangers cannot choose whose bucket they share */
	struct stun_counters counters;
	/* A bucket is whose address falls into it: many addresses take no memory. */
	struct stun_bucket {
		uint64_t at;    /* ms */
		uint32_t milli; /* thousandths of an answer */
	} buckets[STUN_BUCKETS];
};

/* One answer to `data` that came by `peer`, into `answer` (STUN_ANSWER_LIMIT), and its way. Returns
 * its size, 0: none. */
size_t stun_responder_answer(struct stun_responder *responder, const struct peer *peer,
			     const uint8_t *data, size_t size, uint64_t now, uint8_t *answer,
			     struct peer *ret_way);
