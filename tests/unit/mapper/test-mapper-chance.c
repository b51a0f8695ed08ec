/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Gateways that do anything, in an order that a number decides: whatever they say, what is told
 * holds together, nobody is asked in a hurry, and once they are well again all is mapped.
 */
#include "tests/unit/mapper/script.h"

#include "services/mapper/mapping-state.h"

#include <arpa/inet.h>
#include <string.h>

#define SCHEDULES 300
#define STEPS     400

static uint64_t chance;

static uint32_t below(uint32_t limit)
{
	chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (chance >> 33) % limit;
}

static void draw(void *octets, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)octets)[i] = below(256);
}

static void check(const struct script *script)
{
	const struct mapper_state *state = &script->state;

	for (const struct mapping *mapping = state->mappings; mapping; mapping = mapping->next) {
		bool endpoint = mapping->external.sin_addr.s_addr && mapping->external.sin_port;

		assert_true(mapping->generation == state->generation);
		switch (mapping->condition) {
		case MAPPING_MAPPED:
			assert_true(endpoint);
			assert_true(mapping->hops[0].mapped);
			assert_true(mapping->expires_at > script->now);
			break;
		case MAPPING_PUBLIC:
			assert_true(endpoint);
			assert_memory_equal(&mapping->external, &mapping->internal,
					    sizeof mapping->external);
			break;
		case MAPPING_FAILED:
			assert_true(mapping->trouble != TROUBLE_NONE);
			assert_false(endpoint);
			break;
		case MAPPING_PENDING:
			assert_false(endpoint);
			break;
		}
	}
	assert_true(script->n_asked < 200);
	assert_true(mapper_state_due(state) > script->now);
}

static void say_anything(struct script *script)
{
	struct gateway_event event = { .kind = below(GATEWAY_EVENT_MAPPING + 1),
				       .transport = IPPROTO_UDP,
				       .internal_port = 4500 + below(3),
				       .external_port = below(3) ? 4500 + below(9) : 0,
				       .lifetime = below(4) ? below(7200) : UINT32_MAX,
				       .delay = below(5000) };
	enum mapping_protocol protocol = 1 + below(3);

	if (script->n_asked && below(3)) {
		const struct asked *asked = &script->asked[below(script->n_asked)];

		event.kind = below(5) ? GATEWAY_EVENT_ANSWER : GATEWAY_EVENT_ABSENT;
		event.id = asked->request.id;
		event.operation = asked->request.operation;
		protocol = asked->protocol;
		script->hop = asked->hop;
	}
	if (below(2))
		event.external.s_addr = htonl(0x0b000101 + below(3));
	else if (!below(4))
		event.external.s_addr = inet_addr("192.168.9.9");
	if (event.kind == GATEWAY_EVENT_ABSENT)
		event.trouble = below(2) ? TROUBLE_SILENT : TROUBLE_NOT_SUPPORTED;
	else if (!below(3))
		event.trouble = below(TROUBLE_NOT_FORWARDED + 1);
	event.result = event.trouble ? below(15) : 0;
	say(script, protocol, &event);
	script->hop = 0;
	for (size_t i = 0; i < script->n_asked; i++)
		if (script->asked[i].request.id == event.id && event.kind <= GATEWAY_EVENT_ABSENT) {
			script->asked[i] = script->asked[--script->n_asked];
			break;
		}
}

static void do_anything(struct script *script, struct mapping **mappings)
{
	unsigned int i = below(3);

	switch (below(16)) {
	case 0:
		arrive(script, below(2) ? "192.168.1.10" : "10.0.0.7",
		       below(2) ? "192.168.1.1" : "10.0.0.1");
		break;
	case 1:
		lose_network(script);
		arrive(script, "192.168.1.10", "192.168.1.1");
		break;
	case 2:
		mapper_state_reprove(&script->state, script->now);
		take_actions(script);
		break;
	case 3:
		mapper_state_on_announcement(&script->state, script->state.network.gateway, 2,
					     script->now);
		take_actions(script);
		break;
	case 4:
		if (mappings[i])
			mapping_remove(&script->state, mappings[i], script->now);
		mappings[i] = NULL;
		take_actions(script);
		break;
	case 5:
		if (!mappings[i])
			mappings[i] = wish(script, "tunnel", 4500 + i);
		break;
	case 6:
		at(script, script->now + below(4000000));
		break;
	case 7:
	case 8:
		at(script, script->now + below(3000));
		break;
	default:
		say_anything(script);
		break;
	}
}

/* The gateway is well from now on and speaks one protocol. */
static void be_well(struct script *script, enum mapping_protocol protocol)
{
	for (int rounds = 0; rounds < 2000; rounds++) {
		for (size_t i = 0; i < script->n_asked;) {
			struct asked asked = script->asked[i];
			struct gateway_event event = { .kind = GATEWAY_EVENT_ANSWER,
						       .id = asked.request.id,
						       .operation = asked.request.operation,
						       .transport = asked.request.transport,
						       .internal_port = asked.request.internal_port,
						       .external_port = asked.request.external_port,
						       .lifetime = asked.request.lifetime };

			memmove(script->asked + i, script->asked + i + 1,
				(--script->n_asked - i) * sizeof script->asked[0]);
			if (asked.protocol == protocol)
				event.external.s_addr = inet_addr("11.0.1.1");
			else {
				event.kind = GATEWAY_EVENT_ABSENT;
				event.trouble = TROUBLE_NOT_SUPPORTED;
			}
			script->hop = asked.hop;
			say(script, asked.protocol, &event);
			script->hop = 0;
			i = 0;
		}
		if (mapper_state_due(&script->state) == UINT64_MAX)
			break;
		at(script, mapper_state_due(&script->state));
		if (script->now > script->state.gateways[0].race_at + 100 * HOUR)
			break;
	}
}

static void test_chance(void **state)
{
	static struct script script;

	for (int schedule = 0; schedule < SCHEDULES; schedule++) {
		struct mapping *mappings[3] = {};
		uint64_t generation = 0;

		chance = schedule;
		begin(&script);
		script.quiet = true;
		script.state.random = draw;
		if (schedule % 3 == 0)
			script.state.nested[0].s_addr = inet_addr("25.0.0.1");
		arrive(&script, "192.168.1.10", "192.168.1.1");
		for (int step = 0; step < STEPS; step++) {
			do_anything(&script, mappings);
			check(&script);
			assert_true(script.state.generation >= generation);
			generation = script.state.generation;
		}
		for (int i = 0; i < 3; i++)
			if (!mappings[i])
				mappings[i] = wish(&script, "tunnel", 4500 + i);
		be_well(&script, 1 + schedule % 3);
		for (int i = 0; i < 3; i++) {
			assert_mapping(mappings[i], "mapped", "11.0.1.1",
				       ntohs(mappings[i]->external.sin_port));
			assert_int_equal(mappings[i]->hops[0].protocol, 1 + schedule % 3);
		}
		end(&script);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_chance) };

	return cmocka_run_group_tests_name("mapper-chance", tests, NULL, NULL);
}
