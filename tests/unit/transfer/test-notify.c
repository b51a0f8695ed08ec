/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "services/zoned/notify-state.h"

static const struct notify_target_options two[2] = {
	{ .remote = { .address = { 192, 0, 2, 1 }, .port = 53, .family = 4 } },
	{ .remote = { .address = { 192, 0, 2, 2 }, .port = 53, .family = 4 } },
};

/* How many messages are due, answering none. */
static unsigned int count(struct notifier *notifier, uint64_t now)
{
	struct notify_zone *zone;
	unsigned int n = 0;
	size_t target;

	while (notifier_next(notifier, now, n + 1, &zone, &target))
		n++;
	return n;
}

static void answered_is_done(void **state)
{
	struct notify_zone zone = {}, *found;
	struct notifier notifier;
	size_t target;

	notifier_init(&notifier, two, 2);
	assert_int_equal(notifier_next_due(&notifier, 5), UINT64_MAX);
	notifier_zone_changed(&notifier, &zone);
	notifier_zone_changed(&notifier, &zone);
	assert_int_equal(notifier_next_due(&notifier, 5), 5);
	assert_true(notifier_next(&notifier, 5, 7, &found, &target));
	assert_true(notifier_next(&notifier, 5, 8, &found, &target));
	assert_false(notifier_next(&notifier, 5, 9, &found, &target));
	assert_null(notifier_find(&notifier, &two[0].remote, 8, &target));
	found = notifier_find(&notifier, &two[0].remote, 7, &target);
	assert_ptr_equal(found, &zone);
	notifier_answered(&notifier, found, target);
	found = notifier_find(&notifier, &two[1].remote, 8, &target);
	notifier_answered(&notifier, found, target);
	assert_int_equal(notifier_next_due(&notifier, 6), UINT64_MAX);
}

static void change_while_in_flight(void **state)
{
	struct notify_zone zone = {}, *found;
	struct notifier notifier;
	size_t target;

	notifier_init(&notifier, two, 1);
	notifier_zone_changed(&notifier, &zone);
	assert_int_equal(count(&notifier, 0), 1);
	notifier_zone_changed(&notifier, &zone);
	notifier_zone_changed(&notifier, &zone);
	assert_int_equal(count(&notifier, 0), 0);
	found = notifier_find(&notifier, &two[0].remote, 1, &target);
	notifier_answered(&notifier, found, target);
	/* Once more for both changes. */
	assert_int_equal(count(&notifier, 0), 1);
}

static void sent_again(void **state)
{
	static const uint64_t due[] = { 0, 1000, 3000, 7000, 15000, 31000, 91000, 151000 };
	struct notify_zone zone = {};
	struct notifier notifier;

	notifier_init(&notifier, two, 1);
	notifier_zone_changed(&notifier, &zone);
	for (size_t i = 0; i < ARRAY_SIZE(due); i++) {
		assert_int_equal(notifier_next_due(&notifier, due[i]), due[i]);
		assert_int_equal(count(&notifier, due[i]), 1);
		assert_int_equal(count(&notifier, due[i]), 0);
	}
}

static void silent_target(void **state)
{
	struct notify_zone zones[40] = {}, *found;
	struct notifier notifier;
	unsigned int n = 0;
	size_t target;
	uint64_t now;

	notifier_init(&notifier, two, 1);
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
		notifier_zone_changed(&notifier, &zones[i]);
	assert_int_equal(count(&notifier, 0), NOTIFY_IN_FLIGHT_MAX);
	for (now = 1; now <= 31000; now += 500)
		n += count(&notifier, now);
	n = 0;
	for (; now <= 600000; now += 500)
		n += count(&notifier, now);
	assert_in_range(n, 8, 12);
	/* Then it comes back: what waited follows at once. */
	for (uint16_t id = 1; !(found = notifier_find(&notifier, &two[0].remote, id, &target));
	     id++)
		assert_true(id < 100);
	notifier_answered(&notifier, found, target);
	assert_int_equal(count(&notifier, now), NOTIFY_IN_FLIGHT_MAX);
}

static void forgotten(void **state)
{
	struct notify_zone zones[20] = {}, *found;
	struct notifier notifier;
	size_t target;

	notifier_init(&notifier, two, 2);
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
		notifier_zone_changed(&notifier, &zones[i]);
	assert_true(notifier_next(&notifier, 0, 1, &found, &target));
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
		notifier_forget(&notifier, &zones[i]);
	assert_null(notifier_find(&notifier, &two[0].remote, 1, &target));
	assert_int_equal(notifier_next_due(&notifier, 0), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answered_is_done), cmocka_unit_test(change_while_in_flight),
		cmocka_unit_test(sent_again),       cmocka_unit_test(silent_target),
		cmocka_unit_test(forgotten),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
