/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mapper-state.h: what gateways are asked. */
#include "services/mapper/mapper-state-internal.h"
#include "services/mapper/mapping-state.h"

#include <string.h>

static uint32_t next_id(struct mapper_state *state)
{
	if (!++state->last_id)
		state->last_id = 1;
	return state->last_id;
}

/* What time alone changes. */
static void pass_time(struct mapper_state *state, uint64_t now)
{
	bool changed = false;

	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++) {
		changed |= gateway_pass_time(&state->gateways[hop], now);
		for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
			changed |= mapping_expire(state, mapping, hop, now);
	}
	if (now >= state->orphans_at && state->gateways[0].winner) {
		state->orphans_at = UINT64_MAX;
		ledger_expire(&state->ledger, now);
		mapping_delete_orphans(state);
	}
	if (now >= state->checking_until) {
		state->checking_until = UINT64_MAX;
		changed = true;
	}
	if (now >= state->seen_as_until) {
		state->seen_as_until = UINT64_MAX;
		changed = true;
	}
	if (changed)
		mapper_state_update(state, now);
}

static bool take_cancel(struct mapper_state *state, uint64_t now, struct mapper_action *ret)
{
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++)
		for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next) {
			struct mapping_hop *at = &mapping->hops[hop];

			if (!at->id || at->give_up_at > now)
				continue;
			mapper_state_cancel(state, hop, at->protocol, at->id);
			mapping_renew_later(state, at, now);
		}
	if (!state->n_cancels)
		return false;
	*ret = state->cancels[--state->n_cancels];
	return true;
}

static bool deletes_by(const struct mapper_state *state, unsigned int hop,
		       enum mapping_protocol protocol)
{
	for (const struct deletion *deletion = state->deletions; deletion;
	     deletion = deletion->next)
		if (deletion->id && deletion->hop == hop && deletion->entry.protocol == protocol)
			return true;
	return false;
}

static bool take_close(struct mapper_state *state, struct mapper_action *ret)
{
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++)
		for (int protocol = PROTOCOL_PCP; protocol < PROTOCOLS; protocol++) {
			struct gateway_state *gateway = &state->gateways[hop];

			if (!gateway->attempts[protocol].open || gateway_needs(gateway, protocol) ||
			    deletes_by(state, hop, protocol))
				continue;
			gateway->attempts[protocol].open = false;
			*ret = (struct mapper_action){ .kind = MAPPER_CLOSE,
						       .hop = hop,
						       .protocol = protocol };
			return true;
		}
	return false;
}

static struct mapping *find_wanting(const struct mapper_state *state, unsigned int hop,
				    uint64_t now)
{
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (mapping_wants(state, mapping, hop, now))
			return mapping;
	return NULL;
}

/* Its mappings come with what NAT-PMP has to be asked for separately. */
static bool may_begin_with_mapping(enum mapping_protocol protocol)
{
	return protocol == PROTOCOL_PCP || protocol == PROTOCOL_IGD;
}

static bool take_attempt(struct mapper_state *state, unsigned int hop, uint64_t now,
			 struct mapper_action *ret)
{
	struct gateway_state *gateway = &state->gateways[hop];
	bool may_map = false;
	enum mapping_protocol protocol = PROTOCOL_NONE;
	struct mapping *mapping = NULL;

	if (!state->finishing)
		protocol = gateway_next_attempt(gateway, now, &may_map);
	if (!protocol)
		return false;
	ret->protocol = protocol;
	if (may_map && may_begin_with_mapping(protocol))
		mapping = find_wanting(state, hop, now);
	ret->request = (struct gateway_request){ .id = next_id(state), .operation = GATEWAY_PROBE };
	if (mapping)
		mapping_begin_request(state, mapping, hop, protocol, ret->request.id, now,
				      &ret->request);
	ret->request.again = gateway_was_silent(gateway, protocol);
	gateway->attempts[protocol].id = ret->request.id;
	return true;
}

