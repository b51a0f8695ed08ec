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
#define PORT_NEWS_MSEC              1000
/* The zone's word about another port of the same address is no news while we hear the peer. */
#define PORT_SILENCE_DNS_MSEC 1000
/* Somebody may have told the wrong place. So long the former one is probed, too. */
#define FORMER_MSEC       30000
#define FORMER_AFTER_MSEC 50
/* Who probes for so long, at intervals of no more than that, does not hear our answers. */
#define DEAF_MSEC     300
#define DEAF_GAP_MSEC 1500

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

unsigned int peer_hear_mapper(struct peer *peer, uint64_t now, struct in_addr address, bool moved)
{
	bool known = moved && peer->network && peer->uplink_ahead && address.s_addr &&
		     address.s_addr == peer->uplink.source.s_addr;

	peer->uplink_ahead = false;
	return known ? 0 : peer_network_changed(peer, now, address.s_addr);
}

bool peer_would_move(struct peer *peer, const struct uplink *uplink)
{
	if (!peer->uplink.link && !peer->uplink_lost)
		peer->uplink = *uplink;
	return peer->uplink_lost || !peer->network || !uplink_equal(uplink, &peer->uplink);
}

unsigned int peer_hear_uplink(struct peer *peer, uint64_t now, const struct uplink *uplink)
{
	peer->uplink = *uplink;
	peer->uplink_lost = false;
	peer->uplink_ahead = true;
	return peer_network_changed(peer, now, true);
}

void peer_lose_link(struct peer *peer, int link)
{
	if (peer->uplink.link == link)
		peer->uplink_lost = true;
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

static void keep_former(struct peer *peer, uint64_t now)
{
	peer->former = peer->endpoint;
	peer->former_until = now + FORMER_MSEC;
}

/* Not before where it is said to be has had the time for an answer. */
static bool may_be_at_former(const struct peer *peer, uint64_t now)
{
	return now < peer->former_until &&
	       now + FORMER_MSEC >= peer->former_until + FORMER_AFTER_MSEC + 2 * peer->answer_msec;
}

unsigned int peer_try_elsewhere(struct peer *peer, uint64_t now)
{
	/* The zone's place is one that we did not move to, because another port of it was alive, or
	 * left because of a packet from elsewhere. */
	const struct sockaddr_in *places[] = { &peer->dns_endpoint, &peer->former };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct sockaddr_in *place = places[peer->turn++ % ARRAY_SIZE(places)];

		if (!place->sin_port || endpoint_equal(place, &peer->endpoint) ||
		    (place == &peer->former && !may_be_at_former(peer, now)))
			continue;
		peer->probe_place = *place;
		return PEER_PROBE_ELSEWHERE;
	}
	return 0;
}

unsigned int peer_network_changed(struct peer *peer, uint64_t now, bool network)
{
	peer->network = network;
	if (!network || !can_send(peer))
		return 0;
	/* The port that the peer is at may have been of our former NAT's making. */
	peer->turn = 0;
	return peer_change_path(peer, now) | peer_try_elsewhere(peer, now);
}

unsigned int peer_hear_probe(struct peer *peer, uint64_t now)
{
	if (!peer->deaf_since || now - peer->deaf_last > DEAF_GAP_MSEC)
		peer->deaf_since = now;
	peer->deaf_last = now;
	if (now - peer->deaf_since < DEAF_MSEC || now - peer->deaf_tried < DEAF_MSEC)
		return 0;
	peer->deaf_tried = now;
	return peer_try_elsewhere(peer, now);
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
	keep_former(peer, now);
	peer_set_endpoint(peer, endpoint, ENDPOINT_DNS, 0);
	return todo | PEER_MOVED | PEER_ANNOUNCE | peer_change_path(peer, now);
}

unsigned int peer_move(struct peer *peer, uint64_t now, const struct sockaddr_in *endpoint)
{
	if (endpoint_equal(endpoint, &peer->endpoint))
		return 0;
	keep_former(peer, now);
	peer_set_endpoint(peer, endpoint, ENDPOINT_IKE, 0);
	return PEER_MOVED | PEER_ANNOUNCE | peer_change_path(peer, now);
}

/* Whether a packet from another port of an address that is alive tells of a move all the same: it
 * answers what we sent there after our side's path had changed; or the peer probes, which it does
 * when it took another way. That once a second only, or both sides might swap for ever. */
static bool is_port_news(struct peer *peer, uint64_t now, const struct peer_arrival *arrival)
{
	if (arrival->data)
		return false;
	if (arrival->dummy == DUMMY_ANSWER)
		return peer->path_since && arrival->number >= peer->path_probe;
	if (arrival->dummy != DUMMY_PROBE || now - peer->port_news_at < PORT_NEWS_MSEC)
		return false;
	peer->port_news_at = now;
	return true;
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
	    (is_other_port_of_live(peer, now, &arrival->source, silence) &&
	     !is_port_news(peer, now, arrival)))
		return false;
	peer_set_endpoint(peer, &arrival->source, ENDPOINT_PACKET, now);
	return true;
}
