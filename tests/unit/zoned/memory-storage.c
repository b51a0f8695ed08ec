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
	case CHANGE_DELETE_LLQ:
		return put->kind == CHANGE_PUT_LLQ && put->llq.id == change->llq_id;
	case CHANGE_PUT_JOURNAL:
		return put->kind == CHANGE_PUT_JOURNAL && put->journal.to == change->journal.to;
	case CHANGE_DELETE_JOURNAL:
		return put->kind == CHANGE_PUT_JOURNAL && put->journal.to == change->serial;
	case CHANGE_CLEAR_JOURNAL:
		return put->kind == CHANGE_PUT_JOURNAL;
	}
	return false;
}

static void apply_one(struct memory_storage *storage, const struct change *change)
{
	for (size_t i = storage->n; i > 0; i--) {
		if (!is_same(&storage->items[i - 1], change))
			continue;
		change_clear(&storage->items[i - 1]);
		storage->n--;
		memmove(storage->items + i - 1, storage->items + i,
			(storage->n - i + 1) * sizeof *storage->items);
	}
	if (change->kind == CHANGE_DELETE_RECORD || change->kind == CHANGE_DELETE_LLQ ||
	    change->kind == CHANGE_DELETE_JOURNAL || change->kind == CHANGE_CLEAR_JOURNAL)
		return;
	storage->items = reallocarray(storage->items, storage->n + 1, sizeof *storage->items);
	if (!storage->items)
		abort();
	storage->items[storage->n++] = *change;
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

		if (put->kind == CHANGE_PUT_RECORD) {
			if (put->record.id > last)
				last = put->record.id;
			r = authority_add_record(authority, account, &put->record, moment);
		} else if (put->kind == CHANGE_PUT_JOURNAL) {
			r = authority_add_journal(authority, account, &put->journal);
			r = r == -ENOENT ? 0 : r;
		} else {
			r = authority_add_llq(authority, account, &put->llq, moment);
		}
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
