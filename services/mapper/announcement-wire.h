/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a gateway multicasts to 224.0.0.1:5350. */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define ANNOUNCEMENT_PORT 5350
/* Where gateways are asked, and where announcements of PCP come from. */
#define GATEWAY_PORT 5351

enum announcement_kind {
	ANNOUNCEMENT_ADDRESS, /* its external address, new or not (RFC 6886 §3.2.1) */
	ANNOUNCEMENT_RESTART, /* PCP ANNOUNCE: it may have lost its state (RFC 6887 §14.1) */
};

struct announcement {
	enum announcement_kind kind;
	uint32_t epoch;          /* of the protocol that the announcement is of */
	struct in_addr external; /* ANNOUNCEMENT_ADDRESS */
};

/* 0, or -EBADMSG. */
int announcement_parse(const void *octets, size_t size, struct announcement *ret);
