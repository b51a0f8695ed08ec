/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* natpmp-state.c: the timers and rules of RFC 6886 on a simulated clock. */
#include "services/mapper/natpmp-state.h"

#include "common/base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SENT_LIMIT 200

struct script {
	struct natpmp_state state;
	uint64_t now;
	struct {
		uint64_t at;
		uint32_t id;
	} sent[SENT_LIMIT];
	unsigned int n_sent;
};

static void take(struct script *script)
{
	struct gateway_request request;

	while (natpmp_state_take_request(&script->state, script->now, &request)) {
		assert_true(script->n_sent < SENT_LIMIT);
		script->sent[script->n_sent].at = script->now;
		script->sent[script->n_sent++].id = request.id;
	}
}

/* Lets the time pass that the state asks for. */
static void pass_until(struct script *script, uint64_t then)
{
	take(script);
	while (natpmp_state_due(&script->state) <= then) {
		uint64_t due = natpmp_state_due(&script->state);

		if (!due) /* an event waits */
			break;
		assert_true(due > script->now);
		script->now = due;
		take(script);
	}
	if (natpmp_state_due(&script->state) > then)
		script->now = then;
}

static struct script *begin(void)
{
	struct script *script = calloc(1, sizeof *script);

	script->now = 100000;
	natpmp_state_init(&script->state, 4711);
	return script;
}

static struct gateway_request mapping(uint32_t id, uint16_t port)
{
	return (struct gateway_request){ .id = id,
					 .operation = GATEWAY_MAP,
					 .transport = IPPROTO_UDP,
					 .internal_port = port,
					 .external_port = port,
					 .lifetime = 3600 };
}

static void ask(struct script *script, struct gateway_request request)
{
	assert_int_equal(natpmp_state_request(&script->state, &request), 0);
	take(script);
}

static void ask_address(struct script *script, uint32_t id)
{
	ask(script, (struct gateway_request){ .id = id, .operation = GATEWAY_ADDRESS });
}

static void respond(struct script *script, const struct natpmp_response *response)
{
	natpmp_state_on_response(&script->state, response, script->now);
	take(script);
}

static void respond_address(struct script *script, const char *address, uint32_t epoch)
{
	respond(script, &(struct natpmp_response){ .has_operation = true,
						   .operation = NATPMP_ADDRESS,
						   .has_epoch = true,
						   .epoch = epoch,
						   .external.s_addr = inet_addr(address) });
}

static struct natpmp_response map_response(uint16_t internal, uint16_t external, uint32_t lifetime,
					   uint32_t epoch)
{
	return (struct natpmp_response){ .has_operation = true,
					 .operation = NATPMP_MAP_UDP,
					 .has_epoch = true,
					 .epoch = epoch,
					 .has_internal_port = true,
					 .internal_port = internal,
					 .external_port = external,
					 .lifetime = lifetime };
}

static void respond_map(struct script *script, uint16_t internal, uint16_t external,
			uint32_t lifetime, uint32_t epoch)
{
	struct natpmp_response response = map_response(internal, external, lifetime, epoch);

	respond(script, &response);
}

static struct gateway_event expect(struct script *script, enum gateway_event_kind kind, uint32_t id,
				   enum trouble trouble)
{
	struct gateway_event event;

	assert_true(natpmp_state_take_event(&script->state, &event));
	assert_int_equal(event.kind, kind);
	assert_int_equal(event.id, id);
	assert_int_equal(event.trouble, trouble);
	return event;
}

static void expect_nothing(struct script *script)
{
	struct gateway_event event;

	assert_false(natpmp_state_take_event(&script->state, &event));
}

static void test_timers(void **state)
{
	/* §3.1 */
	static const unsigned int at[] = { 0, 250, 750, 1750, 3750, 7750, 15750, 31750, 63750 };
	cleanup(freep) struct script *script = begin();

	ask(script, mapping(1, 4500));
	pass_until(script, 100000 + 127749);
	assert_int_equal(script->n_sent, ARRAY_SIZE(at));
	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		assert_int_equal(script->sent[i].at, 100000 + at[i]);
	expect_nothing(script);
	pass_until(script, 100000 + 127750);
	assert_int_equal(script->n_sent, ARRAY_SIZE(at));
	expect(script, GATEWAY_EVENT_ABSENT, 1, TROUBLE_SILENT);
	assert_int_equal(natpmp_state_due(&script->state), UINT64_MAX);
	assert_int_equal(script->state.counters.packets_sent, 9);
	assert_int_equal(script->state.counters.retransmissions, 8);
}

