/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/zone-state.h"

#include <string.h>

/* Of an SOA's fields. */
#define SOA_SERIAL 2

int zone_new(const ldns_rdf *apex, struct zone **ret)
{
	struct zone *zone = calloc(1, sizeof *zone);

	if (zone)
		zone->apex = ldns_rdf_clone(apex);
	if (!zone || !zone->apex) {
		free(zone);
		return -ENOMEM;
	}
	name_key_from_rdf(apex, &zone->apex_key);
	*ret = zone;
	return 0;
}

int zone_new_copy(const struct zone *zone, struct zone **ret)
{
	struct zone *copy;
	int r = zone_new(zone->apex, &copy);

	if (r < 0)
		return r;
	if (zone->n_records) {
		copy->records = calloc(zone->n_records, sizeof *copy->records);
		if (!copy->records) {
			zone_free(copy);
			return -ENOMEM;
		}
		copy->capacity = zone->n_records;
	}
	for (size_t i = 0; i < zone->n_records; i++)
		copy->records[i] = zone_record_ref(zone->records[i]);
	copy->n_records = zone->n_records;
	*ret = copy;
	return 0;
}

struct zone *zone_free(struct zone *zone)
{
	if (!zone)
		return NULL;
	for (size_t i = 0; i < zone->n_records; i++)
		zone_record_unref(zone->records[i]);
	free(zone->records);
	ldns_rdf_deep_free(zone->apex);
	free(zone);
	return NULL;
}

