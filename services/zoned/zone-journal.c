/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/zone-journal.h"

#include "common/wire/cursor.h"

struct difference {
	const struct zone *from;
	ldns_buffer *removed;
	ldns_buffer *added;
};

/* Uncompressed: owner, type, class, TTL, length, data. */
static int put_rr(ldns_buffer *buffer, const ldns_rr *rr)
{
	return ldns_rr2buffer_wire(buffer, rr, LDNS_SECTION_ANSWER) == LDNS_STATUS_OK ? 0 : -ENOMEM;
}

static int put_change(void *userdata, enum zone_change kind, struct zone_record *record)
{
	struct difference *difference = userdata;
	const struct zone_record *same;
	int r = 0;

	if (record->type == LDNS_RR_TYPE_SOA)
		return 0;
	switch (kind) {
	case ZONE_CHANGE_ADDED:
		/* Another TTL: in a transfer that is another record. */
		same = zone_find_same(difference->from, record);
		if (same)
			r = put_rr(difference->removed, same->rr);
		return r < 0 ? r : put_rr(difference->added, record->rr);
	case ZONE_CHANGE_REMOVED:
		return put_rr(difference->removed, record->rr);
	case ZONE_CHANGE_REFRESHED:
		return 0;
	}
	return -EINVAL;
}

static int take_octets(ldns_buffer *buffer, struct octets *ret)
{
	return octets_copy(ldns_buffer_begin(buffer), ldns_buffer_position(buffer), ret);
}

int journal_make_entry(const struct zone *from, const struct zone *to, struct stored_journal *ret)
{
	struct difference difference = { from, ldns_buffer_new(512), ldns_buffer_new(512) };
	struct stored_journal entry = { .from = zone_serial(from), .to = zone_serial(to) };
	int r = difference.removed && difference.added ? 0 : -ENOMEM;

	if (r >= 0)
		r = put_rr(difference.removed, zone_soa(from)->rr);
	if (r >= 0)
		r = put_rr(difference.added, zone_soa(to)->rr);
	if (r >= 0)
		r = zone_diff(from, to, put_change, &difference);
	if (r >= 0)
		r = take_octets(difference.removed, &entry.removed);
	if (r >= 0)
		r = take_octets(difference.added, &entry.added);
	ldns_buffer_free(difference.removed);
	ldns_buffer_free(difference.added);
	if (r < 0)
		stored_journal_clear(&entry);
	else
		*ret = entry;
	return r;
}

static size_t size_of(const struct stored_journal *entry)
{
	return entry->removed.size + entry->added.size;
}

bool journal_is_too_big(const struct stored_journal *entry)
{
	return size_of(entry) > JOURNAL_SIZE_MAX;
}

size_t journal_count_surplus(const struct zone_journal *journal, const struct stored_journal *entry)
{
	size_t size = journal->size + size_of(entry);
	size_t n = 0;

	if (journal->n && journal->items[journal->n - 1].to != entry->from)
		return journal->n;
	while (n < journal->n && (size > JOURNAL_SIZE_MAX || journal->n - n >= JOURNAL_ENTRIES_MAX))
		size -= size_of(&journal->items[n++]);
	return n;
}

void journal_drop(struct zone_journal *journal, size_t n)
{
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		journal->size -= size_of(&journal->items[i]);
		stored_journal_clear(&journal->items[i]);
	}
	journal->n -= n;
	memmove(journal->items, journal->items + n, journal->n * sizeof *journal->items);
}

int journal_append(struct zone_journal *journal, struct stored_journal *entry)
{
	struct stored_journal *items;

	journal_drop(journal, journal_count_surplus(journal, entry));
	items = journal_is_too_big(entry)
			? NULL
			: reallocarray(journal->items, journal->n + 1, sizeof *items);
	if (!items) {
		bool is_big = journal_is_too_big(entry);

		stored_journal_clear(entry);
		return is_big ? 0 : -ENOMEM;
	}
	journal->items = items;
	items[journal->n++] = *entry;
	journal->size += size_of(entry);
	*entry = (struct stored_journal){};
	return 0;
}

void journal_clear(struct zone_journal *journal)
{
	journal_drop(journal, journal->n);
	free(journal->items);
	*journal = (struct zone_journal){};
}

int journal_find(const struct zone_journal *journal, uint32_t serial)
{
	for (size_t i = journal->n; i > 0; i--)
		if (journal->items[i - 1].from == serial)
			return i - 1;
	return -1;
}

int journal_walk(const struct octets *records, journal_record_callback callback, void *userdata)
{
	size_t position = 0;
	int r = 0;

	while (r >= 0 && position < records->size) {
		ldns_rr *rr = NULL;

		if (ldns_wire2rr(&rr, records->data, records->size, &position,
				 LDNS_SECTION_ANSWER) != LDNS_STATUS_OK)
			return -EBADMSG;
		r = callback(userdata, rr);
		ldns_rr_free(rr);
	}
	return r < 0 ? r : 0;
}
