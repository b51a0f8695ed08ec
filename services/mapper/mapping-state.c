/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/mapping-state.h"

#include "services/mapper/mapper-state-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIFETIME_LIMIT 86400 /* s; a longer grant is believed for a day (RFC 6887 §15) */
/* A single packet (RFC 6887 §11.2.1): it is given up before its speaker would repeat it. */
#define RENEWAL_PATIENCE 2500
#define RENEWAL_GAP      4000
/* What lasts less is brief, for no server is to grant less (RFC 6887 §15). After some of that it is
 * asked for longer, and at last not as often as it would take: it costs the gateway, and is of
 * little use to anybody. */
#define BRIEF_LIFETIME      120 /* s */
#define BRIEF_FORGOTTEN     600000
#define BRIEF_SOME          8
#define BRIEF_MANY          16
#define BRIEF_GAP           15000
#define ORPHANS_AGAIN       600000
#define ORPHANS_AGAIN_LIMIT (6 * UINT64_C(3600000))

void mapping_free_list(struct mapping **list)
{
	while (*list) {
		struct mapping *mapping = *list;

		*list = mapping->next;
		free(mapping->caller);
		free(mapping);
	}
}

/* An answer that comes all the same reaches nobody. Without room for it in the list, the request is
 * repeated in vain, and no more. */
static void cancel_request(struct mapper_state *state, struct mapping *mapping, unsigned int hop)
{
	struct mapping_hop *at = &mapping->hops[hop];

	if (at->id)
		mapper_state_cancel(state, hop, at->protocol, at->id);
	at->id = 0;
	at->give_up_at = UINT64_MAX;
}

void mapping_reset(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		   uint64_t now)
{
	for (unsigned int i = hop; i < HOPS_LIMIT; i++) {
		cancel_request(state, mapping, i);
		mapping->hops[i] = (struct mapping_hop){ .give_up_at = UINT64_MAX,
							 .expires_at = UINT64_MAX,
							 .ask_at = now };
	}
}

void mapping_ask_again(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		       uint64_t then)
{
	struct mapping_hop *at = &mapping->hops[hop];

	cancel_request(state, mapping, hop);
	at->lost = true;
	at->n_failures = 0;
	at->ask_at = then;
}

/* The port that this gateway is to forward to; 0: not known yet. */
static uint16_t internal_port(const struct mapping *mapping, unsigned int hop)
{
	if (!hop)
		return mapping->wish.internal_port;
	return mapping->hops[hop - 1].mapped ? mapping->hops[hop - 1].port : 0;
}

bool mapping_wants(const struct mapper_state *state, const struct mapping *mapping,
		   unsigned int hop, uint64_t now)
{
	const struct mapping_hop *at = &mapping->hops[hop];

	return !state->finishing && !at->id && at->ask_at <= now && internal_port(mapping, hop);
}

/* An endpoint needs an address, and NAT-PMP tells it apart from the mapping. */
static bool gateway_is_ready(const struct gateway_state *gateway)
{
	if (!gateway->winner)
		return false;
	return gateway->winner != PROTOCOL_NATPMP || gateway->external.s_addr;
}

uint64_t mapping_due(const struct mapper_state *state, const struct mapping *mapping,
		     unsigned int hop)
{
	const struct mapping_hop *at = &mapping->hops[hop];
	uint64_t due = UINT64_MAX;

	if (at->mapped)
		due = at->expires_at;
	if (at->id)
		return at->give_up_at < due ? at->give_up_at : due;
	if (!state->finishing && gateway_is_ready(&state->gateways[hop]) &&
	    internal_port(mapping, hop) && at->ask_at < due)
		due = at->ask_at;
	return due;
}

/* Two mappings of one internal port are one at the gateway. */
static const uint8_t *shared_nonce(const struct mapper_state *state, const struct mapping *mapping,
				   unsigned int hop)
{
	for (const struct mapping *other = state->mappings; other; other = other->next)
		if (other != mapping && other->wish.transport == mapping->wish.transport &&
		    other->hops[hop].have_nonce &&
		    internal_port(other, hop) == internal_port(mapping, hop))
			return other->hops[hop].nonce;
	return NULL;
}

void mapping_lose(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		  uint64_t now)
{
	struct mapping_hop *at = &mapping->hops[hop];

	mapping_ask_again(state, mapping, hop, now);
	at->mapped = false;
	at->expires_at = UINT64_MAX;
	if (hop + 1 < HOPS_LIMIT)
		mapping_reset(state, mapping, hop + 1, now);
}

