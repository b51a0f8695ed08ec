/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/peer-internal.h"

#include <stdio.h>
#include <stdlib.h>

/* Data wants a sign of life within this, so that a one-way flow is no doubt to its sender. */
#define ANSWER_MSEC     50
#define ANSWER_GAP_MSEC 10

const char *peer_phase_to_string(enum peer_phase phase)
{
	switch (phase) {
	case PEER_IDLE:
		return "idle";
	case PEER_ACQUIRING:
		return "acquiring";
	case PEER_ESTABLISHED:
		return "established";
	}
	return "";
}

struct peer *peer_new(const struct in6_addr *host_id, const char *name, uint64_t now, bool network)
{
	struct peer *peer = calloc(1, sizeof *peer);

	if (!peer)
		return NULL;
	peer->host_id = *host_id;
	snprintf(peer->name, sizeof peer->name, "%s", name);
	peer->network = network;
	peer->nat.forgets = true;
	path_mtu_init(&peer->path_mtu, PATH_MTU_LEAST);
	peer->endpoint.sin_family = AF_INET;
	peer->dns_endpoint.sin_family = AF_INET;
	peer->next_probe = PEER_NEVER;
	peer->answer_due = PEER_NEVER;
	peer->acquire_again = PEER_NEVER;
	peer->due = PEER_NEVER;
	return peer;
}

struct peer *peer_free(struct peer *peer)
{
	if (!peer)
		return NULL;
	while (peer->pairs) {
		struct sa_pair *pair = peer->pairs;

		peer->pairs = pair->next;
		sa_pair_free(pair);
	}
	hold_queue_clear(&peer->held);
	recent_packets_clear(&peer->recent);
	free(peer);
	return NULL;
}

void peer_wake_at(struct peer *peer, uint64_t due)
{
	if (due < peer->due)
		peer->due = due;
}

void peer_note_size(struct peer *peer, uint64_t now, size_t size)
{
	path_mtu_sent(&peer->path_mtu, now, size);
	peer_wake_at(peer, peer->path_mtu.due);
}

unsigned int peer_size_refused(struct peer *peer, uint64_t now)
{
	bool changed = path_mtu_refused(&peer->path_mtu, now);

	peer_wake_at(peer, peer->path_mtu.due);
	return changed ? PEER_MTU | PEER_ANNOUNCE : 0;
}

/* What an arrival says about sizes. */
static unsigned int hear_size(struct peer *peer, uint64_t now, const struct peer_arrival *arrival)
{
	unsigned int todo = 0;

	if (!arrival->data && arrival->dummy == DUMMY_ANSWER)
		peer_time_probe(peer, now, arrival->number);
	if (arrival->data || arrival->dummy != DUMMY_SIZE_ANSWER)
		path_mtu_heard(&peer->path_mtu, now);
	else if (path_mtu_answered(&peer->path_mtu, now, arrival->number))
		todo |= PEER_MTU | PEER_ANNOUNCE;
	if (!arrival->data && arrival->dummy == DUMMY_SIZE_PROBE) {
		peer->size_answer = arrival->number;
		todo |= PEER_SIZE_ANSWER;
	}
	peer_wake_at(peer, peer->path_mtu.due);
	return todo;
}

unsigned int peer_incoming(struct peer *peer, uint64_t now, const struct peer_arrival *arrival)
{
	unsigned int todo = hear_size(peer, now, arrival);
	bool moved;

	if (!arrival->pair->proven)
		todo |= peer_prove_pair(peer, now, arrival->pair);
	if (peer->silent) {
		peer->silent = false;
		todo |= PEER_ANNOUNCE;
	}
	peer_look_for_doubt(peer, now);
	peer_note_answer(peer, now);
	if (!arrival->data && arrival->dummy == DUMMY_ANSWER && arrival->number) {
		peer->burst = 0;
		peer->deaf_since = 0;
	}
	if (!arrival->data && arrival->dummy == DUMMY_PROBE)
		todo |= peer_hear_probe(peer, now);
	moved = peer_follow_endpoint(peer, now, arrival);
	if (moved) {
		/* Shorter than a doubt, and yet what went to the former place is lost. */
		peer_begin_doubt(peer, now, now);
		peer->path_probe = peer->last_probe + 1;
		path_mtu_suspect(&peer->path_mtu, now, true);
		peer->keepalive = (struct keepalive){};
		peer_wake_at(peer, peer->path_mtu.due);
		todo |= PEER_MOVED | PEER_ANNOUNCE | PEER_PROBE;
	}
	if (peer->network && (moved || peer_is_proof(peer, now, arrival)))
		todo |= peer_accept_proof(peer, now, arrival, moved);
	peer->last_received = now;
	if (arrival->seen.sin_addr.s_addr && !moved &&
	    keepalive_hear_seen(&peer->keepalive, &arrival->seen))
		peer_wake_at(peer, keepalive_due(&peer->keepalive, &peer->nat, peer->last_sent));
	if (arrival->data) {
		if (peer->answer_due == PEER_NEVER) {
			peer->answer_due = now + ANSWER_MSEC;
			peer_wake_at(peer, peer->answer_due);
		}
	} else if (arrival->dummy == DUMMY_PROBE &&
		   (moved || now - peer->last_answer >= ANSWER_GAP_MSEC)) {
		peer->last_answer = now;
		peer->answer_number = arrival->number;
		todo |= PEER_ANSWER;
	}
	return todo;
}

