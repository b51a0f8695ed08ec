/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/dns-update.h"

void dns_update_begin(struct dns_builder *builder, void *buffer, size_t capacity, uint16_t id,
		      const ldns_rdf *zone)
{
	dns_builder_init(builder, buffer, capacity, id, DNS_FLAGS_OPCODE(LDNS_PACKET_UPDATE));
	dns_builder_add_question(builder, zone, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN);
}

void dns_update_require_name(struct dns_builder *builder, const ldns_rdf *name)
{
	dns_builder_add_empty_rr(builder, DNS_SECTION_ANSWER, name, LDNS_RR_TYPE_ANY,
				 LDNS_RR_CLASS_ANY);
}

void dns_update_require_no_name(struct dns_builder *builder, const ldns_rdf *name)
{
	dns_builder_add_empty_rr(builder, DNS_SECTION_ANSWER, name, LDNS_RR_TYPE_ANY,
				 LDNS_RR_CLASS_NONE);
}

void dns_update_require_no_rrset(struct dns_builder *builder, const ldns_rdf *name,
				 ldns_rr_type type)
{
	dns_builder_add_empty_rr(builder, DNS_SECTION_ANSWER, name, type, LDNS_RR_CLASS_NONE);
}

void dns_update_require_rr(struct dns_builder *builder, const ldns_rr *rr)
{
	dns_builder_add_rr_as(builder, DNS_SECTION_ANSWER, rr, LDNS_RR_CLASS_IN, 0);
}

void dns_update_add(struct dns_builder *builder, const ldns_rr *rr)
{
	dns_builder_add_rr(builder, DNS_SECTION_AUTHORITY, rr);
}

void dns_update_delete_rrset(struct dns_builder *builder, const ldns_rdf *name, ldns_rr_type type)
{
	dns_builder_add_empty_rr(builder, DNS_SECTION_AUTHORITY, name, type, LDNS_RR_CLASS_ANY);
}

void dns_update_delete_name(struct dns_builder *builder, const ldns_rdf *name)
{
	dns_update_delete_rrset(builder, name, LDNS_RR_TYPE_ANY);
}

void dns_update_delete_rr(struct dns_builder *builder, const ldns_rr *rr)
{
	dns_builder_add_rr_as(builder, DNS_SECTION_AUTHORITY, rr, LDNS_RR_CLASS_NONE, 0);
}

void dns_update_add_lease(struct dns_builder *builder, const struct dns_update_lease *lease)
{
	uint8_t octets[12];
	struct writer options = writer_init(octets, sizeof(octets));

	dns_option_write_update_lease(&options, lease);
	dns_builder_add_edns(builder, DNS_UDP_SIZE, 0, octets, options.position);
}
