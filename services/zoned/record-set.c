/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/record-set.h"

int record_set_new(struct zone_record *const *records, size_t n, struct record_set **ret)
{
	struct record_set *set = malloc(sizeof *set + n * sizeof *set->records);

	if (!set)
		return -ENOMEM;
	set->n_refs = 1;
	set->n = n;
	for (size_t i = 0; i < n; i++)
		set->records[i] = zone_record_ref(records[i]);
	*ret = set;
	return 0;
}

int record_set_read(const struct zone *zone, const struct name_key *name, uint16_t type,
		    uint64_t now, struct record_set **ret)
{
	struct zone_range range = zone_find_rrset(zone, name, type);
	struct record_set *set =
		malloc(sizeof *set + (range.end - range.start) * sizeof *set->records);

	if (!set)
		return -ENOMEM;
	set->n_refs = 1;
	set->n = 0;
	for (size_t i = range.start; i < range.end; i++)
		if (zone_record_is_live(zone->records[i], now))
			set->records[set->n++] = zone_record_ref(zone->records[i]);
	*ret = set;
	return 0;
}

struct record_set *record_set_ref(struct record_set *set)
{
	set->n_refs++;
	return set;
}

struct record_set *record_set_unref(struct record_set *set)
{
	if (!set || --set->n_refs > 0)
		return NULL;
	for (size_t i = 0; i < set->n; i++)
		zone_record_unref(set->records[i]);
	free(set);
	return NULL;
}

int record_set_diff(const struct record_set *from, const struct record_set *to,
		    zone_change_callback on_change, void *userdata)
{
	return zone_diff_records(from->records, from->n, to->records, to->n, on_change, userdata);
}

bool record_set_differs(const struct record_set *from, const struct record_set *to)
{
	return from != to && zone_records_differ(from->records, from->n, to->records, to->n);
}
