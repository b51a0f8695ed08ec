/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/due-heap.h"

#include <errno.h>
#include <stdlib.h>

static void place(struct due_heap *heap, struct due_entry *entry, size_t position)
{
	heap->items[position - 1] = entry;
	entry->position = position;
}

/* The entry's place is empty: others move into it until one is found where it fits. */
static void sift(struct due_heap *heap, struct due_entry *entry, size_t position)
{
	while (position > 1 && heap->items[position / 2 - 1]->due > entry->due) {
		place(heap, heap->items[position / 2 - 1], position);
		position /= 2;
	}
	for (;;) {
		size_t child = 2 * position;

		if (child < heap->n && heap->items[child]->due < heap->items[child - 1]->due)
			child++;
		if (child > heap->n || heap->items[child - 1]->due >= entry->due)
			break;
		place(heap, heap->items[child - 1], position);
		position = child;
	}
	place(heap, entry, position);
}

static int reserve(struct due_heap *heap)
{
	size_t capacity = heap->capacity ? heap->capacity * 2 : 16;
	struct due_entry **items;

	if (heap->n < heap->capacity)
		return 0;
	items = reallocarray(heap->items, capacity, sizeof *items);
	if (!items)
		return -ENOMEM;
	heap->items = items;
	heap->capacity = capacity;
	return 0;
}

int due_heap_set(struct due_heap *heap, struct due_entry *entry, uint64_t due)
{
	if (due == DUE_NEVER) {
		due_heap_remove(heap, entry);
		return 0;
	}
	if (!entry->position) {
		if (reserve(heap) < 0)
			return -ENOMEM;
		place(heap, entry, ++heap->n);
	}
	entry->due = due;
	sift(heap, entry, entry->position);
	return 0;
}

void due_heap_remove(struct due_heap *heap, struct due_entry *entry)
{
	size_t position = entry->position;
	struct due_entry *last;

	if (!position)
		return;
	last = heap->items[--heap->n];
	entry->position = 0;
	if (last != entry)
		sift(heap, last, position);
}

struct due_entry *due_heap_first(const struct due_heap *heap)
{
	return heap->n ? heap->items[0] : NULL;
}

uint64_t due_heap_next(const struct due_heap *heap)
{
	return heap->n ? heap->items[0]->due : DUE_NEVER;
}

void due_heap_clear(struct due_heap *heap)
{
	for (size_t i = 0; i < heap->n; i++)
		heap->items[i]->position = 0;
	free(heap->items);
	*heap = (struct due_heap){};
}
