/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/datapath-xfrm.h"

#include "common/base/log.h"
#include "services/tunneld/bus.h"
#include "services/tunneld/datapath-internal.h"
#include "services/tunneld/datapath-xfrm-internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is ours in the kernel: this, and the port, which one process has. */
#define IF_ID_BASE 0x68770000

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

struct xfrm_state datapath_xfrm_describe(const struct tunneld *tunneld, const struct sa_pair *pair,
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

void datapath_xfrm_want_new_keys(struct tunneld *tunneld, struct sa_pair *pair)
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

bool datapath_xfrm_take_out(struct tunneld *tunneld, struct sa_pair *pair, bool in,
			    struct xfrm_event *ret)
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
		datapath_xfrm_want_new_keys(tunneld, pair);
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
	wanted = datapath_xfrm_describe(tunneld, pair, in, state, replay);
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
	wanted = datapath_xfrm_describe(tunneld, pair, in, state, &ignored);
	r = xfrm_link_update_state(tunneld->kernel->link, &wanted);
	if (r < 0)
		complain(pair, "change", r);
}

/* Receiving goes back to us. */
static void take_in_back(struct tunneld *tunneld, struct sa_pair *pair)
{
	struct xfrm_event last;

	if (datapath_xfrm_take_out(tunneld, pair, true, &last))
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
	if (state->there && datapath_xfrm_take_out(tunneld, pair, false, &last))
		state->sequence = last.replay.out;
	r = state->states ? xfrm_may_carry(state->states, state->sequence) : 0;
	if (r < 0)
		state->lost = true;
	if (r)
		datapath_xfrm_want_new_keys(tunneld, pair);
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
		datapath_xfrm_take_out(tunneld, pair, true, &last);
	if (kernel->out.there)
		datapath_xfrm_take_out(tunneld, pair, false, &last);
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

/* All pairs of which the other data path seals are to be replaced. */
static void replace_pairs(struct tunneld *tunneld)
{
	for (struct peer *peer = tunneld->peers.peers; peer; peer = peer->next) {
		datapath_xfrm_sync(tunneld, peer);
		if (peer->current && !peer->current->out != tunneld->kernel->sealing)
			datapath_xfrm_want_new_keys(tunneld, peer->current);
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

/* Those whose keys were not kept, since the kernel could not do it then, have nobody to receive for
 * them any more. */
static void end_pairs_without_keys(struct tunneld *tunneld)
{
	struct peer *next_peer;

	for (struct peer *peer = tunneld->peers.peers; peer; peer = next_peer) {
		struct sa_pair *pair, *next;

		next_peer = peer->next;
		for (pair = peer->pairs; pair; pair = next) {
			next = pair->next;
			if (pair->kernel)
				continue;
			tunneld_remove_pair(tunneld, pair);
			/* Others may have gone with it. */
			next = peer->pairs;
		}
		tunneld_release_peer(tunneld, peer);
	}
}

__attribute__((format(printf, 2, 3))) static void say(struct datapath_xfrm *kernel,
						      const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(kernel->reason, sizeof kernel->reason, format, arguments);
	va_end(arguments);
}

static int turn_on(struct tunneld *tunneld)
{
	struct datapath_xfrm *kernel = tunneld->kernel;
	int r = udp_port_set_encap(tunneld->udp, true);

	if (r < 0) {
		say(kernel, "the user data path, for the kernel does not take ESP in UDP: %s",
		    strerror(-r));
		log_warning("datapath: %s", kernel->reason);
		return r;
	}
	/* From here on nothing comes to us that a copied window would not know. */
	kernel->receiving = kernel->sealing = true;
	end_pairs_without_keys(tunneld);
	say(kernel, "the kernel data path, as configured; it was proven at the start");
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
	say(kernel, "the user data path, as somebody asked for while running");
	return 0;
}

static int turn(struct tunneld *tunneld, bool on)
{
	int r = on ? turn_on(tunneld) : turn_off(tunneld);

	if (r < 0)
		return r;
	datapath_set_offloads(tunneld, &tunneld->settings.offloads);
	replace_pairs(tunneld);
	timeline_note(&tunneld->timeline, tunneld->generation, "%s data path from now on",
		      on ? "kernel" : "user");
	bus_emit_changed(tunneld, "Datapath", "DatapathReason");
	return 0;
}

/* Nobody will use the keys that were kept for it. */
static void close_link(struct tunneld *tunneld)
{
	for (struct peer *peer = tunneld->peers.peers; peer; peer = peer->next)
		datapath_xfrm_forget_peer(tunneld, peer);
	tunneld->kernel->proof = xfrm_proof_free(tunneld->kernel->proof);
	tunneld->kernel->link = xfrm_link_free(tunneld->kernel->link);
}

static void give_up(struct tunneld *tunneld, int r, const char *what)
{
	close_link(tunneld);
	say(tunneld->kernel, "the user data path, for this kernel cannot do it: %s (%s)", what,
	    strerror(-r));
	log_warning("datapath: %s", tunneld->kernel->reason);
	bus_emit_changed(tunneld, "DatapathReason", NULL);
}

static void on_proof(void *userdata, int r, const char *what)
{
	struct tunneld *tunneld = userdata;

	tunneld->kernel->proof = xfrm_proof_free(tunneld->kernel->proof);
	if (r < 0)
		give_up(tunneld, r, what);
	else if (turn(tunneld, true) < 0)
		bus_emit_changed(tunneld, "DatapathReason", NULL);
}

/* The interface, and then a proof that the kernel does what we do, which the loop goes on for. */
static int open_link(struct tunneld *tunneld)
{
	struct datapath_xfrm *kernel = tunneld->kernel;
	const char *what = "there is no memory";
	int r = xfrm_link_new(tunneld->loop, kernel->interface, kernel->if_id,
			      &datapath_xfrm_callbacks, tunneld, &kernel->link, &what);

	if (r >= 0)
		r = xfrm_proof_new(tunneld->loop, kernel->link, kernel->if_id, on_proof, tunneld,
				   &kernel->proof);
	if (r < 0) {
		give_up(tunneld, r, what);
		return r;
	}
	say(kernel, "the user data path, until the kernel has shown that it can do it");
	bus_emit_changed(tunneld, "DatapathReason", NULL);
	return 0;
}

int datapath_xfrm_switch(struct tunneld *tunneld, bool on)
{
	struct datapath_xfrm *kernel = tunneld->kernel;

	if (tunneld->settings.datapath != DATAPATH_KERNEL)
		return -EPERM;
	if (kernel->proof && !on) {
		close_link(tunneld);
		say(kernel, "the user data path, as somebody asked for while running");
		bus_emit_changed(tunneld, "DatapathReason", NULL);
	}
	if (kernel->sealing == on || kernel->proof)
		return 0;
	return on && !kernel->link ? open_link(tunneld) : turn(tunneld, on);
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
		say(kernel, "the user data path, which is preferred");
		break;
	case DATAPATH_USER:
		say(kernel, "the user data path, as configured");
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
	close_link(tunneld);
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
