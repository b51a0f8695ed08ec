/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/datapath-xfrm.h"

#include "common/base/log.h"
#include "services/tunneld/bus.h"
#include "services/tunneld/datapath-internal.h"
#include "services/tunneld/xfrm-link.h"
#include "services/tunneld/xfrm-proof.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* What is ours in the kernel: this, and the port, which one process has. */
#define IF_ID_BASE 0x68770000
/* How often a state in use tells of itself. Two of us take it for a path that works, so it is
 * shorter than what they take for doubt. */
#define PACE_MSEC 50
/* The kernel tells of each packet that comes from elsewhere, also of late ones. The place that a
 * peer has just left has to wait so long before it is believed again. */
#define RETURN_MSEC 1000

/* One direction of a pair in the kernel. */
struct kernel_state {
	bool there;
	bool lost;  /* nobody knows its numbers any more: it is never made again */
	bool paced; /* it tells no more of each packet */
	struct in_addr local;
	struct sockaddr_in remote;
	uint64_t soft_octets, soft_packets;
	uint64_t octets, packets; /* heard of */
	uint64_t sequence;        /* heard of; outbound and not there: used up to here */
	unsigned int states;      /* that the kernel has had for it */
};

struct kernel_pair {
	struct secret *keys;
	enum esp_algorithm algorithm;
	struct kernel_state in, out;
};

struct kernel_peer {
	bool in_policy, out_policy, route;
	uint32_t spi; /* of the outgoing policy, as the rest */
	struct in_addr local;
	struct sockaddr_in remote;
	uint64_t dummies_sent; /* not heard of yet */
	struct sockaddr_in left;
	uint64_t left_at;
};

struct datapath_xfrm {
	struct xfrm_link *link; /* NULL: never tried, or it failed */
	uint32_t if_id;
	char interface[IF_NAMESIZE];
	bool receiving, sealing;
	char reason[256];
};

/* Our address on the way to the peer. */
static struct in_addr local_of(const struct tunneld *tunneld, const struct peer *peer)
{
	return peer->uplink.link ? peer->uplink.source : tunneld->local_address;
}

static bool same_place(const struct kernel_state *state, struct in_addr local,
		       const struct sockaddr_in *remote)
{
	return state->local.s_addr == local.s_addr &&
	       state->remote.sin_addr.s_addr == remote->sin_addr.s_addr;
}

static struct xfrm_state describe(const struct tunneld *tunneld, const struct sa_pair *pair,
				  bool in, const struct kernel_state *state,
				  const struct xfrm_replay *replay)
{
	const struct kernel_pair *kernel = pair->kernel;
	size_t size = esp_keymat_size(kernel->algorithm);
	uint16_t remote_port = ntohs(state->remote.sin_port);

	return (struct xfrm_state){
		.source = in ? state->remote.sin_addr : state->local,
		.destination = in ? state->local : state->remote.sin_addr,
		.source_port = in ? remote_port : tunneld->settings.port,
		.destination_port = in ? tunneld->settings.port : remote_port,
		.spi = in ? pair->spi_in : pair->spi_out,
		.reqid = pair->peer->number << 1 | in,
		.if_id = tunneld->kernel->if_id,
		.inner_source = in ? pair->peer->host_id : tunneld->host_id,
		.inner_destination = in ? tunneld->host_id : pair->peer->host_id,
		.algorithm = kernel->algorithm,
		.esn = pair->esn,
		.keymat = kernel->keys->data + (in ? 0 : size),
		.copy_dscp = tunneld->settings.tos.mask >> 2,
		.replay = replay,
		.soft_octets = state->soft_octets,
		.soft_packets = state->soft_packets,
	};
}

static void want_new_keys(struct tunneld *tunneld, struct sa_pair *pair)
{
	if (pair->worn)
		return;
	pair->worn = true;
	bus_peer_changed(tunneld, pair->peer);
}

static void complain(const struct sa_pair *pair, const char *what, int error)
{
	log_warning("the kernel does not %s a state of %s: %s", what, pair->peer->name,
		    strerror(-error));
}

