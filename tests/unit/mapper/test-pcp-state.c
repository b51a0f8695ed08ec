/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* pcp-state.c: the timers and rules of RFC 6887 on a simulated clock. */
#include "services/mapper/pcp-state.h"

#include "common/base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SENT_LIMIT 400

struct script {
	struct pcp_state state;
	uint64_t now;
	uint64_t at[SENT_LIMIT];
	struct pcp_request sent[SENT_LIMIT];
	unsigned int n_sent;
};

static void take(struct script *script)
{
	struct pcp_request request;

	while (pcp_state_take_request(&script->state, script->now, &request)) {
		assert_true(script->n_sent < SENT_LIMIT);
		script->at[script->n_sent] = script->now;
		script->sent[script->n_sent++] = request;
	}
}

/* Until an event waits or the time has passed. */
static void pass_until(struct script *script, uint64_t then)
{
	take(script);
	while (pcp_state_due(&script->state) && pcp_state_due(&script->state) <= then) {
		uint64_t due = pcp_state_due(&script->state);

		assert_true(due > script->now);
		script->now = due;
		take(script);
	}
	if (pcp_state_due(&script->state))
		script->now = then;
}

static struct script *begin_with(uint64_t seed)
{
	static const uint8_t nonce[PCP_NONCE_SIZE] = "address one";
	struct script *script = calloc(1, sizeof *script);

	script->now = 100000;
	pcp_state_init(&script->state, (struct in_addr){ inet_addr("192.168.1.10") }, nonce, seed);
	return script;
}

static struct script *begin(void)
{
	return begin_with(4711);
}

static struct gateway_request mapping(uint32_t id, uint16_t port)
{
	struct gateway_request request = { .id = id,
					   .operation = GATEWAY_MAP,
					   .transport = IPPROTO_UDP,
					   .internal_port = port,
					   .external_port = port,
					   .lifetime = 3600 };

	memset(request.nonce, port, sizeof request.nonce);
	return request;
}

static struct gateway_request probe(uint32_t id)
{
	return (struct gateway_request){ .id = id, .operation = GATEWAY_PROBE };
}

static void ask(struct script *script, struct gateway_request request)
{
	assert_int_equal(pcp_state_request(&script->state, &request, script->now), 0);
	take(script);
}

static void respond(struct script *script, struct pcp_response response)
{
	pcp_state_on_response(&script->state, &response, script->now);
	take(script);
}

static struct pcp_response map_response(uint16_t port, uint16_t external_port, uint32_t lifetime,
					uint32_t epoch)
{
	struct pcp_response response = {
		.version = PCP_VERSION,
		.opcode = PCP_MAP,
		.lifetime = lifetime,
		.epoch = epoch,
		.mapping = { .protocol = IPPROTO_UDP,
			     .internal_port = port,
			     .external_port = external_port,
			     .external =
				     pcp_address_from((struct in_addr){ inet_addr("11.0.1.1") }) },
	};

	memset(response.mapping.nonce, port, PCP_NONCE_SIZE);
	return response;
}

static struct pcp_response announce_response(uint8_t result, uint32_t epoch)
{
	return (struct pcp_response){
		.version = PCP_VERSION, .opcode = PCP_ANNOUNCE, .result = result, .epoch = epoch
	};
}

static struct gateway_event expect(struct script *script, enum gateway_event_kind kind, uint32_t id,
				   enum trouble trouble)
{
	struct gateway_event event = {};

	assert_true(pcp_state_take_event(&script->state, &event));
	assert_int_equal(event.kind, kind);
	assert_int_equal(event.id, id);
	assert_int_equal(event.trouble, trouble);
	return event;
}

static void expect_nothing(struct script *script)
{
	struct gateway_event event;

	assert_false(pcp_state_take_event(&script->state, &event));
}

/* A mapping of port 4500 as 4500, made at epoch 1000. */
static struct script *begin_mapped(void)
{
	struct script *script = begin();

	ask(script, mapping(1, 4500));
	respond(script, map_response(4500, 4500, 3600, 1000));
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	return script;
}

