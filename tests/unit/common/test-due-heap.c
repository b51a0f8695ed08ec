/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/due-heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define N 1000

static void check_order(struct due_heap *heap)
{
	for (size_t i = 2; i <= heap->n; i++) {
		assert_true(heap->items[i / 2 - 1]->due <= heap->items[i - 1]->due);
		assert_int_equal(heap->items[i - 1]->position, i);
	}
}

static void empty(void **state)
{
	struct due_heap heap = {};
	struct due_entry entry = {};

	assert_null(due_heap_first(&heap));
	assert_true(due_heap_next(&heap) == DUE_NEVER);
	due_heap_remove(&heap, &entry);
	assert_int_equal(due_heap_set(&heap, &entry, DUE_NEVER), 0);
	assert_int_equal(heap.n, 0);
	due_heap_clear(&heap);
}

static void one_moves(void **state)
{
	struct due_heap heap = {};
	struct due_entry a = {}, b = {};

	due_heap_set(&heap, &a, 10);
	due_heap_set(&heap, &b, 20);
	assert_ptr_equal(due_heap_first(&heap), &a);
	due_heap_set(&heap, &a, 30);
	assert_ptr_equal(due_heap_first(&heap), &b);
	assert_int_equal(due_heap_next(&heap), 20);
	due_heap_set(&heap, &b, DUE_NEVER);
	assert_int_equal(b.position, 0);
	assert_ptr_equal(due_heap_first(&heap), &a);
	due_heap_clear(&heap);
	assert_int_equal(a.position, 0);
}

/* Against the plain way: random entries come, move and go, and the first is always the least. */
static void random_changes(void **state)
{
	static struct due_entry entries[N];
	struct due_heap heap = {};

	srand(1);
	for (int i = 0; i < 20 * N; i++) {
		struct due_entry *entry = &entries[rand() % N];
		uint64_t least = DUE_NEVER;

		if (rand() % 3)
			assert_int_equal(due_heap_set(&heap, entry, rand() % 5000), 0);
		else
			due_heap_remove(&heap, entry);
		if (i % 97)
			continue;
		check_order(&heap);
		for (int k = 0; k < N; k++)
			if (entries[k].position && entries[k].due < least)
				least = entries[k].due;
		assert_true(due_heap_next(&heap) == least);
	}
	for (uint64_t last = 0; heap.n;) {
		struct due_entry *first = due_heap_first(&heap);

		assert_true(first->due >= last);
		last = first->due;
		due_heap_remove(&heap, first);
	}
	due_heap_clear(&heap);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(one_moves),
		cmocka_unit_test(random_changes),
	};

	return cmocka_run_group_tests_name("due heap", tests, NULL, NULL);
}
