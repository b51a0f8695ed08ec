/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/peer-internal.h"

static void hold(struct peer *peer, uint64_t now, uint32_t probe, const uint8_t *packet,
		 size_t size)
{
	int n_dropped = hold_queue_push(&peer->held, now, probe, packet, size);

	if (n_dropped < 0) {
		peer->counters.held_dropped++;
		return;
	}
	peer->counters.held++;
	peer->counters.held_dropped += n_dropped;
	peer_wake_at(peer, now + HOLD_QUEUE_AGE_MSEC + 1);
}

void peer_recall(struct peer *peer, uint64_t now)
{
	const struct recent_packet *packet;

	while ((packet = recent_packets_take(&peer->recent)))
		if (packet->at + peer->answer_msec >= peer->last_received)
			hold(peer, now, peer->last_probe, packet->data, packet->size);
}

unsigned int peer_ask(struct peer *peer, uint64_t now, enum peer_verdict *ret_verdict)
{
	*ret_verdict = PEER_HOLD;
	if (peer->phase != PEER_ESTABLISHED) {
		if (peer->phase == PEER_ACQUIRING)
			return 0;
		if (now >= peer->acquire_after)
			return peer_start_acquiring(peer, now);
		peer_wake_at(peer, peer->acquire_after);
		return 0;
	}
	if (peer->network && !peer->settle_until)
		*ret_verdict = peer_look_for_doubt(peer, now) ? PEER_SEND_AND_HOLD : PEER_SEND;
	return 0;
}

void peer_keep(struct peer *peer, uint64_t now, enum peer_verdict verdict, const uint8_t *packet,
	       size_t size)
{
	switch (verdict) {
	case PEER_HOLD:
		hold(peer, now, 0, packet, size);
		break;
	case PEER_SEND:
		recent_packets_note(&peer->recent, now, packet, size);
		break;
	case PEER_SEND_AND_HOLD:
		hold(peer, now, peer->last_probe, packet, size);
		break;
	}
}

unsigned int peer_outgoing(struct peer *peer, uint64_t now, const uint8_t *packet, size_t size,
			   bool *ret_send)
{
	enum peer_verdict verdict;
	unsigned int todo = peer_ask(peer, now, &verdict);

	peer_keep(peer, now, verdict, packet, size);
	*ret_send = verdict != PEER_HOLD;
	return todo;
}

struct held_packet *peer_next_resend(struct peer *peer, struct held_packet *after)
{
	struct held_packet *packet = after ? after->next : peer->held.first;

	while (packet && packet->probe >= peer->resend_below)
		packet = packet->next;
	if (packet)
		packet->probe = peer->last_probe;
	return packet;
}
