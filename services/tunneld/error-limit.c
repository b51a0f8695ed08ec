/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/error-limit.h"

#include <netinet/in.h>
#include <string.h>

#define TOKEN 1000 /* so that each millisecond gives a whole number */

#define IPV6_NEXT_HEADER_AT 6
#define IPV6_DESTINATION_AT 24
#define IPV6_HEADER_SIZE    40

static bool take(struct error_limit *limit, uint64_t now)
{
	uint64_t back = (now - limit->since) * ERROR_LIMIT_A_SECOND;

	limit->used = limit->used > back ? limit->used - back : 0;
	limit->since = now;
	if (limit->used + TOKEN > ERROR_LIMIT_BURST * TOKEN)
		return false;
	limit->used += TOKEN;
	return true;
}

/* The finalizer of splitmix64. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

/* Extension headers and protocols without ports: by destination and next header alone. */
static uint64_t hash_flow(uint64_t salt, const uint8_t *packet, size_t size)
{
	uint64_t halves[2], ports = 0;
	uint8_t next;

	if (size < IPV6_HEADER_SIZE)
		return 0;
	next = packet[IPV6_NEXT_HEADER_AT];
	if ((next == IPPROTO_TCP || next == IPPROTO_UDP) && size >= IPV6_HEADER_SIZE + 2)
		ports = packet[IPV6_HEADER_SIZE] << 8 | packet[IPV6_HEADER_SIZE + 1];
	memcpy(halves, packet + IPV6_DESTINATION_AT, sizeof halves);
	return mix(mix(mix(salt ^ halves[0]) ^ halves[1]) ^ (ports << 8 | next));
}

bool error_limits_take(struct error_limits *limits, uint64_t now, const uint8_t *packet,
		       size_t size)
{
	uint64_t hash = hash_flow(limits->salt, packet, size);

	return take(&limits->buckets[hash % ERROR_LIMIT_BUCKETS], now);
}
