/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/update-state.h"

#include "services/zoned/policy-service-state.h"
#include "services/zoned/revoked-state.h"

/* A greater one means 0 (RFC 2181 §8); it must not look like the mark of a removed record either.
 */
#define TTL_MAX 0x7fffffff

/* Types that name no data: OPT, and TKEY up to ANY (RFC 6895 §3.1). */
static bool is_meta_type(uint16_t type)
{
	return type == LDNS_RR_TYPE_OPT || type == 0 || (type >= 249 && type <= 255);
}

static bool is_outside(const struct zone *zone, const struct name_key *name)
{
	return !name_key_is_within(name, &zone->apex_key);
}

/* Prerequisites (RFC 2136 §3.2) ------------------------------------------------------------------
 */

/* Whether some record of this prerequisite RRset (same name and type) is the `wanted` one. */
static bool is_demanded(const struct dns_message *request, const struct zone_record *wanted)
{
	for (size_t i = 0; i < dns_message_count(request, DNS_SECTION_ANSWER); i++) {
		const ldns_rr *rr = dns_message_rr(request, DNS_SECTION_ANSWER, i);

		if (ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN &&
		    ldns_rr_compare(rr, wanted->rr) == 0)
			return true;
	}
	return false;
}

/* An RRset that must be exactly the one given (§3.2.3): each of the given is there, and nothing
 * else. */
static ldns_pkt_rcode check_exact(const struct zone *zone, const struct dns_message *request,
				  const ldns_rr *demand, const struct name_key *name, uint64_t now)
{
	struct zone_range range = zone_find_rrset(zone, name, ldns_rr_get_type(demand));
	cleanup(zone_record_unrefp) struct zone_record *wanted = NULL;
	ldns_rr *copy = ldns_rr_clone(demand);
	const struct zone_record *same;

	if (!copy || zone_record_new(copy, ZONE_NEVER, NULL, &wanted) < 0)
		return LDNS_RCODE_SERVFAIL;
	same = zone_find_same(zone, wanted);
	if (!same || !zone_record_is_live(same, now))
		return LDNS_RCODE_NXRRSET;
	for (size_t i = range.start; i < range.end; i++)
		if (zone_record_is_live(zone->records[i], now) &&
		    !is_demanded(request, zone->records[i]))
			return LDNS_RCODE_NXRRSET;
	return LDNS_RCODE_NOERROR;
}

static ldns_pkt_rcode check_presence(const struct zone *zone, const ldns_rr *rr,
				     const struct name_key *name, uint64_t now)
{
	uint16_t type = ldns_rr_get_type(rr);
	bool wanted = ldns_rr_get_class(rr) == LDNS_RR_CLASS_ANY;
	bool is_any = type == LDNS_RR_TYPE_ANY;
	struct zone_range range =
		is_any ? zone_find_name(zone, name) : zone_find_rrset(zone, name, type);

	if (zone_range_has_live(zone, range, now) == wanted)
		return LDNS_RCODE_NOERROR;
	if (wanted)
		return is_any ? LDNS_RCODE_NXDOMAIN : LDNS_RCODE_NXRRSET;
	return is_any ? LDNS_RCODE_YXDOMAIN : LDNS_RCODE_YXRRSET;
}

static ldns_pkt_rcode check_prerequisite(const struct zone *zone, const ldns_rr *rr, uint64_t now)
{
	ldns_rr_class class = ldns_rr_get_class(rr);
	struct name_key name;

	if (ldns_rr_ttl(rr) != 0)
		return LDNS_RCODE_FORMERR;
	name_key_from_rdf(ldns_rr_owner(rr), &name);
	if (is_outside(zone, &name))
		return LDNS_RCODE_NOTZONE;
	if (class == LDNS_RR_CLASS_ANY || class == LDNS_RR_CLASS_NONE)
		return ldns_rr_rd_count(rr) ? LDNS_RCODE_FORMERR
					    : check_presence(zone, rr, &name, now);
	if (class != LDNS_RR_CLASS_IN || is_meta_type(ldns_rr_get_type(rr)))
		return LDNS_RCODE_FORMERR;
	return LDNS_RCODE_NOERROR;
}

static ldns_pkt_rcode check_prerequisites(const struct zone *zone,
					  const struct dns_message *request, uint64_t now)
{
	for (size_t i = 0; i < dns_message_count(request, DNS_SECTION_ANSWER); i++) {
		ldns_pkt_rcode rcode = check_prerequisite(
			zone, dns_message_rr(request, DNS_SECTION_ANSWER, i), now);

		if (rcode != LDNS_RCODE_NOERROR)
			return rcode;
	}
	/* Sets are compared when all of them have been read (§3.2.3). */
	for (size_t i = 0; i < dns_message_count(request, DNS_SECTION_ANSWER); i++) {
		const ldns_rr *rr = dns_message_rr(request, DNS_SECTION_ANSWER, i);
		ldns_pkt_rcode rcode = LDNS_RCODE_NOERROR;
		struct name_key name;

		name_key_from_rdf(ldns_rr_owner(rr), &name);
		if (ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN)
			rcode = check_exact(zone, request, rr, &name, now);
		if (rcode != LDNS_RCODE_NOERROR)
			return rcode;
	}
	return LDNS_RCODE_NOERROR;
}

