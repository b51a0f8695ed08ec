/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/tunneld.h"

#include "common/base/log.h"
#include "services/tunneld/bus.h"
#include "services/tunneld/datapath-xfrm.h"
#include "services/tunneld/datapath.h"
#include "services/tunneld/firewall-client.h"
#include "services/tunneld/identity-client.h"
#include "services/tunneld/mapper-client.h"
#include "services/tunneld/reverse-path.h"
#include "services/tunneld/uplinks.h"
#include "services/tunneld/watcher-client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

const char *tunnel_phase_to_string(enum tunnel_phase phase)
{
	switch (phase) {
	case TUNNEL_STARTING:
		return "starting";
	case TUNNEL_WAITING_IDENTITY:
		return "waiting-identity";
	case TUNNEL_SIGNED_OUT:
		return "signed-out";
	case TUNNEL_WAITING_MAPPER:
		return "waiting-mapper";
	case TUNNEL_NO_NETWORK:
		return "no-network";
	case TUNNEL_READY:
		return "ready";
	}
	return "";
}

static const char *explain(enum tunnel_phase phase)
{
	switch (phase) {
	case TUNNEL_STARTING:
		return "The tunnel is starting.";
	case TUNNEL_WAITING_IDENTITY:
		return "Waiting for the identity daemon to say who this host is.";
	case TUNNEL_SIGNED_OUT:
		return "Nobody is signed in, so the tunnel has no address yet.";
	case TUNNEL_WAITING_MAPPER:
		return "Waiting for the mapper daemon to say which network this is.";
	case TUNNEL_NO_NETWORK:
		return "There is no network; packets are held until there is one.";
	case TUNNEL_READY:
		return "The tunnel is up.";
	}
	return "";
}

void tunnel_phase_explain(const struct tunneld *tunneld, char *text, size_t size)
{
	char interface[IFNAMSIZ];

	if (tunneld->address_error)
		snprintf(text, size,
			 "The host id cannot be set on %s (%s): is IPv6 disabled on this machine? "
			 "See the sysctl net.ipv6.conf.all.disable_ipv6, then restart tunneld.",
			 tunneld->settings.interface, strerror(-tunneld->address_error));
	else if (tunneld->phase == TUNNEL_READY && reverse_path_is_strict(interface))
		snprintf(text, size,
			 "The tunnel is up. There are several ways out, and what comes by %s while "
			 "another "
			 "one is preferred is dropped: net.ipv4.conf.%s.rp_filter is 1, with 2 it "
			 "is "
			 "not.",
			 interface, interface);
	else
		snprintf(text, size, "%s", explain(tunneld->phase));
}

void tunneld_update_phase(struct tunneld *tunneld)
{
	enum tunnel_phase phase;

	if (!tunneld->identity_known)
		phase = TUNNEL_WAITING_IDENTITY;
	else if (!tunneld->have_host_id)
		phase = TUNNEL_SIGNED_OUT;
	else if (!tunneld->mapper_known)
		phase = TUNNEL_WAITING_MAPPER;
	else
		phase = tunneld->network ? TUNNEL_READY : TUNNEL_NO_NETWORK;
	if (phase == tunneld->phase)
		return;
	tunneld->phase = phase;
	bus_emit_changed(tunneld, "State", "Reason");
}

void tunneld_set_route(struct tunneld *tunneld, const struct peer *peer)
{
	int r = tun_routes_add(tunneld->routes, &peer->host_id, &tunneld->host_id,
			       peer->path_mtu.current, tunneld->settings.mtu);

	if (r < 0)
		log_warning("cannot set the route to %s: %s", peer->name, strerror(-r));
}

/* Whether an address needs somebody to translate it on its way to the internet: private (RFC 1918),
 * shared (RFC 6598) and link-local ones (RFC 3927). One that is not known counts. */
static bool is_translated(struct in_addr address)
{
	uint32_t a = ntohl(address.s_addr);

	return !a || a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 || a >> 22 == 0x191 ||
	       a >> 16 == 0xa9fe;
}