/* The state goes. True when its last numbers are known, in *ret. */
static bool take_out(struct tunneld *tunneld, struct sa_pair *pair, bool in, struct xfrm_event *ret)
{
	struct kernel_state *state = in ? &pair->kernel->in : &pair->kernel->out;
	int r = xfrm_link_remove_state(tunneld->kernel->link,
				       in ? state->local : state->remote.sin_addr,
				       in ? pair->spi_in : pair->spi_out, ret);

	state->there = false;
	if (r < 0)
		complain(pair, "remove", r);
	if (r < 0 || !ret->have_replay) {
		state->lost = true;
		want_new_keys(tunneld, pair);
		return false;
	}
	pair->peer->counters.replayed += ret->replayed;
	pair->peer->counters.bad_icv += ret->bad_icv;
	tunneld->counters.replayed += ret->replayed;
	tunneld->counters.bad_icv += ret->bad_icv;
	return true;
}

static void put_in(struct tunneld *tunneld, struct sa_pair *pair, bool in,
		   const struct xfrm_replay *replay)
{
	struct kernel_state *state = in ? &pair->kernel->in : &pair->kernel->out;
	struct xfrm_state wanted;
	int r;

	state->local = local_of(tunneld, pair->peer);
	state->remote = pair->peer->endpoint;
	state->soft_octets = pair->limit_octets;
	state->soft_packets = pair->limit_packets;
	state->octets = state->packets = 0;
	state->paced = false;
	state->states++;
	wanted = describe(tunneld, pair, in, state, replay);
	r = xfrm_link_add_state(tunneld->kernel->link, &wanted);
	state->there = r >= 0;
	if (r < 0)
		complain(pair, "take", r);
}

/* What may change without another state. */
static void update(struct tunneld *tunneld, struct sa_pair *pair, bool in)
{
	struct kernel_state *state = in ? &pair->kernel->in : &pair->kernel->out;
	static const struct xfrm_replay ignored;
	struct xfrm_state wanted;
	int r;

	if (state->remote.sin_port == pair->peer->endpoint.sin_port &&
	    state->soft_octets == pair->limit_octets && state->soft_packets == pair->limit_packets)
		return;
	state->remote = pair->peer->endpoint;
	state->soft_octets = pair->limit_octets;
	state->soft_packets = pair->limit_packets;
	wanted = describe(tunneld, pair, in, state, &ignored);
	r = xfrm_link_update_state(tunneld->kernel->link, &wanted);
	if (r < 0)
		complain(pair, "change", r);
}

/* Receiving goes back to us. */
static void take_in_back(struct tunneld *tunneld, struct sa_pair *pair)
{
	struct xfrm_event last;

	if (take_out(tunneld, pair, true, &last))
		xfrm_replay_to_window(&last.replay, esp_in_window(pair->in));
}

static void sync_in(struct tunneld *tunneld, struct sa_pair *pair)
{
	struct kernel_state *state = &pair->kernel->in;
	struct xfrm_replay replay = { 0 };

	if (!tunneld->kernel->receiving || state->lost)
		return;
	if (state->there &&
	    same_place(state, local_of(tunneld, pair->peer), &pair->peer->endpoint)) {
		update(tunneld, pair, true);
		return;
	}
	if (state->there)
		take_in_back(tunneld, pair);
	if (state->lost)
		return;
	xfrm_replay_from_window(&replay, esp_in_window(pair->in));
	put_in(tunneld, pair, true, &replay);
}

/* The kernel cannot change a state's addresses. So it goes, which ends its use of the key, and then
 * there is another one that goes on counting where it ended. */
static void sync_out(struct tunneld *tunneld, struct sa_pair *pair)
{
	struct kernel_state *state = &pair->kernel->out;
	struct xfrm_replay replay = { 0 };
	struct xfrm_event last;
	int r;

	if (pair->out || state->lost || pair != pair->peer->current)
		return;
	if (state->there &&
	    same_place(state, local_of(tunneld, pair->peer), &pair->peer->endpoint)) {
		update(tunneld, pair, false);
		return;
	}
	if (state->there && take_out(tunneld, pair, false, &last))
		state->sequence = last.replay.out;
	r = state->states ? xfrm_may_carry(state->states, state->sequence) : 0;
	if (r < 0)
		state->lost = true;
	if (r)
		want_new_keys(tunneld, pair);
	if (state->lost)
		return;
	replay.out = state->sequence;
	put_in(tunneld, pair, false, &replay);
}

static struct xfrm_policy describe_policy(const struct tunneld *tunneld, const struct peer *peer,
					  bool out)
{
	const struct kernel_peer *kernel = peer->kernel;

	return (struct xfrm_policy){
		.inner_source = out ? tunneld->host_id : peer->host_id,
		.inner_destination = out ? peer->host_id : tunneld->host_id,
		.reqid = peer->number << 1 | !out,
		.if_id = tunneld->kernel->if_id,
		.out = out,
		.source = out ? kernel->local : (struct in_addr){ 0 },
		.destination = out ? kernel->remote.sin_addr : (struct in_addr){ 0 },
		.spi = out ? kernel->spi : 0,
	};
}

