/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/error-limit.h"
#include "tests/unit/tunneld/unit.h"

static unsigned int take(struct error_limit *limit, uint64_t now, unsigned int n)
{
	unsigned int n_taken = 0;

	for (unsigned int i = 0; i < n; i++)
		n_taken += error_limit_take(limit, now);
	return n_taken;
}

static void test_burst_and_rate(void **state)
{
	struct error_limit limit = {};
	unsigned int n = 0;

	assert_int_equal(take(&limit, 5000, 1000), ERROR_LIMIT_BURST);
	assert_int_equal(take(&limit, 5000 + 1000 / ERROR_LIMIT_A_SECOND, 10), 1);
	assert_int_equal(take(&limit, 6000 + 1000 / ERROR_LIMIT_A_SECOND, 1000), ERROR_LIMIT_BURST);
	/* Over a long time as many as there are tokens, however they are asked for. */
	limit = (struct error_limit){};
	for (uint64_t now = 1; now <= 10000; now++)
		n += take(&limit, now, 3);
	assert_in_range(n, 10 * ERROR_LIMIT_A_SECOND,
			10 * ERROR_LIMIT_A_SECOND + ERROR_LIMIT_BURST);
}

static void test_after_a_long_rest(void **state)
{
	struct error_limit limit = {};

	take(&limit, 1000, 1000);
	assert_int_equal(take(&limit, UINT64_C(1) << 50, 1000), ERROR_LIMIT_BURST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_and_rate),
		cmocka_unit_test(test_after_a_long_rest),
	};

	return cmocka_run_group_tests_name("tunneld/error-limit", tests, NULL, NULL);
}
