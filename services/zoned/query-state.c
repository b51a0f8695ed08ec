/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/query-state.h"

#define CNAME_CHAIN_MAX 8
#define SRV_TARGET      3

int query_add_rrset(struct dns_builder *answer, enum dns_section section, const struct zone *zone,
		    const struct name_key *name, uint16_t type, uint64_t now)
{
	struct zone_range range = type == LDNS_RR_TYPE_ANY ? zone_find_name(zone, name)
							   : zone_find_rrset(zone, name, type);
	int n = 0;

	for (size_t i = range.start; i < range.end; i++) {
		struct dns_builder_mark mark = dns_builder_mark(answer);

		if (!zone_record_is_live(zone->records[i], now))
			continue;
		dns_builder_add_rr(answer, section, zone->records[i]->rr);
		if (answer->writer.failed) {
			dns_builder_rewind(answer, &mark);
			return -ENOSPC;
		}
		n++;
	}
	return n;
}

/* Additional records: all of them or none, and a name and type at most once. */
struct related {
	struct dns_builder *answer;
	const struct zone *zone;
	const struct zone *glue;
	uint64_t now;
	struct {
		struct name_key name;
		uint16_t type;
	} added[32];
	size_t n_added;
};

static void add_once(struct related *related, const struct zone *zone, const struct name_key *name,
		     uint16_t type)
{
	struct dns_builder_mark mark = dns_builder_mark(related->answer);

	for (size_t i = 0; i < related->n_added; i++)
		if (related->added[i].type == type && name_key_equal(&related->added[i].name, name))
			return;
	if (related->n_added == ARRAY_SIZE(related->added))
		return;
	related->added[related->n_added].name = *name;
	related->added[related->n_added++].type = type;
	if (query_add_rrset(related->answer, DNS_SECTION_ADDITIONAL, zone, name, type,
			    related->now) < 0)
		dns_builder_rewind(related->answer, &mark);
}

static void add_addresses(struct related *related, const ldns_rdf *target)
{
	const struct zone *zone = related->zone;
	struct name_key name;

	name_key_from_rdf(target, &name);
	if (!name_key_is_within(&name, &zone->apex_key))
		zone = related->glue;
	if (!zone)
		return;
	add_once(related, zone, &name, LDNS_RR_TYPE_A);
	add_once(related, zone, &name, LDNS_RR_TYPE_AAAA);
}

static void add_service(struct related *related, const ldns_rdf *instance)
{
	struct zone_range range;
	struct name_key name;

	name_key_from_rdf(instance, &name);
	if (!name_key_is_within(&name, &related->zone->apex_key))
		return;
	add_once(related, related->zone, &name, LDNS_RR_TYPE_SRV);
	add_once(related, related->zone, &name, LDNS_RR_TYPE_TXT);
	range = zone_find_rrset(related->zone, &name, LDNS_RR_TYPE_SRV);
	for (size_t i = range.start; i < range.end; i++)
		add_addresses(related, ldns_rr_rdf(related->zone->records[i]->rr, SRV_TARGET));
}

void query_add_related(struct dns_builder *answer, const struct zone *zone, const struct zone *glue,
		       const struct name_key *name, uint16_t type, uint64_t now)
{
	struct related related = { .answer = answer, .zone = zone, .glue = glue, .now = now };
	struct zone_range range = type == LDNS_RR_TYPE_ANY ? zone_find_name(zone, name)
							   : zone_find_rrset(zone, name, type);

	for (size_t i = range.start; i < range.end; i++) {
		const struct zone_record *record = zone->records[i];

		if (!zone_record_is_live(record, now))
			continue;
		if (record->type == LDNS_RR_TYPE_SRV)
			add_addresses(&related, ldns_rr_rdf(record->rr, SRV_TARGET));
		else if (record->type == LDNS_RR_TYPE_NS)
			add_addresses(&related, ldns_rr_rdf(record->rr, 0));
		else if (record->type == LDNS_RR_TYPE_PTR)
			add_service(&related, ldns_rr_rdf(record->rr, 0));
	}
}

/* The SOA of a negative answer, its TTL the time to remember it (RFC 2308 §3). */
static bool add_negative_soa(struct dns_builder *answer, const struct zone *zone)
{
	const struct zone_record *soa = zone_soa(zone);
	uint32_t minimum;

	if (!soa)
		return true;
	minimum = ldns_rdf2native_int32(ldns_rr_rdf(soa->rr, 6));
	dns_builder_add_rr_as(answer, DNS_SECTION_AUTHORITY, soa->rr, LDNS_RR_CLASS_IN,
			      minimum < ldns_rr_ttl(soa->rr) ? minimum : ldns_rr_ttl(soa->rr));
	return !answer->writer.failed;
}

/* The target of a CNAME at `name`, if that is what there is. */
static const struct zone_record *find_alias(const struct zone *zone, const struct name_key *name,
					    uint16_t type, uint64_t now)
{
	struct zone_range range = zone_find_rrset(zone, name, LDNS_RR_TYPE_CNAME);

	if (type == LDNS_RR_TYPE_CNAME || type == LDNS_RR_TYPE_ANY ||
	    !zone_range_has_live(zone, range, now))
		return NULL;
	return zone->records[range.start];
}

void query_answer(struct dns_builder *answer, uint16_t flags, const struct zone *zone,
		  const struct zone *glue, const ldns_rdf *qname, uint16_t type, uint64_t now)
{
	struct dns_builder_mark question = dns_builder_mark(answer);
	const struct zone_record *alias;
	struct name_key name;
	uint16_t rcode = LDNS_RCODE_NOERROR;
	bool fits = true;
	int n = 0;

	name_key_from_rdf(qname, &name);
	for (unsigned int i = 0; (alias = find_alias(zone, &name, type, now)); i++) {
		fits = fits && query_add_rrset(answer, DNS_SECTION_ANSWER, zone, &name,
					       LDNS_RR_TYPE_CNAME, now) >= 0;
		name_key_from_rdf(ldns_rr_rdf(alias->rr, 0), &name);
		n = 1;
		if (i == CNAME_CHAIN_MAX || !name_key_is_within(&name, &zone->apex_key))
			goto done;
	}
	n = query_add_rrset(answer, DNS_SECTION_ANSWER, zone, &name, type, now);
	if (n < 0)
		fits = false;
	if (n == 0) {
		if (!zone_range_has_live(zone, zone_find_subtree(zone, &name), now))
			rcode = LDNS_RCODE_NXDOMAIN;
		fits = fits && add_negative_soa(answer, zone);
	}
done:
	if (fits && n > 0)
		query_add_related(answer, zone, glue, &name, type, now);
	flags |= DNS_FLAG_AA | rcode;
	if (!fits) {
		dns_builder_rewind(answer, &question);
		flags |= DNS_FLAG_TC;
	}
	dns_builder_set_flags(answer, flags);
}
