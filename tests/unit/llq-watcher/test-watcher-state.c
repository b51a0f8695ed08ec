/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Timelines: facts go in, actions are asserted, the clock moves. Nothing waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/llq-watcher/watcher-state.h"

#include <arpa/inet.h>
#include <cmocka.h>

static struct watcher_state state;
static uint64_t now;

#define expect(action, in_phase)                                                                   \
	do {                                                                                       \
		assert_int_equal(watcher_state_step(&state, now), action);                         \
		assert_string_equal(watcher_phase_to_text(state.phase), in_phase);                 \
	} while (0)

static void network_is(uint64_t generation, const char *external)
{
	struct in_addr address = { .s_addr = external ? inet_addr(external) : 0 };

	watcher_state_set_mapper(&state, true, true, generation, address);
}

static void status_is(enum llq_status status)
{
	watcher_state_on_status(&state, now, status, 0, NULL);
}

static int start(void **unused)
{
	now = 1000;
	watcher_state_init(&state);
	return 0;
}

static void watch(void)
{
	watcher_state_set_identity(&state, true, 1);
	network_is(1, "203.0.113.5");
	expect(WATCHER_ACTION_GET_KEY, "waiting-identity");
	watcher_state_on_key(&state, now, 1, true);
	expect(WATCHER_ACTION_LOCATE, "discovering");
	expect(WATCHER_ACTION_NONE, "discovering");
	watcher_state_on_located(&state, now, false, NULL);
	expect(WATCHER_ACTION_START, "connecting");
	expect(WATCHER_ACTION_NONE, "connecting");
	status_is(LLQ_STATUS_WATCHING);
	expect(WATCHER_ACTION_NONE, "watching");
}

static void neighbours_come_one_by_one(void **unused)
{
	expect(WATCHER_ACTION_NONE, "waiting-identity");
	watcher_state_set_identity(&state, true, 0);
	expect(WATCHER_ACTION_NONE, "signed-out");
	watcher_state_set_identity(&state, true, 1);
	expect(WATCHER_ACTION_GET_KEY, "waiting-identity");
	watcher_state_on_key(&state, now, 1, true);
	expect(WATCHER_ACTION_NONE, "waiting-mapper");
	watcher_state_set_mapper(&state, true, false, 0, (struct in_addr){ 0 });
	expect(WATCHER_ACTION_NONE, "waiting-network");
	network_is(1, NULL);
	expect(WATCHER_ACTION_LOCATE, "discovering");
}

static void what_broke_is_begun_anew_at_once_but_not_in_circles(void **unused)
{
	watch();
	assert_false(watcher_state_on_broken(&state, now + 4999));
	now += 5000;
	assert_true(watcher_state_on_broken(&state, now));
	expect(WATCHER_ACTION_START, "connecting");
	expect(WATCHER_ACTION_NONE, "connecting");
	assert_false(watcher_state_on_broken(&state, now + 60000));
	status_is(LLQ_STATUS_WATCHING);
	expect(WATCHER_ACTION_NONE, "watching");
	assert_false(watcher_state_on_broken(&state, now + 1000));
}

static void looks_for_a_better_way_and_keeps_the_present_one(void **unused)
{
	watch();
	watcher_state_look_again(&state);
	expect(WATCHER_ACTION_LOCATE, "watching");
	watcher_state_stay(&state);
	expect(WATCHER_ACTION_NONE, "watching");
	watcher_state_look_again(&state);
	expect(WATCHER_ACTION_LOCATE, "watching");
	watcher_state_on_located(&state, now, false, NULL);
	expect(WATCHER_ACTION_START, "connecting");
	/* Signed out meanwhile. */
	watcher_state_look_again(&state);
	expect(WATCHER_ACTION_LOCATE, "discovering");
	watcher_state_set_identity(&state, true, 0);
	expect(WATCHER_ACTION_CANCEL, "discovering");
	expect(WATCHER_ACTION_FORGET_KEY, "discovering");
}

static void comes_again_when_it_was_asked_to(void **unused)
{
	watch();
	state.random = 1000;
	watcher_state_on_status(&state, now, LLQ_STATUS_DELAYED, 1500, NULL);
	expect(WATCHER_ACTION_NONE, "retrying");
	assert_non_null(strstr(state.trouble, "left alone for 2 s"));
	/* And up to a quarter more, so that not all come at once. */
	assert_int_equal(state.due, now + 1500 + 1000 % 376);
}

