/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mapping-state.c and wish-state.c: what is wanted, by whom, and no longer (script.h). */
#include "tests/unit/mapper/script.h"

#include "services/mapper/mapping-state.h"
#include "services/mapper/wish-state.h"

#include <errno.h>

static void test_release_deletes(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script);
	struct natpmp_response deleted = { .has_operation = true,
					   .operation = NATPMP_MAP_UDP,
					   .has_internal_port = true,
					   .internal_port = 4500 };

	at(&script, 1000);
	mapping_remove(&script.state, tunnel, 1000);
	take_requests(&script);
	at(&script, 1250);
	assert_sent(&script, "1000 delete 4500", "1250 delete 4500");
	answer(&script, &deleted);
	at(&script, 2 * HOUR);
	assert_null(script.state.deletions);
	/* The renewal's question for the address is all that is left. */
	assert_string_equal(script.sent[script.n_checked], "1800000 address");
	end(&script);
}

static void test_release_of_what_was_never_asked(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	mapping_remove(&script.state, tunnel, 0);
	answer_address(&script, "11.0.1.1", 1000);
	assert_sent(&script, "0 address");
	end(&script);
}

static void test_deletion_is_given_up(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script);

	mapping_remove(&script.state, tunnel, 0);
	at(&script, 60000);
	assert_sent(&script, "0 delete 4500", "250 delete 4500", "750 delete 4500",
		    "1750 delete 4500");
	assert_null(script.state.deletions);
	end(&script);
}

/* Released and wanted again before the gateway heard of it: the same protocol and internal port is
 * the same mapping there, and must not be deleted. */
static void test_wanted_again(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script);

	mapping_remove(&script.state, tunnel, 0);
	take_requests(&script);
	tunnel = wish(&script, "other", 4500);
	assert_sent(&script, "0 delete 4500", "0 map 4500 as 4500 for 3600");
	answer_map(&script, 4500, 4500, 3600, 1000);
	at(&script, 60000);
	assert_nothing_sent(&script);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	end(&script);
}

static void test_changed_wishes(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script);
	struct mapping_wish changed = tunnel->wish;

	/* The same: nothing happens. */
	mapping_change(&script.state, tunnel, &changed, 0);
	take_requests(&script);
	assert_nothing_sent(&script);
	/* Another lifetime: asked for, and undisturbed. */
	changed.lifetime = 600;
	mapping_change(&script.state, tunnel, &changed, 0);
	take_requests(&script);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	answer_map(&script, 4500, 4500, 600, 1000);
	/* Another external port. */
	changed.external_port = 5555;
	mapping_change(&script.state, tunnel, &changed, 0);
	take_requests(&script);
	answer_map(&script, 4500, 5555, 600, 1000);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 5555);
	/* Another internal port: the former mapping is deleted. */
	changed.internal_port = 4600;
	changed.external_port = 0;
	mapping_change(&script.state, tunnel, &changed, 0);
	take_requests(&script);
	assert_mapping(tunnel, "pending", NOTHING);
	answer_map(&script, 4600, 4600, 600, 1000);
	assert_sent(&script, "0 map 4500 as 4500 for 600", "0 map 4500 as 5555 for 600",
		    "0 map 4600 as 4600 for 600", "0 delete 4500");
	end(&script);
}

/* Nobody makes us hold more than so many deletions. */
static void test_restless_wishes(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script);
	struct mapping_wish changed = tunnel->wish;
	int n = 0;

	for (int i = 0; i < 300; i++) {
		changed.internal_port = 10000 + i;
		mapping_change(&script.state, tunnel, &changed, 0);
		take_requests(&script);
	}
	for (const struct mapping *gone = script.state.deletions; gone; gone = gone->next)
		n++;
	assert_int_equal(n, MAPPINGS_LIMIT);
	end(&script);
}