static void test_late_wake_ups(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask(script, mapping(1, 4500));
	/* 40 ms late: the one after that is not. */
	script->now += 290;
	take(script);
	assert_int_equal(script->n_sent, 2);
	assert_int_equal(natpmp_state_due(&script->state), 100750);
	/* The machine slept for an hour: no burst. */
	script->now += 3600000;
	take(script);
	assert_int_equal(script->n_sent, 3);
	assert_int_equal(natpmp_state_due(&script->state), script->now + 1000);
}

static void test_one_at_a_time(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct gateway_event event;

	ask_address(script, 1);
	ask(script, mapping(2, 4500));
	ask(script, mapping(3, 4501));
	assert_int_equal(script->n_sent, 1);
	/* Not to this question. */
	respond_map(script, 4500, 4500, 3600, 9);
	assert_int_equal(script->state.counters.responses_unexpected, 1);
	respond_address(script, "11.0.1.1", 10);
	event = expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	assert_int_equal(event.operation, GATEWAY_ADDRESS);
	assert_int_equal(event.external.s_addr, inet_addr("11.0.1.1"));
	assert_int_equal(script->n_sent, 2);
	respond_map(script, 4501, 4501, 3600, 10);
	expect_nothing(script);
	respond_map(script, 4500, 61234, 1800, 10);
	event = expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	assert_int_equal(event.external_port, 61234);
	assert_int_equal(event.internal_port, 4500);
	assert_int_equal(event.lifetime, 1800);
	assert_int_equal(event.transport, IPPROTO_UDP);
	assert_int_equal(script->sent[2].id, 3);
	/* A second answer to the first. */
	respond_map(script, 4500, 61234, 1800, 10);
	expect_nothing(script);
}

static void test_cancel(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask(script, mapping(1, 1));
	ask(script, mapping(2, 2));
	ask(script, mapping(3, 3));
	natpmp_state_cancel(&script->state, 2);
	natpmp_state_cancel(&script->state, 77);
	natpmp_state_cancel(&script->state, 1);
	take(script);
	assert_int_equal(script->n_sent, 2);
	assert_int_equal(script->sent[1].id, 3);
	natpmp_state_cancel(&script->state, 3);
	assert_int_equal(natpmp_state_due(&script->state), UINT64_MAX);
	expect_nothing(script);
}

static void test_unreachable(void **state)
{
	cleanup(freep) struct script *script = begin();

	natpmp_state_on_unreachable(&script->state);
	expect_nothing(script);
	ask_address(script, 1);
	ask(script, mapping(2, 4500));
	natpmp_state_on_unreachable(&script->state);
	expect(script, GATEWAY_EVENT_ABSENT, 1, TROUBLE_NOT_SUPPORTED);
	expect(script, GATEWAY_EVENT_ABSENT, 2, TROUBLE_NOT_SUPPORTED);
	expect_nothing(script);
}

static void test_silence_is_everybodys(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask(script, mapping(1, 4500));
	ask(script, mapping(2, 4501));
	pass_until(script, 100000 + 127750);
	expect(script, GATEWAY_EVENT_ABSENT, 1, TROUBLE_SILENT);
	expect(script, GATEWAY_EVENT_ABSENT, 2, TROUBLE_SILENT);
	assert_int_equal(script->n_sent, 9);
}

static void test_results(void **state)
{
	static const struct {
		uint16_t result;
		enum trouble trouble;
	} cases[] = {
		{ NATPMP_REFUSED, TROUBLE_REFUSED },
		{ NATPMP_NETWORK_FAILURE, TROUBLE_NETWORK_FAILURE },
		{ NATPMP_OUT_OF_RESOURCES, TROUBLE_OUT_OF_RESOURCES },
		{ NATPMP_UNSUPPORTED_OPERATION, TROUBLE_UNSUPPORTED_OPERATION },
		{ 6, TROUBLE_UNKNOWN_RESULT },
		{ 65535, TROUBLE_UNKNOWN_RESULT },
	};
	cleanup(freep) struct script *script = begin();

	for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ask(script, mapping(i + 1, 4500));
		respond(script, &(struct natpmp_response){ .result = cases[i].result,
							   .has_operation = true,
							   .operation = NATPMP_MAP_UDP });
		assert_int_equal(
			expect(script, GATEWAY_EVENT_ANSWER, i + 1, cases[i].trouble).result,
			cases[i].result);
	}
}

