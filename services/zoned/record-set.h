/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The records of one name and type as a client knows them: in the order of the zone, never changed
 * once made, shared by reference. Ten thousand clients that know the same share one set.
 */
#include "services/zoned/zone-state.h"

struct record_set {
	unsigned int n_refs;
	size_t n;
	struct zone_record *records[];
};

/* A set of these records, which are in order; references of its own. 0 or -ENOMEM. */
int record_set_new(struct zone_record *const *records, size_t n, struct record_set **ret);
/* What the zone holds live. */
int record_set_read(const struct zone *zone, const struct name_key *name, uint16_t type,
		    uint64_t now, struct record_set **ret);
struct record_set *record_set_ref(struct record_set *set);
/* Takes NULL, returns NULL. */
struct record_set *record_set_unref(struct record_set *set);

/* As zone_diff() and zone_differs(). */
int record_set_diff(const struct record_set *from, const struct record_set *to,
		    zone_change_callback on_change, void *userdata);
bool record_set_differs(const struct record_set *from, const struct record_set *to);

DEFINE_CLEANUP(struct record_set *, record_set_unref)
