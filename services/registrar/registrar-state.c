/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * no key --identity signed in--> GET_KEY --> key held
 * key held --endpoint known--> LOCATE --> PUBLISH --acknowledged--> published
 * published --80 % of the lease, another endpoint, Refresh()--> PUBLISH
 * PUBLISH or LOCATE --failed--> waiting, then LOCATE again
 * key held --signed out, or another account--> WITHDRAW --> FORGET_KEY --> no key
 * any --terminate--> WITHDRAW, if something may be in the zone --> EXIT
 */
#include "services/registrar/registrar-state.h"

#include <stdio.h>
#include <string.h>

/* An exchange that got no answer took 17 s already; so the waits between can be short at first. */
#define RETRY_FIRST_MSEC 2000
#define RETRY_MOST_MSEC  30000
#define REFUSED_MSEC     (10 * 60000)
#define NAME_TAKEN_MSEC  (5 * 60000)
#define KEY_RETRY_MSEC   2000

static const char *const phases[] = {
	[REGISTRAR_PHASE_STARTING] = "starting",
	[REGISTRAR_PHASE_WAITING_IDENTITY] = "waiting-identity",
	[REGISTRAR_PHASE_SIGNED_OUT] = "signed-out",
	[REGISTRAR_PHASE_WAITING_MAPPER] = "waiting-mapper",
	[REGISTRAR_PHASE_WAITING_NETWORK] = "waiting-network",
	[REGISTRAR_PHASE_WAITING_MAPPING] = "waiting-mapping",
	[REGISTRAR_PHASE_DISCOVERING] = "discovering",
	[REGISTRAR_PHASE_PUBLISHING] = "publishing",
	[REGISTRAR_PHASE_PUBLISHED] = "published",
	[REGISTRAR_PHASE_RETRYING] = "retrying",
	[REGISTRAR_PHASE_REFUSED] = "refused",
	[REGISTRAR_PHASE_NAME_TAKEN] = "name-taken",
	[REGISTRAR_PHASE_WITHDRAWING] = "withdrawing",
};

const char *registrar_phase_to_text(enum registrar_phase phase)
{
	return phases[phase];
}

void registrar_state_init(struct registrar_state *state, uint64_t now, uint32_t startup_delay_msec,
			  uint32_t random)
{
	*state = (struct registrar_state){ .due = now };
	state->start_at = now + (startup_delay_msec ? random % (startup_delay_msec + 1) : 0);
}

static bool same_place(const struct registrar_place *a, const struct registrar_place *b)
{
	return a->generation == b->generation && a->endpoint.sin_family == b->endpoint.sin_family &&
	       a->endpoint.sin_port == b->endpoint.sin_port &&
	       a->endpoint.sin_addr.s_addr == b->endpoint.sin_addr.s_addr;
}

/* Something changed that makes another attempt worth while. */
static void forget_backoff(struct registrar_state *state)
{
	state->not_before = 0;
	state->n_failed = 0;
	state->last_result = REGISTRAR_RESULT_OK;
	state->trouble[0] = 0;
}

void registrar_state_set_identity(struct registrar_state *state, bool present, uint64_t identity)
{
	state->identity_present = present;
	/* What it said about the key was the former daemon's word. */
	if (!present && !state->key)
		state->trouble[0] = 0;
	/* An identity daemon that is away says nothing about who we are. */
	if (!present || state->identity == identity)
		return;
	state->identity = identity;
	state->key_not_before = 0;
	forget_backoff(state);
}

void registrar_state_set_mapper(struct registrar_state *state, bool present, bool network,
				const struct registrar_place *place, bool restarted)
{
	state->mapper_present = present;
	/* A mapper that is away leaves the mapping at the gateway, and us at our endpoint. */
	if (!present)
		return;
	state->network = network;
	if (place->generation < state->place.generation && !restarted) {
		state->counts.old_generations++;
		return;
	}
	state->mapping_current = place->endpoint.sin_family == AF_INET;
	if (!state->mapping_current) {
		state->place.generation = place->generation;
		return;
	}
	if (same_place(place, &state->place))
		return;
	state->place = *place;
	forget_backoff(state);
}

void registrar_state_refresh(struct registrar_state *state)
{
	state->refresh_wanted = true;
	forget_backoff(state);
}

