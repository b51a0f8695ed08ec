/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a message came from or goes to; no padding, so that memcmp() compares. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct endpoint {
	uint8_t address[16]; /* IPv4 in the first four octets, the others 0 */
	uint16_t port;       /* host order */
	uint8_t family;      /* 4, 6, or 0: none */
	uint8_t unused;
};
_Static_assert(sizeof(struct endpoint) == 20, "padding in struct endpoint");

static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

enum transport {
	TRANSPORT_UDP,
	TRANSPORT_TCP,
	TRANSPORT_TLS,
	N_TRANSPORTS,
};

/* One exchange's way back. */
struct peer {
	struct endpoint remote;
	struct endpoint local;    /* what the message was sent to */
	uint64_t connection;      /* TCP and TLS: the connection's number; 0: UDP */
	enum transport transport; /* UDP unless `connection` */
};