/* NP-10: with no operation, with ours, and by PCP; the parser's part is in test-natpmp-wire.c. */
static void test_unsupported_version(void **state)
{
	static const struct natpmp_response forms[] = {
		{ .result = NATPMP_UNSUPPORTED_VERSION, .has_epoch = true, .epoch = 3 },
		{ .result = NATPMP_UNSUPPORTED_VERSION,
		  .has_operation = true,
		  .operation = NATPMP_MAP_UDP },
		{ .result = NATPMP_UNSUPPORTED_VERSION },
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		cleanup(freep) struct script *script = begin();

		respond(script, &forms[i]);
		expect_nothing(script);
		ask(script, mapping(1, 4500));
		ask(script, mapping(2, 4501));
		respond(script, &forms[i]);
		assert_int_equal(
			expect(script, GATEWAY_EVENT_ABSENT, 1, TROUBLE_NOT_SUPPORTED).result, 1);
		expect(script, GATEWAY_EVENT_ABSENT, 2, TROUBLE_NOT_SUPPORTED);
	}
}

static void test_epoch(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct gateway_event event;

	ask(script, mapping(1, 4500));
	respond_map(script, 4500, 4500, 3600, 1000);
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	/* 800 s later 1700 is expected, or 2 less. */
	script->now += 800000;
	ask(script, mapping(2, 4500));
	respond_map(script, 4500, 4500, 3600, 1698);
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	script->now += 800000;
	ask(script, mapping(3, 4500));
	respond_map(script, 4500, 4500, 3600, 1698 + 700 - 3);
	event = expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE);
	assert_true(event.delay <= 5000);
	expect(script, GATEWAY_EVENT_ANSWER, 3, TROUBLE_NONE);
	/* Forward is any number. */
	ask(script, mapping(4, 4500));
	respond_map(script, 4500, 4500, 3600, 4000000000);
	expect(script, GATEWAY_EVENT_ANSWER, 4, TROUBLE_NONE);
}

/* Restarted within the first seconds, which the rule of §3.6 does not see. */
static void test_restart_soon_after_the_start(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask(script, mapping(1, 4500));
	respond_map(script, 4500, 4500, 3600, 0);
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	script->now += 1100;
	ask_address(script, 2);
	respond_address(script, "11.0.1.1", 0);
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	script->now += 1100;
	ask_address(script, 3);
	respond_address(script, "11.0.1.1", 0);
	expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE);
	expect(script, GATEWAY_EVENT_ANSWER, 3, TROUBLE_NONE);
	ask(script, mapping(4, 4500));
	respond_map(script, 4500, 4500, 3600, 0);
	expect(script, GATEWAY_EVENT_ANSWER, 4, TROUBLE_NONE);
}

static void test_restart_delays(void **state)
{
	uint64_t random = 99, low = UINT64_MAX, high = 0;

	for (int i = 0; i < 2000; i++) {
		struct speaker_restarts restarts = {};
		uint64_t delay =
			speaker_restart_delay(&restarts, &random, SPEAKER_RECREATE_SPREAD, 0);

		low = delay < low ? delay : low;
		high = delay > high ? delay : high;
	}
	assert_in_range(low, 0, 50);
	assert_in_range(high, 4950, 5000);
}

/* A gateway whose epoch jumps costs a few packets. */
static void test_epoch_that_jumps(void **state)
{
	cleanup(freep) struct script *script = begin();
	unsigned int n_restarts = 0;
	uint64_t end = script->now + 600000;

	ask(script, mapping(1, 4500));
	respond_map(script, 4500, 4500, 3600, 4000000000);
	for (uint32_t i = 0; script->now < end; i++) {
		struct gateway_event event;
		uint64_t delay = 0;
		bool restarted = false;

		while (natpmp_state_take_event(&script->state, &event))
			if (event.kind == GATEWAY_EVENT_RESTARTED) {
				restarted = true;
				delay = event.delay;
			}
		n_restarts += restarted;
		script->now += restarted ? delay + 1 : 60000;
		ask(script, mapping(i + 2, 4500));
		respond_map(script, 4500, 4500, 3600, i % 2 ? 4000000000 : 0);
	}
	assert_in_range(n_restarts, 3, 12);
}

