/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/mapper-state.h"

#include "services/mapper/announcement-wire.h"
#include "services/mapper/mapping-state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PROVISIONAL_AFTER  2000
#define FIRST_WAIT         250 /* RFC 6886 §3.1: doubled each time */
#define SENDS_LIMIT        9
#define DELETE_SENDS_LIMIT 4    /* §3.1: a few suffice */
#define RECREATE_SPREAD    5000 /* §3.7 */
#define MUTE_WAIT          5000
#define MUTE_WAIT_LIMIT    600000
#define LIFETIME_LIMIT     86400 /* s; a longer grant is believed for a day */

static bool in_net(struct in_addr address, uint32_t net, unsigned int bits)
{
	return (ntohl(address.s_addr) ^ net) >> (32 - bits) == 0;
}

bool address_is_private(struct in_addr address)
{
	return in_net(address, 0x0a000000, 8) || in_net(address, 0xac100000, 12) ||
	       in_net(address, 0xc0a80000, 16);
}

/* Not reachable from outside: the gateway is itself behind another one (RFC 6281 §4.4.1). */
static bool is_behind_nat(struct in_addr address)
{
	return !address.s_addr || address_is_private(address) || in_net(address, 0x64400000, 10) ||
	       in_net(address, 0xa9fe0000, 16);
}

void mapper_state_init(struct mapper_state *state, uint64_t generation, uint64_t seed)
{
	*state = (struct mapper_state){ .generation = generation,
					.random = seed | 1,
					.asked_since = UINT64_MAX,
					.address_at = UINT64_MAX,
					.recreate_at = UINT64_MAX };
}

void mapper_state_deinit(struct mapper_state *state)
{
	mapping_free_list(&state->mappings);
	mapping_free_list(&state->deletions);
}

/* xorshift; it spreads the hosts of a home, no more. */
static uint64_t random_below(struct mapper_state *state, uint64_t limit)
{
	state->random ^= state->random << 13;
	state->random ^= state->random >> 7;
	state->random ^= state->random << 17;
	return state->random % limit;
}

bool mapper_state_is_public(const struct mapper_state *state)
{
	if (!state->network.link)
		return false;
	switch (state->phase) {
	case GATEWAY_NOBODY:
	case GATEWAY_MUTE:
		return true;
	case GATEWAY_ASKING:
		return state->provisional;
	case GATEWAY_SPEAKING:
		return false;
	}
	return false;
}

enum nat_kind mapper_state_nat_kind(const struct mapper_state *state)
{
	if (mapper_state_is_public(state))
		return NAT_PUBLIC;
	if (state->phase != GATEWAY_SPEAKING)
		return NAT_UNKNOWN;
	return state->trouble == TROUBLE_DOUBLE_NAT ? NAT_DOUBLE : NAT_MAPPED;
}

struct in_addr mapper_state_external(const struct mapper_state *state)
{
	if (mapper_state_is_public(state))
		return state->network.address;
	return state->phase == GATEWAY_SPEAKING ? state->external : (struct in_addr){};
}

void mapper_state_forget_request(struct mapper_state *state)
{
	state->under_way = UNDER_WAY_NOTHING;
	state->request_mapping = NULL;
	state->n_sent = 0;
}

static void raise_generation(struct mapper_state *state)
{
	state->generation++;
	state->counters.network_changes++;
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		mapping->generation = state->generation;
}

static void begin_asking(struct mapper_state *state, uint64_t now)
{
	state->phase = GATEWAY_ASKING;
	state->address_at = now;
	mapper_state_forget_request(state);
}

void mapper_state_set_network(struct mapper_state *state, const struct network_view *view,
			      uint64_t now)
{
	state->have_network = true;
	state->network = *view;
	mapper_state_forget_request(state);
	state->phase = GATEWAY_NOBODY;
	state->conversation = 0;
	state->provisional = state->spoke = state->have_epoch = false;
	state->external = state->last_external = (struct in_addr){};
	state->trouble = TROUBLE_NONE;
	state->asked_since = state->address_at = state->recreate_at = UINT64_MAX;
	state->asked_all_at = now;
	state->n_address_failures = 0;
	/* What another gateway was to forget, this one never knew. */
	mapping_free_list(&state->deletions);
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next) {
		mapping->granted_port = 0;
		mapping->asked = false;
	}
	if (view->link && view->gateway.s_addr && address_is_private(view->address)) {
		state->conversation = ++state->last_conversation;
		state->asked_since = now;
		begin_asking(state, now);
	}
	raise_generation(state);
	mapping_reset_all(state, now);
}

void mapper_state_set_details(struct mapper_state *state, const struct network_view *view)
{
	state->network = *view;
}