void tunneld_set_nat(struct tunneld *tunneld, const struct nat_view *view)
{
	struct nat_view nat = *view;

	nat.forgets |= is_translated(tunneld->local_address);
	if (!memcmp(&nat, &tunneld->nat, sizeof nat))
		return;
	tunneld->nat = nat;
	for (struct peer *peer = tunneld->peers.peers; peer; peer = peer->next) {
		peer_set_nat(peer, &nat);
		datapath_carry_out(tunneld, peer, 0);
	}
}

struct peer *tunneld_want_peer(struct tunneld *tunneld, const struct in6_addr *host_id,
			       const char *name)
{
	struct peer *peer = peer_table_find_host(&tunneld->peers, host_id);

	if (peer)
		return peer;
	peer = peer_new(host_id, name, loop_now(tunneld->loop), tunneld->network);
	if (!peer)
		return NULL;
	if (peer_table_add(&tunneld->peers, peer) < 0)
		return peer_free(peer);
	peer->userdata = tunneld->loop;
	peer_set_nat(peer, &tunneld->nat);
	path_mtu_init(&peer->path_mtu, tunneld->settings.mtu);
	if (tunneld->have_host_id)
		tunneld_set_route(tunneld, peer);
	bus_peer_added(tunneld, peer);
	return peer;
}

static void remove_peer(struct tunneld *tunneld, struct peer *peer)
{
	int r = tun_routes_remove(tunneld->routes, &peer->host_id);

	if (r < 0)
		log_warning("cannot remove the route to %s: %s", peer->name, strerror(-r));
	bus_peer_removed(tunneld, peer);
	datapath_xfrm_forget_peer(tunneld, peer);
	peer_table_remove(&tunneld->peers, peer);
}

void tunneld_release_peer(struct tunneld *tunneld, struct peer *peer)
{
	if (!peer->listed && peer->phase == PEER_IDLE)
		remove_peer(tunneld, peer);
}

void tunneld_remove_pair(struct tunneld *tunneld, struct sa_pair *pair)
{
	struct peer *peer = pair->peer;
	unsigned int todo;

	peer_table_remove_pair(&tunneld->peers, pair);
	todo = peer_remove_pair(peer, loop_now(tunneld->loop), pair);
	datapath_xfrm_forget_pair(tunneld, pair);
	sa_pair_free(pair);
	datapath_carry_out(tunneld, peer, todo);
	if (peer->phase == PEER_IDLE && peer->pairs)
		tunneld_remove_pair(tunneld, peer->pairs);
}

static bool is_peer(void *userdata, const struct in6_addr *host_id)
{
	struct tunneld *tunneld = userdata;

	return peer_table_find_host(&tunneld->peers, host_id);
}

static void purge_routes(struct tunneld *tunneld)
{
	int r = tun_routes_purge(tunneld->routes, is_peer, tunneld);

	if (r < 0)
		log_warning("cannot tidy the routes of %s: %s", tunneld->settings.interface,
			    strerror(-r));
}

static void remove_all_peers(struct tunneld *tunneld)
{
	while (tunneld->peers.peers)
		remove_peer(tunneld, tunneld->peers.peers);
}

