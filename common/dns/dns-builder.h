/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writes a message into the caller's memory, section after section. Owner names, and the names in
 * the data of NS, CNAME and PTR, are compressed; the target of SRV never is (RFC 2782). An error
 * sticks (too big, out of order): build it all, then look at dns_builder_finish().
 */
#include "common/dns/dns-message.h"
#include "common/dns/dns-tsig.h"

/* Suffixes remembered for compression. */
#define DNS_BUILDER_NAMES 96

struct dns_builder {
	struct writer writer;
	uint16_t counts[DNS_N_SECTIONS];
	enum dns_section section; /* the one being filled */
	uint16_t n_names;
	uint16_t names[DNS_BUILDER_NAMES]; /* where a name or the rest of one begins */
};

/* `flags` without the counts: DNS_FLAG_QR | DNS_FLAGS_OPCODE(…) | rcode. */
void dns_builder_init(struct dns_builder *builder, void *buffer, size_t capacity, uint16_t id,
		      uint16_t flags);
/* Changes the flags set before, for an answer whose RCODE is known only now. */
void dns_builder_set_flags(struct dns_builder *builder, uint16_t flags);
void dns_builder_add_question(struct dns_builder *builder, const ldns_rdf *name, ldns_rr_type type,
			      ldns_rr_class class);
void dns_builder_add_rr(struct dns_builder *builder, enum dns_section section, const ldns_rr *rr);
/* As before, with this class and TTL instead of the record's own; TTL for DNS_LLQ_TTL_REMOVED. */
void dns_builder_add_rr_as(struct dns_builder *builder, enum dns_section section, const ldns_rr *rr,
			   ldns_rr_class class, uint32_t ttl);
/* A record without data: prerequisites and deletions. */
void dns_builder_add_empty_rr(struct dns_builder *builder, enum dns_section section,
			      const ldns_rdf *name, ldns_rr_type type, ldns_rr_class class);
/* For messages that have no sections (common/dns/dns-push.h): a compressed name; and name, type,
 * class, TTL, length and data of a record, with names in the data compressed as well where
 * multicast DNS does it (RFC 6762 §18.14, RFC 8765 §6.3.1), SRV included. */
void dns_builder_write_name(struct dns_builder *builder, const ldns_rdf *name);
void dns_builder_write_rr(struct dns_builder *builder, const ldns_rr *rr, uint32_t ttl);
/* OPT with these options (RDATA); the upper bits of `rcode` go into it. */
void dns_builder_add_edns(struct dns_builder *builder, uint16_t udp_size, uint16_t rcode,
			  const void *options, size_t size);

/* Where the message stands, to come back to when the records added since do not fit. */
struct dns_builder_mark {
	size_t position;
	uint16_t counts[DNS_N_SECTIONS];
	enum dns_section section;
	uint16_t n_names;
};
struct dns_builder_mark dns_builder_mark(const struct dns_builder *builder);
void dns_builder_rewind(struct dns_builder *builder, const struct dns_builder_mark *mark);

/* Completes the header. The size of the message, or -EMSGSIZE (too big for the capacity), -EINVAL.
 */
int dns_builder_finish(struct dns_builder *builder);
/* dns_builder_finish() and then dns_tsig_sign(). The size, or a negative errno. */
int dns_builder_sign(struct dns_builder *builder, const struct dns_tsig_key *key,
		     const struct dns_tsig_mac *prior, uint64_t now, struct dns_tsig_mac *ret_mac);
