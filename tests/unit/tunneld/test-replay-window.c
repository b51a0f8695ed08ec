/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/replay-window.h"
#include "tests/unit/tunneld/unit.h"

#define W REPLAY_WINDOW_SIZE

static void test_each_number_once(void **state)
{
	struct replay_window window = {};

	assert_false(replay_window_is_new(&window, 0));
	assert_true(replay_window_is_new(&window, 1));
	assert_true(replay_window_mark(&window, 1));
	assert_false(replay_window_is_new(&window, 1));
	assert_true(replay_window_mark(&window, 10));
	assert_true(replay_window_is_new(&window, 9));
	assert_false(replay_window_mark(&window, 9));
	assert_false(replay_window_is_new(&window, 9));
	assert_false(replay_window_is_new(&window, 10));
	assert_int_equal(window.highest, 10);
}

static void test_left_edge(void **state)
{
	struct replay_window window = {};

	replay_window_mark(&window, W + 100);
	assert_false(replay_window_is_new(&window, 100));
	assert_true(replay_window_is_new(&window, 101));
	replay_window_mark(&window, 101);
	assert_false(replay_window_is_new(&window, 101));
	assert_true(replay_window_is_new(&window, 102));
}

/* A jump of any width forgets exactly what fell out of the window and nothing that is in it. */
static void test_jumps(void **state)
{
	static const uint64_t jumps[] = {
		1, 63, 64, 65, W - 1, W, W + 1, 2 * W, 2 * W + 1, 1 << 20
	};

	for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
		struct replay_window window = {};
		uint64_t top = 5000;

		for (uint64_t n = 1; n <= top; n++)
			replay_window_mark(&window, n);
		replay_window_mark(&window, top + jumps[i]);
		for (uint64_t n = top + jumps[i] - W + 1; n < top + jumps[i]; n++)
			assert_int_equal(replay_window_is_new(&window, n), n > top);
	}
}

/* Against a plain list of what was seen, with numbers in much disorder. */
static void test_against_model(void **state)
{
	static uint8_t seen[200000];
	struct replay_window window = {};
	uint64_t top = 0, random = 12345;

	for (unsigned int i = 0; i < 150000; i++) {
		uint64_t number;
		bool fresh;

		random = random * 6364136223846793005u + 1442695040888963407u;
		number = i + 1 + (random >> 33) % 6000;
		fresh = number > top || (top - number < W && !seen[number]);
		assert_int_equal(replay_window_is_new(&window, number), fresh);
		if (!fresh)
			continue;
		assert_int_equal(replay_window_mark(&window, number), number > top);
		seen[number] = 1;
		if (number > top)
			top = number;
	}
}

static void test_recover_high_half(void **state)
{
	struct replay_window window = {};
	uint64_t sequence;

	/* Before the first packet nothing lies below. */
	assert_true(replay_window_recover(&window, 1, &sequence));
	assert_int_equal(sequence, 1);
	assert_false(replay_window_recover(&window, UINT32_MAX, &sequence));

	/* The window within one span: smaller low halves are of the next span. */
	window.highest = 0x00000003ffffff00;
	assert_true(replay_window_recover(&window, 0xffffff01, &sequence));
	assert_int_equal(sequence, 0x00000003ffffff01);
	assert_true(replay_window_recover(&window, 5, &sequence));
	assert_int_equal(sequence, 0x0000000400000005);
	assert_true(replay_window_recover(&window, 0xffffff00 - W + 1, &sequence));
	assert_int_equal(sequence, 0x00000003ffffff00 - W + 1);
	assert_true(replay_window_recover(&window, 0xffffff00 - W, &sequence));
	assert_int_equal(sequence, 0x00000004ffffff00 - W);

	/* The window begins in the span before. */
	window.highest = 0x0000000400000010;
	assert_true(replay_window_recover(&window, 0xfffffff0, &sequence));
	assert_int_equal(sequence, 0x00000003fffffff0);
	assert_true(replay_window_recover(&window, 0x11, &sequence));
	assert_int_equal(sequence, 0x0000000400000011);

	/* The end of all numbers. */
	window.highest = UINT64_MAX;
	assert_false(replay_window_recover(&window, 1, &sequence));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_number_once),
		cmocka_unit_test(test_left_edge),
		cmocka_unit_test(test_jumps),
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_recover_high_half),
	};

	return cmocka_run_group_tests_name("tunneld/replay-window", tests, NULL, NULL);
}
