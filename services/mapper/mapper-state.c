/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/mapper-state-internal.h"

#include "services/mapper/mapping-state.h"
#include "services/mapper/wish-state.h"

#include <string.h>

bool address_is_private(struct in_addr address)
{
	return network_kind_of(address) == NETWORK_PRIVATE;
}

void mapper_state_init(struct mapper_state *state, uint64_t generation, random_source random)
{
	*state = (struct mapper_state){
		.generation = generation,
		.random = random,
		.protocols = { PROTOCOL_PCP, PROTOCOL_NATPMP, PROTOCOL_IGD },
		.orphans_at = UINT64_MAX,
		.checking_until = UINT64_MAX,
		.seen_as_until = UINT64_MAX,
	};
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++)
		gateway_end(&state->gateways[hop]);
}

void mapper_state_deinit(struct mapper_state *state)
{
	mapping_free_list(&state->mappings);
	mapping_drop_deletions(state, 0);
}

const uint8_t *mapper_state_mac(const struct mapper_state *state)
{
	return state->network.have_mac ? state->network.mac : NULL;
}

unsigned int mapper_state_last_hop(const struct mapper_state *state)
{
	unsigned int last = 0;

	for (unsigned int hop = 1; hop < HOPS_LIMIT; hop++) {
		const struct gateway_state *gateway = &state->gateways[hop];
		enum gateway_phase phase = gateway_phase(gateway);

		/* One that never answered is not here. */
		if (phase == GATEWAY_NOBODY || phase == GATEWAY_MUTE ||
		    (phase == GATEWAY_RACING && gateway->provisional))
			break;
		last = hop;
	}
	return last;
}

/* Nobody maps, or is to be asked. */
static bool is_unmapped(const struct mapper_state *state)
{
	const struct gateway_state *gateway = &state->gateways[0];

	if (!state->network.link)
		return false;
	switch (gateway_phase(gateway)) {
	case GATEWAY_NOBODY:
	case GATEWAY_MUTE:
		return true;
	case GATEWAY_RACING:
		return gateway->provisional;
	case GATEWAY_SPEAKING:
	case GATEWAY_LOST:
	case GATEWAY_REFUSED:
		return false;
	}
	return false;
}

bool mapper_state_may_be_forwarded(const struct mapper_state *state)
{
	return state->network.link && state->seen_as.s_addr &&
	       state->seen_as.s_addr != state->network.address.s_addr;
}

bool mapper_state_awaits_reflexive(const struct mapper_state *state)
{
	return state->seen_as_until != UINT64_MAX;
}

/* What is told is forwarded by hand, and the gateway has granted nothing. */
static bool is_held_by_hand(const struct mapper_state *state)
{
	unsigned int last = mapper_state_last_hop(state);
	bool held = false;

	for (const struct mapping *mapping = state->mappings; mapping; mapping = mapping->next) {
		if (mapping->hops[last].mapped)
			return false;
		held |= mapping->by_hand;
	}
	return held;
}

bool mapper_state_is_forwarded(const struct mapper_state *state)
{
	const struct gateway_state *gateway = &state->gateways[mapper_state_last_hop(state)];

	if (!mapper_state_may_be_forwarded(state))
		return false;
	/* A gateway that refuses may tell its address each time that it is asked again: that alone
	 * changes nothing. */
	if (gateway->winner)
		return !gateway->external.s_addr || nat_address_is_inside(gateway->external) ||
		       is_held_by_hand(state);
	return is_unmapped(state) || gateway_phase(gateway) == GATEWAY_REFUSED;
}

bool mapper_state_is_public(const struct mapper_state *state)
{
	return is_unmapped(state) && !mapper_state_awaits_reflexive(state) &&
	       !mapper_state_may_be_forwarded(state);
}

