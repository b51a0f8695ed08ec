/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "services/zoned/primary-state.h"

static void step(struct primary_state *state, uint64_t now, enum primary_step wanted)
{
	assert_int_equal(primary_state_next(state, now), wanted);
	if (wanted == PRIMARY_WAIT)
		assert_true(primary_state_next_due(state, now) > now);
	else
		primary_state_begin(state, wanted, now);
}

static void start(struct primary_state *state)
{
	primary_state_init(state);
	step(state, 0, PRIMARY_CONNECT);
	step(state, 0, PRIMARY_WAIT);
	primary_state_connected(state);
	step(state, 0, PRIMARY_ASK_WHOLE);
	step(state, 1, PRIMARY_WAIT);
	primary_state_followed(state, 60, 2);
	step(state, 2, PRIMARY_WAIT);
	assert_int_equal(primary_state_next_due(state, 2), 60002);
}

static void follows(void **state)
{
	struct primary_state primary;

	start(&primary);
	step(&primary, 60002, PRIMARY_ASK_CHANGES);
	primary_state_followed(&primary, 60, 60003);
	primary.wants_changes = true;
	step(&primary, 60004, PRIMARY_ASK_CHANGES);
	/* Told again meanwhile: once more. */
	primary.wants_changes = true;
	step(&primary, 60004, PRIMARY_WAIT);
	primary_state_followed(&primary, 60, 60005);
	step(&primary, 60005, PRIMARY_ASK_CHANGES);
	primary_state_followed(&primary, 60, 60006);
	step(&primary, 60006, PRIMARY_WAIT);
}

static void updates_first(void **state)
{
	struct primary_state primary;

	start(&primary);
	primary.wants_changes = primary.has_updates = true;
	step(&primary, 10, PRIMARY_SEND_UPDATES);
	step(&primary, 10, PRIMARY_WAIT);
	primary_state_updated(&primary);
	step(&primary, 11, PRIMARY_ASK_CHANGES);
	primary_state_followed(&primary, 60, 12);
	step(&primary, 12, PRIMARY_WAIT);
}

static void refused(void **state)
{
	static const uint64_t waits[] = { 250, 500, 1000, 2000, 4000, 8000, 8000 };
	struct primary_state primary;
	uint64_t now = 100000;

	start(&primary);
	primary.wants_changes = true;
	step(&primary, now, PRIMARY_ASK_CHANGES);
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		primary_state_not_followed(&primary, now);
		step(&primary, now + waits[i] - 1, PRIMARY_WAIT);
		now += waits[i];
		step(&primary, now, PRIMARY_ASK_WHOLE);
	}
	primary_state_followed(&primary, 60, now);
	step(&primary, now, PRIMARY_WAIT);
}

static void silent(void **state)
{
	struct primary_state primary;

	start(&primary);
	primary.wants_changes = true;
	step(&primary, 100, PRIMARY_ASK_CHANGES);
	primary_state_heard(&primary, 4000);
	step(&primary, 8999, PRIMARY_WAIT);
	step(&primary, 9000, PRIMARY_GIVE_UP);
	primary_state_disconnected(&primary, 9000);
	step(&primary, 9249, PRIMARY_WAIT);
	step(&primary, 9250, PRIMARY_CONNECT);
	/* An idle connection that ends is made again at once. */
	primary_state_connected(&primary);
	step(&primary, 9251, PRIMARY_ASK_CHANGES);
	primary_state_followed(&primary, 60, 9252);
	primary_state_disconnected(&primary, 20000);
	step(&primary, 20000, PRIMARY_CONNECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows),
		cmocka_unit_test(updates_first),
		cmocka_unit_test(refused),
		cmocka_unit_test(silent),
	};

	return cmocka_run_group_tests_name("primary", tests, NULL, NULL);
}