static void hear(struct script *script, enum announcement_kind kind, const char *address,
		 uint32_t epoch)
{
	struct announcement announcement = { .kind = kind, .epoch = epoch };

	if (address)
		announcement.external.s_addr = inet_addr(address);
	natpmp_state_on_announcement(&script->state, &announcement, script->now);
	take(script);
}

static void test_announced_address(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct gateway_event event;

	ask_address(script, 1);
	respond_address(script, "11.0.1.1", 100);
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	/* What we know. */
	hear(script, ANNOUNCEMENT_ADDRESS, "11.0.1.1", 100);
	expect_nothing(script);
	/* It is a reason to ask, no more. */
	hear(script, ANNOUNCEMENT_ADDRESS, "11.0.1.2", 100);
	event = expect(script, GATEWAY_EVENT_ADDRESS, 0, TROUBLE_NONE);
	assert_int_equal(event.external.s_addr, 0);
	ask_address(script, 2);
	respond_address(script, "11.0.1.2", 100);
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	/* NP-20: ten times. */
	for (int i = 0; i < 10; i++) {
		script->now += 250 << i;
		hear(script, ANNOUNCEMENT_ADDRESS, "11.0.1.2", 100 + ((500 << i) - 250) / 1000);
		expect_nothing(script);
	}
}

static void test_false_announcements(void **state)
{
	cleanup(freep) struct script *script = begin();
	unsigned int n = 0;
	uint64_t end;

	ask_address(script, 1);
	respond_address(script, "11.0.1.1", 100);
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	end = script->now + 3600000;
	for (uint32_t id = 2; script->now < end; script->now += 100) {
		struct gateway_event event;

		hear(script, ANNOUNCEMENT_ADDRESS, "66.6.6.6", 0);
		if (!natpmp_state_take_event(&script->state, &event))
			continue;
		assert_int_equal(event.kind, GATEWAY_EVENT_ADDRESS);
		n++;
		ask_address(script, id++);
		respond_address(script, "11.0.1.1", 100 + (script->now - 100000) / 1000);
		while (natpmp_state_take_event(&script->state, &event))
			assert_int_equal(event.kind, GATEWAY_EVENT_ANSWER);
	}
	assert_in_range(n, 8, 20);
}

/* miniupnpd says only this when it starts. */
static void test_announced_by_pcp(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask_address(script, 1);
	respond_address(script, "11.0.1.1", 100000);
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	script->now += 60000;
	hear(script, ANNOUNCEMENT_RESTART, NULL, 0);
	expect(script, GATEWAY_EVENT_ADDRESS, 0, TROUBLE_NONE);
	ask_address(script, 2);
	respond_address(script, "11.0.1.1", 0);
	expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE);
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	/* The copies: those of the first second might be another restart, so it is asked again. */
	for (uint32_t i = 0; i < 9; i++) {
		uint32_t epoch = ((500 << i) - 250) / 1000;
		struct gateway_event event;

		script->now += 250 << i;
		hear(script, ANNOUNCEMENT_RESTART, NULL, epoch);
		if (!natpmp_state_take_event(&script->state, &event))
			continue;
		assert_int_equal(event.kind, GATEWAY_EVENT_ADDRESS);
		assert_true(i < 4);
		ask_address(script, 10 + i);
		respond_address(script, "11.0.1.1", epoch);
		expect(script, GATEWAY_EVENT_ANSWER, 10 + i, TROUBLE_NONE);
	}
	/* Another restart is another reason, not too soon after the last. */
	hear(script, ANNOUNCEMENT_RESTART, NULL, 0);
	expect(script, GATEWAY_EVENT_ADDRESS, 0, TROUBLE_NONE);
}