static void assert_same_octets(const struct pcp_request *a, const struct pcp_request *b)
{
	uint8_t octets[2][PCP_MESSAGE_LIMIT];
	int size = pcp_write_request(a, octets[0], sizeof octets[0]);

	assert_true(size > 0);
	assert_int_equal(pcp_write_request(b, octets[1], sizeof octets[1]), size);
	assert_memory_equal(octets[0], octets[1], size);
}

/* §8.1.1 */
static void test_timers(void **state)
{
	double lowest = 1, highest = -1;

	for (uint64_t seed = 1; seed <= 200; seed++) {
		cleanup(freep) struct script *script = begin_with(seed * 7919);
		double wait = 3000;

		ask(script, mapping(1, 4500));
		pass_until(script, UINT64_MAX - 1);
		assert_int_equal(script->n_sent, 6);
		for (unsigned int i = 1; i < script->n_sent; i++) {
			double random = (script->at[i] - script->at[i - 1]) / wait - 1;

			assert_true(random >= -0.1002 && random <= 0.1002);
			lowest = random < lowest ? random : lowest;
			highest = random > highest ? random : highest;
			wait = 2.0 * (script->at[i] - script->at[i - 1]);
			/* The same message, the nonce with it. */
			assert_same_octets(&script->sent[i], &script->sent[0]);
		}
		expect(script, GATEWAY_EVENT_ABSENT, 1, TROUBLE_SILENT);
		expect_nothing(script);
		assert_int_equal(pcp_state_due(&script->state), UINT64_MAX);
	}
	assert_true(lowest < -0.095 && highest > 0.095);
}

static void test_requests(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct gateway_request request = mapping(1, 4500);
	const struct in6_addr none = {};

	request.external_port = 61234;
	request.external.s_addr = inet_addr("11.0.1.1");
	ask(script, request);
	assert_int_equal(script->sent[0].opcode, PCP_MAP);
	assert_int_equal(script->sent[0].lifetime, 3600);
	assert_int_equal(pcp_address_to(&script->sent[0].client).s_addr, inet_addr("192.168.1.10"));
	assert_int_equal(script->sent[0].mapping.protocol, IPPROTO_UDP);
	assert_int_equal(script->sent[0].mapping.internal_port, 4500);
	assert_int_equal(script->sent[0].mapping.external_port, 61234);
	assert_int_equal(pcp_address_to(&script->sent[0].mapping.external).s_addr,
			 inet_addr("11.0.1.1"));
	assert_memory_equal(script->sent[0].mapping.nonce, request.nonce, PCP_NONCE_SIZE);
	/* Side by side, not one after the other. */
	request.id = 2;
	request.operation = GATEWAY_DELETE;
	ask(script, request);
	assert_int_equal(script->n_sent, 2);
	assert_int_equal(script->sent[1].lifetime, 0);
	assert_int_equal(script->sent[1].mapping.external_port, 0);
	assert_memory_equal(&script->sent[1].mapping.external, &none, sizeof none);
	assert_memory_equal(script->sent[1].mapping.nonce, request.nonce, PCP_NONCE_SIZE);
	ask(script, probe(3));
	assert_int_equal(script->sent[2].opcode, PCP_ANNOUNCE);
	assert_int_equal(script->sent[2].lifetime, 0);
}

static void test_senseless_requests(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct gateway_request request = mapping(1, 0);

	assert_int_equal(pcp_state_request(&script->state, &request, script->now), -EINVAL);
	request = mapping(1, 4500);
	request.transport = 0;
	assert_int_equal(pcp_state_request(&script->state, &request, script->now), -EINVAL);
	request = mapping(1, 4500);
	request.lifetime = 0;
	assert_int_equal(pcp_state_request(&script->state, &request, script->now), -EINVAL);
	for (uint32_t i = 0; i < SPEAKER_REQUESTS_LIMIT - 1; i++)
		ask(script, mapping(i + 1, i + 1));
	request = mapping(1000, 4500);
	assert_int_equal(pcp_state_request(&script->state, &request, script->now), -EBUSY);
	pcp_state_on_unreachable(&script->state);
	for (uint32_t i = 0; i < SPEAKER_REQUESTS_LIMIT - 1; i++)
		expect(script, GATEWAY_EVENT_ABSENT, i + 1, TROUBLE_NOT_SUPPORTED);
	assert_int_equal(pcp_state_request(&script->state, &request, script->now), 0);
}

