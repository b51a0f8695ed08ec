/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What server-stream.c knows of those who connect, by transport and address: an IPv4 address or the
 * first 64 bits of an IPv6 one. */
#include "common/base/hash.h"
#include "services/zoned/endpoint.h"
#include "services/zoned/stream-list.h"

struct stream_address {
	uint8_t key[10]; /* transport, family, and the address or its first half */
	uint32_t n;
	size_t n_octets;               /* in the buffers of all of them */
	struct connection_list silent; /* those that may have to make room for others */
	UT_hash_handle hh;
};

/* One connection more from there; the table begins as NULL. NULL without memory. */
struct stream_address *stream_address_take(struct stream_address **table, const struct peer *peer);
/* One less; frees what nobody uses. NULL is allowed. */
void stream_address_leave(struct stream_address **table, struct stream_address *address);