static void become_mute(struct mapper_state *state, enum trouble trouble, uint64_t now)
{
	bool was_public = mapper_state_is_public(state);

	state->phase = GATEWAY_MUTE;
	state->provisional = true;
	state->trouble = trouble;
	state->n_address_failures++;
	state->address_at =
		now + mapping_back_off(state->n_address_failures, MUTE_WAIT, MUTE_WAIT_LIMIT);
	mapper_state_forget_request(state);
	if (!was_public)
		mapping_reset_all(state, now);
}

static enum trouble trouble_of_result(uint16_t result)
{
	switch (result) {
	case NATPMP_SUCCESS:
		return TROUBLE_NONE;
	case NATPMP_UNSUPPORTED_VERSION:
		return TROUBLE_NOT_SUPPORTED;
	case NATPMP_REFUSED:
		return TROUBLE_REFUSED;
	case NATPMP_NETWORK_FAILURE:
		return TROUBLE_NETWORK_FAILURE;
	case NATPMP_OUT_OF_RESOURCES:
		return TROUBLE_OUT_OF_RESOURCES;
	case NATPMP_UNSUPPORTED_OPERATION:
		return TROUBLE_UNSUPPORTED_OPERATION;
	default:
		return TROUBLE_UNKNOWN_RESULT;
	}
}

/* The gateway's tables are to be filled again, soon but not with everybody else (RFC 6886 §3.7). */
static void schedule_recreation(struct mapper_state *state, uint64_t now)
{
	if (state->recreate_at != UINT64_MAX)
		return;
	state->counters.gateway_restarts++;
	state->recreate_at = now + random_below(state, RECREATE_SPREAD + 1);
}

/* RFC 6886 §3.6, on every packet. */
static void check_epoch(struct mapper_state *state, uint32_t epoch, uint64_t now)
{
	if (state->have_epoch) {
		uint64_t expected = state->epoch + (now - state->epoch_at) * 7 / 8 / 1000;

		if ((uint64_t)epoch + 2 < expected)
			schedule_recreation(state, now);
	}
	state->have_epoch = true;
	state->epoch = epoch;
	state->epoch_at = now;
}

/* It restarted, but how long ago its epoch began we do not know. Its address may be asked for at
 * once; only mappings have to wait. */
static void on_restart_hint(struct mapper_state *state, uint64_t now)
{
	schedule_recreation(state, now);
	state->have_epoch = false;
	state->address_at = now;
	if (state->request_mapping)
		state->request_mapping->ask_at = state->recreate_at;
	mapper_state_forget_request(state);
}

static void begin_speaking(struct mapper_state *state, uint64_t now)
{
	bool was_public = mapper_state_is_public(state);

	if (state->phase == GATEWAY_SPEAKING)
		return;
	state->phase = GATEWAY_SPEAKING;
	state->spoke = true;
	state->provisional = false;
	state->asked_since = UINT64_MAX;
	state->trouble = TROUBLE_NONE;
	state->n_address_failures = 0;
	/* Somebody may have acted on what we said before. */
	if (was_public)
		raise_generation(state);
	mapping_reset_all(state, now);
}

static void fail_address(struct mapper_state *state, enum trouble trouble, uint64_t now)
{
	state->trouble = trouble;
	state->n_address_failures++;
	state->address_at =
		now + mapping_back_off(state->n_address_failures, FAILURE_WAIT, FAILURE_WAIT_LIMIT);
	/* Silence says nothing new; a refusal does. */
	if (trouble == TROUBLE_SILENT)
		return;
	state->external = (struct in_addr){};
	mapping_reset_all(state, now);
}

static void learn_address(struct mapper_state *state, struct in_addr address, uint64_t now)
{
	struct in_addr former = state->external;

	if (!address.s_addr) {
		fail_address(state, TROUBLE_DOUBLE_NAT, now);
		return;
	}
	state->address_at = UINT64_MAX;
	state->n_address_failures = 0;
	state->trouble = is_behind_nat(address) ? TROUBLE_DOUBLE_NAT : TROUBLE_NONE;
	if (former.s_addr == address.s_addr)
		return;
	state->external = address;
	if (state->last_external.s_addr && state->last_external.s_addr != address.s_addr)
		raise_generation(state);
	state->last_external = address;
	mapping_follow_address(state, now);
}

static bool answers_request(const struct mapper_state *state,
			    const struct natpmp_response *response)
{
	if (state->under_way == UNDER_WAY_NOTHING)
		return false;
	if (response->has_operation && response->operation != state->request.operation)
		return false;
	return !response->has_internal_port ||
	       response->internal_port == state->request.internal_port;
}

