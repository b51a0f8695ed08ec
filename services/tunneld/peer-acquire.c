/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/peer-internal.h"

#include <stdio.h>

/* keyd is asked again so often while nothing comes, and has failed after this long; whoever waits
 * may ask anew a while after that. */
#define ACQUIRE_AGAIN_MSEC 5000
#define ACQUIRE_LIMIT_MSEC 30000
#define ACQUIRE_PAUSE_MSEC 1000

unsigned int peer_start_acquiring(struct peer *peer, uint64_t now)
{
	peer->phase = PEER_ACQUIRING;
	peer->acquire_since = now;
	peer->acquire_again = now + ACQUIRE_AGAIN_MSEC;
	peer->counters.acquires++;
	peer_wake_at(peer, peer->acquire_again);
	return PEER_ACQUIRE | PEER_ANNOUNCE;
}

static unsigned int give_up_acquiring(struct peer *peer, uint64_t now, const char *reason)
{
	snprintf(peer->last_error, sizeof peer->last_error, "%s", reason);
	if (peer->phase != PEER_ACQUIRING)
		return PEER_ANNOUNCE;
	peer->phase = PEER_IDLE;
	peer->acquire_again = PEER_NEVER;
	peer->acquire_after = now + ACQUIRE_PAUSE_MSEC;
	return PEER_ANNOUNCE | PEER_UNREACHABLE | PEER_DROP_HELD;
}

unsigned int peer_acquire_failed(struct peer *peer, uint64_t now, const char *reason)
{
	return give_up_acquiring(peer, now, reason);
}

unsigned int peer_hear_unknown_spi(struct peer *peer, uint64_t now)
{
	if (peer->phase != PEER_IDLE || now < peer->acquire_after || now < peer->unknown_after)
		return 0;
	peer->unknown_after = now + ACQUIRE_SPI_MSEC;
	return peer_start_acquiring(peer, now);
}

/* Nobody answered there. A packet may have come by a way that leads nowhere in the other direction,
 * and the zone's word may be older than the last packet: so each place gets its turn. */
static unsigned int try_elsewhere(struct peer *peer)
{
	struct sockaddr_in there = peer->dns_endpoint;
	enum endpoint_source source = ENDPOINT_DNS;

	if (endpoint_equal(&there, &peer->endpoint)) {
		there = peer->elsewhere;
		source = ENDPOINT_PACKET;
	} else {
		peer->elsewhere = peer->endpoint;
	}
	if (!there.sin_port || endpoint_equal(&there, &peer->endpoint))
		return 0;
	peer_set_endpoint(peer, &there, source, 0);
	return PEER_MOVED | PEER_ANNOUNCE;
}

unsigned int peer_time_acquiring(struct peer *peer, uint64_t now)
{
	unsigned int todo = 0;

	if (peer->phase == PEER_IDLE) {
		if (!peer->held.n_packets)
			return 0;
		if (now >= peer->acquire_after)
			return peer_start_acquiring(peer, now);
		peer_wake_at(peer, peer->acquire_after);
		return 0;
	}
	if (now - peer->acquire_since >= ACQUIRE_LIMIT_MSEC)
		return give_up_acquiring(peer, now, "keyd did not answer");
	if (now >= peer->acquire_again) {
		peer->acquire_again = now + ACQUIRE_AGAIN_MSEC;
		todo |= PEER_ACQUIRE | try_elsewhere(peer);
	}
	peer_wake_at(peer, peer->acquire_again);
	return todo;
}
