/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/dns-records.h"

#include "common/dns/dns-name.h"

#include <errno.h>
#include <string.h>

ldns_rdf *dns_record_name(const char *text)
{
	struct dns_name name;

	if (dns_name_from_text(text, &name) < 0)
		return NULL;
	return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, name.size, name.octets);
}

static ldns_rr *record_new(const char *owner, ldns_rr_type type, uint32_t ttl)
{
	ldns_rdf *name = dns_record_name(owner);
	ldns_rr *rr = name ? ldns_rr_new() : NULL;

	if (!rr) {
		ldns_rdf_deep_free(name);
		return NULL;
	}
	ldns_rr_set_owner(rr, name);
	ldns_rr_set_type(rr, type);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, ttl);
	return rr;
}

/* Takes `rdf`. Gives the record back, or NULL after freeing it. */
static ldns_rr *with_rdf(ldns_rr *rr, ldns_rdf *rdf)
{
	if (rr && rdf && ldns_rr_push_rdf(rr, rdf))
		return rr;
	ldns_rdf_deep_free(rdf);
	ldns_rr_free(rr);
	return NULL;
}

ldns_rr *dns_record_new_a(const char *owner, uint32_t ttl, struct in_addr address)
{
	return with_rdf(record_new(owner, LDNS_RR_TYPE_A, ttl),
			ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, sizeof(address), &address));
}

ldns_rr *dns_record_new_aaaa(const char *owner, uint32_t ttl, const struct in6_addr *address)
{
	return with_rdf(record_new(owner, LDNS_RR_TYPE_AAAA, ttl),
			ldns_rdf_new_frm_data(LDNS_RDF_TYPE_AAAA, sizeof(*address), address));
}

ldns_rr *dns_record_new_ptr(const char *owner, uint32_t ttl, const char *target)
{
	return with_rdf(record_new(owner, LDNS_RR_TYPE_PTR, ttl), dns_record_name(target));
}

ldns_rr *dns_record_new_srv(const char *owner, uint32_t ttl, uint16_t port, const char *target)
{
	ldns_rr *rr = record_new(owner, LDNS_RR_TYPE_SRV, ttl);

	rr = with_rdf(rr, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, 0));
	rr = with_rdf(rr, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, 0));
	rr = with_rdf(rr, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, port));
	return with_rdf(rr, dns_record_name(target));
}

static ldns_rdf *text_rdf(const char *text)
{
	size_t size = strlen(text);
	uint8_t octets[256];

	if (size > 255)
		return NULL;
	octets[0] = size;
	memcpy(octets + 1, text, size);
	return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_STR, size + 1, octets);
}

ldns_rr *dns_record_new_txt(const char *owner, uint32_t ttl, const char *const *strings)
{
	ldns_rr *rr = record_new(owner, LDNS_RR_TYPE_TXT, ttl);

	if (!*strings)
		return with_rdf(rr, text_rdf(""));
	for (; *strings; strings++)
		rr = with_rdf(rr, text_rdf(*strings));
	return rr;
}

static bool has(const ldns_rr *rr, ldns_rr_type type, size_t n_fields)
{
	return ldns_rr_get_type(rr) == type && ldns_rr_rd_count(rr) >= n_fields;
}

int dns_record_read_a(const ldns_rr *rr, struct in_addr *ret)
{
	if (!has(rr, LDNS_RR_TYPE_A, 1) || ldns_rdf_size(ldns_rr_rdf(rr, 0)) != sizeof(*ret))
		return -EINVAL;
	memcpy(ret, ldns_rdf_data(ldns_rr_rdf(rr, 0)), sizeof(*ret));
	return 0;
}

int dns_record_read_aaaa(const ldns_rr *rr, struct in6_addr *ret)
{
	if (!has(rr, LDNS_RR_TYPE_AAAA, 1) || ldns_rdf_size(ldns_rr_rdf(rr, 0)) != sizeof(*ret))
		return -EINVAL;
	memcpy(ret, ldns_rdf_data(ldns_rr_rdf(rr, 0)), sizeof(*ret));
	return 0;
}

int dns_record_read_target(const ldns_rr *rr, const ldns_rdf **ret)
{
	if (!has(rr, LDNS_RR_TYPE_NS, 1) && !has(rr, LDNS_RR_TYPE_CNAME, 1) &&
	    !has(rr, LDNS_RR_TYPE_PTR, 1))
		return -EINVAL;
	*ret = ldns_rr_rdf(rr, 0);
	return 0;
}

int dns_record_read_srv(const ldns_rr *rr, uint16_t *ret_priority, uint16_t *ret_port,
			const ldns_rdf **ret_target)
{
	if (!has(rr, LDNS_RR_TYPE_SRV, 4))
		return -EINVAL;
	if (ret_priority)
		*ret_priority = ldns_rdf2native_int16(ldns_rr_rdf(rr, 0));
	*ret_port = ldns_rdf2native_int16(ldns_rr_rdf(rr, 2));
	*ret_target = ldns_rr_rdf(rr, 3);
	return 0;
}

bool dns_record_is(const ldns_rr *rr, const ldns_rdf *owner, ldns_rr_type type)
{
	return ldns_rr_get_type(rr) == type && ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN &&
	       ldns_dname_compare(ldns_rr_owner(rr), owner) == 0;
}

ldns_rr *dns_message_find(const struct dns_message *message, const ldns_rdf *owner,
			  ldns_rr_type type)
{
	static const enum dns_section sections[] = { DNS_SECTION_ANSWER, DNS_SECTION_ADDITIONAL };

	for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
		for (size_t i = 0; i < dns_message_count(message, sections[s]); i++) {
			ldns_rr *rr = dns_message_rr(message, sections[s], i);

			if (dns_record_is(rr, owner, type))
				return rr;
		}
	}
	return NULL;
}

/* RFC 4398 §2.1 */
#define CERT_PKIX 1

ldns_rr *dns_record_new_cert(const char *owner, uint32_t ttl, const uint8_t *data, size_t size)
{
	ldns_rr *rr = record_new(owner, LDNS_RR_TYPE_CERT, ttl);

	/* Key tag and algorithm 0: they would be of a DNSSEC key, and there is none. */
	rr = with_rdf(rr, ldns_native2rdf_int16(LDNS_RDF_TYPE_CERT_ALG, CERT_PKIX));
	rr = with_rdf(rr, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, 0));
	rr = with_rdf(rr, ldns_native2rdf_int8(LDNS_RDF_TYPE_ALG, 0));
	return with_rdf(rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_B64, size, data));
}

int dns_record_read_cert(const ldns_rr *rr, const uint8_t **ret_data, size_t *ret_size)
{
	if (!has(rr, LDNS_RR_TYPE_CERT, 4) || ldns_rdf_size(ldns_rr_rdf(rr, 0)) != 2 ||
	    ldns_read_uint16(ldns_rdf_data(ldns_rr_rdf(rr, 0))) != CERT_PKIX)
		return -EINVAL;
	*ret_data = ldns_rdf_data(ldns_rr_rdf(rr, 3));
	*ret_size = ldns_rdf_size(ldns_rr_rdf(rr, 3));
	return 0;
}