/* Form of the changes (RFC 2136 §3.4.1)
 * ------------------------------------------------------------ */

static ldns_pkt_rcode check_form(const struct zone *zone, const ldns_rr *rr)
{
	uint16_t type = ldns_rr_get_type(rr);
	bool has_data = ldns_rr_rd_count(rr) > 0;
	struct name_key name;

	name_key_from_rdf(ldns_rr_owner(rr), &name);
	if (is_outside(zone, &name))
		return LDNS_RCODE_NOTZONE;
	switch ((int)ldns_rr_get_class(rr)) {
	case LDNS_RR_CLASS_IN:
		return is_meta_type(type) ? LDNS_RCODE_FORMERR : LDNS_RCODE_NOERROR;
	case LDNS_RR_CLASS_ANY:
		if (ldns_rr_ttl(rr) != 0 || has_data ||
		    (is_meta_type(type) && type != LDNS_RR_TYPE_ANY))
			return LDNS_RCODE_FORMERR;
		return LDNS_RCODE_NOERROR;
	case LDNS_RR_CLASS_NONE:
		if (ldns_rr_ttl(rr) != 0 || is_meta_type(type))
			return LDNS_RCODE_FORMERR;
		return LDNS_RCODE_NOERROR;
	default:
		return LDNS_RCODE_FORMERR;
	}
}

static ldns_pkt_rcode check_changes(const struct zone *zone, const struct dns_message *request,
				    const struct policy_writer *writer, uint64_t now)
{
	size_t n = dns_message_count(request, DNS_SECTION_AUTHORITY);
	ldns_pkt_rcode rcode = LDNS_RCODE_NOERROR;

	/* Form first, for all of them: a malformed message is told so whoever sent it. */
	for (size_t i = 0; rcode == LDNS_RCODE_NOERROR && i < n; i++)
		rcode = check_form(zone, dns_message_rr(request, DNS_SECTION_AUTHORITY, i));
	for (size_t i = 0; rcode == LDNS_RCODE_NOERROR && i < n; i++)
		rcode = policy_check_change(zone, writer, request,
					    dns_message_rr(request, DNS_SECTION_AUTHORITY, i), now);
	return rcode;
}

/* The changes themselves (RFC 2136 §3.4.2)
 * --------------------------------------------------------- */

static bool is_apex(const struct zone *zone, const struct zone_record *record)
{
	return record->owner_size == zone->apex_key.size;
}

/* What no deletion removes: the SOA, and what the configuration says. */
static bool is_protected(const struct zone *zone, const struct zone_record *record)
{
	return record->fixed || (is_apex(zone, record) && record->type == LDNS_RR_TYPE_SOA);
}

static int delete_range(struct zone *zone, struct zone_range range)
{
	for (size_t i = range.end; i > range.start; i--) {
		const struct zone_record *record = zone->records[i - 1];

		/* "Delete RRset" and "delete all" leave the zone its name servers. */
		if (!is_protected(zone, record) &&
		    !(is_apex(zone, record) && record->type == LDNS_RR_TYPE_NS))
			zone_remove_at(zone, i - 1);
	}
	return 0;
}

static int delete_record(struct zone *zone, struct zone_record *given)
{
	struct zone_range servers = zone_find_rrset(zone, &zone->apex_key, LDNS_RR_TYPE_NS);

	const struct zone_record *record = zone_find_same(zone, given);

	if (record && !is_protected(zone, record) &&
	    !(is_apex(zone, record) && record->type == LDNS_RR_TYPE_NS &&
	      servers.end - servers.start == 1))
		zone_remove_same(zone, given);
	return 0;
}

/* A SOA replaces ours when its serial is greater (RFC 1982), and is ignored elsewhere or otherwise.
 */
static int add_soa(struct zone *zone, struct zone_record *given)
{
	struct zone_record *soa = zone_soa(zone);
	uint32_t serial = ldns_rdf2native_int32(ldns_rr_rdf(given->rr, 2));

	if (!is_apex(zone, given) || !soa || (int32_t)(serial - zone_serial(zone)) <= 0)
		return 0;
	zone_remove_same(zone, soa);
	given->expires = ZONE_NEVER;
	return zone_put(zone, given);
}

/* Whether a CNAME and other data would meet at one name: such an addition is ignored. Of two CNAMEs
 * the new one stands, which the caller does. */