static bool take_address(struct mapper_state *state, unsigned int hop, uint64_t now,
			 struct mapper_action *ret)
{
	struct gateway_state *gateway = &state->gateways[hop];

	if (state->finishing || !gateway_wants_address(gateway, now))
		return false;
	gateway->address_at = UINT64_MAX;
	/* It comes with each mapping; without any, a mapping has to be made to know it. */
	if (gateway->winner == PROTOCOL_PCP && state->mappings)
		return false;
	ret->protocol = gateway->winner;
	ret->request =
		(struct gateway_request){ .id = next_id(state), .operation = GATEWAY_ADDRESS };
	gateway->address_id = ret->request.id;
	gateway_note_asked(gateway, now);
	return true;
}

static bool take_mapping(struct mapper_state *state, unsigned int hop, uint64_t now,
			 struct mapper_action *ret)
{
	struct gateway_state *gateway = &state->gateways[hop];
	struct mapping *mapping = NULL;

	if (gateway->winner && (gateway->winner != PROTOCOL_NATPMP || gateway->external.s_addr))
		mapping = find_wanting(state, hop, now);
	if (!mapping)
		return false;
	ret->protocol = gateway->winner;
	/* What may be lost may also have another address: NAT-PMP tells it apart. */
	if (gateway->winner == PROTOCOL_NATPMP && !gateway->address_id &&
	    mapping->hops[hop].mapped && mapping->hops[hop].lost)
		gateway->address_at = now;
	mapping_begin_request(state, mapping, hop, gateway->winner, next_id(state), now,
			      &ret->request);
	gateway_note_asked(gateway, now);
	return true;
}

static bool take_deletion(struct mapper_state *state, unsigned int hop, struct mapper_action *ret)
{
	for (struct deletion *deletion = state->deletions; deletion; deletion = deletion->next) {
		const struct ledger_entry *entry = &deletion->entry;

		if (deletion->hop != hop || deletion->id || !state->gateways[hop].winner)
			continue;
		deletion->id = next_id(state);
		ret->protocol = entry->protocol;
		ret->request = (struct gateway_request){ .id = deletion->id,
							 .operation = GATEWAY_DELETE,
							 .transport = entry->transport,
							 .internal_port = entry->internal_port,
							 .external_port = entry->external_port,
							 .external = entry->external };
		memcpy(ret->request.nonce, entry->nonce, sizeof ret->request.nonce);
		memcpy(ret->request.label, entry->label, sizeof ret->request.label);
		return true;
	}
	return false;
}

bool mapper_state_take_action(struct mapper_state *state, uint64_t now, struct mapper_action *ret)
{
	pass_time(state, now);
	mapping_drop_needless_deletions(state);
	*ret = (struct mapper_action){};
	if (take_cancel(state, now, ret) || take_close(state, ret))
		return true;
	ret->kind = MAPPER_REQUEST;
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++) {
		if (!state->gateways[hop].begun)
			break;
		ret->hop = hop;
		if (take_attempt(state, hop, now, ret) || take_address(state, hop, now, ret) ||
		    take_mapping(state, hop, now, ret) || take_deletion(state, hop, ret)) {
			state->gateways[hop].attempts[ret->protocol].open = true;
			state->was_busy = true;
			return true;
		}
	}
	return false;
}

uint64_t mapper_state_due(const struct mapper_state *state)
{
	uint64_t due = state->gateways[0].winner ? state->orphans_at : UINT64_MAX;

	if (state->checking_until < due)
		due = state->checking_until;
	if (state->seen_as_until < due)
		due = state->seen_as_until;
	for (unsigned int hop = 0; hop < HOPS_LIMIT && state->gateways[hop].begun; hop++) {
		uint64_t then = gateway_due(&state->gateways[hop]);

		if (!state->finishing && then < due)
			due = then;
		for (const struct mapping *mapping = state->mappings; mapping;
		     mapping = mapping->next) {
			then = mapping_due(state, mapping, hop);
			due = then < due ? then : due;
		}
	}
	return due;
}
