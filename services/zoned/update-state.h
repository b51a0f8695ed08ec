/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* DNS UPDATE (RFC 2136 §3) on one version of a zone. */
#include "common/dns/dns-message.h"
#include "services/zoned/policy-state.h"

/* What one account, and one name in it, may hold. */
#define UPDATE_RECORDS_PER_ZONE 20000
#define UPDATE_RECORDS_PER_NAME 1000

struct update_grant {
	struct policy_writer writer;
	/* Of the records added or refreshed, and of those of type KEY; ZONE_NEVER: they stay. */
	uint64_t expires;
	uint64_t key_expires;
};

/*
 * Tests the prerequisites, then all changes against form, zone and policy, then makes the changes
 * and moves the serial if a client can see a difference to `before`. `zone` must be a copy of that:
 * after any result but NOERROR it may be changed halfway and is to be dropped, which makes the
 * update atomic. The zone section has been looked at by the caller. Returns the RCODE.
 */
ldns_pkt_rcode update_apply(const struct zone *before, struct zone *zone,
			    const struct dns_message *request, const struct update_grant *grant,
			    uint64_t now);
