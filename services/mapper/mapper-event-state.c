/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mapper-state.h: what gateways say. */
#include "services/mapper/mapper-state-internal.h"
#include "services/mapper/mapping-state.h"

#define MAPPING_PATIENCE 1000 /* ms; programs ask for theirs soon after the start */

static struct mapping *find_mapping(const struct mapper_state *state, unsigned int hop, uint32_t id)
{
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (mapping->hops[hop].id == id)
			return mapping;
	return NULL;
}

static struct deletion *find_deletion(const struct mapper_state *state, uint32_t id)
{
	for (struct deletion *deletion = state->deletions; deletion; deletion = deletion->next)
		if (deletion->id == id)
			return deletion;
	return NULL;
}

static enum attempt_standing standing_of(enum trouble trouble)
{
	switch (trouble) {
	case TROUBLE_SILENT:
		return ATTEMPT_SILENT;
	case TROUBLE_NOT_SUPPORTED:
		return ATTEMPT_UNSUPPORTED;
	case TROUBLE_NONE:
	case TROUBLE_REFUSED:
	case TROUBLE_NETWORK_FAILURE:
	case TROUBLE_OUT_OF_RESOURCES:
	case TROUBLE_UNSUPPORTED_OPERATION:
	case TROUBLE_UNKNOWN_RESULT:
	case TROUBLE_DOUBLE_NAT:
	case TROUBLE_EXPIRED:
	case TROUBLE_ADDRESS_MISMATCH:
	case TROUBLE_CONFLICT:
	case TROUBLE_MALFORMED:
	case TROUBLE_NOT_FORWARDED:
		return ATTEMPT_REFUSED;
	}
	return ATTEMPT_REFUSED;
}

/* The protocol does not do here what it did, or was believed to do. */
static void note_failure(struct mapper_state *state, unsigned int hop,
			 enum mapping_protocol protocol, const struct gateway_event *event,
			 enum trouble trouble, uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];
	enum attempt_standing standing = standing_of(trouble);
	const struct remembered_gateway *remembered;

	/* Its speaker is closed, with what it was asked. */
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (gateway->winner == protocol && mapping->hops[hop].protocol == protocol)
			mapping->hops[hop].id = 0;
	gateway_note_failure(gateway, protocol, standing, trouble, event->result, event->delay,
			     now);
	if (hop)
		return;
	remembered = gateway_memory_find(&state->memory, gateway->place.address,
					 mapper_state_mac(state));
	if (remembered && remembered->protocol == protocol)
		gateway_memory_note(&state->memory, gateway->place.address, mapper_state_mac(state),
				    PROTOCOL_NONE);
}

static bool maps_something(const struct mapper_state *state, unsigned int hop)
{
	for (const struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (mapping->hops[hop].mapped)
			return true;
	return false;
}

/* Where the winner maps nothing, another protocol may (an owner who switched one off, or allows
 * only one of them). A conflict is no matter of protocols. */
static void step_down(struct mapper_state *state, unsigned int hop,
		      const struct gateway_event *event, uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];

	if (event->trouble == TROUBLE_CONFLICT || maps_something(state, hop))
		return;
	/* By PCP only a mapping tells the address: of one that is refused after a restart, the
	 * former one would be told until another is granted. */
	if (gateway->winner == PROTOCOL_PCP && event->trouble != TROUBLE_SILENT)
		gateway->external = (struct in_addr){};
	note_failure(state, hop, gateway->winner, event, event->trouble, now);
}

static void fail_address(struct mapper_state *state, unsigned int hop,
			 const struct gateway_event *event, enum trouble trouble, uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];
	uint64_t wait;

	gateway->trouble = trouble;
	gateway->result = event->result;
	gateway->n_address_failures++;
	wait = gateway_back_off(gateway->n_address_failures, GATEWAY_FAILURE_WAIT,
				GATEWAY_FAILURE_WAIT_LIMIT);
	gateway->address_at = now + (wait > event->delay ? wait : event->delay);
	/* Silence says nothing new; a refusal does. */
	if (trouble == TROUBLE_SILENT)
		return;
	gateway->external = (struct in_addr){};
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		mapping_lose(state, mapping, hop, now);
}