void registrar_state_terminate(struct registrar_state *state)
{
	state->terminating = true;
}

void registrar_state_on_key(struct registrar_state *state, uint64_t now, uint64_t identity,
			    bool success)
{
	state->key_asked = false;
	if (success) {
		state->key = identity;
		forget_backoff(state);
	} else {
		state->key_not_before = now + KEY_RETRY_MSEC;
	}
}

static void note_failure(struct registrar_state *state, uint64_t now, enum registrar_result result,
			 const char *words)
{
	uint64_t wait = RETRY_FIRST_MSEC;

	for (unsigned int i = 0; i < state->n_failed && wait < RETRY_MOST_MSEC; i++)
		wait *= 2;
	if (wait > RETRY_MOST_MSEC)
		wait = RETRY_MOST_MSEC;
	if (result == REGISTRAR_RESULT_REFUSED)
		wait = REFUSED_MSEC;
	if (result == REGISTRAR_RESULT_NAME_TAKEN)
		wait = NAME_TAKEN_MSEC;
	state->n_failed++;
	state->last_result = result;
	state->not_before = now + wait;
	/* The account may have moved to another server. */
	state->server_known = false;
	snprintf(state->trouble, sizeof(state->trouble), "%s", words ? words : "");
}

void registrar_state_on_located(struct registrar_state *state, uint64_t now,
				enum registrar_result result, const char *words)
{
	state->activity = REGISTRAR_ACTIVITY_NONE;
	if (result == REGISTRAR_RESULT_OK)
		state->server_known = state->server_had = true;
	else
		note_failure(state, now, result, words);
}

static void on_published(struct registrar_state *state, uint64_t now, uint32_t lease,
			 uint32_t random)
{
	uint64_t lease_msec = lease * UINT64_C(1000);

	state->published = true;
	state->published_place = state->sent;
	state->lease = lease;
	state->expires = now + lease_msec;
	/* RFC 9664 §5.2: at 80 %, and up to 5 % of the lease later. */
	state->refresh_at = now + lease_msec * 80 / 100 + random % (lease_msec * 5 / 100 + 1);
	state->refresh_wanted = false;
	state->counts.updates_acknowledged++;
	forget_backoff(state);
}

void registrar_state_on_updated(struct registrar_state *state, uint64_t now,
				enum registrar_result result, uint32_t lease, const char *words,
				uint32_t random)
{
	enum registrar_activity activity = state->activity;

	state->activity = REGISTRAR_ACTIVITY_NONE;
	if (activity == REGISTRAR_ACTIVITY_WITHDRAWING) {
		/* Answered or not: the lease sees to the rest. */
		state->maybe_in_zone = false;
		state->published = false;
		return;
	}
	if (result == REGISTRAR_RESULT_OK) {
		on_published(state, now, lease, random);
		return;
	}
	state->counts.updates_failed++;
	if (result == REGISTRAR_RESULT_REFUSED || result == REGISTRAR_RESULT_NAME_TAKEN) {
		state->counts.refused++;
		state->maybe_in_zone = state->published;
	}
	note_failure(state, now, result, words);
}

/* Whether the key we hold is no longer ours to use. */
static bool must_leave(const struct registrar_state *state)
{
	return state->key && state->identity != state->key;
}

static bool must_cancel(const struct registrar_state *state)
{
	switch (state->activity) {
	case REGISTRAR_ACTIVITY_NONE:
	case REGISTRAR_ACTIVITY_WITHDRAWING:
		return false;
	case REGISTRAR_ACTIVITY_LOCATING:
		return state->terminating || must_leave(state);
	case REGISTRAR_ACTIVITY_PUBLISHING:
		return state->terminating || must_leave(state) ||
		       (state->mapping_current && !same_place(&state->place, &state->sent));
	}
	return false;
}

static enum registrar_action withdraw(struct registrar_state *state)
{
	state->activity = REGISTRAR_ACTIVITY_WITHDRAWING;
	state->phase = REGISTRAR_PHASE_WITHDRAWING;
	state->counts.withdrawals++;
	return REGISTRAR_ACTION_WITHDRAW;
}