static void on_answer(struct mapper_state *state, const struct natpmp_response *response,
		      uint64_t now)
{
	enum trouble trouble = trouble_of_result(response->result);
	struct mapping *mapping = state->request_mapping;

	switch (state->under_way) {
	case UNDER_WAY_NOTHING:
		break;
	case UNDER_WAY_ADDRESS:
		mapper_state_forget_request(state);
		if (trouble)
			fail_address(state, trouble, now);
		else
			learn_address(state, response->external, now);
		break;
	case UNDER_WAY_MAP:
		mapper_state_forget_request(state);
		if (trouble)
			mapping_fail(mapping, trouble, now);
		else
			mapping_grant(state, mapping, response, now);
		/* The announcement of another address may have been lost: ask for it, too, when
		 * this mapping is asked for again. */
		if (!trouble && mapping->ask_at < state->address_at)
			state->address_at = mapping->ask_at;
		break;
	case UNDER_WAY_DELETE:
		mapper_state_forget_request(state);
		mapping_drop_deletion(state);
		break;
	}
}

void mapper_state_on_response(struct mapper_state *state, uint32_t conversation,
			      const struct natpmp_response *response, uint64_t now)
{
	if (!conversation || conversation != state->conversation ||
	    !answers_request(state, response)) {
		state->counters.responses_unexpected++;
		return;
	}
	state->counters.responses_accepted++;
	if (response->result)
		state->counters.requests_failed++;
	if (response->result == NATPMP_UNSUPPORTED_VERSION && !state->spoke) {
		become_mute(state, TROUBLE_NOT_SUPPORTED, now);
		return;
	}
	/* The request under way outlives this: it is what the answer is to. */
	begin_speaking(state, now);
	if (response->has_epoch)
		check_epoch(state, response->epoch, now);
	on_answer(state, response, now);
}

/* The request under way has had all its chances. */
static void give_up(struct mapper_state *state, uint64_t now)
{
	struct mapping *mapping = state->request_mapping;

	switch (state->under_way) {
	case UNDER_WAY_NOTHING:
		break;
	case UNDER_WAY_ADDRESS:
		mapper_state_forget_request(state);
		if (state->spoke)
			fail_address(state, TROUBLE_SILENT, now);
		else
			become_mute(state, TROUBLE_SILENT, now);
		break;
	case UNDER_WAY_MAP:
		mapper_state_forget_request(state);
		mapping_fail(mapping, TROUBLE_SILENT, now);
		break;
	case UNDER_WAY_DELETE:
		mapper_state_forget_request(state);
		mapping_drop_deletion(state);
		break;
	}
}

void mapper_state_on_unreachable(struct mapper_state *state, uint32_t conversation, uint64_t now)
{
	if (!conversation || conversation != state->conversation ||
	    state->under_way == UNDER_WAY_NOTHING)
		return;
	state->counters.gateway_unreachable++;
	if (state->spoke)
		give_up(state, now);
	else
		become_mute(state, TROUBLE_NOT_SUPPORTED, now);
}

void mapper_state_on_announcement(struct mapper_state *state, struct in_addr source, int link,
				  const struct announcement *announcement, uint64_t now)
{
	if (!state->conversation || link != state->network.link ||
	    source.s_addr != state->network.gateway.s_addr) {
		state->counters.announcements_foreign++;
		return;
	}
	state->counters.announcements_accepted++;
	switch (announcement->kind) {
	case ANNOUNCEMENT_ADDRESS:
		/* An answer to a question that we then need not ask. */
		if (state->under_way == UNDER_WAY_ADDRESS)
			mapper_state_forget_request(state);
		begin_speaking(state, now);
		check_epoch(state, announcement->epoch, now);
		learn_address(state, announcement->external, now);
		break;
	case ANNOUNCEMENT_RESTART:
		if (state->phase != GATEWAY_SPEAKING)
			begin_asking(state, now);
		/* Tables older than what we asked for have not lost it: it is a repetition. One
		 * that comes while recreation is due anyway is covered by that. But two restarts
		 * within seconds are two. */
		else if (now >= state->asked_all_at + announcement->epoch * UINT64_C(1000))
			on_restart_hint(state, now);
		break;
	}
}

void mapper_state_reprove(struct mapper_state *state, uint64_t now)
{
	if (state->phase == GATEWAY_NOBODY || state->finishing)
		return;
	state->n_address_failures = 0;
	/* One under way begins anew: after a sleep, its next repetition is far away. */
	mapper_state_forget_request(state);
	state->address_at = now;
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		mapping->ask_at = now;
}