static void test_answer(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct gateway_event event;

	ask(script, mapping(1, 4500));
	respond(script, map_response(4500, 61234, 1800, 1000));
	event = expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	assert_int_equal(event.operation, GATEWAY_MAP);
	assert_int_equal(event.result, 0);
	assert_int_equal(event.transport, IPPROTO_UDP);
	assert_int_equal(event.internal_port, 4500);
	assert_int_equal(event.external_port, 61234);
	assert_int_equal(event.external.s_addr, inet_addr("11.0.1.1"));
	assert_int_equal(event.lifetime, 1800);
	assert_int_equal(pcp_state_due(&script->state), UINT64_MAX);
	/* Once more: nothing new. */
	respond(script, map_response(4500, 61234, 1800, 1000));
	expect_nothing(script);
	assert_int_equal(script->state.counters.responses_accepted, 2);
}

/* §11.4: what does not match is dropped, and the request goes on. */
static void test_foreign_answers(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct pcp_response response;

	ask(script, mapping(1, 4500));
	response = map_response(4500, 4500, 3600, 1000);
	response.mapping.nonce[11] ^= 1;
	respond(script, response);
	response = map_response(4500, 4500, 3600, 1000);
	response.mapping.protocol = IPPROTO_TCP;
	respond(script, response);
	response = map_response(4500, 4500, 3600, 1000);
	response.mapping.internal_port = 4501;
	respond(script, response);
	response = map_response(4500, 4500, 3600, 1000);
	response.opcode = PCP_PEER;
	respond(script, response);
	response = map_response(4500, 4500, 3600, 1000);
	response.options.has_third_party = true;
	respond(script, response);
	respond(script, announce_response(PCP_SUCCESS, 1000));
	response = announce_response(PCP_SUCCESS, 1000);
	response.opcode = 99;
	respond(script, response);
	expect_nothing(script);
	assert_false(script->state.have_epoch);
	assert_int_equal(script->state.counters.responses_unexpected, 7);
	assert_true(pcp_state_due(&script->state) < UINT64_MAX);
	respond(script, map_response(4500, 4500, 3600, 1000));
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
}

static void test_results(void **state)
{
	static const struct {
		uint8_t result;
		enum trouble trouble;
	} cases[] = {
		{ PCP_NOT_AUTHORIZED, TROUBLE_REFUSED },
		{ PCP_MALFORMED_REQUEST, TROUBLE_UNSUPPORTED_OPERATION },
		{ PCP_UNSUPP_OPCODE, TROUBLE_UNSUPPORTED_OPERATION },
		{ PCP_UNSUPP_OPTION, TROUBLE_UNSUPPORTED_OPERATION },
		{ PCP_MALFORMED_OPTION, TROUBLE_UNSUPPORTED_OPERATION },
		{ PCP_NETWORK_FAILURE, TROUBLE_NETWORK_FAILURE },
		{ PCP_UNSUPP_PROTOCOL, TROUBLE_UNSUPPORTED_OPERATION },
		{ PCP_USER_EX_QUOTA, TROUBLE_OUT_OF_RESOURCES },
		{ PCP_CANNOT_PROVIDE_EXTERNAL, TROUBLE_CONFLICT },
		{ PCP_ADDRESS_MISMATCH, TROUBLE_ADDRESS_MISMATCH },
		{ PCP_EXCESSIVE_REMOTE_PEERS, TROUBLE_OUT_OF_RESOURCES },
		{ 14, TROUBLE_UNKNOWN_RESULT },
		{ 255, TROUBLE_UNKNOWN_RESULT },
	};
	cleanup(freep) struct script *script = begin();

	for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pcp_response response = map_response(4500, 4500, 30, 1000);
		struct gateway_event event;

		response.result = cases[i].result;
		ask(script, mapping(i + 1, 4500));
		respond(script, response);
		event = expect(script, GATEWAY_EVENT_ANSWER, i + 1, cases[i].trouble);
		assert_int_equal(event.result, cases[i].result);
		assert_int_equal(event.delay, 30000);
	}
}

