/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Timelines: facts go in, actions are asserted, the clock moves. Nothing waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/registrar/registrar-state.h"

#include <arpa/inet.h>

#include <cmocka.h>
#include <string.h>

static struct registrar_state state;
static uint64_t now;

static enum registrar_action step(void)
{
	return registrar_state_step(&state, now);
}

#define expect(action, in_phase)                                                                   \
	do {                                                                                       \
		assert_int_equal(step(), action);                                                  \
		assert_string_equal(registrar_phase_to_text(state.phase), in_phase);               \
	} while (0)

static struct registrar_place place(uint64_t generation, const char *address)
{
	struct registrar_place place = { .generation = generation };

	if (address) {
		place.endpoint.sin_family = AF_INET;
		place.endpoint.sin_port = htons(4500);
		place.endpoint.sin_addr.s_addr = inet_addr(address);
	}
	return place;
}

static void network_is(uint64_t generation, const char *address)
{
	struct registrar_place where = place(generation, address);

	registrar_state_set_mapper(&state, true, true, &where, false);
}

static void located(void)
{
	registrar_state_on_located(&state, now, REGISTRAR_RESULT_OK, NULL, 0);
}

static void updated(enum registrar_result result, uint32_t lease)
{
	registrar_state_on_updated(&state, now, result, lease, "words", 0);
}

static int start(void **unused)
{
	now = 1000;
	registrar_state_init(&state, now, 0, 7);
	return 0;
}

/* Signed in, at 203.0.113.5 in generation 1, acknowledged for 5400 s. */
static void publish_first(void)
{
	registrar_state_set_identity(&state, true, 1);
	network_is(1, "203.0.113.5");
	expect(REGISTRAR_ACTION_GET_KEY, "waiting-identity");
	registrar_state_on_key(&state, now, 1, true);
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	expect(REGISTRAR_ACTION_NONE, "discovering");
	located();
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_int_equal(state.sent.generation, 1);
	expect(REGISTRAR_ACTION_NONE, "publishing");
	updated(REGISTRAR_RESULT_OK, 5400);
	expect(REGISTRAR_ACTION_NONE, "published");
}

static void neighbours_come_one_by_one(void **unused)
{
	expect(REGISTRAR_ACTION_NONE, "waiting-identity");
	registrar_state_set_identity(&state, true, 0);
	expect(REGISTRAR_ACTION_NONE, "signed-out");
	registrar_state_set_identity(&state, true, 1);
	expect(REGISTRAR_ACTION_GET_KEY, "waiting-identity");
	registrar_state_on_key(&state, now, 1, true);
	expect(REGISTRAR_ACTION_NONE, "waiting-mapper");
	registrar_state_set_mapper(&state, true, false, &(struct registrar_place){ 0 }, false);
	expect(REGISTRAR_ACTION_NONE, "waiting-network");
	network_is(1, NULL);
	expect(REGISTRAR_ACTION_NONE, "waiting-mapping");
	network_is(1, "203.0.113.5");
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
}

static void key_is_asked_for_again(void **unused)
{
	registrar_state_set_identity(&state, true, 1);
	expect(REGISTRAR_ACTION_GET_KEY, "waiting-identity");
	expect(REGISTRAR_ACTION_NONE, "waiting-identity");
	registrar_state_on_key(&state, now, 1, false);
	expect(REGISTRAR_ACTION_NONE, "waiting-identity");
	now = state.due;
	expect(REGISTRAR_ACTION_GET_KEY, "waiting-identity");
}