void tunneld_set_host_id(struct tunneld *tunneld, const struct in6_addr *host_id)
{
	bool first = !tunneld->identity_known;
	char text[INET6_ADDRSTRLEN] = "";
	int r;

	tunneld->identity_known = true;
	if (host_id && tunneld->have_host_id &&
	    !memcmp(host_id, &tunneld->host_id, sizeof *host_id)) {
		tunneld_update_phase(tunneld);
		return;
	}
	if (!host_id && !tunneld->have_host_id && !first) {
		tunneld_update_phase(tunneld);
		return;
	}
	/* Every association is bound to the host id that we had. Those that keyd installed before
	 * we knew any are for the one we learn now. */
	if (tunneld->have_host_id || !host_id)
		remove_all_peers(tunneld);
	tunneld->have_host_id = host_id;
	if (host_id) {
		tunneld->host_id = *host_id;
		inet_ntop(AF_INET6, host_id, text, sizeof text);
	}
	r = tun_routes_set_address(tunneld->routes, host_id);
	tunneld->address_error = r < 0 ? r : 0;
	if (r < 0)
		log_error("cannot set the address of %s: %s", tunneld->settings.interface,
			  strerror(-r));
	if (!host_id)
		purge_routes(tunneld);
	for (struct peer *peer = tunneld->peers.peers; host_id && peer; peer = peer->next) {
		tunneld_set_route(tunneld, peer);
		datapath_xfrm_sync(tunneld, peer);
	}
	timeline_note(&tunneld->timeline, tunneld->generation,
		      host_id ? "address %s" : "signed out%s", text);
	bus_emit_changed(tunneld, "Address", "Reason");
	tunneld_update_phase(tunneld);
	/* The hosts that were named while there was no address. */
	watcher_client_read(tunneld->watcher);
}

void tunneld_set_network(struct tunneld *tunneld, uint64_t generation, struct in_addr address)
{
	bool first = !tunneld->mapper_known;
	bool moved = address.s_addr != tunneld->local_address.s_addr;
	uint64_t now = loop_now(tunneld->loop);
	char text[INET_ADDRSTRLEN] = "";

	if (!first && generation < tunneld->generation)
		return;
	if (!first && generation == tunneld->generation && !moved)
		return;
	tunneld->mapper_known = true;
	tunneld->generation = generation;
	tunneld->local_address = address;
	tunneld->network = address.s_addr;
	/* Nothing is known of it yet. */
	tunneld_set_nat(tunneld, &(struct nat_view){});
	inet_ntop(AF_INET, &address, text, sizeof text);
	if (moved && tunneld->network)
		timeline_note(&tunneld->timeline, generation, "moved to %s", text);
	else if (moved)
		timeline_note(&tunneld->timeline, generation, "no network");
	if (tunneld->network)
		uplinks_choose(tunneld->uplinks);
	for (struct peer *peer = tunneld->peers.peers; peer; peer = peer->next)
		datapath_carry_out(tunneld, peer, peer_hear_mapper(peer, now, address, moved));
	/* To some there may be a way all the same. */
	if (!tunneld->network)
		uplinks_choose(tunneld->uplinks);
	bus_emit_changed(tunneld, "Generation", "Reason");
	tunneld_update_phase(tunneld);
}

void tunneld_hear_host(struct tunneld *tunneld, const char *name, const struct in6_addr *host_id,
		       const struct sockaddr_in *endpoint, uint64_t generation,
		       uint64_t incarnation)
{
	struct peer *peer;

	if (!tunneld->have_host_id || !memcmp(host_id, &tunneld->host_id, sizeof *host_id))
		return;
	peer = tunneld_want_peer(tunneld, host_id, name);
	if (!peer) {
		log_warning("no room for the host %s", name);
		return;
	}
	datapath_carry_out(tunneld, peer,
			   peer_hear_watcher(peer, loop_now(tunneld->loop), name, endpoint,
					     generation, incarnation));
}

/* Whether a host of this name is listed, and so with another host id than the peer's. */
static bool is_replaced(const struct tunneld *tunneld, const struct peer *gone)
{
	for (const struct peer *peer = tunneld->peers.peers; peer; peer = peer->next)
		if (peer->listed && !strcmp(peer->name, gone->name))
			return true;
	return false;
}

/* The zone has it no more. Who only let its lease end keeps its tunnel; what has its name now is
 * the same machine, started anew. */
static void end_unlisted(struct tunneld *tunneld, struct peer *peer)
{
	if (peer->pairs && is_replaced(tunneld, peer)) {
		timeline_note(&tunneld->timeline, tunneld->generation, "%.*s has another host id",
			      (int)strcspn(peer->name, "."), peer->name);
		while (peer->pairs)
			tunneld_remove_pair(tunneld, peer->pairs);
	}
	tunneld_release_peer(tunneld, peer);
}