static const struct ledger_entry *in_ledger(const struct mapper_state *state,
					    const struct mapping *mapping, unsigned int hop)
{
	const struct gateway_place *place = &state->gateways[hop].place;

	return ledger_find(&state->ledger, place->address, place->seen_as, mapping->wish.transport,
			   internal_port(mapping, hop));
}

/* RFC 6281 §4.2: the same external port as before, else the internal one. */
static uint16_t port_to_ask_for(struct mapper_state *state, const struct mapping *mapping,
				unsigned int hop)
{
	const struct ledger_entry *entry = in_ledger(state, mapping, hop);
	uint16_t port = mapping->hops[hop].port;

	if (mapping->hops[hop].wanted_port)
		return mapping->hops[hop].wanted_port;
	if (port)
		return port;
	if (entry)
		return entry->external_port;
	if (mapping->wish.external_port)
		return mapping->wish.external_port;
	if (!hop)
		port = gateway_memory_port(&state->memory, state->network.gateway,
					   mapper_state_mac(state), mapping->wish.transport,
					   mapping->wish.internal_port);
	return port ? port : internal_port(mapping, hop);
}

static void choose_nonce(struct mapper_state *state, struct mapping *mapping, unsigned int hop)
{
	const struct ledger_entry *entry = in_ledger(state, mapping, hop);
	const uint8_t *nonce = shared_nonce(state, mapping, hop);
	struct mapping_hop *at = &mapping->hops[hop];

	if (at->have_nonce)
		return;
	at->have_nonce = true;
	if (nonce)
		memcpy(at->nonce, nonce, sizeof at->nonce);
	else if (entry)
		memcpy(at->nonce, entry->nonce, sizeof at->nonce);
	else
		state->random(at->nonce, sizeof at->nonce);
	if (!nonce && entry)
		state->counters.mappings_adopted++;
}

static void enter_in_ledger(struct mapper_state *state, const struct mapping *mapping,
			    unsigned int hop, uint16_t port, uint64_t expires_at)
{
	const struct gateway_place *place = &state->gateways[hop].place;
	const struct mapping_hop *at = &mapping->hops[hop];
	struct ledger_entry entry = { .gateway = place->address,
				      .local = place->seen_as,
				      .protocol = at->protocol,
				      .transport = mapping->wish.transport,
				      .internal_port = at->internal_port,
				      .external_port = port,
				      .external = at->external,
				      .expires_at = expires_at };

	memcpy(entry.nonce, at->nonce, sizeof entry.nonce);
	memcpy(entry.label, mapping->wish.label, sizeof entry.label);
	ledger_note(&state->ledger, &entry);
}

/* Before the gateway answers we may have moved away, or been killed; it has mapped all the same. */
static void note_request(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
			 const struct gateway_request *request, uint64_t now)
{
	struct mapping_hop *at = &mapping->hops[hop];

	if (in_ledger(state, mapping, hop) && !at->only_asked)
		return;
	at->only_asked = true;
	enter_in_ledger(state, mapping, hop, request->external_port,
			now + (uint64_t)request->lifetime * 1000);
}

static void note_in_ledger(struct mapper_state *state, struct mapping *mapping, unsigned int hop)
{
	const struct gateway_place *place = &state->gateways[hop].place;
	struct mapping_hop *at = &mapping->hops[hop];

	at->only_asked = false;
	enter_in_ledger(state, mapping, hop, at->port, at->expires_at);
	if (!hop)
		gateway_memory_note_port(
			&state->memory, place->address, mapper_state_mac(state),
			&(struct remembered_port){ .transport = mapping->wish.transport,
						   .internal_port = at->internal_port,
						   .external_port = at->port });
}

/* The gateway says no to what the ledger has for the request alone. */
static void strike_request(struct mapper_state *state, struct mapping *mapping, unsigned int hop)
{
	const struct gateway_place *place = &state->gateways[hop].place;
	struct mapping_hop *at = &mapping->hops[hop];

	if (at->only_asked)
		ledger_forget(&state->ledger, place->address, place->seen_as,
			      mapping->wish.transport, at->internal_port);
	at->only_asked = false;
}

void mapping_begin_request(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
			   enum mapping_protocol protocol, uint32_t id, uint64_t now,
			   struct gateway_request *ret)
{
	struct mapping_hop *at = &mapping->hops[hop];
	bool renews = at->mapped && !at->lost && at->protocol == protocol;