/* What went wrong with the former account's server is no reason to wait for identity. */
static void trouble_of_the_past_is_forgotten(void **unused)
{
	registrar_state_set_identity(&state, true, 1);
	network_is(1, "203.0.113.5");
	expect(REGISTRAR_ACTION_GET_KEY, "waiting-identity");
	registrar_state_on_key(&state, now, 1, true);
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	registrar_state_on_located(&state, now, REGISTRAR_RESULT_FAILED, "no answer", 0);
	expect(REGISTRAR_ACTION_NONE, "retrying");
	assert_string_equal(state.trouble, "no answer");
	registrar_state_set_identity(&state, true, 2);
	expect(REGISTRAR_ACTION_FORGET_KEY, "retrying");
	expect(REGISTRAR_ACTION_GET_KEY, "waiting-identity");
	assert_string_equal(state.trouble, "");
	/* Why there is no key is one, until that daemon is gone. */
	strcpy(state.trouble, "no key");
	registrar_state_on_key(&state, now, 2, false);
	expect(REGISTRAR_ACTION_NONE, "waiting-identity");
	assert_string_equal(state.trouble, "no key");
	registrar_state_set_identity(&state, false, 0);
	expect(REGISTRAR_ACTION_NONE, "waiting-identity");
	assert_string_equal(state.trouble, "");
}

static void refresh_at_80_to_85_percent(void **unused)
{
	publish_first();
	assert_int_equal(state.due, now + 4320 * 1000);
	now = state.due - 1;
	expect(REGISTRAR_ACTION_NONE, "published");
	now++;
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	registrar_state_on_updated(&state, now, REGISTRAR_RESULT_OK, 1800, NULL, 90 * 1000);
	expect(REGISTRAR_ACTION_NONE, "published");
	assert_int_equal(state.due, now + (1440 + 90) * 1000);
}

static void new_network_is_published_at_once(void **unused)
{
	publish_first();
	now += 100;
	network_is(2, NULL);
	expect(REGISTRAR_ACTION_NONE, "waiting-mapping");
	now += 20;
	network_is(2, "198.51.100.7");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_int_equal(state.sent.generation, 2);
	updated(REGISTRAR_RESULT_OK, 5400);
	expect(REGISTRAR_ACTION_NONE, "published");
	assert_int_equal(state.published_place.generation, 2);
}

static void newer_network_overtakes_an_update(void **unused)
{
	publish_first();
	network_is(2, "198.51.100.7");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	network_is(3, "192.0.2.9");
	expect(REGISTRAR_ACTION_CANCEL, "publishing");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_int_equal(state.sent.generation, 3);
}

static void older_generation_is_ignored(void **unused)
{
	publish_first();
	network_is(3, "198.51.100.7");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	updated(REGISTRAR_RESULT_OK, 5400);
	network_is(2, "203.0.113.5");
	expect(REGISTRAR_ACTION_NONE, "published");
	assert_int_equal(state.counts.old_generations, 1);
	/* A mapper that lost its memory with the machine's counts from anew. */
	registrar_state_set_mapper(&state, true, true, &(struct registrar_place){ 0 }, true);
	network_is(1, "203.0.113.5");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
}

static void mapper_restart_disturbs_nothing(void **unused)
{
	publish_first();
	registrar_state_set_mapper(&state, false, false, &(struct registrar_place){ 0 }, false);
	expect(REGISTRAR_ACTION_NONE, "published");
	network_is(1, "203.0.113.5");
	expect(REGISTRAR_ACTION_NONE, "published");
}

static void identity_restart_disturbs_nothing(void **unused)
{
	publish_first();
	registrar_state_set_identity(&state, false, 0);
	expect(REGISTRAR_ACTION_NONE, "published");
	registrar_state_set_identity(&state, true, 1);
	expect(REGISTRAR_ACTION_NONE, "published");
}

static void silent_server_is_looked_for_again(void **unused)
{
	uint64_t waits[] = { 2000, 4000, 8000, 16000, 32000, 60000, 60000 };

	publish_first();
	network_is(2, "198.51.100.7");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	updated(REGISTRAR_RESULT_UNREACHABLE, 0);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		expect(REGISTRAR_ACTION_NONE, "unreachable");
		assert_int_equal(state.due, now + waits[i]);
		now = state.due;
		expect(REGISTRAR_ACTION_LOCATE, "discovering");
		registrar_state_on_located(&state, now, REGISTRAR_RESULT_UNREACHABLE, "silence", 0);
	}
	/* Another network: no reason to wait. */
	network_is(3, "192.0.2.9");
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	located();
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
}

