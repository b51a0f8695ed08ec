/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may write what. The account's key may do everything below the account. A host's key may write
 * its own names (docs/ARCHITECTURE.md, "Names in the zone"):
 *
 *   <host>, _autotunnel._udp.<host>   unless another host's key holds them: YXDOMAIN, the name is
 *                                     taken
 *   AutoTunnel-<...>                  unless another host's key holds it: REFUSED
 *   _autotunnel._udp                  only PTR records that point to its own names
 *   shared services                   policy-service-state.h
 *
 * A key holds a name as long as a record there that it wrote has not expired.
 */
#include "common/dns/dns-message.h"
#include "services/zoned/zone-state.h"

struct policy_writer {
	const char *key_name; /* text in lower case, no final dot */
	const char *account_key_name;
	bool is_host;
	struct name_key host; /* with is_host */
};

/* Whether `writer` may make this change, a record of the update section of the UPDATE `request`. An
 * RCODE: NOERROR, REFUSED or YXDOMAIN. */
ldns_pkt_rcode policy_check_change(const struct zone *zone, const struct policy_writer *writer,
				   const struct dns_message *request, const ldns_rr *change,
				   uint64_t now);

/* Whether a key of this name is the writer's own: the same, or the same machine's from before it
 * was signed in anew. */
bool policy_is_own_key(const struct policy_writer *writer, const char *key_name);
/* Whether a live record there was written by another host. What the account's own key or the server
 * wrote keeps nobody out: the person who holds that key also signed the host in. */
bool policy_is_held_by_another(const struct zone *zone, const struct policy_writer *writer,
			       const struct name_key *name, uint64_t now);