/* A failure for years is looked at again within half an hour. */
static void test_failure_lifetimes(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct pcp_response response = map_response(4500, 4500, UINT32_MAX, 1000);

	response.result = PCP_NOT_AUTHORIZED;
	ask(script, mapping(1, 4500));
	respond(script, response);
	assert_int_equal(expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_REFUSED).delay, 1800000);
}

/* §11.4 */
static void test_no_resources(void **state)
{
	cleanup(freep) struct script *script = begin_mapped();
	struct pcp_response response = map_response(4600, 4600, 60, 1000);
	struct gateway_request request = mapping(10, 4500);

	response.result = PCP_NO_RESOURCES;
	ask(script, mapping(2, 4600));
	respond(script, response);
	assert_int_equal(expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_OUT_OF_RESOURCES).delay,
			 60000);
	script->now += 20000;
	/* Nothing new, for as long as it says. */
	ask(script, mapping(3, 4700));
	assert_int_equal(script->n_sent, 2);
	assert_int_equal(expect(script, GATEWAY_EVENT_ANSWER, 3, TROUBLE_OUT_OF_RESOURCES).delay,
			 40000);
	/* But what there is. */
	ask(script, mapping(4, 4500));
	assert_int_equal(script->n_sent, 3);
	respond(script, map_response(4500, 4500, 3600, 1020));
	expect(script, GATEWAY_EVENT_ANSWER, 4, TROUBLE_NONE);
	/* From a deletion: nothing at all. */
	request.operation = GATEWAY_DELETE;
	ask(script, request);
	response = map_response(4500, 0, 10, 1020);
	response.result = PCP_NO_RESOURCES;
	respond(script, response);
	expect(script, GATEWAY_EVENT_ANSWER, 10, TROUBLE_OUT_OF_RESOURCES);
	ask(script, probe(11));
	expect(script, GATEWAY_EVENT_ANSWER, 11, TROUBLE_OUT_OF_RESOURCES);
	script->now += 40000;
	ask(script, mapping(12, 4700));
	expect_nothing(script);
	assert_int_equal(script->n_sent, 5);
}

static void test_other_versions(void **state)
{
	struct pcp_response response = { .result = PCP_UNSUPP_VERSION, .lifetime = 1000 };
	cleanup(freep) struct script *script = begin();

	respond(script, response);
	expect_nothing(script);
	ask(script, mapping(1, 4500));
	ask(script, probe(2));
	respond(script, response);
	/* NAT-PMP: what stands there is its epoch. */
	assert_int_equal(expect(script, GATEWAY_EVENT_ABSENT, 1, TROUBLE_NOT_SUPPORTED).delay, 0);
	assert_int_equal(expect(script, GATEWAY_EVENT_ABSENT, 2, TROUBLE_NOT_SUPPORTED).result, 1);
	response.version = 3;
	ask(script, mapping(3, 4500));
	respond(script, response);
	assert_int_equal(expect(script, GATEWAY_EVENT_ABSENT, 3, TROUBLE_NOT_SUPPORTED).delay,
			 1000000);
	response.lifetime = 86400;
	ask(script, mapping(4, 4500));
	respond(script, response);
	assert_int_equal(expect(script, GATEWAY_EVENT_ABSENT, 4, TROUBLE_NOT_SUPPORTED).delay,
			 1800000);
}

static void test_unreachable(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask(script, mapping(1, 4500));
	ask(script, probe(2));
	pcp_state_on_unreachable(&script->state);
	expect(script, GATEWAY_EVENT_ABSENT, 1, TROUBLE_NOT_SUPPORTED);
	expect(script, GATEWAY_EVENT_ABSENT, 2, TROUBLE_NOT_SUPPORTED);
	assert_int_equal(pcp_state_due(&script->state), UINT64_MAX);
}

static void test_cancel(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask(script, mapping(1, 4500));
	ask(script, mapping(2, 4600));
	pcp_state_cancel(&script->state, 1);
	pcp_state_cancel(&script->state, 0);
	respond(script, map_response(4500, 4500, 3600, 1000));
	expect_nothing(script);
	assert_int_equal(script->state.counters.responses_unexpected, 1);
	respond(script, map_response(4600, 4600, 3600, 1000));
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
}

