/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* NAT-PMP answers (RFC 6886 §3). The requests are libnatpmp's. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum natpmp_operation {
	NATPMP_ADDRESS = 0,
	NATPMP_MAP_UDP = 1,
	NATPMP_MAP_TCP = 2,
};

/* RFC 6886 §3.5; others may come and mean a failure, too. */
enum natpmp_result {
	NATPMP_SUCCESS = 0,
	NATPMP_UNSUPPORTED_VERSION = 1,
	NATPMP_REFUSED = 2,
	NATPMP_NETWORK_FAILURE = 3,
	NATPMP_OUT_OF_RESOURCES = 4,
	NATPMP_UNSUPPORTED_OPERATION = 5,
};

struct natpmp_response {
	uint16_t result;    /* enum natpmp_result or another number */
	bool has_operation; /* an answer about the version may be about no operation (§3.5) */
	uint8_t operation;
	bool has_epoch;
	uint32_t epoch;         /* seconds since the gateway's tables were empty */
	bool has_internal_port; /* a short error answer has none */
	/* Zero unless the result is success. Address in network order, ports in host order. */
	struct in_addr external;
	uint16_t internal_port, external_port;
	uint32_t lifetime; /* seconds */
};

/* Also understands how a box that only knows PCP says so (RFC 6887 §9). 0, or -EBADMSG. */
int natpmp_parse_response(const void *octets, size_t size, struct natpmp_response *ret);
