/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the pure parts of NAT-PMP and PCP do alike. */
#include "services/mapper/gateway-event.h"

/* Requests that one speaker takes at a time: more than mapper has mappings and deletions. */
#define SPEAKER_REQUESTS_LIMIT 160

/* Events that wait to be taken. Those to requests always find room, for a request under way or
 * waiting counts as one; of others there are few, and what finds no room is lost. */
struct speaker_events {
	struct gateway_event events[SPEAKER_REQUESTS_LIMIT + 8];
	unsigned int n;
};

void speaker_events_push(struct speaker_events *events, const struct gateway_event *event);
bool speaker_events_take(struct speaker_events *events, struct gateway_event *ret);

/* An event about `request`, with all that is known of it filled in. */
struct gateway_event speaker_event_to(enum gateway_event_kind kind,
				      const struct gateway_request *request);

/* Below `limit`, which is not 0. It spreads the hosts of a home, no more. `random` is not 0. */
uint64_t speaker_random_below(uint64_t *random, uint64_t limit);

/*
 * When to make the mappings again after the gateway lost them: 0 to 5 s (RFC 6886 §3.7, RFC 6887
 * §14.1.3). A gateway that restarts again and again, or whose epoch jumps, gets longer ones, up to
 * ten minutes.
 */
struct speaker_restarts {
	bool any;
	unsigned int n; /* lately, without another address */
	uint64_t last_at;
};
#define SPEAKER_RECREATE_SPREAD 5000
/* `spread` is SPEAKER_RECREATE_SPREAD, or 0 when this host alone knows of the restart. */
uint64_t speaker_restart_delay(struct speaker_restarts *restarts, uint64_t *random, uint64_t spread,
			       uint64_t now);
/* It has another address since: that is what a restart is told for, and no reason to wait longer
 * with the next. */
void speaker_restarts_believe(struct speaker_restarts *restarts);

/* Whether a gateway whose tables have existed for `epoch` seconds cannot have what it granted at
 * `granted_at` (UINT64_MAX: nothing): one that restarts soon after it started shows it by nothing
 * else, for the rules of both RFCs leave room for clocks that are read at other moments. */
bool speaker_lost_grants(uint64_t granted_at, uint32_t epoch, uint64_t now);

/* Whether one that has announced a restart may have lost it: as above, but in doubt, yes. */
bool speaker_may_have_lost_grants(uint64_t granted_at, uint32_t epoch, uint64_t now);

/* PCP announces a restart up to ten times (RFC 6887 §14.1.3): whether this one says what the one
 * before it did. Two within a second are told apart by nothing, and count as two. */
struct speaker_announced {
	bool any;
	uint32_t epoch;
	uint64_t at;
};
bool speaker_announced_before(struct speaker_announced *announced, uint32_t epoch, uint64_t now);

/*
 * What is heard unasked is a reason to ask: at once, but when asking shows again and again that
 * nothing was true, ever more seldom. Times are milliseconds; UINT64_MAX is never.
 */
struct speaker_hearsay {
	uint64_t ask_at;
	uint64_t not_before;
	uint64_t wait;
};
void speaker_hearsay_init(struct speaker_hearsay *hearsay);
/* To be asked about at `at` or later. */
void speaker_hearsay_hear(struct speaker_hearsay *hearsay, uint64_t at);
/* The same, to be asked about as soon as may be, whatever was heard before. */
void speaker_hearsay_hurry(struct speaker_hearsay *hearsay, uint64_t now);
/* Whether to ask now; the caller does. */
bool speaker_hearsay_due(struct speaker_hearsay *hearsay, uint64_t now);
/* It was true. */
void speaker_hearsay_confirm(struct speaker_hearsay *hearsay);
