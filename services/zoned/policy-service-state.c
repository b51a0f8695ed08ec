/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/policy-service-state.h"

#include <string.h>

#define SRV_TARGET 3
/* Labels below the account, from there downwards: protocol, type, instance; or protocol, type,
 * "_sub", subtype. */
#define DEPTH_TYPE     2
#define DEPTH_INSTANCE 3
#define DEPTH_SUBTYPE  4

/* A name below the account, taken apart. Keys hold labels in lower case, from the root down. */
struct service_name {
	struct name_key type; /* <_type>.<_proto>, the first two labels */
	const uint8_t *third; /* with its length in front; NULL: there is none */
	unsigned int depth;
};

static bool label_is(const uint8_t *label, const char *text)
{
	return label[0] == strlen(text) && memcmp(label + 1, text, label[0]) == 0;
}

static bool label_begins(const uint8_t *label, const char *text)
{
	return label[0] >= strlen(text) && memcmp(label + 1, text, strlen(text)) == 0;
}

/* False for what is not in the tree of a service that hosts may share. */
static bool take_apart(const struct zone *zone, const struct name_key *name,
		       struct service_name *ret)
{
	size_t position = zone->apex_key.size;

	*ret = (struct service_name){ .type = *name };
	if (!name_key_is_within(name, &zone->apex_key))
		return false;
	for (; position < name->size; position += 1 + name->octets[position]) {
		const uint8_t *label = name->octets + position;

		switch (ret->depth++) {
		case 0:
			if (!label_is(label, "_tcp") && !label_is(label, "_udp"))
				return false;
			break;
		case 1:
			if (label[0] < 2 || label[1] != '_' || label_is(label, "_autotunnel") ||
			    label_begins(label, "_dns-"))
				return false;
			ret->type.size = position + 1 + label[0];
			break;
		case 2:
			ret->third = label;
			break;
		}
	}
	return ret->depth >= DEPTH_TYPE && ret->depth <= DEPTH_SUBTYPE;
}

static bool is_instance(const struct service_name *name)
{
	return name->depth == DEPTH_INSTANCE && !label_is(name->third, "_sub") &&
	       !label_is(name->third, "*");
}

/* A place for pointers to instances: the type itself, or a subtype of it. */
static bool is_browsed(const struct service_name *name)
{
	return name->depth == DEPTH_TYPE ||
	       (name->depth == DEPTH_SUBTYPE && label_is(name->third, "_sub"));
}

static bool make_enumeration_name(const struct zone *zone, struct name_key *ret)
{
	struct name_key udp, dns_sd;

	return name_key_below(&zone->apex_key, "_udp", &udp) &&
	       name_key_below(&udp, "_dns-sd", &dns_sd) &&
	       name_key_below(&dns_sd, "_services", ret);
}

/* Whether the message puts something at `name`, or with `below` under it. */
static bool is_written(const struct dns_message *request, const struct name_key *name, bool below)
{
	for (size_t i = 0; i < dns_message_count(request, DNS_SECTION_AUTHORITY); i++) {
		const ldns_rr *rr = dns_message_rr(request, DNS_SECTION_AUTHORITY, i);
		struct name_key owner;

		if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN ||
		    (ldns_rr_get_type(rr) != LDNS_RR_TYPE_SRV &&
		     ldns_rr_get_type(rr) != LDNS_RR_TYPE_TXT))
			continue;
		name_key_from_rdf(ldns_rr_owner(rr), &owner);
		if (below ? name_key_is_within(&owner, name) : name_key_equal(&owner, name))
			return true;
	}
	return false;
}

static bool is_held(const struct zone *zone, const struct policy_writer *writer,
		    struct zone_range range, uint64_t now)
{
	for (size_t i = range.start; i < range.end; i++) {
		const struct zone_record *record = zone->records[i];

		if (zone_record_is_live(record, now) && record->writer &&
		    policy_is_own_key(writer, record->writer))
			return true;
	}
	return false;
}

static bool has_fixed(const struct zone *zone, const struct name_key *name)
{
	struct zone_range range = zone_find_name(zone, name);

	for (size_t i = range.start; i < range.end; i++)
		if (zone->records[i]->fixed)
			return true;
	return false;
}

static ldns_pkt_rcode check_instance(const struct zone *zone, const struct policy_writer *writer,
				     const ldns_rr *change, const struct name_key *name,
				     uint64_t now)
{
	uint16_t type = ldns_rr_get_type(change);
	struct name_key target;

	if (policy_is_held_by_another(zone, writer, name, now))
		return LDNS_RCODE_YXDOMAIN;
	if (ldns_rr_get_class(change) != LDNS_RR_CLASS_IN || type == LDNS_RR_TYPE_TXT)
		return LDNS_RCODE_NOERROR;
	if (type != LDNS_RR_TYPE_SRV)
		return LDNS_RCODE_REFUSED;
	name_key_from_rdf(ldns_rr_rdf(change, SRV_TARGET), &target);
	return name_key_equal(&target, &writer->host) ? LDNS_RCODE_NOERROR : LDNS_RCODE_REFUSED;
}