static void learn_address(struct mapper_state *state, unsigned int hop,
			  const struct gateway_event *event, uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];
	struct in_addr former = gateway->external;

	if (!event->external.s_addr) {
		fail_address(state, hop, event, TROUBLE_DOUBLE_NAT, now);
		return;
	}
	gateway->address_at =
		gateway->winner == PROTOCOL_IGD ? now + IGD_ADDRESS_EVERY : UINT64_MAX;
	gateway->n_address_failures = 0;
	gateway->trouble =
		nat_address_is_inside(event->external) ? TROUBLE_DOUBLE_NAT : TROUBLE_NONE;
	gateway->result = 0;
	gateway->external = event->external;
	gateway->external_doubtful = false;
	if (former.s_addr == event->external.s_addr)
		return;
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		/* The port is most likely the same (RFC 6281 §4.2); asking will tell. */
		if (mapping->hops[hop].mapped)
			mapping->hops[hop].external = event->external;
}

static void begin_speaking(struct mapper_state *state, unsigned int hop, uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];

	if (!hop)
		gateway_memory_note(&state->memory, gateway->place.address, mapper_state_mac(state),
				    gateway->winner);
	state->counters.protocol_changes++;
	gateway->trouble = TROUBLE_NONE;
	gateway->external_doubtful = true;
	/* By PCP it comes with the first mapping; if nobody asks for one, it takes one of our own.
	 */
	gateway->address_at = gateway->winner == PROTOCOL_PCP ? now + MAPPING_PATIENCE : now;
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next) {
		struct mapping_hop *at = &mapping->hops[hop];

		/* The speaker of the one who lost is closed, with what it was asked. */
		if (at->id && at->protocol == gateway->winner)
			continue;
		at->id = 0;
		mapping_ask_again(state, mapping, hop, now);
		if (!at->mapped)
			at->trouble = TROUBLE_NONE;
	}
}

/* The winner's own probe, when it was in doubt, is of no more interest. */
static void note_success(struct mapper_state *state, unsigned int hop,
			 enum mapping_protocol protocol, const struct gateway_event *event,
			 uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];
	uint32_t probe = gateway->attempts[protocol].id;

	if (probe && probe != event->id)
		mapper_state_cancel(state, hop, protocol, probe);
	if (gateway_note_success(gateway, protocol, event->operation == GATEWAY_MAP, now))
		begin_speaking(state, hop, now);
}

static void on_probe(struct mapper_state *state, unsigned int hop, enum mapping_protocol protocol,
		     const struct gateway_event *event, uint64_t now)
{
	if (event->trouble) {
		note_failure(state, hop, protocol, event, event->trouble, now);
		return;
	}
	note_success(state, hop, protocol, event, now);
	if (protocol == PROTOCOL_NATPMP || event->external.s_addr)
		learn_address(state, hop, event, now);
}

static void on_address(struct mapper_state *state, unsigned int hop,
		       const struct gateway_event *event, uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];

	gateway->address_id = 0;
	if (!event->trouble) {
		note_success(state, hop, gateway->winner, event, now);
		learn_address(state, hop, event, now);
		return;
	}
	gateway_note_heard(gateway, now);
	state->counters.requests_failed++;
	fail_address(state, hop, event, event->trouble, now);
	step_down(state, hop, event, now);
}