static bool clashes_with_alias(const struct zone *zone, const struct name_key *name, uint16_t type,
			       uint64_t now)
{
	struct zone_range range = zone_find_name(zone, name);

	for (size_t i = range.start; i < range.end; i++)
		if (zone_record_is_live(zone->records[i], now) &&
		    (zone->records[i]->type == LDNS_RR_TYPE_CNAME) != (type == LDNS_RR_TYPE_CNAME))
			return true;
	return false;
}

static int add_record(struct zone *zone, struct zone_record *given, uint64_t now)
{
	struct zone_record *same = zone_find_same(zone, given);
	struct name_key name;
	struct zone_range range;

	name_key_from_rdf(ldns_rr_owner(given->rr), &name);
	if (given->type == LDNS_RR_TYPE_SOA)
		return add_soa(zone, given);
	if (same && same->fixed)
		return 0;
	if (same) {
		given->id = same->id;
		/* Each host that offers the type keeps it alive. */
		if (policy_is_common(zone, given) && same->expires > given->expires)
			given->expires = same->expires;
		return zone_put(zone, given);
	}
	if (clashes_with_alias(zone, &name, given->type, now))
		return 0;
	if (given->type == LDNS_RR_TYPE_CNAME)
		delete_range(zone, zone_find_rrset(zone, &name, LDNS_RR_TYPE_CNAME));
	range = zone_find_name(zone, &name);
	if (zone->n_records >= UPDATE_RECORDS_PER_ZONE ||
	    range.end - range.start >= UPDATE_RECORDS_PER_NAME)
		return -ENOSPC;
	return zone_put(zone, given);
}

static int change_one(struct zone *zone, const ldns_rr *rr, const struct update_grant *grant,
		      uint64_t now)
{
	cleanup(zone_record_unrefp) struct zone_record *given = NULL;
	ldns_rr_class class = ldns_rr_get_class(rr);
	uint16_t type = ldns_rr_get_type(rr);
	struct name_key name;
	ldns_rr *copy;
	int r;

	name_key_from_rdf(ldns_rr_owner(rr), &name);
	if (class == LDNS_RR_CLASS_ANY)
		return delete_range(zone, type == LDNS_RR_TYPE_ANY
						  ? zone_find_name(zone, &name)
						  : zone_find_rrset(zone, &name, type));
	if (class == LDNS_RR_CLASS_NONE &&
	    policy_is_needed_by_others(zone, &grant->writer, rr, now))
		return 0;
	copy = ldns_rr_clone(rr);
	if (!copy)
		return -ENOMEM;
	ldns_rr_set_class(copy, LDNS_RR_CLASS_IN);
	if (ldns_rr_ttl(copy) > TTL_MAX)
		ldns_rr_set_ttl(copy, 0);
	r = zone_record_new(copy, type == LDNS_RR_TYPE_KEY ? grant->key_expires : grant->expires,
			    grant->writer.key_name, &given);
	if (r < 0)
		return r;
	return class == LDNS_RR_CLASS_NONE ? delete_record(zone, given)
					   : add_record(zone, given, now);
}

static ldns_pkt_rcode make_changes(struct zone *zone, const struct dns_message *request,
				   const struct update_grant *grant, uint64_t now)
{
	for (size_t i = 0; i < dns_message_count(request, DNS_SECTION_AUTHORITY); i++) {
		int r = change_one(zone, dns_message_rr(request, DNS_SECTION_AUTHORITY, i), grant,
				   now);

		if (r == -ENOSPC)
			return LDNS_RCODE_REFUSED;
		if (r < 0)
			return LDNS_RCODE_SERVFAIL;
	}
	return LDNS_RCODE_NOERROR;
}

ldns_pkt_rcode update_apply(const struct zone *before, struct zone *zone,
			    const struct dns_message *request, const struct update_grant *grant,
			    uint64_t now)
{
	ldns_pkt_rcode rcode = check_prerequisites(zone, request, now);

	if (rcode == LDNS_RCODE_NOERROR)
		rcode = check_changes(zone, request, &grant->writer, now);
	if (rcode != LDNS_RCODE_NOERROR)
		return rcode;
	rcode = make_changes(zone, request, grant, now);
	if (rcode != LDNS_RCODE_NOERROR)
		return rcode;
	/* Who was forgotten leaves nothing behind. */
	if (!grant->writer.is_host && revoked_differs(before, zone))
		revoked_purge(zone, grant->writer.account_key_name);
	/* A client that set the serial itself has moved it already. */
	if (zone_differs(before, zone) && zone_serial(before) == zone_serial(zone) &&
	    zone_bump_serial(zone) < 0)
		return LDNS_RCODE_SERVFAIL;
	return LDNS_RCODE_NOERROR;
}
