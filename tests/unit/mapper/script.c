/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/mapper/script.h"

#include "services/mapper/mapper-words.h"
#include "services/mapper/mapping-state.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void take_requests(struct script *script)
{
	struct gateway_request request;

	while (mapper_state_take_request(&script->state, script->now, &request)) {
		char *text = script->sent[script->n_sent++];
		const char *tcp = request.operation == NATPMP_MAP_TCP ? "tcp " : "";

		assert_true(script->n_sent < SENT_LIMIT);
		if (request.operation == NATPMP_ADDRESS)
			snprintf(text, 64, "%d address", (int)script->now);
		else if (!request.lifetime && !request.external_port)
			snprintf(text, 64, "%d delete %s%d", (int)script->now, tcp,
				 request.internal_port);
		else
			snprintf(text, 64, "%d map %s%d as %d for %d", (int)script->now, tcp,
				 request.internal_port, request.external_port,
				 (int)request.lifetime);
	}
}

void at(struct script *script, uint64_t then)
{
	take_requests(script);
	for (int i = 0; mapper_state_due(&script->state) <= then; i++) {
		uint64_t due = mapper_state_due(&script->state);

		assert_true(i < 10000);
		/* Due in the past means that taking requests did not take them all. */
		assert_true(due > script->now);
		script->now = due;
		take_requests(script);
	}
	script->now = then;
	take_requests(script);
}

void assert_sent_list(struct script *script, const char *const *expected, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (script->n_checked >= script->n_sent)
			fail_msg("not sent: %s", expected[i]);
		assert_string_equal(script->sent[script->n_checked++], expected[i]);
	}
	if (script->n_checked < script->n_sent)
		fail_msg("not expected: %s", script->sent[script->n_checked]);
}

void begin(struct script *script)
{
	memset(script, 0, sizeof *script);
	mapper_state_init(&script->state, 0, 12345);
}

void end(struct script *script)
{
	mapper_state_deinit(&script->state);
}

struct network_view view(const char *address, const char *gateway)
{
	struct network_view view = { .link = 2, .interface = "eth0" };

	view.address.s_addr = inet_addr(address);
	if (gateway)
		view.gateway.s_addr = inet_addr(gateway);
	return view;
}

void arrive(struct script *script, const char *address, const char *gateway)
{
	struct network_view there = view(address, gateway);

	mapper_state_set_network(&script->state, &there, script->now);
	take_requests(script);
}

void lose_network(struct script *script)
{
	struct network_view nowhere = {};

	mapper_state_set_network(&script->state, &nowhere, script->now);
	take_requests(script);
}

void answer(struct script *script, const struct natpmp_response *response)
{
	mapper_state_on_response(&script->state, script->state.conversation, response, script->now);
	take_requests(script);
}

void answer_address(struct script *script, const char *address, uint32_t epoch)
{
	answer(script, &(struct natpmp_response){ .has_operation = true,
						  .operation = NATPMP_ADDRESS,
						  .has_epoch = true,
						  .epoch = epoch,
						  .external.s_addr = inet_addr(address) });
}

void answer_map(struct script *script, uint16_t internal, uint16_t external, uint32_t lifetime,
		uint32_t epoch)
{
	answer(script, &(struct natpmp_response){ .has_operation = true,
						  .operation = NATPMP_MAP_UDP,
						  .has_epoch = true,
						  .epoch = epoch,
						  .has_internal_port = true,
						  .internal_port = internal,
						  .external_port = external,
						  .lifetime = lifetime });
}

void answer_failure(struct script *script, enum natpmp_operation operation, uint16_t result)
{
	answer(script, &(struct natpmp_response){
			       .result = result, .has_operation = true, .operation = operation });
}

void announce(struct script *script, const char *source, enum announcement_kind kind,
	      const char *address, uint32_t epoch)
{
	struct announcement announcement = { .kind = kind, .epoch = epoch };

	if (address)
		announcement.external.s_addr = inet_addr(address);
	mapper_state_on_announcement(&script->state, (struct in_addr){ inet_addr(source) }, 2,
				     &announcement, script->now);
	take_requests(script);
}

struct mapping *wish(struct script *script, const char *label, uint16_t port)
{
	struct mapping_wish wish = { .operation = NATPMP_MAP_UDP,
				     .internal_port = port,
				     .lifetime = 3600 };
	struct mapping *mapping;

	strcpy(wish.label, label);
	assert_int_equal(mapping_add(&script->state, &wish, script->now, &mapping), 0);
	take_requests(script);
	return mapping;
}

void assert_mapping(const struct mapping *mapping, const char *condition, const char *external,
		    uint16_t port)
{
	assert_string_equal(words_condition(mapping->condition), condition);
	assert_string_equal(inet_ntoa(mapping->external.sin_addr), external);
	assert_int_equal(ntohs(mapping->external.sin_port), port);
}

void assert_words(struct script *script, const char *state, const char *nat_kind)
{
	assert_string_equal(words_state(&script->state), state);
	assert_string_equal(words_nat_kind(mapper_state_nat_kind(&script->state)), nat_kind);
}

struct mapping *begin_mapped(struct script *script)
{
	struct mapping *tunnel;

	begin(script);
	tunnel = wish(script, "tunnel", 4500);
	arrive(script, "192.168.1.10", "192.168.1.1");
	answer_address(script, "11.0.1.1", 1000);
	answer_map(script, 4500, 4500, 3600, 1000);
	assert_sent(script, "0 address", "0 map 4500 as 4500 for 3600");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	return tunnel;
}