static void test_probe(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask(script, probe(1));
	respond(script, announce_response(PCP_SUCCESS, 5));
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	/* It speaks PCP, only not this. */
	ask(script, probe(2));
	respond(script, announce_response(PCP_UNSUPP_OPCODE, 5));
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	ask(script, probe(3));
	respond(script, announce_response(PCP_ADDRESS_MISMATCH, 5));
	expect(script, GATEWAY_EVENT_ANSWER, 3, TROUBLE_ADDRESS_MISMATCH);
}

/* §11.6 */
static void test_address(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct gateway_request request = { .id = 1, .operation = GATEWAY_ADDRESS };
	struct pcp_response response = map_response(9, 40000, 120, 5);
	struct gateway_event event;

	ask(script, request);
	assert_int_equal(script->sent[0].opcode, PCP_MAP);
	assert_int_equal(script->sent[0].mapping.internal_port, 9);
	assert_int_equal(script->sent[0].lifetime, 120);
	memcpy(response.mapping.nonce, script->sent[0].mapping.nonce, PCP_NONCE_SIZE);
	respond(script, response);
	event = expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	assert_int_equal(event.operation, GATEWAY_ADDRESS);
	assert_int_equal(event.external.s_addr, inet_addr("11.0.1.1"));
	assert_int_equal(event.internal_port, 0);
}

static void test_senseless_grants(void **state)
{
	cleanup(freep) struct script *script = begin();
	struct pcp_response response;

	ask(script, mapping(1, 4500));
	respond(script, map_response(4500, 4500, 0, 5));
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_MALFORMED);
	ask(script, mapping(2, 4500));
	respond(script, map_response(4500, 0, 3600, 5));
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_MALFORMED);
	/* PC-22: not an IPv4 address in PCP's form. */
	ask(script, mapping(3, 4500));
	response = map_response(4500, 4500, 3600, 5);
	response.mapping.external.s6_addr[11] = 0;
	respond(script, response);
	expect(script, GATEWAY_EVENT_ANSWER, 3, TROUBLE_MALFORMED);
	ask(script, mapping(4, 4500));
	respond(script, map_response(4500, 4500, UINT32_MAX, 5));
	assert_true(expect(script, GATEWAY_EVENT_ANSWER, 4, TROUBLE_NONE).lifetime == UINT32_MAX);
}

/* PC-16, and what is at its edges. */
static void test_epoch(void **state)
{
	static const struct {
		uint64_t elapsed; /* s, of ours */
		uint32_t epoch;   /* after 1000 */
		bool valid;
	} cases[] = {
		{ 0, 1000, true },
		{ 0, 999, true }, /* one second back: packets in another order */
		{ 0, 998, false },
		{ 0, 1002, true },
		{ 0, 1003, false },
		{ 1600, 2600, true },
		{ 1600, 1000 + 1498, true }, /* 1498 + 2 = 1600 - 100 */
		{ 1600, 1000 + 1497, false },
		{ 1600, 1000 + 1708, true }, /* 1708 - 106 = 1602 */
		{ 1600, 1000 + 1709, false },
		{ 86400, 0, false },
		{ 86400, UINT32_MAX, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(freep) struct script *script = begin_mapped();

		script->now += cases[i].elapsed * 1000;
		ask(script, mapping(2, 4500));
		respond(script, map_response(4500, 4500, 3600, cases[i].epoch));
		if (!cases[i].valid)
			/* §8.5: promptly. */
			assert_int_equal(
				expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE).delay, 0);
		expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
		expect_nothing(script);
	}
}

/* Restarted within the first seconds, which the rules of §8.5 do not see. */
static void test_restart_soon_after_the_start(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask(script, mapping(1, 4500));
	respond(script, map_response(4500, 4500, 3600, 1));
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	script->now += 1000;
	ask(script, probe(2));
	respond(script, announce_response(PCP_SUCCESS, 1));
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	script->now += 1000;
	ask(script, probe(3));
	respond(script, announce_response(PCP_SUCCESS, 0));
	expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE);
	expect(script, GATEWAY_EVENT_ANSWER, 3, TROUBLE_NONE);
	/* Once. */
	ask(script, mapping(4, 4500));
	respond(script, map_response(4500, 4500, 3600, 0));
	expect(script, GATEWAY_EVENT_ANSWER, 4, TROUBLE_NONE);
	/* A clock that is slow by a twentieth is no restart. */
	for (uint32_t i = 1; i <= 100; i++) {
		script->now += 60000;
		ask(script, mapping(4 + i, 4500));
		respond(script, map_response(4500, 4500, 3600, i * 57));
		expect(script, GATEWAY_EVENT_ANSWER, 4 + i, TROUBLE_NONE);
	}
}

