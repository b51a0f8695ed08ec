/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * When systemd-resolved is told who answers for the account's names, on the link of the tunnel's
 * interface, and when it is taken back. Pure: facts in, then names_state_step() until it returns
 * NAMES_ACTION_NONE. Times are milliseconds.
 *
 * resolved keeps what it was told of a link for as long as there is the link, over its own restart
 * too; still everything is told again whenever resolved or the link is another one, since somebody
 * may have changed it meanwhile. What a watcher that was killed has left behind is taken back by
 * the next one, once that knows that nobody is signed in.
 */
#include <stdbool.h>
#include <stdint.h>

enum names_wish {
	NAMES_WISH_UNKNOWN, /* not known yet: everything stays as it is */
	NAMES_WISH_NOTHING,
	NAMES_WISH_TELL,
};

enum names_action {
	NAMES_ACTION_NONE,
	NAMES_ACTION_TELL,   /* then names_state_on_done() */
	NAMES_ACTION_REVERT, /* then names_state_on_done() */
	NAMES_ACTION_EXIT,   /* nothing is left to take back */
};

enum names_phase {
	NAMES_PHASE_OFF,
	NAMES_PHASE_WAITING,  /* for the interface, or for resolved's answer */
	NAMES_PHASE_RESOLVED, /* resolved asks us */
	NAMES_PHASE_MANUAL,   /* somebody has to put it where names are looked up */
};

struct names_state {
	/* Facts. */
	enum names_wish wish;
	uint64_t content;  /* raised with each change of what is to be told */
	unsigned int link; /* index; 0: there is none */
	uint64_t resolved; /* number of its incarnation; 0: it is not there */
	bool terminating;

	/* What was told last, and to whom. `told_link` 0: nothing that we know of. */
	unsigned int told_link;
	uint64_t told_resolved, told_content;
	bool looked; /* what a former watcher may have left was taken back, or told anew */

	enum names_action under_way;
	unsigned int asked_link; /* with `under_way` */
	uint64_t asked_resolved, asked_content;
	unsigned int n_failed; /* in a row */
	bool refused;          /* the last failure was a no, not a silence */
	uint64_t not_before;

	uint64_t due;
};

void names_state_init(struct names_state *state);
void names_state_set_wish(struct names_state *state, enum names_wish wish);
/* What is to be told is another one now. */
void names_state_set_changed(struct names_state *state);
void names_state_set_link(struct names_state *state, unsigned int link);
void names_state_set_resolved(struct names_state *state, uint64_t resolved);
void names_state_terminate(struct names_state *state);
/* What names_state_step() asked for is done, or failed. */
void names_state_on_done(struct names_state *state, uint64_t now, bool success, bool refused);
enum names_action names_state_step(struct names_state *state, uint64_t now);
enum names_phase names_state_phase(const struct names_state *state);
