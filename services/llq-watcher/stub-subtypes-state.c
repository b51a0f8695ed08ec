/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/stub-subtypes-state.h"

#include <string.h>

void stub_subtypes_clear(struct stub_subtypes *subtypes)
{
	for (size_t i = 0; i < subtypes->n; i++)
		ldns_rdf_deep_free(subtypes->entries[i].name);
	subtypes->n = 0;
}

/* "_color._sub._printer._tcp.<account domain>", and there is such a type. */
static bool is_subtype(const struct stub_zone *zone, const ldns_rdf *name)
{
	const uint8_t *octets = ldns_rdf_data(name);
	size_t first = octets[0] + 1u, size = ldns_rdf_size(name);
	struct stub_found found;
	bool is_known = false;
	ldns_rdf *type;

	if (octets[0] == 0 || first + 6 > size || octets[first] != 4 ||
	    strncasecmp((const char *)octets + first + 1, "_sub", 4) != 0)
		return false;
	type = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, size - first - 5, octets + first + 5);
	if (type)
		is_known =
			stub_zone_find(zone, type, LDNS_RR_TYPE_PTR, &found) == STUB_FIND_FOUND &&
			ldns_rdf_data(type)[0] > 0 && ldns_rdf_data(type)[1] == '_';
	ldns_rdf_deep_free(type);
	return is_known;
}

static struct stub_subtype *find(struct stub_subtypes *subtypes, const ldns_rdf *name)
{
	for (size_t i = 0; i < subtypes->n; i++) {
		if (ldns_dname_compare(subtypes->entries[i].name, name) == 0)
			return &subtypes->entries[i];
	}
	return NULL;
}

static bool may_be_new(struct stub_subtypes *subtypes, uint64_t now)
{
	if (subtypes->full_at < now)
		subtypes->full_at = now;
	if (subtypes->full_at > now + (STUB_SUBTYPES_MAX - 1) * STUB_SUBTYPES_PER_MSEC)
		return false;
	subtypes->full_at += STUB_SUBTYPES_PER_MSEC;
	return true;
}

static struct stub_subtype *add(struct stub_subtypes *subtypes, const ldns_rdf *name)
{
	struct stub_subtype *entry = &subtypes->entries[0];
	ldns_rdf *copy = ldns_rdf_clone(name);

	if (!copy)
		return NULL;
	if (subtypes->n < STUB_SUBTYPES_MAX) {
		entry = &subtypes->entries[subtypes->n++];
	} else {
		for (size_t i = 1; i < subtypes->n; i++) {
			if (subtypes->entries[i].used < entry->used)
				entry = &subtypes->entries[i];
		}
		ldns_rdf_deep_free(entry->name);
	}
	*entry = (struct stub_subtype){ .name = copy };
	subtypes->changes++;
	return entry;
}

bool stub_subtypes_ask(struct stub_subtypes *subtypes, const struct stub_zone *zone,
		       const ldns_rdf *name, uint64_t now)
{
	struct stub_subtype *entry = find(subtypes, name);

	if (!entry && is_subtype(zone, name) && may_be_new(subtypes, now))
		entry = add(subtypes, name);
	if (!entry)
		return false;
	entry->used = ++subtypes->uses;
	return !entry->answered;
}

void stub_subtypes_want(const struct stub_subtypes *subtypes, struct watch_set *set)
{
	for (size_t i = 0; i < subtypes->n; i++)
		watch_set_want(set, subtypes->entries[i].name, LDNS_RR_TYPE_PTR);
}

void stub_subtypes_update(struct stub_subtypes *subtypes, const struct watch_set *set)
{
	for (size_t i = 0; i < subtypes->n; i++)
		subtypes->entries[i].answered =
			watch_set_records(set, subtypes->entries[i].name, LDNS_RR_TYPE_PTR) != NULL;
}