static void test_epoch_that_jumps(void **state)
{
	cleanup(freep) struct script *script = begin_mapped();
	unsigned int n_restarts = 0;
	uint64_t end = script->now + 600000;

	for (uint32_t i = 0; script->now < end; i++) {
		struct gateway_event event;
		uint64_t wait = 60000;

		ask(script, mapping(i + 2, 4500));
		respond(script, map_response(4500, 4500, 3600, i % 2 ? 4000000000 : 0));
		while (pcp_state_take_event(&script->state, &event))
			if (event.kind == GATEWAY_EVENT_RESTARTED) {
				n_restarts++;
				wait = event.delay + 1;
			}
		script->now += wait;
	}
	assert_in_range(n_restarts, 4, 12);
}

static void hear(struct script *script, enum announcement_kind kind, const char *address,
		 uint32_t epoch)
{
	struct announcement announcement = { .kind = kind, .epoch = epoch };

	if (address)
		announcement.external.s_addr = inet_addr(address);
	pcp_state_on_announcement(&script->state, &announcement, script->now);
	take(script);
}

/* §14.1.3 */
static void test_announced_restart(void **state)
{
	cleanup(freep) struct script *script = begin_mapped();
	uint64_t heard_at;

	script->now += 60000;
	/* It is what we know. */
	hear(script, ANNOUNCEMENT_RESTART, NULL, 1060);
	assert_int_equal(pcp_state_due(&script->state), UINT64_MAX);
	hear(script, ANNOUNCEMENT_RESTART, NULL, 0);
	hear(script, ANNOUNCEMENT_RESTART, NULL, 0);
	assert_int_equal(script->n_sent, 1);
	heard_at = script->now;
	pass_until(script, heard_at + 5000);
	/* After 0 to 5 s it is asked, and believed then. */
	assert_int_equal(script->n_sent, 2);
	assert_int_equal(script->sent[1].opcode, PCP_ANNOUNCE);
	assert_in_range(script->at[1], heard_at, heard_at + 5000);
	expect_nothing(script);
	respond(script, announce_response(PCP_SUCCESS, 5));
	assert_int_equal(expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE).delay, 0);
	/* The other copies. */
	for (uint32_t i = 0; i < 8; i++) {
		script->now += 250 << i;
		hear(script, ANNOUNCEMENT_RESTART, NULL, 5 + (script->now - heard_at) / 1000 - 5);
	}
	expect_nothing(script);
}

/* So soon after the mapping was made that no epoch tells. */
static void test_announced_restart_at_once(void **state)
{
	cleanup(freep) struct script *script = begin();

	ask(script, mapping(1, 4500));
	respond(script, map_response(4500, 4500, 3600, 0));
	expect(script, GATEWAY_EVENT_ANSWER, 1, TROUBLE_NONE);
	script->now += 100;
	hear(script, ANNOUNCEMENT_RESTART, NULL, 0);
	pass_until(script, script->now + 5000);
	assert_int_equal(script->n_sent, 2);
	respond(script, announce_response(PCP_SUCCESS, (script->now - 100100) / 1000));
	expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE);
	/* The other copies. */
	script->now += 1000;
	hear(script, ANNOUNCEMENT_RESTART, NULL, (script->now - 100100) / 1000);
	assert_int_equal(pcp_state_due(&script->state), UINT64_MAX);
}

static void test_announced_falsely(void **state)
{
	cleanup(freep) struct script *script = begin_mapped();
	uint64_t begun = script->now;

	while (script->now < begun + 3600000) {
		unsigned int n_sent = script->n_sent;

		hear(script, ANNOUNCEMENT_RESTART, NULL, script->now / 500 % 2 * 90000);
		pass_until(script, script->now + 500);
		if (script->n_sent > n_sent)
			respond(script, announce_response(PCP_SUCCESS,
							  1000 + (script->now - begun) / 1000));
		expect_nothing(script);
	}
	assert_in_range(script->n_sent, 8, 25);
}