static void lease_ends_while_the_server_is_away(void **unused)
{
	uint64_t expires;

	publish_first();
	expires = state.expires;
	now = state.due;
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	updated(REGISTRAR_RESULT_FAILED, 0);
	expect(REGISTRAR_ACTION_NONE, "retrying");
	assert_true(state.published);
	now = expires;
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	assert_false(state.published);
}

static void wrong_password(void **unused)
{
	registrar_state_set_identity(&state, true, 1);
	network_is(1, "203.0.113.5");
	expect(REGISTRAR_ACTION_GET_KEY, "waiting-identity");
	registrar_state_on_key(&state, now, 1, true);
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	registrar_state_on_located(&state, now, REGISTRAR_RESULT_BAD_KEY, "wrong password", 0);
	expect(REGISTRAR_ACTION_NONE, "bad-key");
	assert_string_equal(state.trouble, "wrong password");
	assert_int_equal(state.due, now + 600 * 1000);
	/* Signing out and in again with another password is another identity: at once. */
	registrar_state_set_identity(&state, true, 0);
	expect(REGISTRAR_ACTION_FORGET_KEY, "bad-key");
	expect(REGISTRAR_ACTION_NONE, "signed-out");
	registrar_state_set_identity(&state, true, 2);
	expect(REGISTRAR_ACTION_GET_KEY, "waiting-identity");
	registrar_state_on_key(&state, now, 2, true);
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
}

static void name_taken(void **unused)
{
	registrar_state_set_identity(&state, true, 1);
	network_is(1, "203.0.113.5");
	expect(REGISTRAR_ACTION_GET_KEY, "waiting-identity");
	registrar_state_on_key(&state, now, 1, true);
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	located();
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	updated(REGISTRAR_RESULT_NAME_TAKEN, 0);
	expect(REGISTRAR_ACTION_NONE, "name-taken");
	/* The records there are the other host's: nothing to withdraw. */
	registrar_state_terminate(&state);
	assert_int_equal(step(), REGISTRAR_ACTION_EXIT);
}

static void sign_out_withdraws_and_forgets(void **unused)
{
	publish_first();
	registrar_state_set_identity(&state, true, 0);
	expect(REGISTRAR_ACTION_WITHDRAW, "withdrawing");
	expect(REGISTRAR_ACTION_NONE, "withdrawing");
	updated(REGISTRAR_RESULT_OK, 0);
	assert_false(state.published);
	assert_int_equal(step(), REGISTRAR_ACTION_FORGET_KEY);
	expect(REGISTRAR_ACTION_NONE, "signed-out");
}

static void other_account_withdraws_first(void **unused)
{
	publish_first();
	registrar_state_set_identity(&state, true, 2);
	expect(REGISTRAR_ACTION_WITHDRAW, "withdrawing");
	updated(REGISTRAR_RESULT_FAILED, 0);
	assert_int_equal(step(), REGISTRAR_ACTION_FORGET_KEY);
	expect(REGISTRAR_ACTION_GET_KEY, "waiting-identity");
}

static void sign_out_during_an_update(void **unused)
{
	publish_first();
	network_is(2, "198.51.100.7");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	registrar_state_set_identity(&state, true, 0);
	assert_int_equal(step(), REGISTRAR_ACTION_CANCEL);
	expect(REGISTRAR_ACTION_WITHDRAW, "withdrawing");
}

static void terminate_withdraws(void **unused)
{
	publish_first();
	registrar_state_terminate(&state);
	expect(REGISTRAR_ACTION_WITHDRAW, "withdrawing");
	updated(REGISTRAR_RESULT_OK, 0);
	assert_int_equal(step(), REGISTRAR_ACTION_EXIT);
}