void tunneld_hear_hosts_end(struct tunneld *tunneld)
{
	struct peer *next;

	for (struct peer *peer = tunneld->peers.peers; peer; peer = next) {
		next = peer->next;
		if (!peer->listed)
			end_unlisted(tunneld, peer);
	}
	if (!tunneld->watcher_known && tunneld->have_host_id) {
		tunneld->watcher_known = true;
		/* What a former process left behind. */
		purge_routes(tunneld);
	}
}

static int open_device(struct tunneld *tunneld)
{
	const char *name = tunneld->settings.interface;
	int r = tun_device_open(name, &tunneld->device);

	if (r < 0) {
		log_error("cannot have the TUN interface %s: %s%s", name, strerror(-r),
			  r == -EPERM   ? "; CAP_NET_ADMIN is needed"
			  : r == -EBUSY ? "; another process has it"
			  : r == -ENOENT || r == -EACCES
				  ? "; is /dev/net/tun there and open to this user?"
				  : "");
		return r;
	}
	r = tun_routes_new(tun_device_index(tunneld->device), &tunneld->routes);
	if (r >= 0)
		r = tun_routes_bring_up(tunneld->routes, tunneld->settings.mtu);
	if (r < 0)
		log_error("cannot bring up %s: %s", name, strerror(-r));
	return r;
}

static void on_firewall(void *userdata)
{
	struct tunneld *tunneld = userdata;
	const char *zone = firewall_client_zone(tunneld->firewall);

	if (*zone)
		timeline_note(&tunneld->timeline, tunneld->generation, "firewalld: zone %s", zone);
	bus_emit_changed(tunneld, "FirewallZone", NULL);
}

int tunneld_start(struct tunneld *tunneld)
{
	sd_bus *bus = daemon_bus(tunneld->daemon);
	int r;

	/* Without it a program could find out whom it shares a limit with; no more than that. */
	if (getrandom(&tunneld->error_limits.salt, sizeof tunneld->error_limits.salt, 0) < 0)
		log_warning("no random octets: %s", strerror(errno));
	tunneld->network = true;
	tunneld->nat.forgets = true;
	tunneld->loop = daemon_loop(tunneld->daemon);
	r = open_device(tunneld);
	if (r >= 0)
		r = datapath_start(tunneld);
	if (r >= 0)
		r = bus_start(tunneld);
	if (r >= 0)
		r = uplinks_new(tunneld, &tunneld->uplinks);
	if (r >= 0)
		r = identity_client_new(bus, tunneld, &tunneld->identity);
	if (r >= 0)
		r = mapper_client_new(bus, tunneld, &tunneld->mapper);
	if (r >= 0)
		r = watcher_client_new(bus, tunneld, &tunneld->watcher);
	if (r >= 0 && *tunneld->settings.firewall_zone)
		r = firewall_client_new(
			bus, tunneld->settings.firewall_zone, tunneld->settings.interface,
			datapath_xfrm_interface(tunneld), on_firewall, tunneld, &tunneld->firewall);
	if (r >= 0)
		tunneld_update_phase(tunneld);
	return r;
}

void tunneld_end(struct tunneld *tunneld, bool for_good)
{
	tunneld->firewall = firewall_client_free(tunneld->firewall);
	tunneld->watcher = watcher_client_free(tunneld->watcher);
	tunneld->mapper = mapper_client_free(tunneld->mapper);
	tunneld->identity = identity_client_free(tunneld->identity);
	tunneld->uplinks = uplinks_free(tunneld->uplinks);
	bus_stop(tunneld);
	datapath_stop(tunneld);
	peer_table_clear(&tunneld->peers);
	datapath_free_engine(tunneld);
	tunneld->routes = tun_routes_free(tunneld->routes);
	tunneld->device =
		for_good ? tun_device_destroy(tunneld->device) : tun_device_free(tunneld->device);
}