static int set_policy(struct tunneld *tunneld, struct peer *peer, bool out)
{
	struct xfrm_policy policy = describe_policy(tunneld, peer, out);
	int r = xfrm_link_set_policy(tunneld->kernel->link, &policy);

	if (r < 0)
		log_warning("the kernel does not take a policy of %s: %s", peer->name,
			    strerror(-r));
	return r;
}

static void remove_policy(struct tunneld *tunneld, struct peer *peer, bool out)
{
	struct xfrm_policy policy = describe_policy(tunneld, peer, out);

	(void)xfrm_link_remove_policy(tunneld->kernel->link, &policy);
}

static void close_way(struct tunneld *tunneld, struct peer *peer)
{
	struct kernel_peer *kernel = peer->kernel;

	if (kernel->route)
		(void)tun_routes_remove_detour(
			tunneld->routes, xfrm_link_index(tunneld->kernel->link), &peer->host_id);
	kernel->route = false;
	if (kernel->out_policy)
		remove_policy(tunneld, peer, true);
	kernel->out_policy = false;
}

/* Packets to the peer go into the kernel's state from now on. */
static void open_way(struct tunneld *tunneld, struct peer *peer)
{
	struct kernel_peer *kernel = peer->kernel;
	const struct kernel_state *state = &peer->current->kernel->out;
	int r;

	if (!kernel->out_policy || kernel->spi != peer->current->spi_out ||
	    !same_place(state, kernel->local, &kernel->remote)) {
		kernel->spi = peer->current->spi_out;
		kernel->local = state->local;
		kernel->remote = state->remote;
		if (set_policy(tunneld, peer, true) < 0)
			return;
		kernel->out_policy = true;
	}
	if (kernel->route)
		return;
	r = tun_routes_set_detour(tunneld->routes, xfrm_link_index(tunneld->kernel->link),
				  &peer->host_id, &tunneld->host_id, PATH_MTU_LEAST);
	if (r < 0) {
		log_warning("cannot set the route to %s: %s", peer->name, strerror(-r));
		return;
	}
	kernel->route = true;
	/* It learns from this that we hear no dummy packets of ESP. */
	datapath_send_dummy(tunneld, peer, DUMMY_ANSWER, 0);
}

static void sync_way(struct tunneld *tunneld, struct peer *peer)
{
	struct kernel_peer *kernel = peer->kernel;
	bool receives = tunneld->kernel->receiving && peer->pairs;

	if (receives != kernel->in_policy) {
		if (receives)
			kernel->in_policy = set_policy(tunneld, peer, false) >= 0;
		else
			remove_policy(tunneld, peer, false);
		kernel->in_policy = kernel->in_policy && receives;
	}
	if (peer->current && !peer->current->out && peer->current->kernel->out.there)
		open_way(tunneld, peer);
	else
		close_way(tunneld, peer);
}

void datapath_xfrm_sync(struct tunneld *tunneld, struct peer *peer)
{
	if (!tunneld->kernel || !tunneld->kernel->link || !tunneld->have_host_id)
		return;
	if (!peer->kernel)
		peer->kernel = calloc(1, sizeof *peer->kernel);
	if (!peer->kernel)
		return;
	if (local_of(tunneld, peer).s_addr && peer->endpoint.sin_addr.s_addr) {
		for (struct sa_pair *pair = peer->pairs; pair; pair = pair->next) {
			if (!pair->kernel)
				continue;
			sync_in(tunneld, pair);
			sync_out(tunneld, pair);
		}
	}
	sync_way(tunneld, peer);
}

int datapath_xfrm_send(struct tunneld *tunneld, struct peer *peer, const uint8_t *packet,
		       size_t size)
{
	int r;

	if (!peer->kernel || !peer->kernel->route)
		return -ENETUNREACH;
	r = xfrm_link_send(tunneld->kernel->link, packet, size);
	if (r >= 0 && packet[6] == IPPROTO_NONE)
		peer->kernel->dummies_sent++;
	return r;
}

int datapath_xfrm_adopt(struct tunneld *tunneld, struct sa_pair *pair, enum esp_algorithm algorithm,
			struct secret **keys)
{
	struct datapath_xfrm *kernel = tunneld->kernel;

