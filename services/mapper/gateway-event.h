/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is asked of a gateway and what it says, whatever the protocol. Which protocol is used, and
 * what becomes of a mapping, is decided by parts that see this file only.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define MAPPING_LABEL_LIMIT 32
#define SPEAKER_NONCE_SIZE  12

enum mapping_protocol {
	PROTOCOL_NONE,
	PROTOCOL_PCP,
	PROTOCOL_NATPMP,
	PROTOCOL_IGD,
};

enum gateway_operation {
	GATEWAY_PROBE,   /* does it speak this protocol? Changes nothing there. */
	GATEWAY_ADDRESS, /* what is its external address? */
	GATEWAY_MAP,     /* also renews */
	GATEWAY_DELETE,
};

struct gateway_request {
	uint32_t id; /* the caller's, never 0, unique among those under way at one speaker */
	enum gateway_operation operation;
	int transport; /* IPPROTO_UDP or IPPROTO_TCP */
	uint16_t internal_port;
	uint16_t external_port; /* the one liked best, or the one to be deleted; 0: no wish */
	/* The address that goes with external_port, if there was one: PCP suggests it. */
	struct in_addr external;
	uint32_t lifetime; /* seconds */
	/* PCP: the same for all messages about one mapping to one gateway (RFC 6887 §11.2). */
	uint8_t nonce[SPEAKER_NONCE_SIZE];
	char label[MAPPING_LABEL_LIMIT + 1]; /* IGD shows it in the router's pages */
	/* It was looked for in vain not long ago: UPnP searches with few packets. */
	bool again;
};

/* Why there is less than was asked for; mapper-words.c has the sentences. */
enum trouble {
	TROUBLE_NONE,
	TROUBLE_SILENT,
	TROUBLE_NOT_SUPPORTED,
	TROUBLE_REFUSED,
	TROUBLE_NETWORK_FAILURE,
	TROUBLE_OUT_OF_RESOURCES,
	TROUBLE_UNSUPPORTED_OPERATION,
	TROUBLE_UNKNOWN_RESULT,
	TROUBLE_DOUBLE_NAT,
	TROUBLE_EXPIRED,
	TROUBLE_ADDRESS_MISMATCH, /* PCP 12: a NAT between us and the server */
	TROUBLE_CONFLICT,         /* another host has the port (IGD 718, PCP 11) */
	TROUBLE_MALFORMED,        /* what came makes no sense */
	TROUBLE_NOT_FORWARDED,    /* it says it forwards, and nothing arrives */
};

enum gateway_event_kind {
	GATEWAY_EVENT_ANSWER, /* to request `id`; trouble says whether it succeeded */
	/* It does not speak this protocol, or has not answered `id` within the protocol's time. */
	GATEWAY_EVENT_ABSENT,
	/* It has lost its mappings: they are to be made again after `delay`. */
	GATEWAY_EVENT_RESTARTED,
	/* Unasked: it has another external address (`external`; 0.0.0.0: ask). */
	GATEWAY_EVENT_ADDRESS,
	/* Unasked: the mapping with this transport and internal_port has another external
	 * endpoint, or is gone (external_port 0). */
	GATEWAY_EVENT_MAPPING,
};

struct gateway_event {
	enum gateway_event_kind kind;
	uint32_t id;
	enum gateway_operation operation; /* of the request */
	enum trouble trouble;
	/* As it was on the wire, for people: PCP and NAT-PMP result, UPnP error; 0: success. */
	unsigned int result;
	int transport;
	uint16_t internal_port, external_port;
	struct in_addr external; /* 0.0.0.0: not told */
	uint32_t lifetime;       /* granted, seconds, as the gateway says; 0: for ever */
	/* ANSWER with trouble: do not repeat before, RESTARTED: wait; milliseconds. */
	uint64_t delay;
};

struct speaker_counters {
	uint64_t packets_sent; /* datagrams, and for TCP the requests */
	uint64_t retransmissions, responses_accepted, responses_malformed, responses_foreign,
		responses_unexpected;
};