static void move_sets_up_anew_at_once(void **unused)
{
	watch();
	network_is(2, NULL);
	expect(WATCHER_ACTION_START, "connecting");
	/* The gateway says its address a little later: the same network. */
	network_is(2, "198.51.100.7");
	expect(WATCHER_ACTION_NONE, "connecting");
	status_is(LLQ_STATUS_WATCHING);
	expect(WATCHER_ACTION_NONE, "watching");
	/* It got another one from its provider. */
	network_is(2, "198.51.100.8");
	expect(WATCHER_ACTION_START, "connecting");
}

static void new_host_is_no_reason_to_call_it_connecting(void **unused)
{
	watch();
	status_is(LLQ_STATUS_CONNECTING);
	expect(WATCHER_ACTION_NONE, "watching");
	status_is(LLQ_STATUS_WATCHING);
	expect(WATCHER_ACTION_NONE, "watching");
}

static void network_goes_and_comes(void **unused)
{
	watch();
	watcher_state_set_mapper(&state, true, false, 1, (struct in_addr){ 0 });
	expect(WATCHER_ACTION_NONE, "waiting-network");
	network_is(2, NULL);
	expect(WATCHER_ACTION_START, "connecting");
}

static void neighbours_restart(void **unused)
{
	watch();
	watcher_state_set_mapper(&state, false, false, 0, (struct in_addr){ 0 });
	watcher_state_set_identity(&state, false, 0);
	expect(WATCHER_ACTION_NONE, "watching");
	network_is(1, "203.0.113.5");
	watcher_state_set_identity(&state, true, 1);
	expect(WATCHER_ACTION_NONE, "watching");
}

static void silent_server_is_looked_for_again(void **unused)
{
	watch();
	status_is(LLQ_STATUS_FAILED);
	expect(WATCHER_ACTION_NONE, "retrying");
	assert_int_equal(state.due, now + 2000);
	now = state.due;
	expect(WATCHER_ACTION_LOCATE, "discovering");
	watcher_state_on_located(&state, now, false, "silence");
	expect(WATCHER_ACTION_NONE, "retrying");
	assert_int_equal(state.due, now + 4000);
	/* Another network: no reason to wait. */
	network_is(2, NULL);
	expect(WATCHER_ACTION_LOCATE, "discovering");
	watcher_state_on_located(&state, now, false, NULL);
	expect(WATCHER_ACTION_START, "connecting");
}

static void full_server(void **unused)
{
	watch();
	watcher_state_on_status(&state, now, LLQ_STATUS_FULL, 300000, NULL);
	expect(WATCHER_ACTION_NONE, "retrying");
	assert_int_equal(state.due, now + 300 * 1000);
}

/* While a better way is looked for, the present one goes on, and is said to. */
static void a_better_way_and_the_network(void **unused)
{
	watch();
	watcher_state_look_again(&state);
	expect(WATCHER_ACTION_LOCATE, "watching");
	expect(WATCHER_ACTION_NONE, "watching");
	assert_false(watcher_state_asks_anew(&state));
	/* The present way was of the network that is gone. */
	network_is(2, "198.51.100.1");
	assert_true(watcher_state_asks_anew(&state));
	assert_false(watcher_state_asks_anew(&state));
	watcher_state_stay(&state);
	expect(WATCHER_ACTION_START, "connecting");
	status_is(LLQ_STATUS_WATCHING);
	expect(WATCHER_ACTION_NONE, "watching");
	/* It breaks meanwhile, long after it was begun or not. */
	watcher_state_look_again(&state);
	expect(WATCHER_ACTION_LOCATE, "watching");
	assert_true(watcher_state_on_broken(&state, now));
	expect(WATCHER_ACTION_NONE, "discovering");
	watcher_state_on_located(&state, now, false, NULL);
	expect(WATCHER_ACTION_START, "connecting");
	status_is(LLQ_STATUS_WATCHING);
	watcher_state_look_again(&state);
	expect(WATCHER_ACTION_LOCATE, "watching");
	status_is(LLQ_STATUS_DELAYED);
	expect(WATCHER_ACTION_NONE, "discovering");
}