	if (!kernel || !kernel->link)
		return 0;
	pair->kernel = calloc(1, sizeof *pair->kernel);
	if (!pair->kernel)
		return -ENOMEM;
	pair->kernel->algorithm = algorithm;
	pair->kernel->keys = steal_ptr(*keys);
	return 0;
}

void datapath_xfrm_forget_pair(struct tunneld *tunneld, struct sa_pair *pair)
{
	struct kernel_pair *kernel = pair->kernel;
	struct xfrm_event last;

	if (!kernel)
		return;
	if (kernel->in.there)
		take_out(tunneld, pair, true, &last);
	if (kernel->out.there)
		take_out(tunneld, pair, false, &last);
	secret_free(kernel->keys);
	free(kernel);
	pair->kernel = NULL;
}

void datapath_xfrm_forget_peer(struct tunneld *tunneld, struct peer *peer)
{
	if (peer->kernel) {
		close_way(tunneld, peer);
		if (peer->kernel->in_policy)
			remove_policy(tunneld, peer, false);
	}
	free(peer->kernel);
	peer->kernel = NULL;
	for (struct sa_pair *pair = peer->pairs; pair; pair = pair->next)
		datapath_xfrm_forget_pair(tunneld, pair);
}

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

/* `n` packets came over the pair. */
static void hear_inbound(struct tunneld *tunneld, struct sa_pair *pair, uint64_t n, uint64_t octets,
			 bool newest)
{
	struct peer_arrival arrival = { .pair = pair,
					.source = pair->peer->endpoint,
					.newest = newest };
	struct peer *peer = pair->peer;

	tunneld->counters.esp_in += n;
	peer->counters.packets_in += n;
	peer->counters.octets_in += octets;
	datapath_carry_out_or_wait(tunneld, peer,
				   peer_incoming(peer, datapath_look_at_clock(tunneld), &arrival));
}