/* So soon after the mapping was made that no epoch tells. */
static void test_announced_by_pcp_at_once(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask(script, mapping(1, 4500));
	respond_map(script, 4500, 4500, 3600, 0);
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	script->now += 100;
	hear(script, ANNOUNCEMENT_RESTART, NULL, 0);
	expect(script, GATEWAY_EVENT_ADDRESS, 0, TROUBLE_NONE);
	ask_address(script, 2);
	respond_address(script, "11.0.1.1", 0);
	expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE);
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	ask_address(script, 3);
	respond_address(script, "11.0.1.1", 0);
	expect(script, GATEWAY_EVENT_ANSWER, 3, TROUBLE_NONE);
	/* And again, when the first was acted on: no copy of what was said before. */
	script->now = script->state.restart_until + 500;
	hear(script, ANNOUNCEMENT_RESTART, NULL, 0);
	script->now += 900;
	hear(script, ANNOUNCEMENT_RESTART, NULL, 0);
	pass_until(script, script->now + 5000);
	expect(script, GATEWAY_EVENT_ADDRESS, 0, TROUBLE_NONE);
	ask_address(script, 4);
	respond_address(script, "11.0.1.1", 0);
	expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE);
}

/* What comes unasked, as if from the gateway, does not move us more than an announcement. */
static void test_unasked_answers(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask_address(script, 1);
	respond_address(script, "11.0.1.1", 100000);
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	for (int i = 0; i < 100; i++)
		respond_address(script, "11.0.1.1", 5);
	expect(script, GATEWAY_EVENT_ADDRESS, 0, TROUBLE_NONE);
	expect_nothing(script);
	assert_int_equal(script->state.counters.responses_unexpected, 100);
}

static void test_deletion(void **state)
{
	static const unsigned int at[] = { 0, 250, 750, 1750 };
	cleanup(freep) struct script *script = begin();
	struct gateway_request request = mapping(1, 4500), sent;
	struct gateway_event event;

	request.operation = GATEWAY_DELETE;
	ask(script, request);
	ask(script, mapping(2, 4600));
	/* §3.4: neither lifetime nor external port. */
	sent = script->state.queue[0];
	assert_int_equal(sent.lifetime, 0);
	assert_int_equal(sent.external_port, 0);
	pass_until(script, 100000 + 3750);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		assert_int_equal(script->sent[i].at, 100000 + at[i]);
		assert_int_equal(script->sent[i].id, 1);
	}
	/* Who waits behind it goes on. */
	assert_int_equal(script->sent[4].id, 2);
	assert_int_equal(script->n_sent, 5);
	event = expect(script, GATEWAY_EVENT_ABSENT, 1, TROUBLE_SILENT);
	assert_int_equal(event.operation, GATEWAY_DELETE);
}

/* Mapped and deleted in quick succession: each answer finds its request. */
static void test_answers_of_the_former_request(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct gateway_request request = mapping(2, 4500);

	ask(script, mapping(1, 4500));
	natpmp_state_cancel(&script->state, 1);
	request.operation = GATEWAY_DELETE;
	ask(script, request);
	respond_map(script, 4500, 4500, 3600, 10);
	expect_nothing(script);
	respond_map(script, 4500, 0, 0, 10);
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	ask(script, mapping(3, 4500));
	respond_map(script, 4500, 0, 0, 10);
	expect_nothing(script);
	respond_map(script, 4500, 4500, 3600, 10);
	expect(script, GATEWAY_EVENT_ANSWER, 3, TROUBLE_NONE);
}

/* What a request that was given up asked for may be answered later, with what was true then. */
static void test_address_of_the_former_request(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask_address(script, 1);
	natpmp_state_cancel(&script->state, 1);
	ask_address(script, 2);
	respond_address(script, "11.0.1.1", 10);
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	expect(script, GATEWAY_EVENT_ADDRESS, 0, TROUBLE_NONE);
	/* The one that was owed comes before the question is repeated. */
	respond_address(script, "11.0.1.99", 10);
	ask_address(script, 3);
	respond_address(script, "11.0.1.99", 10);
	expect(script, GATEWAY_EVENT_ANSWER, 3, TROUBLE_NONE);
	pass_until(script, script->now + 3600000);
	expect_nothing(script);
}