static void on_map(struct mapper_state *state, unsigned int hop, enum mapping_protocol protocol,
		   struct mapping *mapping, const struct gateway_event *event, uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];
	struct mapping_hop *at = &mapping->hops[hop];
	bool races = gateway->attempts[protocol].id == event->id;

	if (!event->trouble) {
		note_success(state, hop, protocol, event, now);
		if (event->external.s_addr)
			learn_address(state, hop, event, now);
		mapping_grant(state, mapping, hop, event, now);
		/* The announcement of another address may have been lost: ask for it, too, when
		 * this mapping is asked for again. */
		if (protocol == PROTOCOL_NATPMP && at->ask_at < gateway->address_at)
			gateway->address_at = at->ask_at;
		return;
	}
	state->counters.requests_failed++;
	mapping_fail(state, mapping, hop, event->trouble, event->result, event->delay, now);
	if (races) {
		note_failure(state, hop, protocol, event, event->trouble, now);
		return;
	}
	gateway_note_heard(gateway, now);
	step_down(state, hop, event, now);
}

/* What the gateway cannot do now it may be able to do later; what it will not do it never will. */
static void on_deletion(struct mapper_state *state, struct deletion *deletion, enum trouble trouble,
			uint64_t now)
{
	bool later = false;

	switch (trouble) {
	case TROUBLE_NONE:
		state->counters.mappings_removed += !deletion->perhaps;
		break;
	case TROUBLE_SILENT:
	case TROUBLE_NETWORK_FAILURE:
	case TROUBLE_OUT_OF_RESOURCES:
	case TROUBLE_UNKNOWN_RESULT:
	case TROUBLE_MALFORMED:
		later = true;
		break;
	case TROUBLE_NOT_SUPPORTED:
	case TROUBLE_REFUSED:
	case TROUBLE_UNSUPPORTED_OPERATION:
	case TROUBLE_DOUBLE_NAT:
	case TROUBLE_EXPIRED:
	case TROUBLE_ADDRESS_MISMATCH:
	case TROUBLE_CONFLICT:
	case TROUBLE_NOT_FORWARDED:
		break;
	}
	mapping_drop_deletion(state, deletion, !later, now);
}

static void on_answer(struct mapper_state *state, unsigned int hop, enum mapping_protocol protocol,
		      const struct gateway_event *event, uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];
	struct mapping *mapping = find_mapping(state, hop, event->id);
	struct deletion *deletion = find_deletion(state, event->id);

	if (mapping)
		on_map(state, hop, protocol, mapping, event, now);
	else if (gateway->attempts[protocol].id == event->id)
		on_probe(state, hop, protocol, event, now);
	else if (gateway->address_id == event->id)
		on_address(state, hop, event, now);
	else if (deletion)
		on_deletion(state, deletion, event->trouble, now);
	else
		state->counters.events_stale++;
}

static void on_absent(struct mapper_state *state, unsigned int hop, enum mapping_protocol protocol,
		      const struct gateway_event *event, uint64_t now)
{
	enum trouble trouble = event->trouble ? event->trouble : TROUBLE_SILENT;
	struct gateway_state *gateway = &state->gateways[hop];
	struct mapping *mapping = find_mapping(state, hop, event->id);
	struct deletion *deletion = find_deletion(state, event->id);
	bool asked = gateway->attempts[protocol].id == event->id;

	state->counters.gateway_absences++;
	if (mapping)
		mapping_fail(state, mapping, hop, trouble, event->result, event->delay, now);
	else if (gateway->address_id == event->id) {
		gateway->address_id = 0;
		fail_address(state, hop, event, TROUBLE_SILENT, now);
	} else if (deletion)
		mapping_drop_deletion(state, deletion, false, now);
	else if (!asked) {
		state->counters.events_stale++;
		return;
	}
	if (asked || gateway->winner == protocol)
		note_failure(state, hop, protocol, event, trouble, now);
}

static void on_restart(struct mapper_state *state, unsigned int hop, enum mapping_protocol protocol,
		       const struct gateway_event *event, uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];

	state->counters.gateway_restarts++;
	gateway_note_present(gateway, protocol, now);
	if (gateway->winner != protocol)
		return;
	gateway->external_doubtful = true;
	/* Its address may be asked for at once; only mappings have to wait, and by PCP it takes
	 * one. */
	if (!gateway->address_id)
		gateway->address_at = protocol == PROTOCOL_PCP ? now + event->delay : now;
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next) {
		const struct mapping_hop *at = &mapping->hops[hop];
		uint64_t then = now + event->delay;

		/* One under way is answered by the gateway as it is now; and one that was not lost
		 * after all must not run out meanwhile. */
		if (!at->id)
			mapping_ask_again(state, mapping, hop,
					  at->mapped && at->ask_at < then ? at->ask_at : then);
	}
}

