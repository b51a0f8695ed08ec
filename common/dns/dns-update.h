/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * DNS UPDATE (RFC 2136) messages: begin, prerequisites, changes, dns_update_add_lease(), and then
 * dns_builder_finish() or dns_builder_sign().
 */
#include "common/dns/dns-builder.h"
#include "common/dns/dns-options.h"

void dns_update_begin(struct dns_builder *builder, void *buffer, size_t capacity, uint16_t id,
		      const ldns_rdf *zone);
/* Prerequisites (RFC 2136 §2.4). */
void dns_update_require_name(struct dns_builder *builder, const ldns_rdf *name);
void dns_update_require_no_name(struct dns_builder *builder, const ldns_rdf *name);
void dns_update_require_no_rrset(struct dns_builder *builder, const ldns_rdf *name,
				 ldns_rr_type type);
/* One of the records that the RRset of its name and type has to consist of. */
void dns_update_require_rr(struct dns_builder *builder, const ldns_rr *rr);
/* Changes (RFC 2136 §2.5). */
void dns_update_add(struct dns_builder *builder, const ldns_rr *rr);
void dns_update_delete_rrset(struct dns_builder *builder, const ldns_rdf *name, ldns_rr_type type);
void dns_update_delete_name(struct dns_builder *builder, const ldns_rdf *name);
void dns_update_delete_rr(struct dns_builder *builder, const ldns_rr *rr);
/* OPT with the lease wanted (RFC 9664 §4). */
void dns_update_add_lease(struct dns_builder *builder, const struct dns_update_lease *lease);