struct nat_facts mapper_state_facts(const struct mapper_state *state)
{
	const struct gateway_state *gateway = &state->gateways[mapper_state_last_hop(state)];
	enum gateway_phase phase = gateway_phase(gateway);
	struct nat_facts facts = {
		.local = state->network.address,
		.gateway = gateway->begun ? gateway->place.address : state->network.gateway,
		.settled = phase != GATEWAY_SPEAKING &&
			   (phase != GATEWAY_RACING || gateway->provisional),
		.protocol = gateway->winner,
		.external = gateway->external,
		.external_doubtful = gateway->external_doubtful,
		.reflexive = state->reflexive,
		.mapping = state->nat_mapping,
		.filtering = state->nat_filtering,
		.second_hop = state->second_hop,
		.verified = state->verified,
		.by_hand = state->forwarded,
		.forwarded = mapper_state_is_forwarded(state) ? state->seen_as : (struct in_addr){},
	};

	/* While others may still say yes, one that said no is not the end. */
	if (facts.settled || phase == GATEWAY_SPEAKING)
		facts.trouble =
			mapper_state_complaint(state, &facts.result_protocol, &facts.result);
	return facts;
}

struct in_addr mapper_state_external(const struct mapper_state *state)
{
	if (mapper_state_is_public(state))
		return state->network.address;
	if (mapper_state_is_forwarded(state))
		return state->seen_as;
	return state->gateways[mapper_state_last_hop(state)].external;
}

enum trouble mapper_state_complaint(const struct mapper_state *state,
				    enum mapping_protocol *ret_protocol, unsigned int *ret_result)
{
	unsigned int last = mapper_state_last_hop(state);

	for (unsigned int hop = 0; hop <= last; hop++) {
		const struct gateway_state *gateway = &state->gateways[hop];

		if (!gateway->winner)
			return gateway_complaint(gateway, ret_protocol, ret_result);
		*ret_protocol = gateway->winner;
		*ret_result = gateway->result;
		if (gateway->trouble)
			return gateway->trouble;
		for (const struct mapping *mapping = state->mappings; mapping;
		     mapping = mapping->next) {
			*ret_result = mapping->hops[hop].result;
			if (mapping->condition == MAPPING_FAILED && mapping->hops[hop].trouble)
				return mapping->hops[hop].trouble;
		}
	}
	*ret_protocol = PROTOCOL_NONE;
	*ret_result = 0;
	return TROUBLE_NONE;
}

void mapper_state_cancel(struct mapper_state *state, unsigned int hop,
			 enum mapping_protocol protocol, uint32_t id)
{
	struct protocol_attempt *attempt = &state->gateways[hop].attempts[protocol];

	/* It was to tell besides whether the protocol is spoken: that is to be asked for anew. */
	if (attempt->id == id) {
		attempt->id = 0;
		attempt->try_at = 0;
	}
	if (state->n_cancels < CANCELS_LIMIT)
		state->cancels[state->n_cancels++] = (struct mapper_action){
			.kind = MAPPER_CANCEL, .hop = hop, .protocol = protocol, .request.id = id
		};
}

uint64_t mapper_state_random_below(struct mapper_state *state, uint64_t limit)
{
	uint64_t number;

	state->random(&number, sizeof number);
	return number % limit;
}

/* What was seen from outside was another network, or another address. */
static void forget_outside(struct mapper_state *state)
{
	state->stun_server = (struct sockaddr_in){};
	state->reflexive = state->second_hop = (struct in_addr){};
	state->nat_mapping = state->nat_filtering = NAT_BEHAVIOUR_UNKNOWN;
	state->verified = NAT_VERIFIED_UNKNOWN;
}

static void raise_generation(struct mapper_state *state)
{
	state->generation++;
	state->counters.network_changes++;
}

