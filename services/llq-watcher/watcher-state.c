/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * no key --identity signed in--> GET_KEY --> key held
 * key held --network--> LOCATE --> START --> running
 * running --another network--> START: all queries anew; the server stays the same
 * running --the connection that was good breaks--> START
 * running --there may be a better way--> LOCATE --> START, or running as before
 * running --the server does not answer, or refuses--> waiting, then LOCATE again
 * key held --signed out, or another account--> STOP --> FORGET_KEY --> no key
 * any --terminate--> STOP --> EXIT
 */
#include "services/llq-watcher/watcher-state.h"

#include <inttypes.h>
#include <stdio.h>

#define RETRY_FIRST_MSEC 2000
#define RETRY_MOST_MSEC  30000
#define REFUSED_MSEC     (10 * 60000)
#define KEY_RETRY_MSEC   2000
#define FULL_LEAST_SEC   10
#define FULL_MOST_SEC    3600
#define STEADY_MSEC      5000
#define DELAY_LEAST_MSEC 500

static const char *const phases[] = {
	[WATCHER_PHASE_STARTING] = "starting",
	[WATCHER_PHASE_WAITING_IDENTITY] = "waiting-identity",
	[WATCHER_PHASE_SIGNED_OUT] = "signed-out",
	[WATCHER_PHASE_WAITING_MAPPER] = "waiting-mapper",
	[WATCHER_PHASE_WAITING_NETWORK] = "waiting-network",
	[WATCHER_PHASE_DISCOVERING] = "discovering",
	[WATCHER_PHASE_CONNECTING] = "connecting",
	[WATCHER_PHASE_WATCHING] = "watching",
	[WATCHER_PHASE_RETRYING] = "retrying",
	[WATCHER_PHASE_REFUSED] = "refused",
};

const char *watcher_phase_to_text(enum watcher_phase phase)
{
	return phases[phase];
}

void watcher_state_init(struct watcher_state *state)
{
	*state = (struct watcher_state){ .due = UINT64_MAX };
}

static void forget_backoff(struct watcher_state *state)
{
	state->not_before = 0;
	state->n_failed = 0;
	state->refused = false;
	state->trouble[0] = 0;
}

void watcher_state_set_identity(struct watcher_state *state, bool present, uint64_t identity)
{
	state->identity_present = present;
	/* What it said about the key was the former daemon's word. */
	if (!present && !state->key)
		state->trouble[0] = 0;
	if (!present || state->identity == identity)
		return;
	state->identity = identity;
	state->key_not_before = 0;
	forget_backoff(state);
}

void watcher_state_set_mapper(struct watcher_state *state, bool present, bool network,
			      uint64_t generation, struct in_addr external)
{
	bool changed = false;

	state->mapper_present = present;
	/* A mapper that is away leaves us where we are. */
	if (!present)
		return;
	if (network && !state->network)
		changed = true;
	state->network = network;
	if (generation != state->generation) {
		state->generation = generation;
		state->external.s_addr = 0;
		changed = true;
	}
	/* That the gateway has told its address now is no change; that it tells another one is. */
	if (external.s_addr && state->external.s_addr && external.s_addr != state->external.s_addr)
		changed = true;
	if (external.s_addr)
		state->external = external;
	if (!changed)
		return;
	state->network_changed = true;
	forget_backoff(state);
}

void watcher_state_terminate(struct watcher_state *state)
{
	state->terminating = true;
}

