/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a host's key may write of shared services (RFC 6763) below its account:
 *
 *   <instance>.<_type>.<_tcp|_udp>     SRV with its own host for target, TXT; unless another host's
 *                                      key holds the name: YXDOMAIN
 *   <_type>.<_tcp|_udp>                PTR to an instance of the type that it holds, or writes with
 *   <sub>._sub.<_type>.<_tcp|_udp>     the same message
 *   _services._dns-sd._udp             PTR to a type of which it holds or writes an instance
 *
 * The types `_autotunnel` and `_dns-...` are none of these: they have rules of their own.
 */
#include "common/dns/dns-message.h"
#include "services/zoned/policy-state.h"

/* RCODE: NOERROR, YXDOMAIN, or REFUSED for what is no part of a service or not this host's. */
ldns_pkt_rcode policy_check_service(const struct zone *zone, const struct policy_writer *writer,
				    const struct dns_message *request, const ldns_rr *change,
				    uint64_t now);

/* All hosts that offer a type have the one record in `_services._dns-sd._udp` that says so. Whether
 * other hosts still need it: then the deletion by one host does nothing, and its lease ends with
 * the last. */
bool policy_is_needed_by_others(const struct zone *zone, const struct policy_writer *writer,
				const ldns_rr *deletion, uint64_t now);
/* Whether this is such a record, which several hosts keep alive. */
bool policy_is_common(const struct zone *zone, const struct zone_record *record);