static void sign_in_after_a_better_way(void **unused)
{
	watch();
	watcher_state_look_again(&state);
	expect(WATCHER_ACTION_LOCATE, "watching");
	watcher_state_set_identity(&state, true, 2);
	assert_int_equal(watcher_state_step(&state, now), WATCHER_ACTION_CANCEL);
	assert_int_equal(watcher_state_step(&state, now), WATCHER_ACTION_FORGET_KEY);
	expect(WATCHER_ACTION_GET_KEY, "waiting-identity");
	watcher_state_on_key(&state, now, 2, true);
	expect(WATCHER_ACTION_LOCATE, "discovering");
}

/* A server that says "0" does not get us at once each time. */
static void asked_to_come_again_at_once(void **unused)
{
	watch();
	watcher_state_on_status(&state, now, LLQ_STATUS_DELAYED, 0, NULL);
	expect(WATCHER_ACTION_NONE, "retrying");
	assert_int_equal(state.due, now + 500);
}

static void wrong_password(void **unused)
{
	watcher_state_set_identity(&state, true, 1);
	network_is(1, NULL);
	expect(WATCHER_ACTION_GET_KEY, "waiting-identity");
	watcher_state_on_key(&state, now, 1, true);
	expect(WATCHER_ACTION_LOCATE, "discovering");
	watcher_state_on_located(&state, now, true, "wrong password");
	expect(WATCHER_ACTION_NONE, "refused");
	assert_int_equal(state.due, now + 600 * 1000);
	watcher_state_set_identity(&state, true, 0);
	expect(WATCHER_ACTION_FORGET_KEY, "refused");
	expect(WATCHER_ACTION_NONE, "signed-out");
}

static void sign_out(void **unused)
{
	watch();
	watcher_state_set_identity(&state, true, 0);
	assert_int_equal(watcher_state_step(&state, now), WATCHER_ACTION_STOP);
	assert_int_equal(watcher_state_step(&state, now), WATCHER_ACTION_FORGET_KEY);
	expect(WATCHER_ACTION_NONE, "signed-out");
	/* Late news from the set does not matter. */
	status_is(LLQ_STATUS_FAILED);
	expect(WATCHER_ACTION_NONE, "signed-out");
}

static void sign_out_while_looking_for_the_server(void **unused)
{
	watcher_state_set_identity(&state, true, 1);
	network_is(1, NULL);
	expect(WATCHER_ACTION_GET_KEY, "waiting-identity");
	watcher_state_on_key(&state, now, 1, true);
	expect(WATCHER_ACTION_LOCATE, "discovering");
	watcher_state_set_identity(&state, true, 2);
	assert_int_equal(watcher_state_step(&state, now), WATCHER_ACTION_CANCEL);
	assert_int_equal(watcher_state_step(&state, now), WATCHER_ACTION_FORGET_KEY);
	expect(WATCHER_ACTION_GET_KEY, "waiting-identity");
}

static void terminate(void **unused)
{
	watch();
	watcher_state_terminate(&state);
	assert_int_equal(watcher_state_step(&state, now), WATCHER_ACTION_STOP);
	assert_int_equal(watcher_state_step(&state, now), WATCHER_ACTION_EXIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(neighbours_come_one_by_one, start),
		cmocka_unit_test_setup(what_broke_is_begun_anew_at_once_but_not_in_circles, start),
		cmocka_unit_test_setup(looks_for_a_better_way_and_keeps_the_present_one, start),
		cmocka_unit_test_setup(comes_again_when_it_was_asked_to, start),
		cmocka_unit_test_setup(move_sets_up_anew_at_once, start),
		cmocka_unit_test_setup(new_host_is_no_reason_to_call_it_connecting, start),
		cmocka_unit_test_setup(network_goes_and_comes, start),
		cmocka_unit_test_setup(neighbours_restart, start),
		cmocka_unit_test_setup(silent_server_is_looked_for_again, start),
		cmocka_unit_test_setup(full_server, start),
		cmocka_unit_test_setup(a_better_way_and_the_network, start),
		cmocka_unit_test_setup(sign_in_after_a_better_way, start),
		cmocka_unit_test_setup(asked_to_come_again_at_once, start),
		cmocka_unit_test_setup(wrong_password, start),
		cmocka_unit_test_setup(sign_out, start),
		cmocka_unit_test_setup(sign_out_while_looking_for_the_server, start),
		cmocka_unit_test_setup(terminate, start),
	};

	return cmocka_run_group_tests_name("watcher-state", tests, NULL, NULL);
}
