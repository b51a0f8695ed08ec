/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is to be done next towards the primary that holds the members zone: one connection, and on
 * it one thing after the other. What clients change goes out as UPDATEs, after which the zone is
 * followed to where they led; without such, it is followed when the primary says that it changed,
 * when the connection is new, and when the time of the SOA is over.
 */
#include <stdbool.h>
#include <stdint.h>

/* How long the primary may take for an answer, or for the next message of one. */
#define PRIMARY_PATIENCE_MSEC    5000
#define PRIMARY_RETRY_FIRST_MSEC 250
#define PRIMARY_RETRY_LAST_MSEC  8000
/* The SOA's refresh is taken between these. */
#define PRIMARY_REFRESH_LEAST_MSEC 10000
#define PRIMARY_REFRESH_MOST_MSEC  3600000

enum primary_step {
	PRIMARY_WAIT,
	PRIMARY_CONNECT,
	PRIMARY_ASK_WHOLE,
	PRIMARY_ASK_CHANGES,
	PRIMARY_SEND_UPDATES,
	PRIMARY_GIVE_UP, /* it took too long: the connection is to be closed */
};

enum primary_phase {
	PRIMARY_DOWN,
	PRIMARY_CONNECTING,
	PRIMARY_IDLE,
	PRIMARY_TRANSFERRING,
	PRIMARY_UPDATING,
};

struct primary_state {
	enum primary_phase phase;
	bool has_zone;
	bool needs_whole;
	bool wants_changes;
	bool has_updates; /* waiting to be sent */
	uint64_t refresh_at;
	uint64_t retry_at;
	uint64_t retry_msec;
	uint64_t deadline; /* of what is under way */
};

void primary_state_init(struct primary_state *state);
/* What to do now. The caller does it and says so: primary_state_begin(). */
enum primary_step primary_state_next(const struct primary_state *state, uint64_t now);
void primary_state_begin(struct primary_state *state, enum primary_step step, uint64_t now);
uint64_t primary_state_next_due(const struct primary_state *state, uint64_t now);

void primary_state_connected(struct primary_state *state);
/* Also when a connection did not come about. */
void primary_state_disconnected(struct primary_state *state, uint64_t now);
/* A message came, but not the last one. */
void primary_state_heard(struct primary_state *state, uint64_t now);
/* The zone is as the primary has it. `refresh`: of its SOA, seconds. */
void primary_state_followed(struct primary_state *state, uint32_t refresh, uint64_t now);
/* Nothing came of the transfer; the next is of the whole zone. */
void primary_state_not_followed(struct primary_state *state, uint64_t now);
/* All UPDATEs are answered. */
void primary_state_updated(struct primary_state *state);
bool primary_state_is_connected(const struct primary_state *state);