void peer_set_nat(struct peer *peer, const struct nat_view *nat)
{
	peer->nat = *nat;
	if (peer->phase == PEER_ESTABLISHED && peer->network)
		peer_wake_at(peer, keepalive_due(&peer->keepalive, nat, peer->last_sent));
}

static unsigned int time_keepalive(struct peer *peer, uint64_t now)
{
	if (!peer->network)
		return 0;
	switch (keepalive_timer(&peer->keepalive, &peer->nat, peer->last_sent, now)) {
	case KEEPALIVE_NONE:
		break;
	case KEEPALIVE_OCTET:
		return PEER_KEEPALIVE;
	case KEEPALIVE_PROBE:
		return PEER_KEEPALIVE | PEER_PROBE;
	}
	return 0;
}

static unsigned int time_sizes(struct peer *peer, uint64_t now)
{
	unsigned int todo = 0;

	if (!peer->network || now < peer->path_mtu.due)
		return 0;
	if (path_mtu_timer(&peer->path_mtu, now, &peer->size_probe, &peer->size_number))
		todo |= PEER_MTU | PEER_ANNOUNCE;
	return peer->size_probe ? todo | PEER_SIZE_PROBE : todo;
}

static unsigned int time_established(struct peer *peer, uint64_t now)
{
	unsigned int todo = time_sizes(peer, now);

	if (peer->settle_until && now >= peer->settle_until) {
		peer->settle_until = 0;
		peer->resend_below = UINT32_MAX;
		todo |= peer->network ? PEER_RESEND | PEER_DROP_HELD : 0;
	}
	/* The other side may have lost the former pair, on which we still send. */
	if (peer_look_for_doubt(peer, now) && peer_newest_pair(peer) != peer->current) {
		peer_switch_to(peer, now, peer_newest_pair(peer));
		todo |= PEER_ANNOUNCE;
	}
	if (!peer->silent && peer->first_unanswered &&
	    now - peer->first_unanswered >= PEER_SILENT_MSEC) {
		peer->silent = true;
		todo |= PEER_ANNOUNCE;
	}
	todo |= peer_probe_when_due(peer, now);
	if (now >= peer->answer_due) {
		peer->answer_due = PEER_NEVER;
		peer->answer_number = 0;
		todo |= peer->network ? PEER_ANSWER : 0;
	}
	return todo | time_keepalive(peer, now);
}

static uint64_t due_established(const struct peer *peer)
{
	uint64_t due = peer->answer_due;

	if (peer->settle_until && peer->settle_until < due)
		due = peer->settle_until;
	if (peer->first_unanswered && !peer->doubt_since &&
	    peer->first_unanswered + peer_doubt_after(peer) + 1 < due)
		due = peer->first_unanswered + peer_doubt_after(peer) + 1;
	if (peer->first_unanswered && !peer->silent &&
	    peer->first_unanswered + PEER_SILENT_MSEC < due)
		due = peer->first_unanswered + PEER_SILENT_MSEC;
	if (peer->network && peer->path_mtu.due < due)
		due = peer->path_mtu.due;
	if (peer->network && peer->next_probe < due)
		due = peer->next_probe;
	if (peer->network && keepalive_due(&peer->keepalive, &peer->nat, peer->last_sent) < due)
		due = keepalive_due(&peer->keepalive, &peer->nat, peer->last_sent);
	for (const struct sa_pair *pair = peer->pairs; pair; pair = pair->next)
		if (pair->ends_at < due)
			due = pair->ends_at;
	return due;
}

unsigned int peer_timer(struct peer *peer, uint64_t now)
{
	unsigned int todo = 0;

	if (hold_queue_is_stale(&peer->held, now))
		todo |= PEER_STALE;
	peer->due = PEER_NEVER;
	switch (peer->phase) {
	case PEER_IDLE:
	case PEER_ACQUIRING:
		todo |= peer_time_acquiring(peer, now);
		break;
	case PEER_ESTABLISHED:
		todo |= time_established(peer, now);
		peer_wake_at(peer, due_established(peer));
		break;
	}
	if (peer->held.first)
		peer_wake_at(peer, peer->held.first->since + HOLD_QUEUE_AGE_MSEC + 1);
	/* What is due already is in `todo`; never ring twice in one millisecond for it. */
	if (peer->due <= now)
		peer->due = now + 1;
	return todo;
}