static void terminate_with_nothing_published(void **unused)
{
	registrar_state_terminate(&state);
	assert_int_equal(step(), REGISTRAR_ACTION_EXIT);
}

static void delay_at_start_only(void **unused)
{
	registrar_state_init(&state, now, 3000, 1234);
	registrar_state_set_identity(&state, true, 1);
	network_is(1, "203.0.113.5");
	expect(REGISTRAR_ACTION_GET_KEY, "waiting-identity");
	registrar_state_on_key(&state, now, 1, true);
	expect(REGISTRAR_ACTION_NONE, "starting");
	assert_int_equal(state.due, now + 1234);
	now = state.due;
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	located();
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	updated(REGISTRAR_RESULT_OK, 5400);
	network_is(2, "198.51.100.7");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
}

/* RFC 9664 §5.2: evenly, up to the lease's end, and then as a new registration. */
static void refresh_is_tried_evenly(void **unused)
{
	uint64_t expires, wait;
	unsigned int n = 1;

	publish_first();
	expires = state.expires;
	now = state.due;
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_true(state.sent_whole);
	wait = (expires - now) / 10;
	updated(REGISTRAR_RESULT_UNREACHABLE, 0);
	for (; state.published; n++) {
		expect(REGISTRAR_ACTION_NONE, "unreachable");
		assert_int_equal(state.due, now + wait);
		now = state.due;
		expect(REGISTRAR_ACTION_LOCATE, "discovering");
		if (state.published)
			registrar_state_on_located(&state, now, REGISTRAR_RESULT_UNREACHABLE, "",
						   99);
	}
	assert_int_equal(n, 11);
	assert_int_equal(now, expires);
	located();
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_true(state.sent_whole);
	updated(REGISTRAR_RESULT_OK, 1800);
	assert_int_equal(state.expires, now + 1800 * 1000);
}

/* Only what changed is sent then, and the rest is refreshed when its own lease wants it. */
static void a_difference_leaves_the_refresh_where_it_is(void **unused)
{
	uint64_t refresh, expires;

	publish_first();
	assert_true(state.sent_whole);
	refresh = state.refresh_at;
	expires = state.expires;
	now += 1000 * 1000;
	network_is(2, "198.51.100.7");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_false(state.sent_whole || state.sent_host_settled);
	updated(REGISTRAR_RESULT_OK, 5400);
	expect(REGISTRAR_ACTION_NONE, "published");
	assert_int_equal(state.due, refresh);
	assert_int_equal(state.expires, expires);
	/* A shorter lease for the new ones moves both. */
	registrar_state_set_services(&state, true);
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_false(state.sent_whole);
	assert_true(state.sent_host_settled);
	registrar_state_set_services(&state, false);
	updated(REGISTRAR_RESULT_OK, 1800);
	assert_int_equal(state.expires, now + 1800 * 1000);
	assert_int_equal(state.refresh_at, now + 1440 * 1000);
}

static void doubt_makes_it_whole(void **unused)
{
	publish_first();
	network_is(2, "198.51.100.7");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_false(state.sent_whole);
	updated(REGISTRAR_RESULT_UNREACHABLE, 0);
	now += 10000;
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	located();
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_true(state.sent_whole);
	/* Back where we were: the first one may have arrived all the same. */
	network_is(3, "203.0.113.5");
	expect(REGISTRAR_ACTION_CANCEL, "publishing");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_true(state.sent_whole);
}

/* Whoever is found after a failure may be another server, with another memory. */
static void another_server_gets_it_all(void **unused)
{
	publish_first();
	state.server_known = false;
	network_is(2, "198.51.100.7");
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	registrar_state_on_located(&state, now, REGISTRAR_RESULT_UNREACHABLE, "", 0);
	now += 2000;
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	located();
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_true(state.sent_whole);
	updated(REGISTRAR_RESULT_OK, 5400);
	network_is(3, "192.0.2.9");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_false(state.sent_whole);
}