/* Each further gateway is to forward to the one before it, which has to be known. */
static void follow_chain(struct mapper_state *state, uint64_t now)
{
	/* UPnP does not leave its own network. */
	static const enum mapping_protocol order[] = { PROTOCOL_PCP, PROTOCOL_NATPMP,
						       PROTOCOL_NONE };

	for (unsigned int hop = 1; hop < HOPS_LIMIT; hop++) {
		const struct gateway_state *inner = &state->gateways[hop - 1];
		struct gateway_state *gateway = &state->gateways[hop];
		struct gateway_place place = { .address = state->nested[hop - 1],
					       .local = state->network.address,
					       .seen_as = inner->external,
					       .link = state->network.link };
		bool wanted = place.address.s_addr && inner->begun && inner->external.s_addr;

		if (wanted == gateway->begun &&
		    (!wanted || place.seen_as.s_addr == gateway->place.seen_as.s_addr))
			continue;
		for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
			mapping_reset(state, mapping, hop, now);
		mapping_drop_deletions(state, hop);
		if (wanted)
			gateway_begin(gateway, &place, order, PROTOCOL_NONE, now);
		else
			gateway_end(gateway);
	}
}

static bool is_busy(const struct mapper_state *state, uint64_t now)
{
	if (state->outside_pending)
		return true;
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++) {
		const struct gateway_state *gateway = &state->gateways[hop];

		if (!gateway->begun)
			break;
		for (int i = 0; !gateway->winner && state->checking_until > now && i < PROTOCOLS;
		     i++)
			if (state->checking_until != UINT64_MAX &&
			    (gateway->attempts[i].id || gateway->attempts[i].try_at <= now))
				return true;
		if (!gateway->winner && !gateway->provisional &&
		    gateway_phase(gateway) != GATEWAY_MUTE)
			return true;
		if (gateway->winner && (gateway->address_id || gateway->address_at <= now))
			return true;
		for (const struct mapping *mapping = state->mappings; mapping;
		     mapping = mapping->next)
			if (gateway->winner &&
			    (mapping->hops[hop].id || mapping->hops[hop].ask_at <= now))
				return true;
	}
	return !state->have_network;
}

void mapper_state_update(struct mapper_state *state, uint64_t now)
{
	bool is_public, is_busy_now;
	struct in_addr external;

	follow_chain(state, now);
	is_public = mapper_state_is_public(state);
	external = is_public ? (struct in_addr){} : mapper_state_external(state);
	/* Somebody may have acted on what we said before. */
	if (state->was_public && !is_public) {
		raise_generation(state);
	} else if (external.s_addr && state->told_external.s_addr &&
		   external.s_addr != state->told_external.s_addr) {
		if (!mapper_state_is_forwarded(state))
			forget_outside(state);
		raise_generation(state);
	}
	state->was_public = is_public;
	if (external.s_addr)
		state->told_external = external;
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		mapping_view(state, mapping);
	is_busy_now = is_busy(state, now);
	if (state->was_busy && !is_busy_now)
		state->checked_at = now;
	state->was_busy = is_busy_now;
}

void mapper_state_set_outside_pending(struct mapper_state *state, bool pending, uint64_t now)
{
	if (state->outside_pending == pending)
		return;
	state->outside_pending = pending;
	mapper_state_update(state, now);
}

/* RFC 6281 §4.1: private addresses only; a provider's NAT may speak PCP (RFC 6887 §1). */
static void choose_protocols(const struct mapper_state *state, enum mapping_protocol *order)
{
	size_t n = 0;

	for (size_t i = 0; i < PROTOCOLS_SPOKEN && state->protocols[i]; i++)
		if (address_is_private(state->network.address) ||
		    (nat_address_is_shared(state->network.address) &&
		     state->protocols[i] == PROTOCOL_PCP))
			order[n++] = state->protocols[i];
	order[n] = PROTOCOL_NONE;
}

