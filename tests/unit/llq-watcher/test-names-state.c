/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When resolved is told about the names, and when it is taken back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "services/llq-watcher/names-state.h"

#include <cmocka.h>

static struct names_state names;

static int set_up(void **state)
{
	names_state_init(&names);
	return 0;
}

static enum names_action step_at(uint64_t now)
{
	return names_state_step(&names, now);
}

static void tell(void)
{
	names_state_set_link(&names, 7);
	names_state_set_resolved(&names, 1);
	names_state_set_changed(&names);
	names_state_set_wish(&names, NAMES_WISH_TELL);
	assert_int_equal(step_at(0), NAMES_ACTION_TELL);
	assert_int_equal(names.asked_link, 7);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
	names_state_on_done(&names, 0, true, false);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
	assert_int_equal(names_state_phase(&names), NAMES_PHASE_RESOLVED);
}

static void test_needs_all_three(void **state)
{
	assert_int_equal(names_state_phase(&names), NAMES_PHASE_OFF);
	names_state_set_changed(&names);
	names_state_set_wish(&names, NAMES_WISH_TELL);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
	assert_int_equal(names_state_phase(&names), NAMES_PHASE_MANUAL);
	names_state_set_resolved(&names, 1);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
	assert_int_equal(names_state_phase(&names), NAMES_PHASE_WAITING);
	names_state_set_link(&names, 7);
	assert_int_equal(step_at(0), NAMES_ACTION_TELL);
}

static void test_again_when_something_is_another(void **state)
{
	tell();
	names_state_set_changed(&names);
	assert_int_equal(names_state_phase(&names), NAMES_PHASE_RESOLVED);
	assert_int_equal(step_at(0), NAMES_ACTION_TELL);
	/* Another change while it is being told. */
	names_state_set_changed(&names);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
	names_state_on_done(&names, 0, true, false);
	assert_int_equal(step_at(0), NAMES_ACTION_TELL);
	names_state_on_done(&names, 0, true, false);
	/* It is restarted. */
	names_state_set_resolved(&names, 0);
	assert_int_equal(names_state_phase(&names), NAMES_PHASE_MANUAL);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
	names_state_set_resolved(&names, 2);
	assert_int_equal(step_at(0), NAMES_ACTION_TELL);
	names_state_on_done(&names, 0, true, false);
	/* The link goes and returns. */
	names_state_set_link(&names, 0);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
	assert_int_equal(names_state_phase(&names), NAMES_PHASE_WAITING);
	names_state_set_link(&names, 8);
	assert_int_equal(step_at(0), NAMES_ACTION_TELL);
	assert_int_equal(names.asked_link, 8);
}

static void test_sign_out_takes_it_back(void **state)
{
	tell();
	names_state_set_wish(&names, NAMES_WISH_NOTHING);
	assert_int_equal(step_at(0), NAMES_ACTION_REVERT);
	names_state_on_done(&names, 0, true, false);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
	assert_int_equal(names_state_phase(&names), NAMES_PHASE_OFF);
}

static void test_clears_up_after_a_killed_one(void **state)
{
	names_state_set_link(&names, 7);
	names_state_set_resolved(&names, 1);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
	names_state_set_wish(&names, NAMES_WISH_NOTHING);
	assert_int_equal(step_at(0), NAMES_ACTION_REVERT);
	names_state_on_done(&names, 0, true, false);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
}

static void test_failures(void **state)
{
	uint64_t now = 0;

	names_state_set_link(&names, 7);
	names_state_set_resolved(&names, 1);
	names_state_set_changed(&names);
	names_state_set_wish(&names, NAMES_WISH_TELL);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(step_at(now), NAMES_ACTION_TELL);
		names_state_on_done(&names, now, false, i % 2);
		assert_int_equal(step_at(now), NAMES_ACTION_NONE);
		assert_int_equal(names_state_phase(&names),
				 i % 2 ? NAMES_PHASE_MANUAL : NAMES_PHASE_WAITING);
		assert_true(names.due > now && names.due <= now + 60000);
		now = names.due;
	}
	/* A new one is asked at once. */
	names_state_set_resolved(&names, 2);
	assert_int_equal(step_at(now - 1), NAMES_ACTION_TELL);
	names_state_on_done(&names, now, false, false);
	/* Half of it may have been told. */
	names_state_set_wish(&names, NAMES_WISH_NOTHING);
	assert_int_equal(step_at(now), NAMES_ACTION_REVERT);
}

static void test_the_end(void **state)
{
	tell();
	names_state_terminate(&names);
	assert_int_equal(step_at(0), NAMES_ACTION_REVERT);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
	names_state_on_done(&names, 0, true, false);
	assert_int_equal(step_at(0), NAMES_ACTION_EXIT);
}

static void test_the_end_while_telling(void **state)
{
	tell();
	names_state_set_changed(&names);
	assert_int_equal(step_at(0), NAMES_ACTION_TELL);
	names_state_terminate(&names);
	assert_int_equal(step_at(0), NAMES_ACTION_NONE);
	names_state_on_done(&names, 0, true, false);
	assert_int_equal(step_at(0), NAMES_ACTION_REVERT);
	names_state_on_done(&names, 0, false, false);
	assert_int_equal(step_at(0), NAMES_ACTION_EXIT);
}

static void test_the_end_with_nothing_to_take_back(void **state)
{
	names_state_terminate(&names);
	assert_int_equal(step_at(0), NAMES_ACTION_EXIT);
	set_up(state);
	tell();
	names_state_set_resolved(&names, 0);
	names_state_terminate(&names);
	assert_int_equal(step_at(0), NAMES_ACTION_EXIT);
}

#define NAMES_TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NAMES_TEST(test_needs_all_three),
		NAMES_TEST(test_again_when_something_is_another),
		NAMES_TEST(test_sign_out_takes_it_back),
		NAMES_TEST(test_clears_up_after_a_killed_one),
		NAMES_TEST(test_failures),
		NAMES_TEST(test_the_end),
		NAMES_TEST(test_the_end_while_telling),
		NAMES_TEST(test_the_end_with_nothing_to_take_back),
	};

	return cmocka_run_group_tests_name("names-state", tests, NULL, NULL);
}
