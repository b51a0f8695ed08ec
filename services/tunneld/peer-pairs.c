/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/peer-internal.h"

#include <errno.h>
#include <stdlib.h>

/* A responder without a former pair waits this long for the initiator to show that it has the pair.
 */
#define SETTLE_MSEC 50

struct sa_pair *sa_pair_free(struct sa_pair *pair)
{
	if (!pair)
		return NULL;
	esp_in_free(pair->in);
	esp_out_free(pair->out);
	free(pair);
	return NULL;
}

/* What to send on when the one in use goes: the newest that the other side is known to have. NULL:
 * there are only retired ones. */
static struct sa_pair *next_pair(const struct peer *peer)
{
	struct sa_pair *unproven = NULL;

	for (struct sa_pair *pair = peer->pairs; pair; pair = pair->next) {
		if (pair->retired)
			continue;
		if (pair->initiator || pair->proven)
			return pair;
		if (!unproven)
			unproven = pair;
	}
	return unproven;
}

struct sa_pair *peer_newest_pair(const struct peer *peer)
{
	for (struct sa_pair *pair = peer->pairs; pair; pair = pair->next)
		if (!pair->retired)
			return pair;
	return peer->pairs;
}

void peer_switch_to(struct peer *peer, uint64_t now, struct sa_pair *pair)
{
	peer->current = pair;
	pair->ends_at = PEER_NEVER;
	for (struct sa_pair *other = pair->next; other; other = other->next) {
		if (other->ends_at == PEER_NEVER)
			other->ends_at = now + PEER_FORMER_MSEC;
		peer_wake_at(peer, other->ends_at);
	}
}

unsigned int peer_install(struct peer *peer, uint64_t now, struct sa_pair *pair,
			  const struct sockaddr_in *endpoint)
{
	unsigned int todo = PEER_ANNOUNCE;

	pair->peer = peer;
	pair->order = ++peer->last_order;
	pair->ends_at = PEER_NEVER;
	pair->next = peer->pairs;
	peer->pairs = pair;
	if (!endpoint_equal(endpoint, &peer->endpoint))
		todo |= PEER_MOVED;
	peer_set_endpoint(peer, endpoint, ENDPOINT_IKE, now);
	peer->last_sent = now;
	peer->last_error[0] = '\0';
	peer->phase = PEER_ESTABLISHED;
	peer->acquire_again = PEER_NEVER;
	peer->keepalive = (struct keepalive){};
	peer_wake_at(peer, keepalive_due(&peer->keepalive, &peer->nat, now));
	if (pair->initiator) {
		/* The responder had the pair before it answered: what waits can go. The probes show
		 * it that we have the pair too. */
		peer_switch_to(peer, now, pair);
		peer->settle_until = 0;
		peer_end_doubt(peer);
		peer->resend_below = UINT32_MAX;
		peer->burst = BURST_PROBES;
		return peer->network ? todo | PEER_PROBE | PEER_RESEND | PEER_DROP_HELD : todo;
	}
	if (!peer->current) {
		peer_switch_to(peer, now, pair);
		peer->settle_until = now + SETTLE_MSEC;
		peer_wake_at(peer, peer->settle_until);
	}
	return todo;
}

unsigned int peer_remove_pair(struct peer *peer, uint64_t now, struct sa_pair *pair)
{
	for (struct sa_pair **link = &peer->pairs; *link; link = &(*link)->next) {
		if (*link == pair) {
			*link = pair->next;
			break;
		}
	}
	pair->next = NULL;
	if (pair != peer->current)
		return PEER_ANNOUNCE;
	peer->current = NULL;
	if (next_pair(peer)) {
		peer_switch_to(peer, now, next_pair(peer));
		return PEER_ANNOUNCE;
	}
	peer->phase = PEER_IDLE;
	peer->silent = false;
	peer->settle_until = 0;
	peer->answer_due = PEER_NEVER;
	/* What it has under way is no wish for new ones. */
	peer->unknown_after = now + ACQUIRE_SPI_MSEC;
	recent_packets_clear(&peer->recent);
	peer_end_doubt(peer);
	path_mtu_rest(&peer->path_mtu);
	return PEER_ANNOUNCE | PEER_DROP_HELD;
}

int peer_retire_pair(struct peer *peer, uint64_t now, struct sa_pair *pair, unsigned int *ret_todo)
{
	bool alone = true;

	for (const struct sa_pair *other = peer->pairs; other; other = other->next)
		if (other != pair && !other->retired)
			alone = false;
	if (alone)
		return -ENOENT;
	*ret_todo = PEER_ANNOUNCE;
	pair->retired = true;
	if (peer->current == pair)
		peer_switch_to(peer, now, next_pair(peer));
	if (pair->ends_at == PEER_NEVER)
		pair->ends_at = now + PEER_FORMER_MSEC;
	peer_wake_at(peer, pair->ends_at);
	return 0;
}

unsigned int peer_use_pair(struct peer *peer, struct sa_pair *pair, bool esn, uint64_t sequence,
			   size_t size)
{
	/* Three quarters of the numbers there are (RFC 4303 §3.3.3). */
	uint64_t numbers = esn ? UINT64_MAX / 4 * 3 : UINT32_MAX / 4 * 3;

	pair->octets += size;
	if (pair->worn ||
	    (sequence < numbers && (!pair->limit_packets || sequence < pair->limit_packets) &&
	     (!pair->limit_octets || pair->octets < pair->limit_octets)))
		return 0;
	pair->worn = true;
	return PEER_ANNOUNCE;
}

struct sa_pair *peer_ended_pair(const struct peer *peer, uint64_t now)
{
	for (struct sa_pair *pair = peer->pairs; pair; pair = pair->next)
		if (pair->ends_at <= now && pair != peer->current)
			return pair;
	return NULL;
}

unsigned int peer_prove_pair(struct peer *peer, uint64_t now, struct sa_pair *pair)
{
	unsigned int todo = 0;

	pair->proven = true;
	if (!peer->current || pair->order > peer->current->order) {
		peer_switch_to(peer, now, pair);
		todo |= PEER_ANNOUNCE;
	}
	if (peer->settle_until && pair == peer->current) {
		peer->settle_until = 0;
		peer->resend_below = UINT32_MAX;
		todo |= PEER_RESEND | PEER_DROP_HELD;
	}
	return todo;
}