/* A gateway that does not say which address is asked for it at once, and for the mappings when
 * others have had their turn (RFC 6886 §3.7): it may be back so soon that no epoch tells of it. */
static void on_unasked_address(struct mapper_state *state, unsigned int hop,
			       enum mapping_protocol protocol, const struct gateway_event *event,
			       uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];
	uint64_t then = now + mapper_state_random_below(state, RECREATE_SPREAD + 1);

	if (gateway->winner != protocol)
		return;
	if (event->external.s_addr) {
		learn_address(state, hop, event, now);
		return;
	}
	if (!gateway->address_id)
		gateway->address_at = now;
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (!mapping->hops[hop].id && mapping->hops[hop].ask_at > then)
			mapping_ask_again(state, mapping, hop, then);
}

static void on_unasked_mapping(struct mapper_state *state, unsigned int hop,
			       enum mapping_protocol protocol, const struct gateway_event *event,
			       uint64_t now)
{
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next) {
		const struct mapping_hop *at = &mapping->hops[hop];

		if (at->mapped && at->protocol == protocol &&
		    mapping->wish.transport == event->transport &&
		    at->internal_port == event->internal_port)
			mapping_follow(state, mapping, hop, event, now);
	}
	if (event->external.s_addr && state->gateways[hop].winner == protocol)
		learn_address(state, hop, event, now);
}

void mapper_state_on_event(struct mapper_state *state, unsigned int hop, uint32_t incarnation,
			   enum mapping_protocol protocol, const struct gateway_event *event,
			   uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];

	if (!gateway->begun || gateway->incarnation != incarnation) {
		state->counters.events_stale++;
		return;
	}
	switch (event->kind) {
	case GATEWAY_EVENT_ANSWER:
		on_answer(state, hop, protocol, event, now);
		break;
	case GATEWAY_EVENT_ABSENT:
		on_absent(state, hop, protocol, event, now);
		break;
	case GATEWAY_EVENT_RESTARTED:
		on_restart(state, hop, protocol, event, now);
		break;
	case GATEWAY_EVENT_ADDRESS:
		on_unasked_address(state, hop, protocol, event, now);
		break;
	case GATEWAY_EVENT_MAPPING:
		on_unasked_mapping(state, hop, protocol, event, now);
		break;
	}
	mapper_state_update(state, now);
}

void mapper_state_on_unsent(struct mapper_state *state, const struct mapper_action *action,
			    uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[action->hop];
	struct mapping *mapping = find_mapping(state, action->hop, action->request.id);
	struct deletion *deletion = find_deletion(state, action->request.id);
	struct protocol_attempt *attempt = &gateway->attempts[action->protocol];

	if (mapping) {
		mapping->hops[action->hop].id = 0;
		mapping->hops[action->hop].ask_at = now + UNSENT_WAIT;
	}
	if (deletion)
		mapping_drop_deletion(state, deletion, false, now);
	if (gateway->address_id == action->request.id) {
		gateway->address_id = 0;
		gateway->address_at = now + UNSENT_WAIT;
	}
	if (attempt->id == action->request.id) {
		gateway_note_failure(gateway, action->protocol, ATTEMPT_SILENT, TROUBLE_SILENT, 0,
				     UNSENT_WAIT, now);
		/* Nothing went out that one would wait longer for. */
		attempt->try_at = now + gateway_back_off(attempt->n_failures, UNSENT_WAIT,
							 GATEWAY_FAILURE_WAIT_LIMIT);
	}
	mapper_state_update(state, now);
}
