/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One record of a zone with its place in the zone's order, its lease and who wrote it. Records do
 * not change once they are in a zone; versions of a zone share them by reference. A refreshed lease
 * is a new record with the same data and the same `id`.
 */
#include "common/base/cleanup.h"

/* Before ldns, which makes a bool of its own otherwise. */
#include <stdbool.h>

#include <ldns/ldns.h>
#include <stdint.h>

/*
 * Owner names as they sort: labels from the root downwards, each with its length in front, in lower
 * case, without the root's. A name's key is the beginning of the keys of all names below it, and
 * memcmp() puts names into the canonical order of RFC 4034 §6.1 but for the lengths.
 */
#define NAME_KEY_SIZE_MAX 255

struct name_key {
	uint8_t size;
	uint8_t octets[NAME_KEY_SIZE_MAX];
};

void name_key_from_rdf(const ldns_rdf *name, struct name_key *ret);
/* `name` as uncompressed octets with the root label at the end. */
void name_key_from_wire(const uint8_t *name, size_t size, struct name_key *ret);
bool name_key_equal(const struct name_key *a, const struct name_key *b);
/* `name` is `ancestor` or below it. */
bool name_key_is_within(const struct name_key *name, const struct name_key *ancestor);
/* The key of `label` directly below `parent`; false when that is too long. `label` is lowered. */
bool name_key_below(const struct name_key *parent, const char *label, struct name_key *ret);

/* Expiry of a record without a lease. */
#define ZONE_NEVER UINT64_MAX

struct zone_record {
	unsigned int n_refs;
	int64_t id;       /* the row in the storage; 0: not kept there */
	ldns_rr *rr;      /* class IN */
	uint64_t expires; /* milliseconds of loop_now(), or ZONE_NEVER */
	char *writer;     /* name of the TSIG key that wrote it last; NULL: the server itself */
	bool fixed;       /* follows from the configuration: no UPDATE removes it */
	uint16_t type;
	uint16_t owner_size; /* of the owner's key, at the start of `key` */
	size_t key_size;
	uint8_t key[]; /* owner's key, 0, type, canonical data: unique in a zone and its order */
};

/* `rr` is consumed, also on failure; `writer` is copied and may be NULL. 0, -ENOMEM or -EINVAL for
 * what ldns cannot write. */
int zone_record_new(ldns_rr *rr, uint64_t expires, const char *writer, struct zone_record **ret);
/* The same data, id and fixedness with another lease and writer. */
int zone_record_new_refreshed(const struct zone_record *record, uint64_t expires,
			      const char *writer, struct zone_record **ret);
struct zone_record *zone_record_ref(struct zone_record *record);
/* Takes NULL, returns NULL. */
struct zone_record *zone_record_unref(struct zone_record *record);

/* The order of `key`. */
int zone_record_compare(const struct zone_record *a, const struct zone_record *b);
static inline bool zone_record_is_live(const struct zone_record *record, uint64_t now)
{
	return record->expires > now;
}

/* Data of the record as uncompressed octets, allocated; NULL without memory. */
uint8_t *zone_record_data(const struct zone_record *record, size_t *ret_size);

DEFINE_CLEANUP(struct zone_record *, zone_record_unref)