	choose_nonce(state, mapping, hop);
	*ret = (struct gateway_request){ .id = id,
					 .operation = GATEWAY_MAP,
					 .transport = mapping->wish.transport,
					 .internal_port = internal_port(mapping, hop),
					 .external_port = port_to_ask_for(state, mapping, hop),
					 .external = at->external,
					 .lifetime = mapping->wish.lifetime };
	if (at->n_brief >= BRIEF_SOME && ret->lifetime < BRIEF_LIFETIME)
		ret->lifetime = BRIEF_LIFETIME;
	memcpy(ret->nonce, at->nonce, sizeof ret->nonce);
	memcpy(ret->label, mapping->wish.label, sizeof ret->label);
	at->asked = true;
	at->pcp_may_have_it |= protocol == PROTOCOL_PCP;
	at->protocol = protocol;
	at->internal_port = ret->internal_port;
	at->id = id;
	at->give_up_at = renews && protocol == PROTOCOL_PCP ? now + RENEWAL_PATIENCE : UINT64_MAX;
	note_request(state, mapping, hop, ret, now);
}

/* When it may be asked for again at the earliest. */
static uint64_t not_before(const struct mapping_hop *at)
{
	if (at->n_brief < BRIEF_SOME)
		return 0;
	return at->granted_at + (at->n_brief < BRIEF_MANY ? RENEWAL_GAP : BRIEF_GAP);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* RFC 6887 §11.2.1: between 1/2 and 5/8 of the life, then between 3/4 and 13/16, and so on; RFC
 * 6886 §3.3: at one half. */
static void schedule_renewal(struct mapper_state *state, struct mapping_hop *at, uint64_t life,
			     uint64_t now)
{
	unsigned int n = at->n_renewals < 20 ? at->n_renewals : 20;
	uint64_t left = life >> (n + 1);

	at->ask_at = at->granted_at + life - left;
	if (at->protocol == PROTOCOL_PCP)
		at->ask_at += mapper_state_random_below(state, (left >> 2) + 1);
	if (n && at->ask_at < now + RENEWAL_GAP)
		at->ask_at = now + RENEWAL_GAP;
	at->ask_at = later(at->ask_at, not_before(at));
}

void mapping_renew_later(struct mapper_state *state, struct mapping_hop *at, uint64_t now)
{
	at->id = 0;
	at->give_up_at = UINT64_MAX;
	at->n_renewals++;
	schedule_renewal(state, at, at->expires_at - at->granted_at, now);
}

/* What is behind this gateway forwards to what it grants. */
static void change_port(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
			uint16_t port, uint64_t now)
{
	struct mapping_hop *at = &mapping->hops[hop];

	if (at->port && at->port != port && hop + 1 < HOPS_LIMIT)
		mapping_reset(state, mapping, hop + 1, now);
	at->port = port;
}

void mapping_grant(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		   const struct gateway_event *event, uint64_t now)
{
	struct mapping_hop *at = &mapping->hops[hop];
	uint64_t life = event->lifetime < LIFETIME_LIMIT ? event->lifetime : LIFETIME_LIMIT;
	bool for_ever = !event->lifetime && at->protocol == PROTOCOL_IGD;

	at->id = 0;
	at->give_up_at = UINT64_MAX;
	if ((!event->lifetime && !for_ever) || !event->external_port) {
		mapping_fail(state, mapping, hop, TROUBLE_MALFORMED, 0, 0, now);
		return;
	}
	change_port(state, mapping, hop, event->external_port, now);
	if (!for_ever && life < BRIEF_LIFETIME)
		at->n_brief++;
	else if (at->mapped && now - at->granted_at >= BRIEF_FORGOTTEN)
		at->n_brief = 0;
	at->mapped = true;
	at->lost = false;
	at->wanted_port = 0;
	at->external = event->external.s_addr ? event->external : state->gateways[hop].external;
	at->lifetime = event->lifetime;
	at->granted_at = now;
	at->expires_at = for_ever ? UINT64_MAX : now + life * 1000;
	at->n_renewals = at->n_failures = 0;
	at->trouble = TROUBLE_NONE;
	at->result = 0;
	/* One that lasts for ever is looked after all the same. */
	if (for_ever)
		life = mapping->wish.lifetime < LIFETIME_LIMIT ? mapping->wish.lifetime
							       : LIFETIME_LIMIT;
	schedule_renewal(state, at, life * 1000, now);
	note_in_ledger(state, mapping, hop);
}

void mapping_fail(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		  enum trouble trouble, unsigned int result, uint64_t delay, uint64_t now)
{
	struct mapping_hop *at = &mapping->hops[hop];
	uint64_t wait;

	if (at->protocol == PROTOCOL_PCP)
		at->pcp_may_have_it = false;
	at->id = 0;
	at->give_up_at = UINT64_MAX;
	at->trouble = trouble;
	at->result = result;
	at->n_failures++;
	wait = gateway_back_off(at->n_failures, GATEWAY_FAILURE_WAIT, GATEWAY_FAILURE_WAIT_LIMIT);
	at->ask_at = now + (wait > delay ? wait : delay);
	/* What was granted holds until it expires, unless the gateway itself says otherwise. */
	if (trouble == TROUBLE_SILENT || trouble == TROUBLE_NOT_SUPPORTED)
		return;
	strike_request(state, mapping, hop);
	at->mapped = false;
	at->expires_at = UINT64_MAX;
	if (hop + 1 < HOPS_LIMIT)
		mapping_reset(state, mapping, hop + 1, now);
}

void mapping_follow(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		    const struct gateway_event *event, uint64_t now)
{
	struct mapping_hop *at = &mapping->hops[hop];

	if (!event->external_port) {
		if (now - at->granted_at < BRIEF_LIFETIME * 1000)
			at->n_brief++;
		mapping_lose(state, mapping, hop, now);
		at->ask_at = later(later(now + event->delay, at->ask_at), not_before(at));
		return;
	}
	change_port(state, mapping, hop, event->external_port, now);
	if (event->external.s_addr)
		at->external = event->external;
	note_in_ledger(state, mapping, hop);
}

bool mapping_expire(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		    uint64_t now)
{
	struct mapping_hop *at = &mapping->hops[hop];

	if (!at->mapped || now < at->expires_at)
		return false;
	at->mapped = false;
	at->expires_at = UINT64_MAX;
	at->trouble = TROUBLE_EXPIRED;
	/* From now on it is asked for as a new one is. */
	at->give_up_at = UINT64_MAX;
	if (!at->n_failures)
		at->n_failures = 1;
	if (!at->id && at->ask_at > now + GATEWAY_FAILURE_WAIT)
		at->ask_at = later(now, not_before(at));
	return true;
}

int mapping_add(struct mapper_state *state, const struct mapping_wish *wish, uint64_t now,
		struct mapping **ret)
{
	struct mapping **last = &state->mappings;
	struct mapping *mapping;

	if (state->n_mappings >= MAPPINGS_LIMIT)
		return -EDQUOT;
	mapping = calloc(1, sizeof *mapping);
	if (!mapping)
		return -ENOMEM;
	mapping->wish = *wish;
	mapping->abandoned_at = UINT64_MAX;
	mapping_reset(state, mapping, 0, now);
	while (*last)
		last = &(*last)->next;
	*last = mapping;
	state->n_mappings++;
	mapping_view(state, mapping);
	*ret = mapping;
	return 0;
}

static bool same_internal(const struct mapping *mapping, const struct mapping_wish *wish)
{
	return mapping->wish.transport == wish->transport &&
	       mapping->wish.internal_port == wish->internal_port;
}

static void add_deletion(struct mapper_state *state, unsigned int hop,
			 const struct ledger_entry *entry, bool perhaps)
{
	struct deletion **last = &state->deletions;
	unsigned int n = 0;

	for (; *last; last = &(*last)->next, n++)
		if ((*last)->hop == hop && (*last)->perhaps == perhaps &&
		    (*last)->entry.transport == entry->transport &&
		    (*last)->entry.internal_port == entry->internal_port)
			break;
	/* One is enough; and who changes wishes faster than a gateway answers lets mappings run out
	 * there by themselves. */
	if (*last || n >= MAPPINGS_LIMIT)
		return;
	*last = calloc(1, sizeof **last);
	if (!*last)
		return;
	(*last)->hop = hop;
	(*last)->entry = *entry;
	(*last)->perhaps = perhaps;
}

/* What gateways know or may know of this mapping is to be forgotten. */
static void delete_everywhere(struct mapper_state *state, const struct mapping *mapping)
{
	/* The farthest first: nothing is forwarded to a port that is not ours any more. */
	for (unsigned int hop = HOPS_LIMIT; hop-- > 0;) {
		const struct gateway_place *place = &state->gateways[hop].place;
		const struct mapping_hop *at = &mapping->hops[hop];
		struct ledger_entry entry = { .gateway = place->address,
					      .local = place->seen_as,
					      .protocol = at->protocol,
					      .transport = mapping->wish.transport,
					      .internal_port = at->internal_port,
					      .external_port = at->port };

		if (!at->asked || !state->gateways[hop].begun)
			continue;
		memcpy(entry.nonce, at->nonce, sizeof entry.nonce);
		memcpy(entry.label, mapping->wish.label, sizeof entry.label);
		add_deletion(state, hop, &entry, false);
		/* Its answer may have been lost before another protocol won. Where both write into
		 * one table this deletes nothing, for now there is nothing left of ours. */
		if (at->pcp_may_have_it && at->protocol != PROTOCOL_PCP) {
			entry.protocol = PROTOCOL_PCP;
			add_deletion(state, hop, &entry, true);
		}
	}
}

void mapping_change(struct mapper_state *state, struct mapping *mapping,
		    const struct mapping_wish *wish, uint64_t now)
{
	bool other_port = mapping->wish.external_port != wish->external_port;

	if (same_internal(mapping, wish) && !other_port && mapping->wish.lifetime == wish->lifetime)
		return;
	if (!same_internal(mapping, wish)) {
		delete_everywhere(state, mapping);
		mapping->wish = *wish;
		mapping_reset(state, mapping, 0, now);
		mapping_view(state, mapping);
		return;
	}
	/* The same mapping with another wish: it holds while the gateway is asked again. */
	mapping->wish = *wish;
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++) {
		struct mapping_hop *at = &mapping->hops[hop];

		cancel_request(state, mapping, hop);
		at->ask_at = now;
		if (other_port)
			at->wanted_port = wish->external_port;
	}
}

