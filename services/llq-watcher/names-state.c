/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/names-state.h"

#include <string.h>

#define RETRY_FIRST 1000
#define RETRY_MAX   60000

void names_state_init(struct names_state *state)
{
	memset(state, 0, sizeof(*state));
	state->due = UINT64_MAX;
}

static void try_at_once(struct names_state *state)
{
	state->not_before = 0;
	state->n_failed = 0;
	state->refused = false;
}

void names_state_set_wish(struct names_state *state, enum names_wish wish)
{
	if (wish != state->wish)
		try_at_once(state);
	state->wish = wish;
}

void names_state_set_changed(struct names_state *state)
{
	state->content++;
}

void names_state_set_link(struct names_state *state, unsigned int link)
{
	if (link == state->link)
		return;
	state->link = link;
	/* What it was told went with the link. */
	if (state->told_link != link)
		state->told_link = 0;
	try_at_once(state);
}

void names_state_set_resolved(struct names_state *state, uint64_t resolved)
{
	if (resolved == state->resolved)
		return;
	state->resolved = resolved;
	try_at_once(state);
}

void names_state_terminate(struct names_state *state)
{
	state->terminating = true;
	state->wish = NAMES_WISH_NOTHING;
	/* Nothing of ours is there, or a next one will say. */
	if (state->told_link == 0)
		state->looked = true;
	try_at_once(state);
}

static bool is_told(const struct names_state *state)
{
	return state->told_link != 0 && state->told_link == state->link &&
	       state->told_resolved == state->resolved && state->told_content == state->content;
}

void names_state_on_done(struct names_state *state, uint64_t now, bool success, bool refused)
{
	enum names_action done = state->under_way;
	unsigned int shift = state->n_failed < 6 ? state->n_failed : 6;

	state->under_way = NAMES_ACTION_NONE;
	if (success) {
		try_at_once(state);
		state->looked = true;
		/* The link may have gone meanwhile. */
		state->told_link = done == NAMES_ACTION_TELL && state->asked_link == state->link
					   ? state->asked_link
					   : 0;
		state->told_resolved = state->asked_resolved;
		state->told_content = state->asked_content;
		return;
	}
	state->refused = refused;
	state->n_failed++;
	state->not_before = now + ((uint64_t)RETRY_FIRST << shift);
	if (state->not_before > now + RETRY_MAX)
		state->not_before = now + RETRY_MAX;
	/* Who goes does not wait; and part of it may have been told. */
	if (state->terminating)
		state->told_link = 0;
	else if (done == NAMES_ACTION_TELL && state->asked_link == state->link)
		state->told_link = state->asked_link, state->told_content = 0;
}

static enum names_action ask(struct names_state *state, enum names_action action)
{
	state->under_way = action;
	state->asked_link = state->link;
	state->asked_resolved = state->resolved;
	state->asked_content = state->content;
	return action;
}

enum names_action names_state_step(struct names_state *state, uint64_t now)
{
	bool reachable = state->link != 0 && state->resolved != 0, left_behind;

	state->due = UINT64_MAX;
	if (state->under_way != NAMES_ACTION_NONE)
		return NAMES_ACTION_NONE;
	left_behind = reachable && (state->told_link == state->link || !state->looked);
	if (state->terminating && !left_behind)
		return NAMES_ACTION_EXIT;
	if (!reachable || state->wish == NAMES_WISH_UNKNOWN ||
	    (state->wish == NAMES_WISH_TELL && is_told(state)) ||
	    (state->wish == NAMES_WISH_NOTHING && !left_behind))
		return NAMES_ACTION_NONE;
	if (now < state->not_before) {
		state->due = state->not_before;
		return NAMES_ACTION_NONE;
	}
	return ask(state, state->wish == NAMES_WISH_TELL ? NAMES_ACTION_TELL : NAMES_ACTION_REVERT);
}

enum names_phase names_state_phase(const struct names_state *state)
{
	if (state->wish != NAMES_WISH_TELL)
		return NAMES_PHASE_OFF;
	if (state->resolved == 0 || state->refused)
		return NAMES_PHASE_MANUAL;
	/* What it has been told of an earlier set of names still holds. */
	if (state->link != 0 && state->told_link == state->link && state->told_content != 0 &&
	    state->told_resolved == state->resolved)
		return NAMES_PHASE_RESOLVED;
	return NAMES_PHASE_WAITING;
}
