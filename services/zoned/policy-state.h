/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may write what. The account's key may do everything below the account. A host's key may write
 * its own names (docs/ARCHITECTURE.md, "Names in the zone"):
 *
 *   <host>, _autotunnel._udp.<host>   unless another host's key holds them: YXDOMAIN, the host's
 * name is taken AutoTunnel-<...>                  unless another host's key holds it: REFUSED
 *   _autotunnel._udp                  only PTR records that point to its own names
 *
 * A key holds a name as long as a record there that it wrote has not expired.
 */
#include "services/zoned/zone-state.h"

struct policy_writer {
	const char *key_name; /* text in lower case, no final dot */
	const char *account_key_name;
	bool is_host;
	struct name_key host; /* with is_host */
};

/* Whether `writer` may make this change, a record of the update section of an UPDATE. An RCODE:
 * NOERROR, REFUSED or YXDOMAIN. */
ldns_pkt_rcode policy_check_change(const struct zone *zone, const struct policy_writer *writer,
				   const ldns_rr *change, uint64_t now);