void mapper_state_set_network(struct mapper_state *state, const struct network_view *view,
			      uint64_t now)
{
	enum mapping_protocol order[PROTOCOLS_SPOKEN + 1];
	struct gateway_place place = { .address = view->gateway,
				       .local = view->address,
				       .seen_as = view->address,
				       .link = view->link };

	state->have_network = true;
	state->network = *view;
	/* What another gateway was to forget, this one never knew; the ledger remembers. */
	mapping_drop_deletions(state, 0);
	ledger_expire(&state->ledger, now);
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		mapping_reset(state, mapping, 0, now);
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++)
		gateway_end(&state->gateways[hop]);
	state->n_cancels = 0;
	choose_protocols(state, order);
	if (view->link && view->gateway.s_addr && order[0])
		gateway_begin(
			&state->gateways[0], &place, order,
			gateway_memory_hint(&state->memory, view->gateway, mapper_state_mac(state)),
			now);
	state->orphans_at = now + WISH_GRACE;
	state->n_orphan_tries = 0;
	state->was_public = false;
	state->told_external = (struct in_addr){};
	forget_outside(state);
	state->seen_as = (struct in_addr){};
	state->seen_as_until =
		state->forwarded && view->link && nat_address_is_inside(view->address)
			? now + REFLEXIVE_PATIENCE
			: UINT64_MAX;
	state->heard_at = 0;
	state->checking_until = UINT64_MAX;
	state->was_busy = true;
	raise_generation(state);
	mapper_state_update(state, now);
}

void mapper_state_set_reflexive(struct mapper_state *state, struct in_addr reflexive, uint64_t now)
{
	state->reflexive = reflexive;
	if (!state->forwarded || !reflexive.s_addr)
		return;
	state->seen_as = reflexive;
	state->seen_as_until = UINT64_MAX;
	mapper_state_update(state, now);
}

static void reprove_gateway(struct mapper_state *state, unsigned int hop, uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[hop];

	for (int i = 0; i < PROTOCOLS; i++)
		if (gateway->attempts[i].id)
			mapper_state_cancel(state, hop, i, gateway->attempts[i].id);
	if (gateway->address_id)
		mapper_state_cancel(state, hop, gateway->winner, gateway->address_id);
	gateway_reprove(gateway, now);
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		mapping_ask_again(state, mapping, hop, now);
}

void mapper_state_reprove(struct mapper_state *state, uint64_t now)
{
	if (state->finishing)
		return;
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++)
		if (state->gateways[hop].begun)
			reprove_gateway(state, hop, now);
	state->was_busy = true;
	state->checking_until = now + CHECK_PATIENCE;
	mapper_state_update(state, now);
}

void mapper_state_set_details(struct mapper_state *state, const struct network_view *view)
{
	const struct gateway_state *gateway = &state->gateways[0];

	state->network = *view;
	if (gateway->winner)
		gateway_memory_note(&state->memory, gateway->place.address, mapper_state_mac(state),
				    gateway->winner);
}

bool mapper_state_on_announcement(struct mapper_state *state, struct in_addr source, int link,
				  uint64_t now)
{
	struct gateway_state *gateway = &state->gateways[0];

	if (!gateway->begun || link != state->network.link ||
	    source.s_addr != gateway->place.address.s_addr) {
		state->counters.announcements_foreign++;
		return false;
	}
	state->counters.announcements_accepted++;
	/* Whatever it is, something speaks there. But up to ten copies come (RFC 6886 §3.2.1). */
	if (!gateway->winner && (!state->heard_at || now - state->heard_at >= ANNOUNCEMENT_GAP)) {
		state->heard_at = now ? now : 1;
		reprove_gateway(state, 0, now);
		mapper_state_update(state, now);
	}
	return true;
}

void mapper_state_note_location(struct mapper_state *state, const char *location)
{
	gateway_memory_note_location(&state->memory, state->gateways[0].place.address,
				     mapper_state_mac(state), location);
}

void mapper_state_finish(struct mapper_state *state, uint64_t now)
{
	state->finishing = true;
	while (state->mappings)
		mapping_remove(state, state->mappings, now);
	mapping_delete_orphans(state);
}

bool mapper_state_finished(const struct mapper_state *state)
{
	if (!state->finishing)
		return false;
	for (const struct deletion *deletion = state->deletions; deletion;
	     deletion = deletion->next)
		if (state->gateways[deletion->hop].winner && !(deletion->perhaps && deletion->id))
			return false;
	return true;
}
