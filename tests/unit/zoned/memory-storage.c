/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/memory-storage.h"

static bool is_same(const struct change *put, const struct change *change)
{
	switch (change->kind) {
	case CHANGE_PUT_RECORD:
		return put->kind == CHANGE_PUT_RECORD && put->record.id == change->record.id;
	case CHANGE_DELETE_RECORD:
		return put->kind == CHANGE_PUT_RECORD && put->record.id == change->record_id;
	case CHANGE_PUT_LLQ:
		return put->kind == CHANGE_PUT_LLQ && put->llq.id == change->llq.id;
	case CHANGE_REFRESH_LLQ:
		return put->kind == CHANGE_PUT_LLQ && put->llq.id == change->refreshed_llq.id;
	case CHANGE_DELETE_LLQ:
		return put->kind == CHANGE_PUT_LLQ && put->llq.id == change->llq_id;
	case CHANGE_PUT_JOURNAL:
		return put->kind == CHANGE_PUT_JOURNAL && put->journal.to == change->journal.to;
	case CHANGE_DELETE_JOURNAL:
		return put->kind == CHANGE_PUT_JOURNAL && put->journal.to == change->serial;
	case CHANGE_CLEAR_JOURNAL:
		return put->kind == CHANGE_PUT_JOURNAL;
	case CHANGE_PUT_REMOVAL:
	case CHANGE_FORGET_REMOVALS:
	case CHANGE_TRIM_REMOVALS:
	case CHANGE_MOVE_DATES:
		break;
	}
	return false;
}

static struct change *find_same(struct memory_storage *storage, const struct change *change)
{
	for (size_t i = 0; i < storage->n; i++)
		if (is_same(&storage->items[i], change))
			return &storage->items[i];
	return NULL;
}

static void remove_item(struct memory_storage *storage, struct change *item)
{
	change_clear(item);
	storage->n--;
	memmove(item, item + 1, (storage->items + storage->n - item) * sizeof *item);
}

static void refresh(struct change *put, const struct refreshed_llq *refreshed)
{
	put->llq.lease = refreshed->lease;
	put->llq.expires = refreshed->expires;
	put->llq.serial = refreshed->serial;
}

static void forget_removals(struct memory_storage *storage, int64_t before)
{
	for (size_t i = storage->n; i > 0; i--) {
		struct change *put = &storage->items[i - 1];

		if (put->kind == CHANGE_PUT_REMOVAL && put->removal.date < before)
			remove_item(storage, put);
	}
}

static void trim_removals(struct memory_storage *storage, uint32_t serial)
{
	for (size_t i = storage->n; i > 0; i--) {
		struct change *put = &storage->items[i - 1];

		if (put->kind == CHANGE_PUT_REMOVAL && (int32_t)(serial - put->removal.serial) >= 0)
			remove_item(storage, put);
	}
}

static void move_dates(struct memory_storage *storage, int64_t msec)
{
	for (size_t i = 0; i < storage->n; i++) {
		struct change *put = &storage->items[i];

		if (put->kind == CHANGE_PUT_RECORD && put->record.expires != STORED_NEVER)
			put->record.expires += msec;
		else if (put->kind == CHANGE_PUT_LLQ)
			put->llq.expires += msec;
		else if (put->kind == CHANGE_PUT_REMOVAL)
			put->removal.date += msec;
	}
}

static void put(struct memory_storage *storage, const struct change *change)
{
	storage->items = reallocarray(storage->items, storage->n + 1, sizeof *storage->items);
	if (!storage->items)
		abort();
	storage->items[storage->n++] = *change;
}

static void apply_one(struct memory_storage *storage, const struct change *change)
{
	struct change *same = find_same(storage, change);

	switch (change->kind) {
	case CHANGE_REFRESH_LLQ:
		if (same)
			refresh(same, &change->refreshed_llq);
		break;
	case CHANGE_FORGET_REMOVALS:
		forget_removals(storage, change->before);
		break;
	case CHANGE_TRIM_REMOVALS:
		trim_removals(storage, change->serial);
		break;
	case CHANGE_MOVE_DATES:
		move_dates(storage, change->msec);
		break;
	case CHANGE_PUT_RECORD:
	case CHANGE_PUT_LLQ:
	case CHANGE_PUT_REMOVAL:
	case CHANGE_PUT_JOURNAL:
		if (same)
			remove_item(storage, same);
		put(storage, change);
		break;
	case CHANGE_DELETE_RECORD:
	case CHANGE_DELETE_LLQ:
	case CHANGE_DELETE_JOURNAL:
		if (same)
			remove_item(storage, same);
		break;
	case CHANGE_CLEAR_JOURNAL:
		for (; same; same = find_same(storage, change))
			remove_item(storage, same);
		break;
	}
}

void memory_storage_apply(struct memory_storage *storage, struct change_list *changes)
{
	for (size_t i = 0; i < changes->n; i++)
		apply_one(storage, &changes->items[i]);
	free(changes->items);
	*changes = (struct change_list){};
}

void memory_storage_load(const struct memory_storage *storage, struct authority *authority,
			 int64_t account, const struct moment *moment)
{
	int64_t last = 0;

	for (size_t i = 0; i < storage->n; i++) {
		const struct change *put = &storage->items[i];
		int r;

		if (put->kind != CHANGE_PUT_RECORD)
			continue;
		if (put->record.id > last)
			last = put->record.id;
		r = authority_add_record(authority, account, &put->record, moment);
		if (r < 0)
			abort();
	}
	for (size_t i = 0; i < storage->n; i++) {
		const struct change *put = &storage->items[i];
		int r = 0;

		if (put->kind == CHANGE_PUT_REMOVAL)
			r = authority_add_removal(authority, account, &put->removal);
		else if (put->kind == CHANGE_PUT_LLQ)
			r = authority_add_llq(authority, account, &put->llq, moment);
		else if (put->kind == CHANGE_PUT_JOURNAL)
			r = authority_add_journal(authority, account, &put->journal);
		if (r == -ENOENT)
			r = 0;
		if (r < 0)
			abort();
	}
	authority_set_last_record_id(authority, last);
}

void memory_storage_clear(struct memory_storage *storage)
{
	for (size_t i = 0; i < storage->n; i++)
		change_clear(&storage->items[i]);
	free(storage->items);
	*storage = (struct memory_storage){};
}