static void hear_outbound(struct tunneld *tunneld, struct sa_pair *pair, uint64_t n,
			  uint64_t octets)
{
	struct peer *peer = pair->peer;
	uint64_t dummies = peer->kernel ? peer->kernel->dummies_sent : 0;

	tunneld->counters.esp_out += n;
	if (dummies > n)
		dummies = n;
	if (peer->kernel)
		peer->kernel->dummies_sent -= dummies;
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

	if (!pair)
		return;
	state = in ? &pair->kernel->in : &pair->kernel->out;
	if (!state->there || event->packets <= state->packets)
		return;
	if (!state->paced) {
		struct xfrm_state wanted = describe(tunneld, pair, in, state, NULL);

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
	want_new_keys(tunneld, pair);
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
	if (take_out(tunneld, pair, false, &last)) {
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
	arrival.dummy = dummy_read(packet + INNER_HEADER_SIZE, inner.size - INNER_HEADER_SIZE,
				   &arrival.number);
	arrival.seen = dummy_read_seen(packet + INNER_HEADER_SIZE, inner.size - INNER_HEADER_SIZE);
	datapath_carry_out_or_wait(tunneld, peer,
				   peer_incoming(peer, datapath_look_at_clock(tunneld), &arrival));
}

static const struct xfrm_link_callbacks callbacks = {
	.on_event = on_event,
	.on_overrun = on_overrun,
	.on_dummy = on_dummy,
};

/* The interface, and a proof that the kernel does what we do. */
static int open_link(struct tunneld *tunneld)
{
	struct datapath_xfrm *kernel = tunneld->kernel;
	const char *what;
	int r;

	if (kernel->link)
		return 0;
	r = xfrm_link_new(tunneld->loop, kernel->interface, kernel->if_id, &callbacks, tunneld,
			  &kernel->link, &what);
	if (r >= 0) {
		r = xfrm_proof_run(kernel->link, kernel->if_id, &what);
		if (r < 0)
			kernel->link = xfrm_link_free(kernel->link);
	}
	if (r < 0) {
		snprintf(kernel->reason, sizeof kernel->reason,
			 "the user data path, for this kernel cannot do it: %s (%s)", what,
			 strerror(-r));
		log_warning("datapath: %s", kernel->reason);
	}
	return r;
}

/* All pairs of which the other data path seals are to be replaced. */
static void replace_pairs(struct tunneld *tunneld)
{
	for (struct peer *peer = tunneld->peers.peers; peer; peer = peer->next) {
		datapath_xfrm_sync(tunneld, peer);
		if (peer->current && !peer->current->out != tunneld->kernel->sealing)
			want_new_keys(tunneld, peer->current);
	}
}

/* Those whose window is not known any more can receive nowhere. */
static void take_all_in_back(struct tunneld *tunneld)
{
	for (struct peer *peer = tunneld->peers.peers; peer; peer = peer->next) {
		struct sa_pair *pair, *next;

		for (pair = peer->pairs; pair; pair = next) {
			next = pair->next;
			if (pair->kernel && pair->kernel->in.there)
				take_in_back(tunneld, pair);
			if (pair->kernel && pair->kernel->in.lost) {
				tunneld_remove_pair(tunneld, pair);
				/* Others may have gone with it. */
				next = peer->pairs;
			}
		}
	}
}

static int turn_on(struct tunneld *tunneld)
{
	struct datapath_xfrm *kernel = tunneld->kernel;
	int r = open_link(tunneld);

	if (r < 0)
		return r;
	r = udp_port_set_encap(tunneld->udp, true);
	if (r < 0) {
		snprintf(kernel->reason, sizeof kernel->reason,
			 "the user data path, for the kernel does not take ESP in UDP: %s",
			 strerror(-r));
		log_warning("datapath: %s", kernel->reason);
		return r;
	}
	/* From here on nothing comes to us that a copied window would not know. */
	kernel->receiving = kernel->sealing = true;
	snprintf(kernel->reason, sizeof kernel->reason,
		 "the kernel data path, as configured; it was proven at the start");
	return 0;
}

static int turn_off(struct tunneld *tunneld)
{
	struct datapath_xfrm *kernel = tunneld->kernel;
	int r = udp_port_set_encap(tunneld->udp, false);

	if (r < 0)
		return r;
	kernel->receiving = kernel->sealing = false;
	/* Before the loop turns, and with it what has come to the new socket. */
	take_all_in_back(tunneld);
	snprintf(kernel->reason, sizeof kernel->reason,
		 "the user data path, as somebody asked for while running");
	return 0;
}

int datapath_xfrm_switch(struct tunneld *tunneld, bool on)
{
	struct datapath_xfrm *kernel = tunneld->kernel;
	int r;

	if (tunneld->settings.datapath != DATAPATH_KERNEL)
		return -EPERM;
	if (kernel->sealing == on)
		return 0;
	r = on ? turn_on(tunneld) : turn_off(tunneld);
	if (r < 0)
		return r;
	datapath_set_offloads(tunneld, &tunneld->settings.offloads);
	replace_pairs(tunneld);
	timeline_note(&tunneld->timeline, tunneld->generation, "%s data path from now on",
		      on ? "kernel" : "user");
	bus_emit_changed(tunneld, "Datapath", "DatapathReason");
	return 0;
}

void datapath_xfrm_start(struct tunneld *tunneld)
{
	struct datapath_xfrm *kernel = calloc(1, sizeof *kernel);

	if (!kernel)
		return;
	kernel->if_id = IF_ID_BASE | tunneld->settings.port;
	snprintf(kernel->interface, sizeof kernel->interface, "%.13s-k",
		 tunneld->settings.interface);
	tunneld->kernel = kernel;
	switch (tunneld->settings.datapath) {
	case DATAPATH_AUTO:
		snprintf(kernel->reason, sizeof kernel->reason,
			 "the user data path, which is preferred");
		break;
	case DATAPATH_USER:
		snprintf(kernel->reason, sizeof kernel->reason,
			 "the user data path, as configured");
		break;
	case DATAPATH_KERNEL:
		(void)datapath_xfrm_switch(tunneld, true);
		return;
	}
	xfrm_link_clean(kernel->interface, kernel->if_id);
}

void datapath_xfrm_stop(struct tunneld *tunneld)
{
	if (!tunneld->kernel)
		return;
	for (struct peer *peer = tunneld->peers.peers; peer; peer = peer->next)
		datapath_xfrm_forget_peer(tunneld, peer);
	xfrm_link_free(tunneld->kernel->link);
	free(tunneld->kernel);
	tunneld->kernel = NULL;
}

bool datapath_xfrm_is_on(const struct tunneld *tunneld)
{
	return tunneld->kernel && tunneld->kernel->sealing;
}

const char *datapath_xfrm_interface(const struct tunneld *tunneld)
{
	return tunneld->kernel && tunneld->settings.datapath != DATAPATH_USER ? tunneld->kernel->interface : NULL;
}

const char *datapath_xfrm_reason(const struct tunneld *tunneld)
{
	return tunneld->kernel ? tunneld->kernel->reason : "";
}