static void test_finish(void **state)
{
	struct script script;
	struct natpmp_response deleted = { .has_operation = true,
					   .operation = NATPMP_MAP_UDP,
					   .has_internal_port = true,
					   .internal_port = 4500 };

	begin_mapped(&script);
	assert_false(mapper_state_finished(&script.state));
	mapper_state_finish(&script.state, 0);
	take_requests(&script);
	assert_sent(&script, "0 delete 4500");
	assert_false(mapper_state_finished(&script.state));
	answer(&script, &deleted);
	assert_true(mapper_state_finished(&script.state));
	end(&script);

	begin(&script);
	wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	mapper_state_finish(&script.state, 0);
	assert_true(mapper_state_finished(&script.state));
	end(&script);
}

static void test_limits(void **state)
{
	struct mapping_wish wish_again = { .label = "x",
					   .operation = NATPMP_MAP_UDP,
					   .internal_port = 1 };
	struct mapping *mapping;
	struct script script;

	begin(&script);
	for (int i = 0; i < MAPPINGS_LIMIT; i++) {
		mapping = wish(&script, "x", 1000 + i);
		assert_int_equal(wish_allowed(&script.state, ":1.7"), i < MAPPINGS_PER_CALLER);
		assert_int_equal(wish_take_over(mapping, ":1.7", 1000), 0);
	}
	assert_true(wish_allowed(&script.state, ":1.8"));
	assert_int_equal(mapping_add(&script.state, &wish_again, 0, &mapping), -EDQUOT);
	end(&script);
}

static void test_grace(void **state)
{
	struct mapping *tunnel, *llq;
	struct script script;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	llq = wish(&script, "llq", 4600);
	wish_take_over(tunnel, ":1.7", 1000);
	wish_take_over(llq, ":1.8", 1000);
	assert_ptr_equal(wish_find(&script.state, ":1.7", -1, "tunnel"), tunnel);
	assert_null(wish_find(&script.state, ":1.7", 1000, "llq"));
	assert_null(wish_find(&script.state, ":1.9", 1000, "tunnel"));
	assert_true(wish_due(&script.state) == UINT64_MAX);
	wish_note_caller_gone(&script.state, ":1.7", 5000);
	/* Another user cannot have it, the same one can; and then it does not end. */
	assert_null(wish_find(&script.state, ":1.9", 1001, "tunnel"));
	assert_null(wish_find(&script.state, ":1.9", -1, "tunnel"));
	assert_ptr_equal(wish_find(&script.state, ":1.9", 1000, "tunnel"), tunnel);
	assert_true(wish_due(&script.state) == 15000);
	assert_null(wish_next_ended(&script.state, 14999));
	assert_ptr_equal(wish_next_ended(&script.state, 15000), tunnel);
	wish_take_over(tunnel, ":1.9", 1000);
	assert_null(wish_next_ended(&script.state, 15000));
	assert_true(wish_due(&script.state) == UINT64_MAX);
	wish_note_caller_gone(&script.state, ":1.7", 16000);
	assert_true(wish_due(&script.state) == UINT64_MAX);
	end(&script);
}

static void test_labels(void **state)
{
	assert_true(wish_label_is_valid("tunnel"));
	assert_true(wish_label_is_valid("a-9"));
	assert_true(wish_label_is_valid("abcdefghijklmnopqrstuvwxyz012345"));
	assert_false(wish_label_is_valid("abcdefghijklmnopqrstuvwxyz0123456"));
	assert_false(wish_label_is_valid(""));
	assert_false(wish_label_is_valid("Tunnel"));
	assert_false(wish_label_is_valid("a b"));
	assert_false(wish_label_is_valid("ä"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_release_deletes),
		cmocka_unit_test(test_release_of_what_was_never_asked),
		cmocka_unit_test(test_deletion_is_given_up),
		cmocka_unit_test(test_wanted_again),
		cmocka_unit_test(test_changed_wishes),
		cmocka_unit_test(test_restless_wishes),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_grace),
		cmocka_unit_test(test_labels),
	};

	return cmocka_run_group_tests_name("mapping-state", tests, NULL, NULL);
}
