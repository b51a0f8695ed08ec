/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * no key --identity signed in--> GET_KEY --> key held
 * key held --endpoint known--> LOCATE --> PUBLISH --acknowledged--> published
 * published --80 % of the lease, another endpoint, Refresh()--> PUBLISH
 * published --shared services changed--> PUBLISH of the difference
 * PUBLISH or LOCATE --failed--> waiting, then LOCATE again
 * any --the machine goes to sleep--> WITHDRAW, if something may be in the zone --> suspended
 * key held --signed out, or another account--> WITHDRAW --> FORGET_KEY --> no key
 * any --terminate--> WITHDRAW, if something may be in the zone --> EXIT
 */
#include "services/registrar/registrar-state.h"

#include <stdio.h>
#include <string.h>

/* An exchange that got no answer took 17 s already; so the waits between can be short at first. */
#define RETRY_FIRST_MSEC 2000
#define RETRY_MOST_MSEC  60000
#define CLOCK_MSEC       60000
#define REFUSED_MSEC     (10 * 60000)
#define NAME_TAKEN_MSEC  (5 * 60000)
#define KEY_RETRY_MSEC   2000
/* UPDATEs for services alone: ten at once, and then one a second. What the local network announces
 * may change as fast as somebody likes. */
#define SERVICES_MSEC       1000
#define SERVICES_BURST_MSEC 10000
/* RFC 9664 §5.2: how often a refresh is tried between the first failure and the lease's end. */
#define REFRESH_TRIES 10

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
	[REGISTRAR_PHASE_UNREACHABLE] = "unreachable",
	[REGISTRAR_PHASE_UNTRUSTED] = "untrusted-server",
	[REGISTRAR_PHASE_CLOCK_SKEW] = "clock-skew",
	[REGISTRAR_PHASE_BAD_KEY] = "bad-key",
	[REGISTRAR_PHASE_REFUSED] = "refused",
	[REGISTRAR_PHASE_NAME_TAKEN] = "name-taken",
	[REGISTRAR_PHASE_WITHDRAWING] = "withdrawing",
	[REGISTRAR_PHASE_SUSPENDED] = "suspended",
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

static bool same_endpoint(const struct registrar_place *a, const struct registrar_place *b)
{
	return a->endpoint.sin_family == b->endpoint.sin_family &&
	       a->endpoint.sin_port == b->endpoint.sin_port &&
	       a->endpoint.sin_addr.s_addr == b->endpoint.sin_addr.s_addr;
}

static bool same_place(const struct registrar_place *a, const struct registrar_place *b)
{
	return a->generation == b->generation && same_endpoint(a, b);
}