void mapper_state_finish(struct mapper_state *state, uint64_t now)
{
	state->finishing = true;
	if (state->under_way == UNDER_WAY_ADDRESS)
		mapper_state_forget_request(state);
	while (state->mappings)
		mapping_remove(state, state->mappings, now);
}

bool mapper_state_finished(const struct mapper_state *state)
{
	return state->finishing && (!state->deletions || state->phase != GATEWAY_SPEAKING);
}

/* What time alone changes. */
static void pass_time(struct mapper_state *state, uint64_t now)
{
	if (state->phase == GATEWAY_ASKING && !state->provisional &&
	    now - state->asked_since >= PROVISIONAL_AFTER) {
		state->provisional = true;
		mapping_reset_all(state, now);
	}
	mapping_expire_all(state, now);
	if (now >= state->recreate_at) {
		state->recreate_at = UINT64_MAX;
		state->asked_all_at = now;
		/* A request that waits for an answer of the gateway's former life begins anew. */
		mapper_state_forget_request(state);
		state->address_at = now;
		for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
			mapping->ask_at = now;
	}
}

static void begin_request(struct mapper_state *state, int under_way,
			  const struct gateway_request *request, struct mapping *mapping)
{
	state->under_way = under_way;
	state->request = *request;
	state->request_mapping = mapping;
	state->n_sent = 0;
}

static void begin_map(struct mapper_state *state, struct mapping *mapping)
{
	struct gateway_request request = { .operation = mapping->wish.operation,
					   .internal_port = mapping->wish.internal_port,
					   .lifetime = mapping->wish.lifetime };

	/* RFC 6281 §4.2: the same external port as before, else the internal one. */
	request.external_port = mapping->granted_port;
	if (!request.external_port)
		request.external_port = mapping->wish.external_port;
	if (!request.external_port)
		request.external_port = mapping->wish.internal_port;
	mapping->asked = true;
	begin_request(state, UNDER_WAY_MAP, &request, mapping);
}

static bool choose_request(struct mapper_state *state, uint64_t now)
{
	const struct gateway_request ask_address = { .operation = NATPMP_ADDRESS };

	if (state->phase == GATEWAY_NOBODY)
		return false;
	if (state->address_at <= now && !state->finishing) {
		if (state->phase == GATEWAY_MUTE)
			begin_asking(state, now);
		begin_request(state, UNDER_WAY_ADDRESS, &ask_address, NULL);
		return true;
	}
	if (state->phase != GATEWAY_SPEAKING)
		return false;
	for (struct mapping *mapping = state->mappings; state->external.s_addr && mapping;
	     mapping = mapping->next)
		if (mapping->ask_at <= now) {
			begin_map(state, mapping);
			return true;
		}
	if (state->deletions) {
		const struct mapping_wish *wish = &state->deletions->wish;
		/* RFC 6886 §3.4: lifetime and external port are zero. */
		struct gateway_request request = { .operation = wish->operation,
						   .internal_port = wish->internal_port };

		begin_request(state, UNDER_WAY_DELETE, &request, NULL);
		return true;
	}
	return false;
}

bool mapper_state_take_request(struct mapper_state *state, uint64_t now,
			       struct gateway_request *ret)
{
	unsigned int limit;

	pass_time(state, now);
	mapping_drop_needless_deletions(state);
	limit = state->under_way == UNDER_WAY_DELETE ? DELETE_SENDS_LIMIT : SENDS_LIMIT;
	if (state->under_way != UNDER_WAY_NOTHING && now < state->resend_at)
		return false;
	if (state->under_way != UNDER_WAY_NOTHING && state->n_sent >= limit)
		give_up(state, now);
	if (state->under_way == UNDER_WAY_NOTHING && !choose_request(state, now))
		return false;
	state->resend_at = now + ((uint64_t)FIRST_WAIT << state->n_sent);
	if (state->n_sent++)
		state->counters.retransmissions++;
	state->counters.requests_sent++;
	*ret = state->request;
	return true;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t mapper_state_due(const struct mapper_state *state)
{
	bool idle = state->under_way == UNDER_WAY_NOTHING;
	uint64_t due = state->recreate_at;

	if (state->phase == GATEWAY_NOBODY)
		return UINT64_MAX;
	if (!idle)
		due = earlier(due, state->resend_at);
	if (state->phase == GATEWAY_ASKING && !state->provisional)
		due = earlier(due, state->asked_since + PROVISIONAL_AFTER);
	if (idle && !state->finishing)
		due = earlier(due, state->address_at);
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next) {
		if (mapping->condition == MAPPING_MAPPED)
			due = earlier(due, mapping->expires_at);
		if (idle && state->phase == GATEWAY_SPEAKING && state->external.s_addr)
			due = earlier(due, mapping->ask_at);
	}
	return due;
}