/* Answers that never come cost a few questions, not one at each for ever. */
static void test_addresses_owed(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct gateway_event event;
	unsigned int n_asked = 0;
	uint32_t id = 2;

	ask_address(script, 1);
	pass_until(script, script->now + 20000);
	assert_true(script->n_sent > 5);
	natpmp_state_cancel(&script->state, 1);
	ask_address(script, id);
	respond_address(script, "11.0.1.1", 10);
	for (;;) {
		expect(script, GATEWAY_EVENT_ANSWER, id, TROUBLE_NONE);
		pass_until(script, script->now + 10000);
		if (!natpmp_state_take_event(&script->state, &event))
			break;
		assert_int_equal(event.kind, GATEWAY_EVENT_ADDRESS);
		n_asked++;
		ask_address(script, ++id);
		respond_address(script, "11.0.1.1", 10 + (script->now - 100000) / 1000);
	}
	assert_in_range(n_asked, 1, 4);
	/* A gateway that is silent for good owes nothing. */
	ask_address(script, ++id);
	pass_until(script, script->now + 127750);
	expect(script, GATEWAY_EVENT_ABSENT, id, TROUBLE_SILENT);
	ask_address(script, ++id);
	respond_address(script, "11.0.1.1", 10 + (script->now - 100000) / 1000);
	expect(script, GATEWAY_EVENT_ANSWER, id, TROUBLE_NONE);
	pass_until(script, script->now + 3600000);
	expect_nothing(script);
}

static void test_senseless_grants(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask(script, mapping(1, 4500));
	respond_map(script, 4500, 4500, 0, 10);
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_MALFORMED);
	ask(script, mapping(2, 4500));
	respond_map(script, 4500, 0, 3600, 10);
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_MALFORMED);
	ask(script, mapping(3, 4500));
	respond_map(script, 4500, 4500, UINT32_MAX, 10);
	assert_true(expect(script, GATEWAY_EVENT_ANSWER, 3, TROUBLE_NONE).lifetime == UINT32_MAX);
}

static void test_requests_refused(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct gateway_request request = mapping(1, 0);

	/* NP-17: that would delete everybody's. */
	request.operation = GATEWAY_DELETE;
	assert_int_equal(natpmp_state_request(&script->state, &request), -EINVAL);
	request = mapping(1, 4500);
	request.transport = IPPROTO_SCTP;
	assert_int_equal(natpmp_state_request(&script->state, &request), -EINVAL);
	request = mapping(1, 4500);
	request.lifetime = 0;
	assert_int_equal(natpmp_state_request(&script->state, &request), -EINVAL);
	for (uint32_t i = 0; i < SPEAKER_REQUESTS_LIMIT; i++)
		ask(script, mapping(i + 1, i + 1));
	request = mapping(1000, 4500);
	assert_int_equal(natpmp_state_request(&script->state, &request), -EBUSY);
	/* Each hears of its end. */
	natpmp_state_on_unreachable(&script->state);
	assert_int_equal(natpmp_state_request(&script->state, &request), -EBUSY);
	for (uint32_t i = 0; i < SPEAKER_REQUESTS_LIMIT; i++)
		expect(script, GATEWAY_EVENT_ABSENT, i + 1, TROUBLE_NOT_SUPPORTED);
	assert_int_equal(natpmp_state_request(&script->state, &request), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_late_wake_ups),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_silence_is_everybodys),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_unsupported_version),
		cmocka_unit_test(test_epoch),
		cmocka_unit_test(test_restart_soon_after_the_start),
		cmocka_unit_test(test_restart_delays),
		cmocka_unit_test(test_epoch_that_jumps),
		cmocka_unit_test(test_announced_address),
		cmocka_unit_test(test_false_announcements),
		cmocka_unit_test(test_announced_by_pcp),
		cmocka_unit_test(test_announced_by_pcp_at_once),
		cmocka_unit_test(test_unasked_answers),
		cmocka_unit_test(test_deletion),
		cmocka_unit_test(test_answers_of_the_former_request),
		cmocka_unit_test(test_address_of_the_former_request),
		cmocka_unit_test(test_addresses_owed),
		cmocka_unit_test(test_senseless_grants),
		cmocka_unit_test(test_requests_refused),
	};

	return cmocka_run_group_tests_name("natpmp-state", tests, NULL, NULL);
}
