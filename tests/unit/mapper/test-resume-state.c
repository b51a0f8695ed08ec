/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* resume-state.c: when a machine has slept, by its clocks and by logind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/mapper/resume-state.h"

#include <cmocka.h>

static void test_clocks(void **unused)
{
	struct resume_state state = {};

	/* What was slept before we came is nothing new. */
	assert_false(resume_state_on_clocks(&state, 500000, 100000));
	assert_false(resume_state_on_clocks(&state, 501000, 101000));
	/* The clock was set, which moves neither. */
	assert_false(resume_state_on_clocks(&state, 501001, 101000));
	assert_true(resume_state_on_clocks(&state, 3600000 + 501000, 101010));
	assert_false(resume_state_on_clocks(&state, 3600000 + 501010, 101020));
	/* And again. */
	assert_true(resume_state_on_clocks(&state, 3700000 + 501010, 101020));
}

static void test_logind_alone(void **unused)
{
	struct resume_state state = {};

	resume_state_on_clocks(&state, 1000, 1000);
	/* Sleeps that were prepared and did not come to be look like this. */
	assert_true(resume_state_on_awake(&state, 2000, 2000));
	assert_true(resume_state_on_awake(&state, 3000, 3000));
	assert_false(resume_state_on_clocks(&state, 3000, 3000));
}

static void test_told_once_by_both(void **unused)
{
	struct resume_state state = {};

	resume_state_on_clocks(&state, 1000, 1000);
	/* First the clocks, */
	assert_true(resume_state_on_clocks(&state, 61000, 1000));
	assert_false(resume_state_on_awake(&state, 61500, 1500));
	/* first logind, */
	assert_true(resume_state_on_awake(&state, 121500, 2000));
	assert_false(resume_state_on_clocks(&state, 121600, 2100));
	/* and a sleep much later that only logind tells of. */
	assert_true(resume_state_on_awake(&state, 221600, 102100));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_logind_alone),
		cmocka_unit_test(test_told_once_by_both),
	};

	return cmocka_run_group_tests_name("resume-state", tests, NULL, NULL);
}