void mapping_remove(struct mapper_state *state, struct mapping *mapping, uint64_t now)
{
	struct mapping **link = &state->mappings;

	while (*link != mapping)
		link = &(*link)->next;
	*link = mapping->next;
	mapping->next = NULL;
	state->n_mappings--;
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++)
		cancel_request(state, mapping, hop);
	delete_everywhere(state, mapping);
	mapping_free_list(&mapping);
}

static bool is_wanted(const struct mapper_state *state, unsigned int hop, int transport,
		      uint16_t port)
{
	for (const struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (mapping->wish.transport == transport && internal_port(mapping, hop) == port)
			return true;
	return false;
}

void mapping_delete_orphans(struct mapper_state *state)
{
	for (unsigned int hop = HOPS_LIMIT; hop-- > 0;) {
		const struct gateway_state *gateway = &state->gateways[hop];

		if (!gateway->begun)
			continue;
		for (size_t i = 0; i < state->ledger.n; i++) {
			const struct ledger_entry *entry = &state->ledger.entries[i];

			if (entry->gateway.s_addr == gateway->place.address.s_addr &&
			    entry->local.s_addr == gateway->place.seen_as.s_addr &&
			    !is_wanted(state, hop, entry->transport, entry->internal_port))
				add_deletion(state, hop, entry, false);
		}
	}
}

static void free_deletion(struct mapper_state *state, struct deletion **link)
{
	struct deletion *deletion = *link;

	if (deletion->id)
		mapper_state_cancel(state, deletion->hop, deletion->entry.protocol, deletion->id);
	*link = deletion->next;
	free(deletion);
}

void mapping_drop_deletion(struct mapper_state *state, struct deletion *deletion, bool over,
			   uint64_t now)
{
	struct deletion **link = &state->deletions;
	const struct ledger_entry *entry = &deletion->entry;
	bool is_noted = !deletion->perhaps; /* in the ledger */

	if (is_noted && over)
		ledger_forget(&state->ledger, entry->gateway, entry->local, entry->transport,
			      entry->internal_port);
	else if (is_noted && !state->finishing && state->orphans_at == UINT64_MAX)
		state->orphans_at = now + gateway_back_off(++state->n_orphan_tries, ORPHANS_AGAIN,
							   ORPHANS_AGAIN_LIMIT);
	deletion->id = 0;
	while (*link != deletion)
		link = &(*link)->next;
	free_deletion(state, link);
}

void mapping_drop_needless_deletions(struct mapper_state *state)
{
	struct deletion **link = &state->deletions;

	while (*link)
		if (is_wanted(state, (*link)->hop, (*link)->entry.transport,
			      (*link)->entry.internal_port))
			free_deletion(state, link);
		else
			link = &(*link)->next;
}

void mapping_drop_deletions(struct mapper_state *state, unsigned int hop)
{
	struct deletion **link = &state->deletions;

	while (*link)
		if ((*link)->hop >= hop)
			free_deletion(state, link);
		else
			link = &(*link)->next;
}

/* What the chain of gateways made of it. */
static void view_hops(const struct mapper_state *state, struct mapping *mapping)
{
	unsigned int last = mapper_state_last_hop(state);

	mapping->condition = MAPPING_MAPPED;
	mapping->lifetime = mapping->hops[last].lifetime;
	for (unsigned int hop = 0; hop <= last; hop++) {
		const struct gateway_state *gateway = &state->gateways[hop];
		enum gateway_phase phase = gateway_phase(gateway);
		const struct mapping_hop *at = &mapping->hops[hop];
		enum mapping_protocol protocol;
		bool settled = phase == GATEWAY_REFUSED || phase == GATEWAY_MUTE ||
			       (phase == GATEWAY_LOST && gateway->provisional);

		if (at->mapped && at->external.s_addr) {
			if (at->expires_at < mapping->expires_at)
				mapping->expires_at = at->expires_at;
			continue;
		}
		mapping->expires_at = UINT64_MAX;
		mapping->lifetime = 0;
		mapping->trouble = at->trouble;
		mapping->result = at->result;
		if (settled)
			mapping->trouble = gateway_complaint(gateway, &protocol, &mapping->result);
		else if (!mapping->trouble && gateway->trouble && !gateway->external.s_addr) {
			mapping->trouble = gateway->trouble;
			mapping->result = gateway->result;
		}
		/* While others may still say yes, one that said no is not the end. */
		if (mapping->trouble && (settled || phase == GATEWAY_SPEAKING)) {
			mapping->condition = MAPPING_FAILED;
			return;
		}
		mapping->trouble = TROUBLE_NONE;
		mapping->result = 0;
		mapping->condition = MAPPING_PENDING;
		return;
	}
	mapping->external.sin_addr = mapping->hops[last].external;
	mapping->external.sin_port = htons(mapping->hops[last].port);
	mapping->result = mapping->hops[last].result;
	mapping->trouble = nat_address_is_inside(mapping->external.sin_addr)
				   ? TROUBLE_DOUBLE_NAT
				   : mapping->hops[last].trouble;
}

/* The port that the owner forwards to ours, or to what the nearer gateway granted. */
static void view_by_hand(const struct mapper_state *state, struct mapping *mapping)
{
	bool is_mapped = mapping->condition == MAPPING_MAPPED, was_by_hand = mapping->by_hand;

	mapping->by_hand = false;
	if (is_mapped && !nat_address_is_inside(mapping->external.sin_addr))
		return;
	if (mapper_state_awaits_reflexive(state)) {
		mapping->external = (struct sockaddr_in){ .sin_family = AF_INET };
		mapping->condition = MAPPING_PENDING;
		mapping->trouble = TROUBLE_NONE;
		return;
	}
	if (!mapper_state_may_be_forwarded(state))
		return;
	/* A gateway that may be about to map it is waited for, but not each time that it is asked
	 * again. */
	if (mapping->condition == MAPPING_PENDING && !was_by_hand &&
	    (!mapper_state_is_forwarded(state) ||
	     state->gateways[mapper_state_last_hop(state)].winner))
		return;
	mapping->condition = MAPPING_MAPPED;
	mapping->trouble = TROUBLE_NONE;
	mapping->by_hand = !is_mapped;
	mapping->external.sin_addr = state->seen_as;
	if (!is_mapped)
		mapping->external.sin_port = mapping->wish.external_port
						     ? htons(mapping->wish.external_port)
						     : mapping->internal.sin_port;
}

void mapping_view(struct mapper_state *state, struct mapping *mapping)
{
	mapping->generation = state->generation;
	mapping->internal = (struct sockaddr_in){ .sin_family = AF_INET };
	mapping->external = mapping->internal;
	mapping->expires_at = UINT64_MAX;
	mapping->lifetime = 0;
	mapping->trouble = TROUBLE_NONE;
	mapping->result = 0;
	mapping->condition = MAPPING_PENDING;
	if (!state->network.link) {
		mapping->by_hand = false;
		return;
	}
	mapping->internal.sin_addr = state->network.address;
	mapping->internal.sin_port = htons(mapping->wish.internal_port);
	if (mapper_state_is_public(state)) {
		mapping->by_hand = false;
		mapping->external = mapping->internal;
		mapping->condition = MAPPING_PUBLIC;
		return;
	}
	view_hops(state, mapping);
	view_by_hand(state, mapping);
}