/* Announced, and then silent: the mappings are made again, which asks, too. */
static void test_announced_and_silent(void **state)
{
	cleanup(freep) struct script *script = begin_mapped();

	hear(script, ANNOUNCEMENT_RESTART, NULL, 0);
	pass_until(script, script->now + 60000);
	assert_int_equal(script->n_sent, 3);
	expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE);
	expect_nothing(script);
	assert_int_equal(pcp_state_due(&script->state), UINT64_MAX);
}

static void test_announced_address(void **state)
{
	cleanup(freep) struct script *script = begin_mapped();

	hear(script, ANNOUNCEMENT_ADDRESS, "11.0.1.1", 7);
	assert_int_equal(pcp_state_due(&script->state), UINT64_MAX);
	hear(script, ANNOUNCEMENT_ADDRESS, "11.0.1.2", 7);
	/* At once. */
	assert_int_equal(script->n_sent, 2);
	assert_int_equal(script->sent[1].opcode, PCP_ANNOUNCE);
	respond(script, announce_response(PCP_SUCCESS, 1000 + (script->now - 100000) / 1000));
	assert_int_equal(expect(script, GATEWAY_EVENT_ADDRESS, 0, TROUBLE_NONE).external.s_addr, 0);
}

/* What waits because of a restart does not wait any more. */
static void test_announced_restart_with_address(void **state)
{
	cleanup(freep) struct script *script = begin_mapped();

	script->now += 60000;
	hear(script, ANNOUNCEMENT_RESTART, NULL, 0);
	hear(script, ANNOUNCEMENT_ADDRESS, "11.0.1.2", 0);
	assert_int_equal(script->n_sent, 2);
	respond(script, announce_response(PCP_SUCCESS, 0));
	assert_int_equal(expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE).delay, 0);
}

/* A gateway that gets another address again and again is believed each time, once a second. */
static void test_addresses_that_are_true(void **state)
{
	cleanup(freep) struct script *script = begin_mapped();
	char address[INET_ADDRSTRLEN];

	for (uint32_t i = 0; i < 40; i++) {
		struct pcp_response response = map_response(4500, 4500, 3600, 0);

		script->now += 2000;
		snprintf(address, sizeof address, "11.0.1.%u", 10 + i);
		script->n_sent = 1;
		hear(script, ANNOUNCEMENT_ADDRESS, address, 0);
		assert_int_equal(script->n_sent, 2);
		respond(script, announce_response(PCP_SUCCESS, 0));
		assert_int_equal(expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE).delay, 0);
		ask(script, mapping(i + 2, 4500));
		response.mapping.external =
			pcp_address_from((struct in_addr){ inet_addr(address) });
		respond(script, response);
		expect(script, GATEWAY_EVENT_ANSWER, i + 2, TROUBLE_NONE);
	}
	/* As fast as it says so would be a flood. */
	script->now += 100;
	ask(script, mapping(100, 4500));
	respond(script, map_response(4500, 4500, 3600, 4000000));
	assert_in_range(expect(script, GATEWAY_EVENT_RESTARTED, 0, TROUBLE_NONE).delay, 800, 1000);
}

