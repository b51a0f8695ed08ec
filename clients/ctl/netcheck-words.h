/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a person is told about their network, from mapper's properties: whether others can reach
 * this host from the internet, why, and what to do in the router. Pure.
 */
#include "clients/ctl/values.h"

#define NETCHECK_TEXT_SIZE    640
#define NETCHECK_ADVICE_LIMIT 4

enum netcheck_reach {
	NETCHECK_YES,
	NETCHECK_NO,
	NETCHECK_UNKNOWN, /* it is still being found out, or nobody says */
};

struct netcheck_report {
	enum netcheck_reach reach;
	const char *kind; /* one word: a NatKind, a NetworkKind, "firewall", "mapping-failed" or
			     "not-forwarded" */
	char summary[NETCHECK_TEXT_SIZE];
	char advice[NETCHECK_ADVICE_LIMIT][NETCHECK_TEXT_SIZE]; /* in the order to try them */
	size_t n_advice;
};

/* `mapper` as snapshot_read() gives it; properties of an older mapper may be missing. */
void netcheck_judge(json_object *mapper, struct netcheck_report *ret);
/* What a result code of a protocol ("pcp", "nat-pmp", "upnp-igd") means, in words. */
const char *netcheck_result_words(const char *protocol, uint64_t code);
/* "NAT-PMP" for "nat-pmp". */
const char *netcheck_protocol_name(const char *protocol);