void watcher_state_on_key(struct watcher_state *state, uint64_t now, uint64_t identity,
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

static void note_failure(struct watcher_state *state, uint64_t now, bool refused, uint64_t wait,
			 const char *words)
{
	if (wait == 0) {
		wait = RETRY_FIRST_MSEC;
		for (unsigned int i = 0; i < state->n_failed && wait < RETRY_MOST_MSEC; i++)
			wait *= 2;
		if (wait > RETRY_MOST_MSEC)
			wait = RETRY_MOST_MSEC;
	}
	if (refused)
		wait = REFUSED_MSEC;
	wait += state->random % (wait / 4 + 1);
	state->n_failed++;
	state->refused = refused;
	state->not_before = now + wait;
	state->server_known = false;
	state->activity = WATCHER_ACTIVITY_NONE;
	state->settled = false;
	snprintf(state->trouble, sizeof(state->trouble), "%s", words);
}

void watcher_state_on_located(struct watcher_state *state, uint64_t now, bool refused,
			      const char *words)
{
	state->activity = WATCHER_ACTIVITY_NONE;
	if (words)
		note_failure(state, now, refused, 0, words);
	else
		state->server_known = true;
}

bool watcher_state_on_broken(struct watcher_state *state, uint64_t now)
{
	/* It is being looked for anew. */
	if (state->activity == WATCHER_ACTIVITY_LOCATING) {
		state->settled = false;
		return true;
	}
	if (!state->settled || now - state->settled_at < STEADY_MSEC)
		return false;
	state->restart = true;
	return true;
}

bool watcher_state_asks_anew(struct watcher_state *state)
{
	bool anew = state->network_changed && state->activity == WATCHER_ACTIVITY_LOCATING;

	/* No queries are being set up that would have to be so anew. */
	if (state->activity != WATCHER_ACTIVITY_RUNNING)
		state->network_changed = false;
	state->restart |= anew;
	return anew;
}

void watcher_state_look_again(struct watcher_state *state)
{
	if (state->activity != WATCHER_ACTIVITY_RUNNING)
		return;
	state->activity = WATCHER_ACTIVITY_NONE;
	state->server_known = false;
	state->not_before = 0;
}

void watcher_state_stay(struct watcher_state *state)
{
	state->activity = WATCHER_ACTIVITY_RUNNING;
	state->server_known = true;
}

static uint64_t clamp_wait(uint64_t msec)
{
	if (msec < FULL_LEAST_SEC * UINT64_C(1000))
		return FULL_LEAST_SEC * UINT64_C(1000);
	return msec < FULL_MOST_SEC * UINT64_C(1000) ? msec : FULL_MOST_SEC * UINT64_C(1000);
}

void watcher_state_on_status(struct watcher_state *state, uint64_t now, enum llq_status status,
			     uint64_t retry_after, const char *words)
{
	char delayed[80];

	if (state->activity != WATCHER_ACTIVITY_RUNNING) {
		state->settled &= status == LLQ_STATUS_WATCHING || status == LLQ_STATUS_CONNECTING;
		return;
	}
	switch (status) {
	case LLQ_STATUS_IDLE:
	case LLQ_STATUS_CONNECTING:
		return;
	case LLQ_STATUS_WATCHING:
		/* Later questions, about a new host, are no reason to call it otherwise. */
		if (!state->settled)
			state->settled_at = now;
		state->settled = true;
		forget_backoff(state);
		return;
	case LLQ_STATUS_FAILED:
		note_failure(state, now, false, 0,
			     words
				     ?: "the server does not answer; the hosts are shown as last "
					"known");
		return;
	case LLQ_STATUS_UNSUPPORTED:
		note_failure(state, now, false, 0,
			     words ?: "the server knows no way to be watched that is allowed here");
		return;
	case LLQ_STATUS_DELAYED:
		snprintf(delayed, sizeof(delayed),
			 "the server asked to be left alone for %" PRIu64 " s",
			 (retry_after + 999) / 1000);
		note_failure(state, now, false,
			     retry_after > DELAY_LEAST_MSEC ? retry_after : DELAY_LEAST_MSEC,
			     delayed);
		return;
	case LLQ_STATUS_FULL:
		note_failure(state, now, false, clamp_wait(retry_after),
			     "the server has no room for more queries; trying again later");
		return;
	case LLQ_STATUS_REFUSED:
		note_failure(state, now, true, 0, words ?: "the server refuses to be watched");
		return;
	}
}

static bool must_leave(const struct watcher_state *state)
{
	return state->key && state->identity != state->key;
}

static enum watcher_action step_without_key(struct watcher_state *state, uint64_t now)
{
	if (state->identity_present && !state->identity) {
		state->phase = WATCHER_PHASE_SIGNED_OUT;
		return WATCHER_ACTION_NONE;
	}
	state->phase = WATCHER_PHASE_WAITING_IDENTITY;
	if (!state->identity_present || state->key_asked)
		return WATCHER_ACTION_NONE;
	if (now < state->key_not_before) {
		state->due = state->key_not_before;
		return WATCHER_ACTION_NONE;
	}
	state->key_asked = true;
	return WATCHER_ACTION_GET_KEY;
}

static enum watcher_action start(struct watcher_state *state)
{
	state->network_changed = state->restart = false;
	state->activity = WATCHER_ACTIVITY_RUNNING;
	state->settled = false;
	state->phase = WATCHER_PHASE_CONNECTING;
	return WATCHER_ACTION_START;
}

static enum watcher_action step_with_network(struct watcher_state *state, uint64_t now)
{
	switch (state->activity) {
	case WATCHER_ACTIVITY_LOCATING:
		state->phase = state->settled ? WATCHER_PHASE_WATCHING : WATCHER_PHASE_DISCOVERING;
		return WATCHER_ACTION_NONE;
	case WATCHER_ACTIVITY_RUNNING:
		if (state->network_changed || state->restart)
			return start(state);
		state->phase = state->settled ? WATCHER_PHASE_WATCHING : WATCHER_PHASE_CONNECTING;
		return WATCHER_ACTION_NONE;
	case WATCHER_ACTIVITY_NONE:
		break;
	}
	if (now < state->not_before) {
		state->phase = state->refused ? WATCHER_PHASE_REFUSED : WATCHER_PHASE_RETRYING;
		state->due = state->not_before;
		return WATCHER_ACTION_NONE;
	}
	if (state->server_known)
		return start(state);
	state->activity = WATCHER_ACTIVITY_LOCATING;
	state->phase = state->settled ? WATCHER_PHASE_WATCHING : WATCHER_PHASE_DISCOVERING;
	return WATCHER_ACTION_LOCATE;
}

enum watcher_action watcher_state_step(struct watcher_state *state, uint64_t now)
{
	bool leaving = state->terminating || must_leave(state);

	state->due = UINT64_MAX;
	if (leaving && state->activity != WATCHER_ACTIVITY_NONE) {
		bool running = state->activity == WATCHER_ACTIVITY_RUNNING;

		state->activity = WATCHER_ACTIVITY_NONE;
		return running ? WATCHER_ACTION_STOP : WATCHER_ACTION_CANCEL;
	}
	if (state->terminating)
		return WATCHER_ACTION_EXIT;
	if (leaving) {
		state->key = 0;
		state->server_known = state->settled = state->restart = false;
		return WATCHER_ACTION_FORGET_KEY;
	}
	if (!state->key)
		return step_without_key(state, now);
	if (!state->mapper_present && !state->network) {
		state->phase = WATCHER_PHASE_WAITING_MAPPER;
		return WATCHER_ACTION_NONE;
	}
	if (!state->network) {
		state->phase = WATCHER_PHASE_WAITING_NETWORK;
		return WATCHER_ACTION_NONE;
	}
	return step_with_network(state, now);
}
