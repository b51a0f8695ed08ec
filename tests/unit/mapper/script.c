/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/mapper/script.h"

#include "services/mapper/mapper-words.h"
#include "services/mapper/mapping-state.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static void write_down(struct script *script, const struct mapper_action *action)
{
	const struct gateway_request *request = &action->request;
	const char *tcp = request->transport == IPPROTO_TCP ? "tcp " : "";
	char who[32], text[80];
	int now = (int)script->now;

	if (script->quiet)
		return;
	snprintf(who, sizeof who, "%s", words_protocol(action->protocol));
	if (action->hop)
		snprintf(who + strlen(who), sizeof who - strlen(who), "@%u", action->hop);
	switch (action->kind) {
	case MAPPER_CLOSE:
		snprintf(text, sizeof text, "%d close %s", now, who);
		break;
	case MAPPER_CANCEL:
		snprintf(text, sizeof text, "%d %s cancel", now, who);
		break;
	case MAPPER_REQUEST:
		if (request->operation == GATEWAY_PROBE)
			snprintf(text, sizeof text, "%d %s probe", now, who);
		else if (request->operation == GATEWAY_ADDRESS)
			snprintf(text, sizeof text, "%d %s address", now, who);
		else if (request->operation == GATEWAY_DELETE)
			snprintf(text, sizeof text, "%d %s delete %s%d", now, who, tcp,
				 request->internal_port);
		else
			snprintf(text, sizeof text, "%d %s map %s%d as %d for %u", now, who, tcp,
				 request->internal_port, request->external_port, request->lifetime);
		break;
	}
	assert_true(script->n_sent < SENT_LIMIT);
	strcpy(script->sent[script->n_sent++], text);
}

static void drop_asked(struct script *script, size_t i)
{
	script->n_asked--;
	memmove(script->asked + i, script->asked + i + 1,
		(script->n_asked - i) * sizeof script->asked[0]);
}

static bool is_stale(const struct script *script, const struct asked *asked)
{
	const struct gateway_state *gateway = &script->state.gateways[asked->hop];

	return !gateway->begun || gateway->incarnation != asked->incarnation;
}

static void act(struct script *script, const struct mapper_action *action)
{
	struct asked asked = { .hop = action->hop,
			       .incarnation = script->state.gateways[action->hop].incarnation,
			       .protocol = action->protocol,
			       .request = action->request,
			       .at = script->now };

	for (size_t i = script->n_asked; i-- > 0;) {
		const struct asked *former = &script->asked[i];
		bool same = former->hop == action->hop && former->protocol == action->protocol;

		if (is_stale(script, former) || (same && action->kind == MAPPER_CLOSE) ||
		    (same && action->kind == MAPPER_CANCEL &&
		     former->request.id == action->request.id))
			drop_asked(script, i);
		else if (action->kind == MAPPER_REQUEST)
			assert_int_not_equal(former->request.id, action->request.id);
	}
	if (action->kind != MAPPER_REQUEST)
		return;
	assert_int_not_equal(action->request.id, 0);
	assert_true(script->n_asked < ASKED_LIMIT);
	script->asked[script->n_asked++] = asked;
}

void take_actions(struct script *script)
{
	struct mapper_action action;

	for (int i = 0; mapper_state_take_action(&script->state, script->now, &action); i++) {
		assert_true(i < 1000);
		write_down(script, &action);
		act(script, &action);
	}
}

