/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What led from one serial of a zone to the next, for secondaries that ask for the difference (RFC
 * 1995). Bounded: beyond it the oldest go, and a secondary that is further behind gets the whole
 * zone.
 */
#include "services/zoned/change-list.h"
#include "services/zoned/zone-state.h"

#define JOURNAL_ENTRIES_MAX 128
#define JOURNAL_SIZE_MAX    32768 /* octets of records */

struct zone_journal {
	struct stored_journal *items; /* the oldest first */
	size_t n;
	size_t size;
};

/* The difference of two versions with different serials: both sequences begin with the SOA. 0 or
 * -ENOMEM. */
int journal_make_entry(const struct zone *from, const struct zone *to, struct stored_journal *ret);
/* How many of the oldest entries must go for this one to have its place; all of them when it is too
 * big itself, and then it is not to be kept. */
size_t journal_count_surplus(const struct zone_journal *journal,
			     const struct stored_journal *entry);
bool journal_is_too_big(const struct stored_journal *entry);
/* Drops `n` of the oldest. */
void journal_drop(struct zone_journal *journal, size_t n);
/* Takes the entry over, also on failure. An entry that does not follow the last one begins the
 * journal anew. 0 or -ENOMEM. */
int journal_append(struct zone_journal *journal, struct stored_journal *entry);
void journal_clear(struct zone_journal *journal);
/* Where the way from `serial` to the end of the journal begins; -1 when it is not known. */
int journal_find(const struct zone_journal *journal, uint32_t serial);

/* Calls back for each record in such a sequence; the record is freed afterwards. 0, -EBADMSG,
 * -ENOMEM or what the callback returned (negative). */
typedef int (*journal_record_callback)(void *userdata, const ldns_rr *rr);
int journal_walk(const struct octets *records, journal_record_callback callback, void *userdata);
