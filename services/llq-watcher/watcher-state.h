/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the watcher does next: when it gets and forgets its key, looks for the server, and sets its
 * queries up anew. Pure, and driven like services/registrar/registrar-state.h: facts in, then
 * watcher_state_step() until it returns WATCHER_ACTION_NONE. Times are milliseconds.
 */
#include "services/llq-watcher/llq-watch-state.h"

#include <netinet/in.h>

enum watcher_action {
	WATCHER_ACTION_NONE,
	WATCHER_ACTION_GET_KEY,    /* from identity; then watcher_state_on_key() */
	WATCHER_ACTION_FORGET_KEY, /* wipe it, and forget the hosts */
	WATCHER_ACTION_LOCATE,     /* the server; then watcher_state_on_located() */
	WATCHER_ACTION_START, /* all queries anew, from a new socket; then watcher_state_on_status()
			       */
	WATCHER_ACTION_STOP,  /* say goodbye to the server */
	WATCHER_ACTION_CANCEL, /* looking for the server */
	WATCHER_ACTION_EXIT,
};

enum watcher_phase {
	WATCHER_PHASE_STARTING,
	WATCHER_PHASE_WAITING_IDENTITY,
	WATCHER_PHASE_SIGNED_OUT,
	WATCHER_PHASE_WAITING_MAPPER,
	WATCHER_PHASE_WAITING_NETWORK,
	WATCHER_PHASE_DISCOVERING,
	WATCHER_PHASE_CONNECTING,
	WATCHER_PHASE_WATCHING,
	WATCHER_PHASE_RETRYING,
	WATCHER_PHASE_REFUSED,
};

enum watcher_activity {
	WATCHER_ACTIVITY_NONE,
	WATCHER_ACTIVITY_LOCATING,
	WATCHER_ACTIVITY_RUNNING, /* the queries are set up, or being so */
};

struct watcher_state {
	/* Facts. */
	bool identity_present;
	uint64_t identity; /* number; 0: signed out */
	bool mapper_present, network;
	uint64_t generation;
	struct in_addr external; /* the newest one known in this generation */
	bool network_changed;    /* since START */
	bool restart;            /* what was started broke */
	bool terminating;

	/* What we hold. */
	uint64_t key; /* number of the identity whose key we have; 0: none */
	bool key_asked;
	bool server_known;
	enum watcher_activity activity;
	bool settled; /* since START, each question has had its answer at once, and it goes on */
	uint64_t settled_at;

	uint64_t not_before, key_not_before;
	unsigned int n_failed; /* in a row */
	uint32_t random;       /* of this host, so that many do not come back at one moment */
	bool refused;          /* the last failure was the server's refusal */
	char trouble[320];     /* the last failure in words */

	enum watcher_phase phase;
	uint64_t due;
};

void watcher_state_init(struct watcher_state *state);
void watcher_state_set_identity(struct watcher_state *state, bool present, uint64_t identity);
/* `external` 0.0.0.0: not known. */
void watcher_state_set_mapper(struct watcher_state *state, bool present, bool network,
			      uint64_t generation, struct in_addr external);
void watcher_state_terminate(struct watcher_state *state);

void watcher_state_on_key(struct watcher_state *state, uint64_t now, uint64_t identity,
			  bool success);
/* `refused`: the server does not want us; seldom again. `words` NULL: found. */
void watcher_state_on_located(struct watcher_state *state, uint64_t now, bool refused,
			      const char *words);
/* What watch_set_status() says now; `retry_after` milliseconds with LLQ_STATUS_FULL and _DELAYED.
 * `words`: what went wrong, where more is known than the status; otherwise NULL. */
void watcher_state_on_status(struct watcher_state *state, uint64_t now, enum llq_status status,
			     uint64_t retry_after, const char *words);
/* The way by which we were watching broke. Whether it is begun anew at once: not when it has just
 * been; then it is for watcher_state_on_status(). */
bool watcher_state_on_broken(struct watcher_state *state, uint64_t now);
/* Whether what is under way has to be asked anew, since the network changed. What ran when a better
 * way began to be looked for is begun anew if there is none. */
bool watcher_state_asks_anew(struct watcher_state *state);
/* There may be a better way: the server is looked for anew, while we go on watching. */
void watcher_state_look_again(struct watcher_state *state);
/* It was not found, and the present way is still good. */
void watcher_state_stay(struct watcher_state *state);

enum watcher_action watcher_state_step(struct watcher_state *state, uint64_t now);
const char *watcher_phase_to_text(enum watcher_phase phase);
