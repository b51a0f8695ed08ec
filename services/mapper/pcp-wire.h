/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* PCP messages (RFC 6887 §7, §11.1, §12.1, §13) as a client writes and reads them. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCP_VERSION       2
#define PCP_HEADER_SIZE   24
#define PCP_MESSAGE_LIMIT 1100
#define PCP_NONCE_SIZE    12
/* Filters kept of one message; further ones are passed over. */
#define PCP_FILTERS_LIMIT 4

enum pcp_opcode {
	PCP_ANNOUNCE = 0,
	PCP_MAP = 1,
	PCP_PEER = 2,
};

/* §7.4; others may come and mean a failure, too. */
enum pcp_result {
	PCP_SUCCESS = 0,
	PCP_UNSUPP_VERSION = 1,
	PCP_NOT_AUTHORIZED = 2,
	PCP_MALFORMED_REQUEST = 3,
	PCP_UNSUPP_OPCODE = 4,
	PCP_UNSUPP_OPTION = 5,
	PCP_MALFORMED_OPTION = 6,
	PCP_NETWORK_FAILURE = 7,
	PCP_NO_RESOURCES = 8,
	PCP_UNSUPP_PROTOCOL = 9,
	PCP_USER_EX_QUOTA = 10,
	PCP_CANNOT_PROVIDE_EXTERNAL = 11,
	PCP_ADDRESS_MISMATCH = 12,
	PCP_EXCESSIVE_REMOTE_PEERS = 13,
};

/* What MAP and PEER say. Addresses are 128 bits as on the wire, IPv4 as ::ffff:a.b.c.d; ports are
 * in host order. */
struct pcp_mapping {
	uint8_t nonce[PCP_NONCE_SIZE];
	uint8_t protocol; /* IPPROTO_UDP, IPPROTO_TCP, or another; 0: all */
	uint16_t internal_port;
	uint16_t external_port; /* suggested or assigned; 0: no wish */
	struct in6_addr external;
	/* PEER only. */
	uint16_t remote_port;
	struct in6_addr remote;
};

struct pcp_filter {
	uint8_t prefix; /* of 128 bits */
	uint16_t remote_port;
	struct in6_addr remote;
};

struct pcp_options {
	bool has_third_party, prefer_failure;
	struct in6_addr third_party;
	unsigned int n_filters;
	struct pcp_filter filters[PCP_FILTERS_LIMIT];
};

struct pcp_request {
	uint8_t opcode;             /* enum pcp_opcode */
	uint32_t lifetime;          /* seconds; 0: delete */
	struct in6_addr client;     /* what the server sees as our address */
	struct pcp_mapping mapping; /* not with ANNOUNCE */
	struct pcp_options options;
};

struct pcp_response {
	/* Of a result other than UNSUPP_VERSION always 2; 0 is a gateway that speaks NAT-PMP. */
	uint8_t version;
	uint8_t result;    /* enum pcp_result or another number */
	uint8_t opcode;    /* enum pcp_opcode or another number; zero with UNSUPP_VERSION */
	uint32_t lifetime; /* seconds: of the mapping, or of the failure */
	uint32_t epoch;    /* seconds; 0 with UNSUPP_VERSION */
	struct pcp_mapping mapping; /* MAP and PEER: in failures as in the request */
	struct pcp_options options;
};

/* Octets written, a multiple of four, or -EMSGSIZE (also beyond PCP_MESSAGE_LIMIT), or -EINVAL. */
int pcp_write_request(const struct pcp_request *request, void *octets, size_t capacity);

/* In the order of §8.3, except that a NAT-PMP gateway's refusal is understood, which by RFC 6886
 * §3.5 has no response bit. 0, or -EBADMSG: to be dropped, and *ret is as it was. */
int pcp_parse_response(const void *octets, size_t size, struct pcp_response *ret);

struct in6_addr pcp_address_from(struct in_addr address);
/* 0.0.0.0 when it is none of IPv4. */
struct in_addr pcp_address_to(const struct in6_addr *address);
