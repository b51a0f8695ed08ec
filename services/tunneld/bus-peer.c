/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/bus-peer.h"

#include "common/loop/bus-values.h"
#include "services/tunneld/bus.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define PREFIX    HOMEWARD_OBJECT_ROOT "/Tunnel1/peer"
#define INTERFACE "org.homeward.Tunnel1.Peer"

#define COUNTER(name, field)                                                                       \
	{                                                                                          \
		name, offsetof(struct peer, field)                                                 \
	}

static const struct counter_description counter_names[] = {
	COUNTER("PacketsIn", counters.packets_in),
	COUNTER("OctetsIn", counters.octets_in),
	COUNTER("PacketsOut", counters.packets_out),
	COUNTER("OctetsOut", counters.octets_out),
	COUNTER("ProbesSent", counters.probes_sent),
	COUNTER("AnswersSent", counters.answers_sent),
	COUNTER("KeepalivesSent", counters.keepalives_sent),
	COUNTER("Held", counters.held),
	COUNTER("HeldDropped", counters.held_dropped),
	COUNTER("Resent", counters.resent),
	COUNTER("EndpointMoves", counters.endpoint_moves),
	COUNTER("Acquires", counters.acquires),
	COUNTER("Handovers", counters.handovers),
	COUNTER("StallMsec", counters.stall_msec),
	COUNTER("StallLongestMsec", counters.stall_longest_msec),
	COUNTER("Replayed", counters.replayed),
	COUNTER("BadIcv", counters.bad_icv),
	COUNTER("Malformed", counters.malformed),
	COUNTER("WrongSelector", counters.wrong_selector),
	COUNTER("CongestionDropped", counters.congestion_dropped),
	COUNTER("TooBig", counters.too_big),
	COUNTER("SizeProbes", path_mtu.n_probes),
	COUNTER("PathShrunk", path_mtu.n_shrunk),
	{},
};

void bus_peer_path(const struct peer *peer, char path[BUS_PEER_PATH_SIZE])
{
	snprintf(path, BUS_PEER_PATH_SIZE, PREFIX "/%u", peer->number);
}

struct peer *bus_peer_find(const struct tunneld *tunneld, const char *path)
{
	char expected[BUS_PEER_PATH_SIZE];
	struct peer *peer;
	unsigned int number;

	if (sscanf(path, PREFIX "/%u", &number) != 1)
		return NULL;
	peer = peer_table_find_number(&tunneld->peers, number);
	if (!peer)
		return NULL;
	bus_peer_path(peer, expected);
	return strcmp(path, expected) ? NULL : peer;
}

static int find(sd_bus *bus, const char *path, const char *interface, void *userdata,
		void **ret_found, sd_bus_error *ret_error)
{
	*ret_found = bus_peer_find(userdata, path);
	return *ret_found != NULL;
}

static int list_nodes(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
		      sd_bus_error *ret_error)
{
	const struct tunneld *tunneld = userdata;
	char **nodes = calloc(tunneld->peers.n_peers + 1, sizeof *nodes);
	size_t n = 0;

	for (const struct peer *peer = tunneld->peers.peers; nodes && peer; peer = peer->next) {
		nodes[n] = malloc(BUS_PEER_PATH_SIZE);
		if (!nodes[n])
			break;
		bus_peer_path(peer, nodes[n++]);
	}
	*ret_nodes = nodes;
	return nodes ? 0 : -ENOMEM;
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct peer *peer = userdata;
	const char *text = peer->name;
	char address[INET6_ADDRSTRLEN];

	if (!strcmp(property, "HostId"))
		text = inet_ntop(AF_INET6, &peer->host_id, address, sizeof address);
	else if (!strcmp(property, "EndpointSource"))
		text = endpoint_source_to_string(peer->source);
	else if (!strcmp(property, "State"))
		text = peer_phase_to_string(peer->phase);
	else if (!strcmp(property, "LastError"))
		text = peer->last_error;
	return sd_bus_message_append(reply, "s", text);
}

static int get_endpoint(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct peer *peer = userdata;

	return bus_append_endpoint(reply, &peer->endpoint);
}

static int get_path_mtu(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct peer *peer = userdata;

	return sd_bus_message_append(reply, "u", (uint32_t)peer->path_mtu.current);
}