static void other_network_same_endpoint(void **unused)
{
	publish_first();
	network_is(2, NULL);
	expect(REGISTRAR_ACTION_NONE, "waiting-mapping");
	network_is(2, "203.0.113.5");
	expect(REGISTRAR_ACTION_NONE, "published");
	assert_int_equal(state.published_place.generation, 2);
	assert_int_equal(state.counts.updates_sent, 1);
}

static void clock_is_doubted_once(void **unused)
{
	publish_first();
	registrar_state_refresh(&state);
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	updated(REGISTRAR_RESULT_CLOCK, 0);
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	registrar_state_on_located(&state, now, REGISTRAR_RESULT_CLOCK, "66 min", 0);
	expect(REGISTRAR_ACTION_NONE, "clock-skew");
	assert_int_equal(state.due, now + 60000);
	now = state.due;
	expect(REGISTRAR_ACTION_LOCATE, "discovering");
	registrar_state_on_located(&state, now, REGISTRAR_RESULT_CLOCK, "66 min", 0);
	expect(REGISTRAR_ACTION_NONE, "clock-skew");
}

static void back_off_is_jittered_and_bounded(void **unused)
{
	publish_first();
	network_is(2, "198.51.100.7");
	for (unsigned int i = 0; i < 40; i++) {
		enum registrar_action action = step();

		if (action == REGISTRAR_ACTION_PUBLISH)
			registrar_state_on_updated(&state, now, REGISTRAR_RESULT_FAILED, 0, "", i);
		else if (action == REGISTRAR_ACTION_LOCATE)
			registrar_state_on_located(&state, now, REGISTRAR_RESULT_FAILED, "",
						   UINT32_MAX - i);
		assert_int_equal(step(), REGISTRAR_ACTION_NONE);
		assert_in_range(state.due - now, 2000, 75000);
		now = state.due;
	}
}

static void sleep_withdraws_and_waking_registers_at_once(void **unused)
{
	publish_first();
	registrar_state_set_sleeping(&state, true);
	expect(REGISTRAR_ACTION_WITHDRAW, "withdrawing");
	assert_false(registrar_state_may_sleep(&state));
	updated(REGISTRAR_RESULT_OK, 0);
	expect(REGISTRAR_ACTION_NONE, "suspended");
	assert_true(registrar_state_may_sleep(&state));
	/* The network goes first. */
	network_is(2, NULL);
	expect(REGISTRAR_ACTION_NONE, "suspended");
	now += 8 * 3600 * 1000;
	registrar_state_set_sleeping(&state, false);
	expect(REGISTRAR_ACTION_NONE, "waiting-mapping");
	network_is(3, "198.51.100.7");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_true(state.sent_whole);
}

/* The server was too slow, and the machine slept all the same. */
static void waking_with_the_withdrawal_under_way(void **unused)
{
	publish_first();
	registrar_state_set_sleeping(&state, true);
	expect(REGISTRAR_ACTION_WITHDRAW, "withdrawing");
	registrar_state_set_sleeping(&state, false);
	expect(REGISTRAR_ACTION_CANCEL, "withdrawing");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_true(state.sent_whole);
	updated(REGISTRAR_RESULT_OK, 5400);
	expect(REGISTRAR_ACTION_NONE, "published");
}

static void sleep_while_something_is_under_way(void **unused)
{
	publish_first();
	network_is(2, "198.51.100.7");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	registrar_state_set_sleeping(&state, true);
	assert_int_equal(step(), REGISTRAR_ACTION_CANCEL);
	expect(REGISTRAR_ACTION_WITHDRAW, "withdrawing");
	registrar_state_terminate(&state);
	updated(REGISTRAR_RESULT_OK, 0);
	assert_int_equal(step(), REGISTRAR_ACTION_EXIT);
}