static enum registrar_action leave(struct registrar_state *state)
{
	if (state->maybe_in_zone && state->server_had)
		return withdraw(state);
	state->key = 0;
	state->published = false;
	state->maybe_in_zone = false;
	state->server_known = state->server_had = false;
	return REGISTRAR_ACTION_FORGET_KEY;
}

static enum registrar_action step_without_key(struct registrar_state *state, uint64_t now)
{
	if (!state->identity_present) {
		state->phase = REGISTRAR_PHASE_WAITING_IDENTITY;
		return REGISTRAR_ACTION_NONE;
	}
	if (!state->identity) {
		state->phase = REGISTRAR_PHASE_SIGNED_OUT;
		return REGISTRAR_ACTION_NONE;
	}
	state->phase = REGISTRAR_PHASE_WAITING_IDENTITY;
	if (state->key_asked)
		return REGISTRAR_ACTION_NONE;
	if (now < state->key_not_before) {
		state->due = state->key_not_before;
		return REGISTRAR_ACTION_NONE;
	}
	state->key_asked = true;
	return REGISTRAR_ACTION_GET_KEY;
}

static enum registrar_phase failure_phase(enum registrar_result result)
{
	switch (result) {
	case REGISTRAR_RESULT_REFUSED:
		return REGISTRAR_PHASE_REFUSED;
	case REGISTRAR_RESULT_NAME_TAKEN:
		return REGISTRAR_PHASE_NAME_TAKEN;
	case REGISTRAR_RESULT_OK:
	case REGISTRAR_RESULT_FAILED:
	case REGISTRAR_RESULT_CLOCK:
		break;
	}
	return REGISTRAR_PHASE_RETRYING;
}

/* A key and an endpoint are there: bring the zone to what is wanted. */
static enum registrar_action step_publish(struct registrar_state *state, uint64_t now)
{
	uint64_t not_before =
		state->start_at > state->not_before ? state->start_at : state->not_before;

	if (state->published && same_place(&state->place, &state->published_place) &&
	    now < state->refresh_at && !state->refresh_wanted) {
		state->phase = REGISTRAR_PHASE_PUBLISHED;
		state->due = state->refresh_at;
		return REGISTRAR_ACTION_NONE;
	}
	if (now < not_before) {
		state->phase = now < state->start_at ? REGISTRAR_PHASE_STARTING
						     : failure_phase(state->last_result);
		state->due = not_before;
		if (state->published && state->expires < state->due)
			state->due = state->expires;
		return REGISTRAR_ACTION_NONE;
	}
	if (!state->server_known) {
		state->activity = REGISTRAR_ACTIVITY_LOCATING;
		state->phase = REGISTRAR_PHASE_DISCOVERING;
		return REGISTRAR_ACTION_LOCATE;
	}
	state->sent = state->place;
	state->maybe_in_zone = true;
	state->activity = REGISTRAR_ACTIVITY_PUBLISHING;
	state->phase = REGISTRAR_PHASE_PUBLISHING;
	state->counts.updates_sent++;
	return REGISTRAR_ACTION_PUBLISH;
}

enum registrar_action registrar_state_step(struct registrar_state *state, uint64_t now)
{
	state->due = UINT64_MAX;
	/* What the server forgot is not published. */
	if (state->published && now >= state->expires)
		state->published = false;
	if (must_cancel(state)) {
		state->activity = REGISTRAR_ACTIVITY_NONE;
		return REGISTRAR_ACTION_CANCEL;
	}
	if (state->activity != REGISTRAR_ACTIVITY_NONE) {
		if (state->published)
			state->due = state->expires;
		return REGISTRAR_ACTION_NONE;
	}
	if (state->terminating)
		return state->key && state->maybe_in_zone && state->server_had
			       ? withdraw(state)
			       : REGISTRAR_ACTION_EXIT;
	if (must_leave(state))
		return leave(state);
	if (!state->key)
		return step_without_key(state, now);
	if (!state->mapper_present && !state->mapping_current)
		state->phase = REGISTRAR_PHASE_WAITING_MAPPER;
	else if (!state->network)
		state->phase = REGISTRAR_PHASE_WAITING_NETWORK;
	else if (!state->mapping_current)
		state->phase = REGISTRAR_PHASE_WAITING_MAPPING;
	else
		return step_publish(state, now);
	if (state->published)
		state->due = state->expires;
	return REGISTRAR_ACTION_NONE;
}
