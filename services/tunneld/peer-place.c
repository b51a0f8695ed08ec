/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/peer-internal.h"

#include <stdio.h>
#include <string.h>

/* A packet from another port of the same address moves the endpoint only if nothing came from the
 * present one for this long. A gateway that maps another port than it translates to leaves the peer
 * reachable at two ports, and each of ours leads to another source port there: if both sides
 * followed every packet they would swap for ever. The two sides wait differently long, so that one
 * of them settles on what the other sends to. */
#define PORT_SILENCE_INITIATOR_MSEC 100
#define PORT_SILENCE_RESPONDER_MSEC 250
/* The zone's word about another port of the same address is no news while we hear the peer. */
#define PORT_SILENCE_DNS_MSEC 1000

const char *endpoint_source_to_string(enum endpoint_source source)
{
	switch (source) {
	case ENDPOINT_NONE:
		return "none";
	case ENDPOINT_DNS:
		return "dns";
	case ENDPOINT_PACKET:
		return "packet";
	case ENDPOINT_IKE:
		return "ike";
	}
	return "";
}

bool endpoint_equal(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
}

static bool can_send(const struct peer *peer)
{
	return peer->phase == PEER_ESTABLISHED && peer->network;
}

unsigned int peer_change_path(struct peer *peer, uint64_t now)
{
	if (!can_send(peer))
		return 0;
	peer_begin_doubt(peer, now, now);
	path_mtu_suspect(&peer->path_mtu, now, true);
	peer->keepalive = (struct keepalive){};
	peer_wake_at(peer, peer->path_mtu.due);
	peer->path_since = now;
	peer->last_heard_there = 0;
	peer->path_probe = peer->last_probe + 1;
	peer->burst = BURST_PROBES;
	peer->resend_below = UINT32_MAX;
	return PEER_PROBE | PEER_RESEND;
}

/* Whether `endpoint` is another port of the address that we heard the peer at less than `msec` ago.
 */
static bool is_other_port_of_live(const struct peer *peer, uint64_t now,
				  const struct sockaddr_in *endpoint, uint64_t msec)
{
	return endpoint->sin_addr.s_addr == peer->endpoint.sin_addr.s_addr &&
	       peer->last_heard_there && now - peer->last_heard_there < msec;
}

void peer_set_endpoint(struct peer *peer, const struct sockaddr_in *endpoint,
		       enum endpoint_source source, uint64_t heard)
{
	if (!endpoint_equal(endpoint, &peer->endpoint))
		peer->counters.endpoint_moves++;
	peer->endpoint = *endpoint;
	peer->source = source;
	peer->last_heard_there = heard;
}

unsigned int peer_hear_watcher(struct peer *peer, uint64_t now, const char *name,
			       const struct sockaddr_in *endpoint, uint64_t generation,
			       uint64_t incarnation)
{
	bool first = !peer->dns_incarnation;
	bool changed;
	unsigned int todo = 0;

	peer->listed = true;
	if (strncmp(peer->name, name, sizeof peer->name - 1)) {
		snprintf(peer->name, sizeof peer->name, "%s", name);
		todo |= PEER_ANNOUNCE;
	}
	if (!endpoint)
		return todo;
	changed = !endpoint_equal(endpoint, &peer->dns_endpoint) ||
		  (incarnation == peer->dns_incarnation && generation > peer->dns_generation);
	peer->dns_endpoint = *endpoint;
	peer->dns_generation = generation;
	peer->dns_incarnation = incarnation;
	/* What it says first is no news about a peer that we already reach. */
	if (!changed || (first && peer->source != ENDPOINT_NONE) ||
	    endpoint_equal(endpoint, &peer->endpoint) ||
	    is_other_port_of_live(peer, now, endpoint, PORT_SILENCE_DNS_MSEC))
		return todo;
	peer_set_endpoint(peer, endpoint, ENDPOINT_DNS, 0);
	return todo | PEER_MOVED | PEER_ANNOUNCE | peer_change_path(peer, now);
}

unsigned int peer_move(struct peer *peer, uint64_t now, const struct sockaddr_in *endpoint)
{
	if (endpoint_equal(endpoint, &peer->endpoint))
		return 0;
	peer_set_endpoint(peer, endpoint, ENDPOINT_IKE, 0);
	return PEER_MOVED | PEER_ANNOUNCE | peer_change_path(peer, now);
}

bool peer_follow_endpoint(struct peer *peer, uint64_t now, const struct peer_arrival *arrival)
{
	uint64_t silence = arrival->pair->initiator ? PORT_SILENCE_INITIATOR_MSEC
						    : PORT_SILENCE_RESPONDER_MSEC;

	if (endpoint_equal(&arrival->source, &peer->endpoint))
		peer->last_heard_there = now;
	/* Late packets of a former pair say where the peer was. When the newer one has been silent
	 * for a while they are not late: of two pairs made at once each side may send on another,
	 * and one of them goes again. */
	if (!arrival->newest ||
	    (arrival->pair->order < peer->mover_order && now - peer->mover_heard < STRAY_MSEC))
		return false;
	peer->mover_order = arrival->pair->order;
	peer->mover_heard = now;
	if (endpoint_equal(&arrival->source, &peer->endpoint) ||
	    is_other_port_of_live(peer, now, &arrival->source, silence))
		return false;
	peer_set_endpoint(peer, &arrival->source, ENDPOINT_PACKET, now);
	return true;
}
