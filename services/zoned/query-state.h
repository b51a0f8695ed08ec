/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Answers a question from one zone. */
#include "common/dns/dns-builder.h"
#include "services/zoned/zone-state.h"

/*
 * Adds answer, authority and additional records for the question to `answer`, whose header and
 * question stand. `glue`, or NULL, is where addresses of names outside the zone are looked for.
 * Records that do not fit: additional ones are left out; otherwise the answer is cut back to the
 * question and TC set. Sets the flags (AA, RCODE, TC) on top of `flags`.
 */
void query_answer(struct dns_builder *answer, uint16_t flags, const struct zone *zone,
		  const struct zone *glue, const ldns_rdf *name, uint16_t type, uint64_t now);

/* Adds the live records of a name and type, ANY included. Returns how many; -ENOSPC when not all
 * fit, with those that fit in place. */
int query_add_rrset(struct dns_builder *answer, enum dns_section section, const struct zone *zone,
		    const struct name_key *name, uint16_t type, uint64_t now);

/* Adds what a client will ask next about these answers: addresses of SRV and NS targets, SRV and
 * TXT of PTR targets (RFC 6763 §12). As far as there is room. */
void query_add_related(struct dns_builder *answer, const struct zone *zone, const struct zone *glue,
		       const struct name_key *name, uint16_t type, uint64_t now);
