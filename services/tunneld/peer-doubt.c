/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/peer-internal.h"

/* Nothing for this long, though we send, is doubt; longer where answers take longer. */
#define DOUBT_MSEC         100
#define DOUBT_MSEC_MAXIMUM 1000

uint64_t peer_doubt_after(const struct peer *peer)
{
	uint64_t msec = 3 * peer->answer_msec;

	if (msec < DOUBT_MSEC)
		return DOUBT_MSEC;
	return msec < DOUBT_MSEC_MAXIMUM ? msec : DOUBT_MSEC_MAXIMUM;
}

void peer_begin_doubt(struct peer *peer, uint64_t now, uint64_t since)
{
	if (peer->doubt_since)
		return;
	peer->doubt_since = since;
	path_mtu_suspect(&peer->path_mtu, now, false);
	peer_recall(peer, now);
}

bool peer_look_for_doubt(struct peer *peer, uint64_t now)
{
	if (peer->doubt_since)
		return true;
	if (!peer->first_unanswered || now - peer->first_unanswered <= peer_doubt_after(peer))
		return false;
	peer_begin_doubt(peer, now, peer->first_unanswered);
	if (peer->next_probe == PEER_NEVER)
		peer->next_probe = now;
	peer_wake_at(peer, now);
	return true;
}

void peer_end_doubt(struct peer *peer)
{
	peer->doubt_since = 0;
	peer->path_since = 0;
	peer->first_unanswered = 0;
	peer->burst = 0;
	peer->next_probe = PEER_NEVER;
}

void peer_sent(struct peer *peer, uint64_t now, bool data)
{
	if (keepalive_note_sent(&peer->keepalive, &peer->nat, peer->last_sent, now))
		peer_wake_at(peer, keepalive_due(&peer->keepalive, &peer->nat, now));
	peer->last_sent = now;
	peer->answer_due = PEER_NEVER;
	if (!data)
		return;
	peer->last_data_sent = now;
	if (!peer->first_unanswered) {
		peer->first_unanswered = now;
		peer_wake_at(peer, now + peer_doubt_after(peer) + 1);
	}
}

void peer_send_failed(struct peer *peer, uint64_t now)
{
	if (peer->phase != PEER_ESTABLISHED || peer->doubt_since)
		return;
	peer_begin_doubt(peer, now, now);
	peer->next_probe = now + DOUBT_MSEC;
	peer_wake_at(peer, peer->next_probe);
}

/* When to probe next while in doubt: often at first, since somebody waits. */
static uint64_t probe_interval(uint64_t doubt_msec)
{
	if (doubt_msec < 3000)
		return 100;
	return doubt_msec < 15000 ? 250 : 1000;
}

uint32_t peer_next_probe(struct peer *peer, uint64_t now)
{
	peer->counters.probes_sent++;
	if (peer->burst)
		peer->burst--;
	/* A burst is at 0, 20 and 60 ms. */
	if (peer->burst)
		peer->next_probe = now + (peer->burst == BURST_PROBES - 1 ? 20 : 40);
	else if (peer->doubt_since)
		peer->next_probe = now + probe_interval(now - peer->doubt_since);
	else
		peer->next_probe = PEER_NEVER;
	peer_wake_at(peer, peer->next_probe);
	peer->probed_at[++peer->last_probe % PEER_TIMED] = now;
	return peer->last_probe;
}

void peer_time_probe(struct peer *peer, uint64_t now, uint32_t number)
{
	/* Of the former path, or nothing that we asked, or too long ago to know when. */
	if (number < peer->path_probe || number > peer->last_probe ||
	    peer->last_probe - number >= PEER_TIMED || !number)
		return;
	path_mtu_timed(&peer->path_mtu, now - peer->probed_at[number % PEER_TIMED]);
}

unsigned int peer_probe_when_due(struct peer *peer, uint64_t now)
{
	uint64_t asked = peer->last_data_sent;

	if (now < peer->next_probe || !peer->network)
		return 0;
	if (peer->doubt_since > asked)
		asked = peer->doubt_since;
	peer->next_probe = PEER_NEVER;
	if (!peer->burst && now - asked > HOLD_QUEUE_AGE_MSEC)
		return 0;
	return peer->doubt_since ? PEER_PROBE | peer_try_elsewhere(peer, now) : PEER_PROBE;
}

void peer_note_answer(struct peer *peer, uint64_t now)
{
	uint64_t sample = now - peer->first_unanswered;

	if (!peer->first_unanswered)
		return;
	peer->first_unanswered = 0;
	/* Longer ones tell of an outage, not of the path. */
	if (sample <= DOUBT_MSEC_MAXIMUM)
		peer->answer_msec = (7 * peer->answer_msec + sample) / 8;
}

/* The path was changed, by us or by the peer, and works. */
static void note_handover(struct peer *peer, uint64_t stall)
{
	peer->counters.handovers++;
	peer->counters.stall_msec += stall;
	if (stall > peer->counters.stall_longest_msec)
		peer->counters.stall_longest_msec = stall;
}

bool peer_is_proof(const struct peer *peer, uint64_t now, const struct peer_arrival *arrival)
{
	if (!peer->path_since || now - peer->path_since >= STRAY_MSEC)
		return true;
	return !arrival->data && arrival->dummy == DUMMY_ANSWER &&
	       arrival->number >= peer->path_probe;
}

unsigned int peer_accept_proof(struct peer *peer, uint64_t now, const struct peer_arrival *arrival,
			       bool moved)
{
	bool answered = !arrival->data && arrival->dummy == DUMMY_ANSWER && arrival->number;
	unsigned int todo = 0;

	if (!peer->doubt_since && !peer->held.n_packets)
		return 0;
	if (peer->doubt_since) {
		peer->silence = now - peer->doubt_since;
		todo |= PEER_HEARD;
		if (peer->path_since || moved)
			note_handover(peer, peer->silence);
	}
	if (peer->held.n_packets) {
		peer->resend_below = UINT32_MAX;
		if (answered && !moved)
			peer->resend_below = arrival->number;
		else if (peer->path_since && !moved)
			peer->resend_below = peer->path_probe;
		todo |= PEER_RESEND | PEER_DROP_HELD;
	}
	/* The other side may be in the same doubt. */
	if (!answered && !moved) {
		peer->answer_number = 0;
		todo |= PEER_ANSWER;
	}
	peer_end_doubt(peer);
	return todo;
}
