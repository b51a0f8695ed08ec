/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/bus.h"
#include "services/tunneld/datapath-internal.h"
#include "services/tunneld/datapath-xfrm-internal.h"

#include <string.h>

/* How often a state in use tells of itself. Its receiver answers what it is told of after 50 ms,
 * and its sender doubts after 100 ms. */
#define PACE_MSEC 20
/* The kernel tells of each packet that comes from elsewhere, also of late ones. The place that a
 * peer has just left has to wait so long before it is believed again. */
#define RETURN_MSEC 1000

static struct sa_pair *find_pair(struct tunneld *tunneld, const struct xfrm_event *event,
				 bool *ret_in)
{
	struct peer *peer = peer_table_find_number(&tunneld->peers, event->reqid >> 1);

	*ret_in = event->reqid & 1;
	for (struct sa_pair *pair = peer ? peer->pairs : NULL; pair; pair = pair->next)
		if (pair->kernel && event->spi == (*ret_in ? pair->spi_in : pair->spi_out))
			return pair;
	return NULL;
}

/* `n` packets came over the pair, of so many octets inside. What they were the kernel does not say.
 * Those of us who answer each other's dummies must never take these for data, or they would answer
 * for ever; so data is what is longer on the average. */
static void hear_inbound(struct tunneld *tunneld, struct sa_pair *pair, uint64_t n, uint64_t octets,
			 bool newest)
{
	struct peer_arrival arrival = {
		.pair = pair,
		.source = pair->peer->endpoint,
		.newest = newest,
		.data = octets > n * (INNER_HEADER_SIZE + DUMMY_ANSWER_SIZE),
	};
	struct peer *peer = pair->peer;
	struct kernel_peer *kernel = peer->kernel;
	uint64_t dummies = kernel->dummies_heard < n ? kernel->dummies_heard : n;
	uint64_t dummy_octets = kernel->dummy_octets < octets ? kernel->dummy_octets : octets;

	kernel->dummies_heard -= dummies;
	kernel->dummy_octets -= dummy_octets;
	tunneld->counters.esp_in += n;
	peer->counters.packets_in += n - dummies;
	peer->counters.octets_in += octets - dummy_octets;
	datapath_carry_out_or_wait(tunneld, peer,
				   peer_incoming(peer, datapath_look_at_clock(tunneld), &arrival));
}

static void hear_outbound(struct tunneld *tunneld, struct sa_pair *pair, uint64_t n,
			  uint64_t octets)
{
	struct peer *peer = pair->peer;
	struct kernel_peer *kernel = peer->kernel;
	uint64_t dummies = kernel->dummies_sent < n ? kernel->dummies_sent : n;

	tunneld->counters.esp_out += n;
	kernel->dummies_sent -= dummies;
	if (n == dummies)
		return;
	peer->counters.packets_out += n - dummies;
	peer->counters.octets_out += octets;
	if (pair == peer->current)
		peer_sent(peer, datapath_look_at_clock(tunneld), true);
	datapath_set_timer(tunneld, peer);
}

static void on_advanced(struct tunneld *tunneld, const struct xfrm_event *event)
{
	bool in, newest;
	struct sa_pair *pair = find_pair(tunneld, event, &in);
	struct kernel_state *state;
	uint64_t sequence, n, octets;

	if (!pair || !pair->peer->kernel)
		return;
	state = in ? &pair->kernel->in : &pair->kernel->out;
	if (!state->there || event->packets <= state->packets)
		return;
	if (!state->paced) {
		struct xfrm_state wanted = datapath_xfrm_describe(tunneld, pair, in, state, NULL);

		state->paced = true;
		(void)xfrm_link_pace_state(tunneld->kernel->link, &wanted, PACE_MSEC);
	}
	n = event->packets - state->packets;
	octets = event->octets - state->octets;
	state->packets = event->packets;
	state->octets = event->octets;
	sequence = in ? event->replay.in : event->replay.out;
	newest = event->have_replay && sequence > state->sequence;
	if (newest)
		state->sequence = sequence;
	datapath_note_use(tunneld, pair, state->sequence, octets);
	if (in)
		hear_inbound(tunneld, pair, n, octets, newest);
	else
		hear_outbound(tunneld, pair, n, octets);
}