/* Something changed that makes another attempt worth while. */
static void forget_backoff(struct registrar_state *state)
{
	state->not_before = 0;
	state->n_failed = 0;
	state->clock_doubted = false;
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

void registrar_state_set_services(struct registrar_state *state, bool differ)
{
	state->services_differ = differ;
}

void registrar_state_set_sleeping(struct registrar_state *state, bool sleeping)
{
	/* Whatever stood in the way before is worth another attempt after a sleep. */
	if (state->sleeping && !sleeping)
		forget_backoff(state);
	state->sleeping = sleeping;
}

bool registrar_state_may_sleep(const struct registrar_state *state)
{
	return state->activity == REGISTRAR_ACTIVITY_NONE;
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

/* Whether all that is wanted is in the zone, and only its lease has to go on. */
static bool only_refreshes(const struct registrar_state *state, uint64_t now)
{
	return state->published && now < state->expires && !state->services_differ &&
	       same_endpoint(&state->place, &state->published_place);
}

/* Twice as long each time, and up to a quarter more, so that the hosts that a server lost at the
 * same moment do not come back at the same moment. */
static uint64_t backoff(const struct registrar_state *state, uint32_t random)
{
	uint64_t wait = RETRY_FIRST_MSEC;

	for (unsigned int i = 0; i < state->n_failed && wait < RETRY_MOST_MSEC; i++)
		wait *= 2;
	if (wait > RETRY_MOST_MSEC)
		wait = RETRY_MOST_MSEC;
	return wait + random % (wait / 4 + 1);
}

static uint64_t wait_after(const struct registrar_state *state, uint64_t now,
			   enum registrar_result result, uint32_t random)
{
	switch (result) {
	case REGISTRAR_RESULT_OK:
	case REGISTRAR_RESULT_SERVICE:
		return 0;
	case REGISTRAR_RESULT_FAILED:
	case REGISTRAR_RESULT_UNREACHABLE:
		/* RFC 9664 §5.2: a refresh is tried evenly until the lease ends. */
		if (only_refreshes(state, now) && state->n_failed < REFRESH_TRIES)
			return (state->expires - now) / (REFRESH_TRIES - state->n_failed);
		return backoff(state, random);
	case REGISTRAR_RESULT_UNTRUSTED:
		return backoff(state, random);
	case REGISTRAR_RESULT_CLOCK:
		/* RFC 8945 §5.4 allows one more attempt: what took long on its way looks the same.
		 */
		return state->clock_doubted ? CLOCK_MSEC + random % (CLOCK_MSEC / 4 + 1) : 0;
	case REGISTRAR_RESULT_BAD_KEY:
	case REGISTRAR_RESULT_REFUSED:
		return REFUSED_MSEC + random % (REFUSED_MSEC / 4 + 1);
	case REGISTRAR_RESULT_NAME_TAKEN:
		return NAME_TAKEN_MSEC + random % (NAME_TAKEN_MSEC / 4 + 1);
	}
	return 0;
}

static void note_failure(struct registrar_state *state, uint64_t now, enum registrar_result result,
			 const char *words, uint32_t random)
{
	state->not_before = now + wait_after(state, now, result, random);
	if (state->n_failed < REFRESH_TRIES)
		state->n_failed++;
	if (result == REGISTRAR_RESULT_CLOCK)
		state->clock_doubted = true;
	state->last_result = result;
	/* The account may have moved to another server, or this one have lost something. */
	state->server_known = false;
	state->server_doubted = true;
	snprintf(state->trouble, sizeof(state->trouble), "%s", words ? words : "");
}

void registrar_state_on_located(struct registrar_state *state, uint64_t now,
				enum registrar_result result, const char *words, uint32_t random)
{
	state->activity = REGISTRAR_ACTIVITY_NONE;
	if (result == REGISTRAR_RESULT_OK)
		state->server_known = state->server_had = true;
	else
		note_failure(state, now, result, words, random);
}

static void on_published(struct registrar_state *state, uint64_t now, uint32_t lease,
			 uint32_t random)
{
	uint64_t lease_msec = lease * UINT64_C(1000);
	/* RFC 9664 §5.2: at 80 %, and up to 5 % of the lease later. */
	uint64_t refresh_at = now + lease_msec * 80 / 100 + random % (lease_msec * 5 / 100 + 1);
	uint64_t expires = now + lease_msec;

	/* After a difference the leases of the rest go on as they were. */
	if (state->sent_whole || expires < state->expires)
		state->expires = expires;
	if (state->sent_whole || refresh_at < state->refresh_at)
		state->refresh_at = refresh_at;
	if (state->sent_whole)
		state->refresh_wanted = state->server_doubted = false;
	state->published = true;
	state->in_doubt = false;
	state->published_place = state->sent;
	state->lease = lease;
	state->counts.updates_acknowledged++;
	forget_backoff(state);
}

/* Whether the server said that it changed nothing; else it may have. */
static bool is_final(enum registrar_result result)
{
	switch (result) {
	case REGISTRAR_RESULT_BAD_KEY:
	case REGISTRAR_RESULT_REFUSED:
	case REGISTRAR_RESULT_NAME_TAKEN:
	case REGISTRAR_RESULT_SERVICE:
	case REGISTRAR_RESULT_CLOCK:
		return true;
	case REGISTRAR_RESULT_OK:
	case REGISTRAR_RESULT_FAILED:
	case REGISTRAR_RESULT_UNREACHABLE:
	case REGISTRAR_RESULT_UNTRUSTED:
		break;
	}
	return false;
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
		state->in_doubt = false;
		return;
	}
	if (result == REGISTRAR_RESULT_OK) {
		on_published(state, now, lease, random);
		return;
	}
	state->counts.updates_failed++;
	if (!is_final(result)) {
		state->in_doubt = true;
	} else {
		if (result != REGISTRAR_RESULT_CLOCK)
			state->counts.refused++;
		/* What an earlier one, of which nothing was heard, left there is still ours. */
		state->maybe_in_zone = state->published || state->in_doubt;
	}
	if (result != REGISTRAR_RESULT_SERVICE)
		note_failure(state, now, result, words, random);
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
		return false;
	case REGISTRAR_ACTIVITY_WITHDRAWING:
		/* Awake again before the server answered. */
		return !state->terminating && !must_leave(state) && !state->sleeping;
	case REGISTRAR_ACTIVITY_LOCATING:
		return state->terminating || must_leave(state) || state->sleeping;
	case REGISTRAR_ACTIVITY_PUBLISHING:
		return state->terminating || must_leave(state) || state->sleeping ||
		       (state->mapping_current && !same_endpoint(&state->place, &state->sent));
	}
	return false;
}

