/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which kind of NAT this is, from all that the kernel, the gateway and a STUN server said, and what
 * a person can do about it (RFC 6281 §4.4). Pure.
 */
#include "services/mapper/gateway-event.h"
#include "services/mapper/nat-kind.h"

#include <stddef.h>

struct nat_facts {
	struct in_addr local;   /* 0.0.0.0: no usable network */
	struct in_addr gateway; /* 0.0.0.0: the route needs none */
	/* The gateway answered, or has had its time. */
	bool settled;
	enum mapping_protocol protocol; /* that it maps by; PROTOCOL_NONE: by none */
	struct in_addr external;        /* its own address, as it says; 0.0.0.0: it does not */
	bool external_doubtful;         /* it restarted and has not said so again since */
	/* Why there is less than was asked for, as it was on the wire. */
	enum trouble trouble;
	enum mapping_protocol result_protocol;
	unsigned int result;
	/* What a STUN server sees; 0.0.0.0: none told. */
	struct in_addr reflexive;
	enum nat_behaviour mapping, filtering;
	/* The router behind the default router; 0.0.0.0: not known. */
	struct in_addr second_hop;
	enum nat_verified verified;
	/* The owner says that ports are forwarded by hand; and the address that others are told for
	 * that, 0.0.0.0: another one, or none. */
	bool by_hand;
	struct in_addr forwarded;
};

enum nat_kind nat_kind_decide(const struct nat_facts *facts);
/* What it is and what to do, in sentences; always ended by NUL. */
#define NAT_DESCRIPTION_SIZE 600
void nat_kind_describe(const struct nat_facts *facts, char *text, size_t size);

/* RFC 1918, RFC 3927, 0/8 or RFC 6598: nobody reaches it from the internet. */
bool nat_address_is_inside(struct in_addr address);
/* RFC 6598. */
bool nat_address_is_shared(struct in_addr address);
