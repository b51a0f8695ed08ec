/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One version of a zone in memory: its records in order. An UPDATE works on a copy, which replaces
 * the version that queries see once the change is durable, or is dropped; copies share the records.
 *
 * Records whose lease has ended may still be there; every function that takes `now` passes over
 * them.
 */
#include "services/zoned/zone-record.h"

struct zone {
	ldns_rdf *apex;
	struct name_key apex_key;
	struct zone_record **records;
	size_t n_records;
	size_t capacity;
};

/* Part of a zone's records: [start, end). */
struct zone_range {
	size_t start;
	size_t end;
};

/* `apex` is copied. 0 or -ENOMEM. */
int zone_new(const ldns_rdf *apex, struct zone **ret);
int zone_new_copy(const struct zone *zone, struct zone **ret);
struct zone *zone_free(struct zone *zone);

/* All records of a name; all of a name and type; all of a name and everything below it. */
struct zone_range zone_find_name(const struct zone *zone, const struct name_key *name);
struct zone_range zone_find_rrset(const struct zone *zone, const struct name_key *name,
				  uint16_t type);
struct zone_range zone_find_subtree(const struct zone *zone, const struct name_key *name);
/* The same data already in the zone, live or not, or NULL. Borrowed. */
struct zone_record *zone_find_same(const struct zone *zone, const struct zone_record *record);
bool zone_range_has_live(const struct zone *zone, struct zone_range range, uint64_t now);

/* Puts the record in its place, instead of one with the same data. Takes a reference of its own. */
int zone_put(struct zone *zone, struct zone_record *record);
/* Removes the record at this position. */
void zone_remove_at(struct zone *zone, size_t position);
/* Removes the record with the same data, if there is one. */
void zone_remove_same(struct zone *zone, const struct zone_record *record);
/* Removes what expired up to now; returns how many. */
size_t zone_expire(struct zone *zone, uint64_t now);
/* When the next lease ends; ZONE_NEVER: none does. */
uint64_t zone_next_expiry(const struct zone *zone);

/* The SOA at the apex, or NULL. Borrowed. */
struct zone_record *zone_soa(const struct zone *zone);
uint32_t zone_serial(const struct zone *zone);
/* Replaces the SOA by one with the next serial, never 0 (RFC 1982, RFC 2136 §3.6). */
int zone_bump_serial(struct zone *zone);

enum zone_change {
	ZONE_CHANGE_ADDED, /* new data or another TTL: `record` is the new one */
	ZONE_CHANGE_REMOVED,
	ZONE_CHANGE_REFRESHED, /* only lease or writer differ: nothing that a client could see */
};

/* Calls `on_change` for each difference between two versions, in order. A changed TTL is only an
 * addition: the record has the same data and id. Stops at and returns the first negative result. */
typedef int (*zone_change_callback)(void *userdata, enum zone_change change,
				    struct zone_record *record);
int zone_diff(const struct zone *from, const struct zone *to, zone_change_callback on_change,
	      void *userdata);
/* The same for two lists of records in the order of a zone. */
int zone_diff_records(struct zone_record *const *from, size_t n_from, struct zone_record *const *to,
		      size_t n_to, zone_change_callback on_change, void *userdata);
bool zone_records_differ(struct zone_record *const *from, size_t n_from,
			 struct zone_record *const *to, size_t n_to);
/* Gives records of `to` that have no id yet the id of the same data in `from`: a record that was
 * deleted and added again is the same row. */
void zone_adopt_ids(const struct zone *from, const struct zone *to);
/* Whether the two differ in anything a client can see. */
bool zone_differs(const struct zone *from, const struct zone *to);

DEFINE_CLEANUP(struct zone *, zone_free)