void at(struct script *script, uint64_t then)
{
	take_actions(script);
	for (int i = 0; mapper_state_due(&script->state) <= then; i++) {
		uint64_t due = mapper_state_due(&script->state);

		assert_true(i < 10000);
		/* Due in the past means that taking actions did not take them all. */
		assert_true(due > script->now);
		script->now = due;
		take_actions(script);
	}
	script->now = then;
	take_actions(script);
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

/* So that times are told exactly: the earliest of each span. */
static void all_zero(void *octets, size_t size)
{
	memset(octets, 0, size);
}

void begin(struct script *script)
{
	memset(script, 0, sizeof *script);
	mapper_state_init(&script->state, 0, all_zero);
}

void end(struct script *script)
{
	mapper_state_deinit(&script->state);
}

struct network_view view(const char *address, const char *gateway)
{
	struct network_view view = { .link = 2, .interface = "eth0" };

	view.address.s_addr = inet_addr(address);
	view.kind = network_kind_of(view.address);
	if (gateway)
		view.gateway.s_addr = inet_addr(gateway);
	return view;
}

void arrive(struct script *script, const char *address, const char *gateway)
{
	struct network_view there = view(address, gateway);

	mapper_state_set_network(&script->state, &there, script->now);
	take_actions(script);
}

void lose_network(struct script *script)
{
	struct network_view nowhere = {};

	mapper_state_set_network(&script->state, &nowhere, script->now);
	take_actions(script);
}

struct mapping *wish(struct script *script, const char *label, uint16_t port)
{
	struct mapping_wish wish = { .transport = IPPROTO_UDP,
				     .internal_port = port,
				     .lifetime = 3600 };
	struct mapping *mapping;

	strcpy(wish.label, label);
	assert_int_equal(mapping_add(&script->state, &wish, script->now, &mapping), 0);
	take_actions(script);
	return mapping;
}

struct asked *find_asked(struct script *script, enum mapping_protocol protocol,
			 enum gateway_operation operation)
{
	for (size_t i = 0; i < script->n_asked; i++) {
		struct asked *asked = &script->asked[i];

		if (!is_stale(script, asked) && asked->hop == script->hop &&
		    asked->protocol == protocol && asked->request.operation == operation)
			return asked;
	}
	return NULL;
}

void say(struct script *script, enum mapping_protocol protocol, const struct gateway_event *event)
{
	unsigned int hop = script->hop;

	mapper_state_on_event(&script->state, hop, script->state.gateways[hop].incarnation,
			      protocol, event, script->now);
	take_actions(script);
}

/* An event about the oldest such request, which is answered with it. */
static struct gateway_event about(struct script *script, enum gateway_event_kind kind,
				  enum mapping_protocol protocol, enum gateway_operation operation)
{
	struct asked *asked = find_asked(script, protocol, operation);
	struct gateway_event event = { .kind = kind, .operation = operation };

	if (!asked)
		fail_msg("nothing of that kind was asked of %s", words_protocol(protocol));
	event.id = asked->request.id;
	event.transport = asked->request.transport;
	event.internal_port = asked->request.internal_port;
	drop_asked(script, asked - script->asked);
	return event;
}

void answer(struct script *script, enum mapping_protocol protocol, enum gateway_operation operation,
	    const char *external)
{
	struct gateway_event event = about(script, GATEWAY_EVENT_ANSWER, protocol, operation);

	if (external)
		event.external.s_addr = inet_addr(external);
	say(script, protocol, &event);
}

void grant(struct script *script, enum mapping_protocol protocol, uint16_t port,
	   const char *external, uint32_t lifetime)
{
	struct gateway_event event = about(script, GATEWAY_EVENT_ANSWER, protocol, GATEWAY_MAP);

	event.external_port = port;
	event.lifetime = lifetime;
	if (external)
		event.external.s_addr = inet_addr(external);
	say(script, protocol, &event);
}

void refuse(struct script *script, enum mapping_protocol protocol, enum gateway_operation operation,
	    enum trouble trouble, unsigned int result)
{
	struct gateway_event event = about(script, GATEWAY_EVENT_ANSWER, protocol, operation);

	event.trouble = trouble;
	event.result = result;
	say(script, protocol, &event);
}

void be_absent(struct script *script, enum mapping_protocol protocol,
	       enum gateway_operation operation, enum trouble trouble)
{
	struct gateway_event event = about(script, GATEWAY_EVENT_ABSENT, protocol, operation);

	event.trouble = trouble;
	say(script, protocol, &event);
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
	struct nat_facts facts = mapper_state_facts(&script->state);

	assert_string_equal(words_state(&script->state), state);
	assert_string_equal(words_nat_kind(nat_kind_decide(&facts)), nat_kind);
}

struct mapping *begin_mapped(struct script *script, enum mapping_protocol protocol)
{
	struct mapping *tunnel;

	begin(script);
	script->state.protocols[0] = protocol;
	script->state.protocols[1] = PROTOCOL_NONE;
	tunnel = wish(script, "tunnel", 4500);
	arrive(script, "192.168.1.10", "192.168.1.1");
	if (protocol == PROTOCOL_NATPMP)
		answer(script, protocol, GATEWAY_PROBE, "11.0.1.1");
	grant(script, protocol, 4500, protocol == PROTOCOL_NATPMP ? NULL : "11.0.1.1", 3600);
	script->n_checked = script->n_sent;
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	return tunnel;
}