/* The first record whose key is not before `key`. */
static size_t lower_bound(const struct zone *zone, const uint8_t *key, size_t size)
{
	size_t low = 0, high = zone->n_records;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct zone_record *record = zone->records[middle];
		size_t common = record->key_size < size ? record->key_size : size;
		int order = memcmp(record->key, key, common);

		if (order < 0 || (order == 0 && record->key_size < size))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct zone_range find_prefix(const struct zone *zone, const uint8_t *key, size_t size)
{
	struct zone_range range;

	range.start = range.end = lower_bound(zone, key, size);
	while (range.end < zone->n_records && zone->records[range.end]->key_size >= size &&
	       memcmp(zone->records[range.end]->key, key, size) == 0)
		range.end++;
	return range;
}

struct zone_range zone_find_subtree(const struct zone *zone, const struct name_key *name)
{
	return find_prefix(zone, name->octets, name->size);
}

struct zone_range zone_find_name(const struct zone *zone, const struct name_key *name)
{
	uint8_t key[NAME_KEY_SIZE_MAX + 1];

	memcpy(key, name->octets, name->size);
	key[name->size] = 0;
	return find_prefix(zone, key, name->size + 1);
}

struct zone_range zone_find_rrset(const struct zone *zone, const struct name_key *name,
				  uint16_t type)
{
	uint8_t key[NAME_KEY_SIZE_MAX + 3];

	memcpy(key, name->octets, name->size);
	key[name->size] = 0;
	key[name->size + 1] = type >> 8;
	key[name->size + 2] = type;
	return find_prefix(zone, key, name->size + 3);
}

struct zone_record *zone_find_same(const struct zone *zone, const struct zone_record *record)
{
	size_t position = lower_bound(zone, record->key, record->key_size);

	if (position < zone->n_records && zone_record_compare(zone->records[position], record) == 0)
		return zone->records[position];
	return NULL;
}

bool zone_range_has_live(const struct zone *zone, struct zone_range range, uint64_t now)
{
	for (size_t i = range.start; i < range.end; i++)
		if (zone_record_is_live(zone->records[i], now))
			return true;
	return false;
}

static int reserve(struct zone *zone)
{
	size_t capacity = zone->capacity ? zone->capacity * 2 : 16;
	struct zone_record **records;

	if (zone->n_records < zone->capacity)
		return 0;
	records = reallocarray(zone->records, capacity, sizeof *records);
	if (!records)
		return -ENOMEM;
	zone->records = records;
	zone->capacity = capacity;
	return 0;
}

int zone_put(struct zone *zone, struct zone_record *record)
{
	size_t position = lower_bound(zone, record->key, record->key_size);
	int r;

	if (position < zone->n_records &&
	    zone_record_compare(zone->records[position], record) == 0) {
		zone_record_ref(record);
		zone_record_unref(zone->records[position]);
		zone->records[position] = record;
		return 0;
	}
	r = reserve(zone);
	if (r < 0)
		return r;
	memmove(zone->records + position + 1, zone->records + position,
		(zone->n_records - position) * sizeof *zone->records);
	zone->records[position] = zone_record_ref(record);
	zone->n_records++;
	return 0;
}

void zone_remove_at(struct zone *zone, size_t position)
{
	zone_record_unref(zone->records[position]);
	zone->n_records--;
	memmove(zone->records + position, zone->records + position + 1,
		(zone->n_records - position) * sizeof *zone->records);
}

void zone_remove_same(struct zone *zone, const struct zone_record *record)
{
	size_t position = lower_bound(zone, record->key, record->key_size);

	if (position < zone->n_records && zone_record_compare(zone->records[position], record) == 0)
		zone_remove_at(zone, position);
}

size_t zone_expire(struct zone *zone, uint64_t now)
{
	size_t n_kept = 0, n = zone->n_records;

	for (size_t i = 0; i < n; i++) {
		if (zone_record_is_live(zone->records[i], now))
			zone->records[n_kept++] = zone->records[i];
		else
			zone_record_unref(zone->records[i]);
	}
	zone->n_records = n_kept;
	return n - n_kept;
}

uint64_t zone_next_expiry(const struct zone *zone)
{
	uint64_t next = ZONE_NEVER;

	for (size_t i = 0; i < zone->n_records; i++)
		if (zone->records[i]->expires < next)
			next = zone->records[i]->expires;
	return next;
}

struct zone_record *zone_soa(const struct zone *zone)
{
	struct zone_range range = zone_find_rrset(zone, &zone->apex_key, LDNS_RR_TYPE_SOA);

	return range.start < range.end ? zone->records[range.start] : NULL;
}

uint32_t zone_serial(const struct zone *zone)
{
	const struct zone_record *soa = zone_soa(zone);

	return soa ? ldns_rdf2native_int32(ldns_rr_rdf(soa->rr, SOA_SERIAL)) : 0;
}

int zone_bump_serial(struct zone *zone)
{
	cleanup(zone_record_unrefp) struct zone_record *next = NULL;
	struct zone_record *soa = zone_soa(zone);
	ldns_rdf *serial;
	ldns_rr *rr;
	int r;

	if (!soa)
		return 0;
	rr = ldns_rr_clone(soa->rr);
	serial = ldns_native2rdf_int32(LDNS_RDF_TYPE_INT32, zone_serial(zone) + 1 ?: 1);
	if (!rr || !serial) {
		ldns_rr_free(rr);
		ldns_rdf_deep_free(serial);
		return -ENOMEM;
	}
	ldns_rdf_deep_free(ldns_rr_set_rdf(rr, serial, SOA_SERIAL));
	r = zone_record_new(rr, ZONE_NEVER, soa->writer, &next);
	if (r < 0)
		return r;
	zone_remove_same(zone, soa);
	return zone_put(zone, next);
}

static int report_pair(struct zone_record *from, struct zone_record *to,
		       zone_change_callback on_change, void *userdata)
{
	if (from == to)
		return 0;
	if (ldns_rr_ttl(from->rr) != ldns_rr_ttl(to->rr))
		return on_change(userdata, ZONE_CHANGE_ADDED, to);
	if (from->expires == to->expires && strcmp(from->writer ?: "", to->writer ?: "") == 0)
		return 0;
	return on_change(userdata, ZONE_CHANGE_REFRESHED, to);
}

int zone_diff_records(struct zone_record *const *from, size_t n_from, struct zone_record *const *to,
		      size_t n_to, zone_change_callback on_change, void *userdata)
{
	size_t i = 0, k = 0;
	int r = 0;

	while (r >= 0 && (i < n_from || k < n_to)) {
		int order = i == n_from        ? 1
			    : k == n_to        ? -1
			    : from[i] == to[k] ? 0
					       : zone_record_compare(from[i], to[k]);

		if (order < 0)
			r = on_change(userdata, ZONE_CHANGE_REMOVED, from[i++]);
		else if (order > 0)
			r = on_change(userdata, ZONE_CHANGE_ADDED, to[k++]);
		else
			r = report_pair(from[i++], to[k++], on_change, userdata);
	}
	return r < 0 ? r : 0;
}

int zone_diff(const struct zone *from, const struct zone *to, zone_change_callback on_change,
	      void *userdata)
{
	return zone_diff_records(from->records, from->n_records, to->records, to->n_records,
				 on_change, userdata);
}

void zone_adopt_ids(const struct zone *from, const struct zone *to)
{
	for (size_t i = 0; i < to->n_records; i++) {
		const struct zone_record *same;

		if (to->records[i]->id || to->records[i]->fixed)
			continue;
		same = zone_find_same(from, to->records[i]);
		if (same)
			to->records[i]->id = same->id;
	}
}

static int stop_at_visible(void *userdata, enum zone_change change, struct zone_record *record)
{
	return change == ZONE_CHANGE_REFRESHED ? 0 : -EEXIST;
}

bool zone_records_differ(struct zone_record *const *from, size_t n_from,
			 struct zone_record *const *to, size_t n_to)
{
	return zone_diff_records(from, n_from, to, n_to, stop_at_visible, NULL) < 0;
}

bool zone_differs(const struct zone *from, const struct zone *to)
{
	return zone_diff(from, to, stop_at_visible, NULL) < 0;
}
