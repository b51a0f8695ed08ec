/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/policy-state.h"

#include "common/keys/issue-time.h"
#include "services/zoned/policy-service-state.h"

#include <string.h>

/* Label with its length, as in a key. */
static const char autotunnel_prefix[] = "autotunnel-";

bool policy_is_own_key(const struct policy_writer *writer, const char *key_name)
{
	const char *ours = strchr(writer->key_name, '.'), *theirs = strchr(key_name, '.');

	if (!strcmp(key_name, writer->key_name))
		return true;
	/* The machine's digits, and the host. */
	return writer->is_host && ours && theirs &&
	       !strncmp(key_name, writer->key_name, ISSUE_TAG_OLD_SIZE) && !strcmp(ours, theirs);
}

bool policy_is_held_by_another(const struct zone *zone, const struct policy_writer *writer,
			       const struct name_key *name, uint64_t now)
{
	struct zone_range range = zone_find_name(zone, name);

	for (size_t i = range.start; i < range.end; i++) {
		const struct zone_record *record = zone->records[i];

		if (zone_record_is_live(record, now) && record->writer &&
		    strcmp(record->writer, writer->account_key_name) != 0 &&
		    !policy_is_own_key(writer, record->writer))
			return true;
	}
	return false;
}

static bool make_service_name(const struct name_key *parent, struct name_key *ret)
{
	struct name_key udp;

	return name_key_below(parent, "_udp", &udp) && name_key_below(&udp, "_autotunnel", ret);
}

static bool is_autotunnel_name(const struct zone *zone, const struct name_key *name)
{
	const uint8_t *label = name->octets + zone->apex_key.size;
	size_t size = sizeof autotunnel_prefix - 1;

	return name->size > zone->apex_key.size && label[0] > size &&
	       name->size == zone->apex_key.size + 1 + label[0] &&
	       memcmp(label + 1, autotunnel_prefix, size) == 0;
}

/* The browsing PTR records of all hosts share one name; a host changes only those to itself. */
static ldns_pkt_rcode check_browse(const struct policy_writer *writer, const ldns_rr *change,
				   const struct name_key *service)
{
	struct name_key target;

	if (ldns_rr_get_type(change) != LDNS_RR_TYPE_PTR ||
	    ldns_rr_get_class(change) == LDNS_RR_CLASS_ANY || ldns_rr_rd_count(change) != 1)
		return LDNS_RCODE_REFUSED;
	name_key_from_rdf(ldns_rr_rdf(change, 0), &target);
	if (name_key_equal(&target, service) || name_key_equal(&target, &writer->host))
		return LDNS_RCODE_NOERROR;
	return LDNS_RCODE_REFUSED;
}

ldns_pkt_rcode policy_check_change(const struct zone *zone, const struct policy_writer *writer,
				   const struct dns_message *request, const ldns_rr *change,
				   uint64_t now)
{
	struct name_key name, service, browse;

	if (!writer->is_host)
		return LDNS_RCODE_NOERROR;
	name_key_from_rdf(ldns_rr_owner(change), &name);
	if (!make_service_name(&writer->host, &service) ||
	    !make_service_name(&zone->apex_key, &browse))
		return LDNS_RCODE_REFUSED;
	/* Taken is taken whatever the change: a host learns it from its first UPDATE. */
	if (policy_is_held_by_another(zone, writer, &writer->host, now) ||
	    policy_is_held_by_another(zone, writer, &service, now))
		return LDNS_RCODE_YXDOMAIN;
	if (name_key_equal(&name, &writer->host) || name_key_equal(&name, &service))
		return LDNS_RCODE_NOERROR;
	if (name_key_equal(&name, &browse))
		return check_browse(writer, change, &service);
	if (is_autotunnel_name(zone, &name) && !policy_is_held_by_another(zone, writer, &name, now))
		return LDNS_RCODE_NOERROR;
	return policy_check_service(zone, writer, request, change, now);
}