static void service_to_blame_is_no_reason_to_wait(void **unused)
{
	publish_first();
	registrar_state_set_services(&state, true);
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	updated(REGISTRAR_RESULT_SERVICE, 0);
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	assert_false(state.sent_whole);
	updated(REGISTRAR_RESULT_OK, 5400);
	registrar_state_set_services(&state, false);
	expect(REGISTRAR_ACTION_NONE, "published");
}

/* However fast the services change. */
static void services_are_sent_at_a_measured_pace(void **unused)
{
	uint64_t end, n = 0;

	publish_first();
	end = now + 60 * 1000;
	registrar_state_set_services(&state, true);
	while (now < end) {
		if (step() == REGISTRAR_ACTION_PUBLISH) {
			updated(REGISTRAR_RESULT_OK, 5400);
			n++;
		} else {
			assert_string_equal(registrar_phase_to_text(state.phase), "published");
			assert_in_range(state.due, now + 1, now + 1001);
			now = state.due;
		}
	}
	assert_in_range(n, 60, 71);
	/* A move does not wait for that. */
	network_is(2, "198.51.100.7");
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
}

static void refresh_on_demand(void **unused)
{
	publish_first();
	registrar_state_refresh(&state);
	expect(REGISTRAR_ACTION_PUBLISH, "publishing");
	updated(REGISTRAR_RESULT_OK, 5400);
	expect(REGISTRAR_ACTION_NONE, "published");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(neighbours_come_one_by_one, start),
		cmocka_unit_test_setup(key_is_asked_for_again, start),
		cmocka_unit_test_setup(trouble_of_the_past_is_forgotten, start),
		cmocka_unit_test_setup(refresh_at_80_to_85_percent, start),
		cmocka_unit_test_setup(new_network_is_published_at_once, start),
		cmocka_unit_test_setup(newer_network_overtakes_an_update, start),
		cmocka_unit_test_setup(older_generation_is_ignored, start),
		cmocka_unit_test_setup(mapper_restart_disturbs_nothing, start),
		cmocka_unit_test_setup(identity_restart_disturbs_nothing, start),
		cmocka_unit_test_setup(silent_server_is_looked_for_again, start),
		cmocka_unit_test_setup(lease_ends_while_the_server_is_away, start),
		cmocka_unit_test_setup(wrong_password, start),
		cmocka_unit_test_setup(name_taken, start),
		cmocka_unit_test_setup(sign_out_withdraws_and_forgets, start),
		cmocka_unit_test_setup(other_account_withdraws_first, start),
		cmocka_unit_test_setup(sign_out_during_an_update, start),
		cmocka_unit_test_setup(terminate_withdraws, start),
		cmocka_unit_test_setup(terminate_with_nothing_published, start),
		cmocka_unit_test_setup(delay_at_start_only, start),
		cmocka_unit_test_setup(services_are_sent_at_a_measured_pace, start),
		cmocka_unit_test_setup(refresh_on_demand, start),
		cmocka_unit_test_setup(refresh_is_tried_evenly, start),
		cmocka_unit_test_setup(a_difference_leaves_the_refresh_where_it_is, start),
		cmocka_unit_test_setup(doubt_makes_it_whole, start),
		cmocka_unit_test_setup(another_server_gets_it_all, start),
		cmocka_unit_test_setup(other_network_same_endpoint, start),
		cmocka_unit_test_setup(clock_is_doubted_once, start),
		cmocka_unit_test_setup(back_off_is_jittered_and_bounded, start),
		cmocka_unit_test_setup(sleep_withdraws_and_waking_registers_at_once, start),
		cmocka_unit_test_setup(waking_with_the_withdrawal_under_way, start),
		cmocka_unit_test_setup(sleep_while_something_is_under_way, start),
		cmocka_unit_test_setup(service_to_blame_is_no_reason_to_wait, start),
	};

	return cmocka_run_group_tests_name("registrar-state", tests, NULL, NULL);
}