static void on_mapping(struct tunneld *tunneld, const struct xfrm_event *event)
{
	bool in;
	struct sa_pair *pair = find_pair(tunneld, event, &in);
	uint64_t now = datapath_look_at_clock(tunneld);
	struct peer_arrival arrival = { .pair = pair, .source = event->remote, .newest = true };
	struct kernel_peer *kernel;
	struct sockaddr_in before;
	unsigned int todo;

	/* What waited to be read while we moved. */
	if (!pair || !in || !pair->peer->kernel ||
	    endpoint_equal(&event->remote, &pair->peer->endpoint))
		return;
	kernel = pair->peer->kernel;
	tunneld->counters.kernel_mappings++;
	if (kernel->left_at && now - kernel->left_at < RETURN_MSEC &&
	    endpoint_equal(&event->remote, &kernel->left))
		return;
	before = pair->peer->endpoint;
	todo = peer_incoming(pair->peer, now, &arrival);
	if (todo & PEER_MOVED) {
		kernel->left = before;
		kernel->left_at = now;
	}
	datapath_carry_out_or_wait(tunneld, pair->peer, todo);
}

static void on_expired(struct tunneld *tunneld, const struct xfrm_event *event)
{
	bool in;
	struct sa_pair *pair = find_pair(tunneld, event, &in);
	struct peer *peer;

	if (!pair)
		return;
	tunneld->counters.kernel_expired++;
	peer = pair->peer;
	datapath_xfrm_want_new_keys(tunneld, pair);
	if (!event->hard)
		return;
	/* Somebody took it from us. */
	*(in ? &pair->kernel->in.there : &pair->kernel->out.there) = false;
	tunneld_remove_pair(tunneld, pair);
	tunneld_release_peer(tunneld, peer);
}

/* A packet found a policy of ours, and no state. */
static void on_acquire(struct tunneld *tunneld, const struct xfrm_event *event)
{
	struct peer *peer = peer_table_find_host(&tunneld->peers, &event->inner_destination);
	struct kernel_state *state;
	struct sa_pair *pair;
	struct xfrm_event last;

	if (!peer || !peer->current || !peer->current->kernel)
		return;
	tunneld->counters.kernel_acquires++;
	pair = peer->current;
	state = &pair->kernel->out;
	/* It may have been between two states of ours. If it is gone nobody knows its numbers: it
	 * ends, and keyd is asked for another. */
	if (pair->out || !state->there)
		return;
	if (datapath_xfrm_take_out(tunneld, pair, false, &last)) {
		state->sequence = last.replay.out;
		datapath_xfrm_sync(tunneld, peer);
		return;
	}
	tunneld_remove_pair(tunneld, pair);
	tunneld_release_peer(tunneld, peer);
}

static void on_event(void *userdata, const struct xfrm_event *event)
{
	struct tunneld *tunneld = userdata;

	switch (event->kind) {
	case XFRM_EVENT_ADVANCED:
		on_advanced(tunneld, event);
		break;
	case XFRM_EVENT_MAPPING:
		on_mapping(tunneld, event);
		break;
	case XFRM_EVENT_EXPIRED:
		on_expired(tunneld, event);
		break;
	case XFRM_EVENT_ACQUIRE:
		on_acquire(tunneld, event);
		break;
	case XFRM_EVENT_STATE:
	case XFRM_EVENT_GONE:
	case XFRM_EVENT_POLICY:
		break;
	}
}

static void on_overrun(void *userdata)
{
	struct tunneld *tunneld = userdata;

	/* What they said is said again by the next packet. */
	tunneld->counters.kernel_overruns++;
}

static void on_dummy(void *userdata, const uint8_t *packet, size_t size)
{
	struct tunneld *tunneld = userdata;
	struct inner_packet inner;
	struct peer_arrival arrival = { 0 };
	struct peer *peer;

	if (inner_parse(packet, size, &inner) < 0)
		return;
	peer = peer_table_find_host(&tunneld->peers, &inner.source);
	if (!peer || !peer->current)
		return;
	/* Over which pair it came is not known; the state that it came by tells that by itself. */
	arrival.pair = peer->current;
	for (struct sa_pair *pair = peer->pairs; pair && !arrival.pair->proven; pair = pair->next)
		if (pair->proven)
			arrival.pair = pair;
	arrival.source = peer->endpoint;
	tunneld->counters.dummies_in++;
	peer->inner_dummies = true;
	if (peer->kernel) {
		peer->kernel->dummies_heard++;
		peer->kernel->dummy_octets += inner.size;
	}
	arrival.dummy = dummy_read(packet + INNER_HEADER_SIZE, inner.size - INNER_HEADER_SIZE,
				   &arrival.number);
	arrival.seen = dummy_read_seen(packet + INNER_HEADER_SIZE, inner.size - INNER_HEADER_SIZE);
	datapath_carry_out_or_wait(tunneld, peer,
				   peer_incoming(peer, datapath_look_at_clock(tunneld), &arrival));
}

const struct xfrm_link_callbacks datapath_xfrm_callbacks = {
	.on_event = on_event,
	.on_overrun = on_overrun,
	.on_dummy = on_dummy,
};