static ldns_pkt_rcode check_pointer(const struct zone *zone, const struct policy_writer *writer,
				    const struct dns_message *request, const ldns_rr *change,
				    const struct name_key *type, uint64_t now)
{
	struct service_name instance;
	struct name_key target;

	name_key_from_rdf(ldns_rr_rdf(change, 0), &target);
	if (!take_apart(zone, &target, &instance) || !is_instance(&instance) ||
	    !name_key_equal(&instance.type, type))
		return LDNS_RCODE_REFUSED;
	if (policy_is_held_by_another(zone, writer, &target, now))
		return LDNS_RCODE_YXDOMAIN;
	/* What points to nothing of anybody may go. */
	if (ldns_rr_get_class(change) == LDNS_RR_CLASS_NONE ||
	    is_written(request, &target, false) ||
	    is_held(zone, writer, zone_find_name(zone, &target), now))
		return LDNS_RCODE_NOERROR;
	return LDNS_RCODE_REFUSED;
}

static ldns_pkt_rcode check_enumeration(const struct zone *zone, const struct policy_writer *writer,
					const struct dns_message *request, const ldns_rr *change,
					uint64_t now)
{
	struct service_name type;
	struct name_key target;

	name_key_from_rdf(ldns_rr_rdf(change, 0), &target);
	if (!take_apart(zone, &target, &type) || type.depth != DEPTH_TYPE)
		return LDNS_RCODE_REFUSED;
	if (ldns_rr_get_class(change) == LDNS_RR_CLASS_NONE || is_written(request, &target, true) ||
	    is_held(zone, writer, zone_find_subtree(zone, &target), now))
		return LDNS_RCODE_NOERROR;
	return LDNS_RCODE_REFUSED;
}

ldns_pkt_rcode policy_check_service(const struct zone *zone, const struct policy_writer *writer,
				    const struct dns_message *request, const ldns_rr *change,
				    uint64_t now)
{
	bool is_pointer = ldns_rr_get_type(change) == LDNS_RR_TYPE_PTR &&
			  ldns_rr_get_class(change) != LDNS_RR_CLASS_ANY &&
			  ldns_rr_rd_count(change) == 1;
	struct name_key name, enumeration;
	struct service_name service;

	name_key_from_rdf(ldns_rr_owner(change), &name);
	if (has_fixed(zone, &name))
		return LDNS_RCODE_REFUSED;
	if (make_enumeration_name(zone, &enumeration) && name_key_equal(&name, &enumeration))
		return is_pointer ? check_enumeration(zone, writer, request, change, now)
				  : LDNS_RCODE_REFUSED;
	if (!take_apart(zone, &name, &service))
		return LDNS_RCODE_REFUSED;
	if (is_instance(&service))
		return check_instance(zone, writer, change, &name, now);
	if (is_browsed(&service) && is_pointer)
		return check_pointer(zone, writer, request, change, &service.type, now);
	return LDNS_RCODE_REFUSED;
}

bool policy_is_needed_by_others(const struct zone *zone, const struct policy_writer *writer,
				const ldns_rr *deletion, uint64_t now)
{
	struct name_key name, enumeration, target;
	struct zone_range range;

	name_key_from_rdf(ldns_rr_owner(deletion), &name);
	if (!writer->is_host || ldns_rr_get_type(deletion) != LDNS_RR_TYPE_PTR ||
	    ldns_rr_rd_count(deletion) != 1 || !make_enumeration_name(zone, &enumeration) ||
	    !name_key_equal(&name, &enumeration))
		return false;
	name_key_from_rdf(ldns_rr_rdf(deletion, 0), &target);
	range = zone_find_subtree(zone, &target);
	for (size_t i = range.start; i < range.end; i++) {
		const struct zone_record *record = zone->records[i];

		if (zone_record_is_live(record, now) && record->writer &&
		    !policy_is_own_key(writer, record->writer))
			return true;
	}
	return false;
}

bool policy_is_common(const struct zone *zone, const struct zone_record *record)
{
	struct name_key enumeration;

	return record->type == LDNS_RR_TYPE_PTR && make_enumeration_name(zone, &enumeration) &&
	       record->owner_size == enumeration.size &&
	       memcmp(record->key, enumeration.octets, enumeration.size) == 0;
}