static void cancel(struct registrar_state *state)
{
	if (state->activity == REGISTRAR_ACTIVITY_PUBLISHING)
		state->in_doubt = true;
	if (state->activity == REGISTRAR_ACTIVITY_WITHDRAWING)
		state->published = false;
	state->activity = REGISTRAR_ACTIVITY_NONE;
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
	state->maybe_in_zone = state->in_doubt = false;
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
	case REGISTRAR_RESULT_UNREACHABLE:
		return REGISTRAR_PHASE_UNREACHABLE;
	case REGISTRAR_RESULT_UNTRUSTED:
		return REGISTRAR_PHASE_UNTRUSTED;
	case REGISTRAR_RESULT_CLOCK:
		return REGISTRAR_PHASE_CLOCK_SKEW;
	case REGISTRAR_RESULT_BAD_KEY:
		return REGISTRAR_PHASE_BAD_KEY;
	case REGISTRAR_RESULT_OK:
	case REGISTRAR_RESULT_FAILED:
	case REGISTRAR_RESULT_SERVICE:
		break;
	}
	return REGISTRAR_PHASE_RETRYING;
}

/* Whether services alone may be sent about now; if not, `due` says when. */
static bool may_send_services(struct registrar_state *state, uint64_t now)
{
	if (state->services_until < now)
		state->services_until = now;
	if (state->services_until < now + SERVICES_BURST_MSEC)
		return true;
	state->due = state->services_until - SERVICES_BURST_MSEC + 1;
	if (state->refresh_at < state->due)
		state->due = state->refresh_at;
	return false;
}

/* A key and an endpoint are there: bring the zone to what is wanted. */
static enum registrar_action step_publish(struct registrar_state *state, uint64_t now)
{
	uint64_t not_before =
		state->start_at > state->not_before ? state->start_at : state->not_before;

	bool settled = state->published && !state->in_doubt &&
		       same_endpoint(&state->place, &state->published_place);
	bool refresh = now >= state->refresh_at || state->refresh_wanted;

	if (settled && !refresh && !state->services_differ) {
		/* Another network, where we are reached as before, changes nothing in the zone. */
		state->published_place.generation = state->place.generation;
		state->phase = REGISTRAR_PHASE_PUBLISHED;
		state->due = state->refresh_at;
		return REGISTRAR_ACTION_NONE;
	}
	if (settled && !refresh && !may_send_services(state, now)) {
		state->phase = REGISTRAR_PHASE_PUBLISHED;
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
	state->sent_host_settled = settled;
	if (settled && !refresh)
		state->services_until += SERVICES_MSEC;
	state->sent_whole =
		!state->published || state->in_doubt || state->server_doubted || refresh;
	state->maybe_in_zone = true;
	state->activity = REGISTRAR_ACTIVITY_PUBLISHING;
	state->phase = REGISTRAR_PHASE_PUBLISHING;
	state->counts.updates_sent++;
	return REGISTRAR_ACTION_PUBLISH;
}

enum registrar_action registrar_state_step(struct registrar_state *state, uint64_t now)
{
	state->due = UINT64_MAX;
	/* What the server forgot is not published, and what is to come is no refresh. */
	if (state->published && now >= state->expires) {
		state->published = false;
		state->n_failed = 0;
		if (state->activity == REGISTRAR_ACTIVITY_NONE &&
		    state->last_result == REGISTRAR_RESULT_UNREACHABLE)
			state->not_before = now;
	}
	if (must_cancel(state)) {
		cancel(state);
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
	if (state->sleeping && state->maybe_in_zone && state->server_had)
		return withdraw(state);
	if (state->sleeping) {
		state->phase = REGISTRAR_PHASE_SUSPENDED;
		return REGISTRAR_ACTION_NONE;
	}
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
