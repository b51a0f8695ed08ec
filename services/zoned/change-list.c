/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/change-list.h"

int octets_copy(const void *data, size_t size, struct octets *ret)
{
	uint8_t *copy = malloc(size ?: 1);

	if (!copy)
		return -ENOMEM;
	if (size)
		memcpy(copy, data, size);
	*ret = (struct octets){ copy, size };
	return 0;
}

void stored_record_clear(struct stored_record *record)
{
	free(record->owner.data);
	free(record->data.data);
	free(record->writer);
}

void stored_llq_clear(struct stored_llq *llq)
{
	free(llq->name.data);
	free(llq->key_name);
}

void stored_removal_clear(struct stored_removal *removal)
{
	free(removal->owner.data);
	free(removal->data.data);
}

void stored_journal_clear(struct stored_journal *journal)
{
	free(journal->removed.data);
	free(journal->added.data);
}

void change_clear(struct change *change)
{
	switch (change->kind) {
	case CHANGE_PUT_RECORD:
		stored_record_clear(&change->record);
		break;
	case CHANGE_PUT_LLQ:
		stored_llq_clear(&change->llq);
		break;
	case CHANGE_PUT_JOURNAL:
		stored_journal_clear(&change->journal);
		break;
	case CHANGE_PUT_REMOVAL:
		stored_removal_clear(&change->removal);
		break;
	case CHANGE_DELETE_RECORD:
	case CHANGE_REFRESH_LLQ:
	case CHANGE_DELETE_LLQ:
	case CHANGE_DELETE_JOURNAL:
	case CHANGE_CLEAR_JOURNAL:
	case CHANGE_FORGET_REMOVALS:
	case CHANGE_TRIM_REMOVALS:
	case CHANGE_MOVE_DATES:
		break;
	}
}

int change_list_append(struct change_list *list, const struct change *change)
{
	struct change copy = *change;

	if (list->n == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 16;
		struct change *items = reallocarray(list->items, capacity, sizeof *items);

		if (!items) {
			change_clear(&copy);
			return -ENOMEM;
		}
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->n++] = copy;
	return 0;
}

void change_list_clear(struct change_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		change_clear(&list->items[i]);
	free(list->items);
	*list = (struct change_list){};
}