/* §14.2 */
static void test_mapping_update(void **state)
{
	cleanup(freep) struct script *script = begin_mapped();
	struct pcp_response response;
	struct gateway_event event;

	script->now += 10000;
	response = map_response(4500, 5500, 3000, 1010);
	response.mapping.nonce[0] ^= 1;
	respond(script, response);
	response = map_response(4500, 5500, 3000, 1010);
	response.options.has_third_party = true;
	respond(script, response);
	expect_nothing(script);
	/* Three times. */
	for (int i = 0; i < 3; i++)
		respond(script, map_response(4500, 5500, 3000, 1010));
	event = expect(script, GATEWAY_EVENT_MAPPING, 0, TROUBLE_NONE);
	assert_int_equal(event.transport, IPPROTO_UDP);
	assert_int_equal(event.internal_port, 4500);
	assert_int_equal(event.external_port, 5500);
	assert_int_equal(event.external.s_addr, inet_addr("11.0.1.1"));
	assert_int_equal(event.lifetime, 3000);
	expect_nothing(script);
	/* A copy of an answer that was under way for longer. */
	respond(script, map_response(4500, 4500, 3600, 1009));
	expect_nothing(script);
	/* It is gone. */
	response = map_response(4500, 5500, 30, 1010);
	response.result = PCP_NOT_AUTHORIZED;
	respond(script, response);
	event = expect(script, GATEWAY_EVENT_MAPPING, 0, TROUBLE_REFUSED);
	assert_int_equal(event.external_port, 0);
	assert_int_equal(event.delay, 30000);
	respond(script, map_response(4500, 5500, 3000, 1010));
	expect_nothing(script);
}

static void test_mapping_gone(void **state)
{
	cleanup(freep) struct script *script = begin_mapped();
	struct gateway_request request = mapping(2, 4500);

	respond(script, map_response(4500, 4500, 0, 1000));
	assert_int_equal(expect(script, GATEWAY_EVENT_MAPPING, 0, TROUBLE_NONE).external_port, 0);
	/* What we had deleted is no news. */
	ask(script, mapping(3, 4500));
	respond(script, map_response(4500, 4500, 3600, 1000));
	expect(script, GATEWAY_EVENT_ANSWER, 3, TROUBLE_NONE);
	request.operation = GATEWAY_DELETE;
	ask(script, request);
	respond(script, map_response(4500, 0, 0, 1000));
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	respond(script, map_response(4500, 5500, 3600, 1000));
	expect_nothing(script);
}

/* §15.1 */
static void test_deletion(void **state)
{
	cleanup(freep) struct script *script = begin_mapped();
	struct gateway_request request = mapping(2, 4500);

	request.operation = GATEWAY_DELETE;
	ask(script, request);
	/* A late answer to the mapping. */
	respond(script, map_response(4500, 4500, 3600, 1000));
	expect_nothing(script);
	/* §15: it ends when the traffic has. */
	respond(script, map_response(4500, 0, 25, 1000));
	expect(script, GATEWAY_EVENT_ANSWER, 2, TROUBLE_NONE);
	/* Nobody answers: a few tries. */
	request.id = 3;
	ask(script, request);
	pass_until(script, script->now + 60000);
	assert_int_equal(script->n_sent, 4);
	expect(script, GATEWAY_EVENT_ABSENT, 3, TROUBLE_SILENT);
}

static void test_many_grants(void **state)
{
	cleanup(freep) struct script *script = begin();

	for (uint32_t i = 1; i <= PCP_GRANTS_LIMIT + 10; i++) {
		ask(script, mapping(i, i));
		respond(script, map_response(i, i, 3600, 1000));
		expect(script, GATEWAY_EVENT_ANSWER, i, TROUBLE_NONE);
	}
	respond(script, map_response(1, 700, 3600, 1000));
	expect_nothing(script);
	respond(script, map_response(11, 700, 3600, 1000));
	expect(script, GATEWAY_EVENT_MAPPING, 0, TROUBLE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_senseless_requests),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_foreign_answers),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_failure_lifetimes),
		cmocka_unit_test(test_no_resources),
		cmocka_unit_test(test_other_versions),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_senseless_grants),
		cmocka_unit_test(test_epoch),
		cmocka_unit_test(test_restart_soon_after_the_start),
		cmocka_unit_test(test_epoch_that_jumps),
		cmocka_unit_test(test_announced_restart),
		cmocka_unit_test(test_announced_restart_at_once),
		cmocka_unit_test(test_announced_restart_with_address),
		cmocka_unit_test(test_addresses_that_are_true),
		cmocka_unit_test(test_announced_falsely),
		cmocka_unit_test(test_announced_and_silent),
		cmocka_unit_test(test_announced_address),
		cmocka_unit_test(test_mapping_update),
		cmocka_unit_test(test_mapping_gone),
		cmocka_unit_test(test_deletion),
		cmocka_unit_test(test_many_grants),
	};

	return cmocka_run_group_tests_name("pcp-state", tests, NULL, NULL);
}
