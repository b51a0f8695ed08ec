/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Records of the types the members zone has: made from values and read back. */
#include "common/dns/dns-message.h"

#include <netinet/in.h>

/* A name from text without escapes, with or without the final dot. NULL: no valid name, or no
 * memory. Freed with ldns_rdf_deep_free(). */
ldns_rdf *dns_record_name(const char *text);

/* New records of class IN, freed with ldns_rr_free(); NULL without memory or with a name or a text
 * that is none. Names as in dns_record_name(). */
ldns_rr *dns_record_new_a(const char *owner, uint32_t ttl, struct in_addr address);
ldns_rr *dns_record_new_aaaa(const char *owner, uint32_t ttl, const struct in6_addr *address);
ldns_rr *dns_record_new_ptr(const char *owner, uint32_t ttl, const char *target);
/* Priority and weight 0. `port` in host order. */
ldns_rr *dns_record_new_srv(const char *owner, uint32_t ttl, uint16_t port, const char *target);
/* `strings` ended by NULL, each at most 255 octets; one empty string when there are none (RFC 6763
 * §6.1). */
ldns_rr *dns_record_new_txt(const char *owner, uint32_t ttl, const char *const *strings);

/* A certificate or a revocation list of the kind PKIX (RFC 4398 §2), `size` octets of DER. */
ldns_rr *dns_record_new_cert(const char *owner, uint32_t ttl, const uint8_t *data, size_t size);

/* The values of a record from dns_message_parse(). 0; -EINVAL when it is of another type or has no
 * data. Targets are borrowed from the record. */
int dns_record_read_a(const ldns_rr *rr, struct in_addr *ret);
int dns_record_read_aaaa(const ldns_rr *rr, struct in6_addr *ret);
int dns_record_read_target(const ldns_rr *rr, const ldns_rdf **ret); /* NS, CNAME, PTR */
/* PKIX alone; the octets are borrowed from the record. */
int dns_record_read_cert(const ldns_rr *rr, const uint8_t **ret_data, size_t *ret_size);
int dns_record_read_srv(const ldns_rr *rr, uint16_t *ret_priority, uint16_t *ret_port,
			const ldns_rdf **ret_target);

/* Whether a record has this owner (without regard to case), type and class IN. */
bool dns_record_is(const ldns_rr *rr, const ldns_rdf *owner, ldns_rr_type type);
/* The first such record in Answer, then in Additional. Borrowed. NULL: none. */
ldns_rr *dns_message_find(const struct dns_message *message, const ldns_rdf *owner,
			  ldns_rr_type type);

static inline void ldns_rdf_freep(ldns_rdf **rdf)
{
	ldns_rdf_deep_free(*rdf);
}

static inline void ldns_rr_freep(ldns_rr **rr)
{
	ldns_rr_free(*rr);
}
