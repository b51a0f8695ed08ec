/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is due when: a binary heap of entries that are members of the things they belong to. The
 * next one is found at once; one more, one less or another time costs the logarithm of how many
 * there are. libuv has such a heap for its timers but keeps it to itself, and a timer of its own
 * for each of a hundred thousand queries would be five times the size.
 */
#include <stddef.h>
#include <stdint.h>

#define DUE_NEVER UINT64_MAX

struct due_entry {
	uint64_t due;    /* as it was set */
	size_t position; /* in the heap, counted from 1; 0: not in one */
};

/* All zero: empty. */
struct due_heap {
	struct due_entry **items;
	size_t n;
	size_t capacity;
};

/* Puts the entry in or moves it; DUE_NEVER takes it out. 0, or -ENOMEM for one that was not in. */
int due_heap_set(struct due_heap *heap, struct due_entry *entry, uint64_t due);
/* Nothing when it is not in. */
void due_heap_remove(struct due_heap *heap, struct due_entry *entry);
/* The one due first, or NULL. */
struct due_entry *due_heap_first(const struct due_heap *heap);
/* When that is; DUE_NEVER: the heap is empty. */
uint64_t due_heap_next(const struct due_heap *heap);
/* Frees the heap's own memory; the entries are out of it. */
void due_heap_clear(struct due_heap *heap);