static int get_keepalive(sd_bus *bus, const char *path, const char *interface, const char *property,
			 sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct peer *peer = userdata;
	uint64_t msec = 0;

	if (peer->phase == PEER_ESTABLISHED && keepalive_is_needed(&peer->keepalive, &peer->nat))
		msec = keepalive_interval(&peer->keepalive, &peer->nat);
	return sd_bus_message_append(reply, "u", (uint32_t)(msec + 999) / 1000);
}

static int get_spis(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct peer *peer = userdata;
	int r = sd_bus_message_open_container(reply, 'a', "u");

	if (r >= 0 && peer->current)
		r = sd_bus_message_append(reply, "u", peer->current->spi_in);
	for (const struct sa_pair *pair = peer->pairs; r >= 0 && pair; pair = pair->next)
		if (pair != peer->current)
			r = sd_bus_message_append(reply, "u", pair->spi_in);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_worn(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct peer *peer = userdata;
	const struct sa_pair *pair = peer->pairs;

	while (pair && (!pair->worn || pair->retired))
		pair = pair->next;
	return sd_bus_message_append(reply, "u", pair ? pair->spi_in : 0);
}

static int get_silent(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct peer *peer = userdata;

	return sd_bus_message_append(reply, "b", (int)peer->silent);
}

/* A moment of CLOCK_BOOTTIME as seconds of CLOCK_REALTIME. */
static int get_last_received(sd_bus *bus, const char *path, const char *interface,
			     const char *property, sd_bus_message *reply, void *userdata,
			     sd_bus_error *ret_error)
{
	const struct peer *peer = userdata;
	struct loop *loop = peer->userdata;
	uint64_t at = 0;

	if (peer->last_received)
		at = (realtime_usec() / 1000 - (loop_now(loop) - peer->last_received)) / 1000;
	return sd_bus_message_append(reply, "t", at);
}

static int get_counters(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct peer *peer = userdata;

	return bus_append_counters(reply, counter_names, peer);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Name", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("HostId", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Endpoint", "(sq)", get_endpoint, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("EndpointSource", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("State", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("LastError", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Spis", "au", get_spis, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Worn", "u", get_worn, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Silent", "b", get_silent, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("PathMtu", "u", get_path_mtu, 0, 0),
	SD_BUS_PROPERTY("Keepalive", "u", get_keepalive, 0, 0),
	SD_BUS_PROPERTY("LastHandshake", "t", NULL, offsetof(struct peer, handshake_realtime),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("LastReceived", "t", get_last_received, 0, 0),
	SD_BUS_PROPERTY("Counters", "a{st}", get_counters, 0, 0),
	SD_BUS_VTABLE_END,
};

int bus_peer_start(struct tunneld *tunneld)
{
	sd_bus *bus = daemon_bus(tunneld->daemon);
	int r = sd_bus_add_fallback_vtable(bus, &tunneld->peer_vtable, PREFIX, INTERFACE, vtable,
					   find, tunneld);

	return r < 0 ? r
		     : sd_bus_add_node_enumerator(bus, &tunneld->peer_nodes, PREFIX, list_nodes,
						  tunneld);
}

void bus_peer_stop(struct tunneld *tunneld)
{
	tunneld->peer_vtable = sd_bus_slot_unref(tunneld->peer_vtable);
	tunneld->peer_nodes = sd_bus_slot_unref(tunneld->peer_nodes);
}

void bus_peer_added(struct tunneld *tunneld, const struct peer *peer)
{
	char path[BUS_PEER_PATH_SIZE];

	bus_peer_path(peer, path);
	sd_bus_emit_object_added(daemon_bus(tunneld->daemon), path);
}

void bus_peer_removed(struct tunneld *tunneld, const struct peer *peer)
{
	char path[BUS_PEER_PATH_SIZE];

	bus_peer_path(peer, path);
	sd_bus_emit_object_removed(daemon_bus(tunneld->daemon), path);
}

void bus_peer_changed(struct tunneld *tunneld, const struct peer *peer)
{
	char path[BUS_PEER_PATH_SIZE];

	bus_peer_path(peer, path);
	sd_bus_emit_properties_changed(daemon_bus(tunneld->daemon), path, INTERFACE, "Name",
				       "Endpoint", "EndpointSource", "State", "LastError", "Spis",
				       "Worn", "Silent", "LastHandshake", NULL);
}
