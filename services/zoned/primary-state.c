/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/primary-state.h"

void primary_state_init(struct primary_state *state)
{
	*state = (struct primary_state){ .retry_msec = PRIMARY_RETRY_FIRST_MSEC };
}

static bool wants_zone(const struct primary_state *state, uint64_t now)
{
	return !state->has_zone || state->needs_whole || state->wants_changes ||
	       now >= state->refresh_at;
}

enum primary_step primary_state_next(const struct primary_state *state, uint64_t now)
{
	switch (state->phase) {
	case PRIMARY_DOWN:
		return now >= state->retry_at ? PRIMARY_CONNECT : PRIMARY_WAIT;
	case PRIMARY_CONNECTING:
	case PRIMARY_TRANSFERRING:
	case PRIMARY_UPDATING:
		return now >= state->deadline ? PRIMARY_GIVE_UP : PRIMARY_WAIT;
	case PRIMARY_IDLE:
		if (state->has_updates)
			return PRIMARY_SEND_UPDATES;
		if (!wants_zone(state, now) || now < state->retry_at)
			return PRIMARY_WAIT;
		return state->has_zone && !state->needs_whole ? PRIMARY_ASK_CHANGES
							      : PRIMARY_ASK_WHOLE;
	}
	return PRIMARY_WAIT;
}

void primary_state_begin(struct primary_state *state, enum primary_step step, uint64_t now)
{
	state->deadline = now + PRIMARY_PATIENCE_MSEC;
	switch (step) {
	case PRIMARY_WAIT:
	case PRIMARY_GIVE_UP:
		break;
	case PRIMARY_CONNECT:
		state->phase = PRIMARY_CONNECTING;
		break;
	case PRIMARY_ASK_WHOLE:
	case PRIMARY_ASK_CHANGES:
		state->phase = PRIMARY_TRANSFERRING;
		/* What is said from here on is about something newer. */
		state->wants_changes = false;
		break;
	case PRIMARY_SEND_UPDATES:
		state->phase = PRIMARY_UPDATING;
		state->has_updates = false;
		break;
	}
}

uint64_t primary_state_next_due(const struct primary_state *state, uint64_t now)
{
	switch (state->phase) {
	case PRIMARY_DOWN:
		return state->retry_at;
	case PRIMARY_CONNECTING:
	case PRIMARY_TRANSFERRING:
	case PRIMARY_UPDATING:
		return state->deadline;
	case PRIMARY_IDLE:
		if (state->has_updates)
			return now;
		if (wants_zone(state, now))
			return state->retry_at > now ? state->retry_at : now;
		return state->refresh_at;
	}
	return UINT64_MAX;
}

static void put_off(struct primary_state *state, uint64_t now)
{
	state->retry_at = now + state->retry_msec;
	state->retry_msec *= 2;
	if (state->retry_msec > PRIMARY_RETRY_LAST_MSEC)
		state->retry_msec = PRIMARY_RETRY_LAST_MSEC;
}

void primary_state_connected(struct primary_state *state)
{
	state->phase = PRIMARY_IDLE;
	/* Whatever it wanted to tell us meanwhile. */
	state->wants_changes = true;
	state->retry_at = 0;
}

void primary_state_disconnected(struct primary_state *state, uint64_t now)
{
	/* A server closes an idle connection; the next one is made at once. */
	if (state->phase == PRIMARY_IDLE)
		state->retry_at = now;
	else
		put_off(state, now);
	state->phase = PRIMARY_DOWN;
	state->has_updates = false;
}

void primary_state_heard(struct primary_state *state, uint64_t now)
{
	state->deadline = now + PRIMARY_PATIENCE_MSEC;
}

void primary_state_followed(struct primary_state *state, uint32_t refresh, uint64_t now)
{
	uint64_t msec = refresh * UINT64_C(1000);

	state->phase = PRIMARY_IDLE;
	state->has_zone = true;
	state->needs_whole = false;
	state->retry_msec = PRIMARY_RETRY_FIRST_MSEC;
	state->retry_at = 0;
	if (msec < PRIMARY_REFRESH_LEAST_MSEC)
		msec = PRIMARY_REFRESH_LEAST_MSEC;
	else if (msec > PRIMARY_REFRESH_MOST_MSEC)
		msec = PRIMARY_REFRESH_MOST_MSEC;
	state->refresh_at = now + msec;
}

void primary_state_not_followed(struct primary_state *state, uint64_t now)
{
	state->phase = PRIMARY_IDLE;
	state->needs_whole = true;
	put_off(state, now);
}

void primary_state_updated(struct primary_state *state)
{
	state->phase = PRIMARY_IDLE;
	state->wants_changes = true;
	state->retry_at = 0;
}

bool primary_state_is_connected(const struct primary_state *state)
{
	return state->phase != PRIMARY_DOWN && state->phase != PRIMARY_CONNECTING;
}
