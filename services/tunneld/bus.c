/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/bus.h"

#include "bus-interfaces/errors.h"
#include "common/base/log.h"
#include "common/loop/bus-values.h"
#include "services/tunneld/bus-peer.h"
#include "services/tunneld/datapath-xfrm.h"
#include "services/tunneld/datapath.h"
#include "services/tunneld/firewall-client.h"
#include "services/tunneld/install.h"

#include <arpa/inet.h>
#include <string.h>

#define PATH      HOMEWARD_OBJECT_ROOT "/Tunnel1"
#define INTERFACE "org.homeward.Tunnel1"

#define COUNTER(name, field)                                                                       \
	{                                                                                          \
		name, offsetof(struct tunnel_counters, field)                                      \
	}

static const struct counter_description counter_names[] = {
	COUNTER("EspIn", esp_in),
	COUNTER("EspOut", esp_out),
	COUNTER("UnknownSpi", unknown_spi),
	COUNTER("Replayed", replayed),
	COUNTER("BadIcv", bad_icv),
	COUNTER("Malformed", malformed),
	COUNTER("WrongSelector", wrong_selector),
	COUNTER("CongestionDropped", congestion_dropped),
	COUNTER("CongestionUnusual", congestion_unusual),
	COUNTER("CongestionAlarms", congestion_alarms),
	COUNTER("KeepalivesIn", keepalives_in),
	COUNTER("KeepalivesOut", keepalives_out),
	COUNTER("DummiesIn", dummies_in),
	COUNTER("DummiesOut", dummies_out),
	COUNTER("IkeIn", ike_in),
	COUNTER("IkeOut", ike_out),
	COUNTER("IkeDropped", ike_dropped),
	COUNTER("NoiseDropped", noise_dropped),
	COUNTER("UnknownDestination", unknown_destination),
	COUNTER("UnreachablesSent", unreachables_sent),
	COUNTER("SendErrors", send_errors),
	COUNTER("TunErrors", tun_errors),
	COUNTER("SequenceExhausted", sequence_exhausted),
	COUNTER("TooBig", too_big),
	COUNTER("TooBigsSent", too_bigs_sent),
	COUNTER("KernelExpired", kernel_expired),
	COUNTER("KernelMappings", kernel_mappings),
	COUNTER("KernelAcquires", kernel_acquires),
	COUNTER("KernelOverruns", kernel_overruns),
	{},
};

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct tunneld *tunneld = userdata;

	return sd_bus_message_append(reply, "s", tunnel_phase_to_string(tunneld->phase));
}

static int get_reason(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	char text[300];

	tunnel_phase_explain(userdata, text, sizeof text);
	return sd_bus_message_append(reply, "s", text);
}

static int get_counters(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct tunneld *tunneld = userdata;

	return bus_append_counters(reply, counter_names, &tunneld->counters);
}

static int get_interface(sd_bus *bus, const char *path, const char *interface, const char *property,
			 sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct tunneld *tunneld = userdata;

	return sd_bus_message_append(reply, "s",
				     tunneld->device ? tunneld->settings.interface : "");
}

static int get_address(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct tunneld *tunneld = userdata;
	char text[INET6_ADDRSTRLEN] = "";

	if (tunneld->have_host_id)
		inet_ntop(AF_INET6, &tunneld->host_id, text, sizeof text);
	return sd_bus_message_append(reply, "s", text);
}

static int get_port(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct tunneld *tunneld = userdata;

	return sd_bus_message_append(reply, "q", (uint16_t)tunneld->settings.port);
}

static int get_firewall_zone(sd_bus *bus, const char *path, const char *interface,
			     const char *property, sd_bus_message *reply, void *userdata,
			     sd_bus_error *ret_error)
{
	const struct tunneld *tunneld = userdata;

	return sd_bus_message_append(reply, "s", firewall_client_zone(tunneld->firewall));
}

static int get_datapath(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	return sd_bus_message_append(reply, "s", datapath_xfrm_is_on(userdata) ? "kernel" : "user");
}

static int get_datapath_reason(sd_bus *bus, const char *path, const char *interface,
			       const char *property, sd_bus_message *reply, void *userdata,
			       sd_bus_error *ret_error)
{
	return sd_bus_message_append(reply, "s", datapath_xfrm_reason(userdata));
}

static int get_offloads(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct tunneld *tunneld = userdata;
	bool broken = !strcmp(property, "OffloadsBroken");
	const struct offloads *now = broken ? &tunneld->broken : &tunneld->offloads;
	const struct {
		bool on;
		const char *word;
	} words[] = {
		{ now->tso, "tso" },
		{ now->uso, "uso" },
		{ now->gro_send && (broken || udp_port_segments(tunneld->udp)), "udp-segment" },
		{ now->gro_receive, "udp-gro" },
		{ now->coalesce, "coalesce" },
		{ !broken, aead_provider_to_string(now->aead) },
	};
	int r = sd_bus_message_open_container(reply, 'a', "s");

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(words); i++)
		if (words[i].on)
			r = sd_bus_message_append(reply, "s", words[i].word);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int open_ike_channel(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct tunneld *tunneld = userdata;
	cleanup(close_fdp) int end = ike_channel_open(tunneld->channel);

	if (end < 0)
		return sd_bus_error_setf(ret_error, HOMEWARD_ERROR_FAILED,
					 "cannot make the channel: %s", strerror(-end));
	return sd_bus_reply_method_return(message, "h", end);
}

static int install_sa(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct tunneld *tunneld = userdata;
	struct install_request request;
	struct peer *peer;
	char path[BUS_PEER_PATH_SIZE];
	int esn, initiator, r;

	r = sd_bus_message_read(message, "ss(sq)uusbbh", &request.name, &request.host_id,
				&request.address, &request.port, &request.spi_in, &request.spi_out,
				&request.algorithm, &esn, &initiator, &request.keys);
	if (r < 0)
		return r;
	request.esn = esn;
	request.initiator = initiator;
	r = install_pair(tunneld, &request, &peer, ret_error);
	if (r < 0)
		return r;
	bus_peer_path(peer, path);
	return sd_bus_reply_method_return(message, "o", path);
}

static int remove_sa(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct tunneld *tunneld = userdata;
	struct sa_pair *pair;
	uint32_t spi_in;
	int r = sd_bus_message_read(message, "u", &spi_in);

	if (r < 0)
		return r;
	pair = peer_table_find_spi(&tunneld->peers, spi_in);
	if (pair) {
		struct peer *peer = pair->peer;

		tunneld_remove_pair(tunneld, pair);
		tunneld_release_peer(tunneld, peer);
	}
	return sd_bus_reply_method_return(message, NULL);
}

static int retire_sa(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct tunneld *tunneld = userdata;
	struct sa_pair *pair;
	unsigned int todo;
	uint32_t spi_in;
	int r = sd_bus_message_read(message, "u", &spi_in);

	if (r < 0)
		return r;
	pair = peer_table_find_spi(&tunneld->peers, spi_in);
	if (pair) {
		struct peer *peer = pair->peer;

		r = peer_retire_pair(peer, loop_now(tunneld->loop), pair, &todo);
		if (r < 0)
			tunneld_remove_pair(tunneld, pair);
		else
			datapath_carry_out(tunneld, peer, todo);
		tunneld_release_peer(tunneld, peer);
	}
	return sd_bus_reply_method_return(message, NULL);
}

static int limit_sa(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct tunneld *tunneld = userdata;
	uint64_t octets, packets;
	struct sa_pair *pair;
	uint32_t spi_in;
	int r = sd_bus_message_read(message, "utt", &spi_in, &octets, &packets);

	if (r < 0)
		return r;
	pair = peer_table_find_spi(&tunneld->peers, spi_in);
	if (pair) {
		pair->limit_octets = octets;
		pair->limit_packets = packets;
		datapath_xfrm_sync(tunneld, pair->peer);
	}
	return sd_bus_reply_method_return(message, NULL);
}

static int move_sa(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct tunneld *tunneld = userdata;
	struct sockaddr_in endpoint = { .sin_family = AF_INET };
	struct sa_pair *pair;
	const char *address;
	uint32_t spi_in;
	uint16_t port;
	int r = sd_bus_message_read(message, "u(sq)", &spi_in, &address, &port);

	if (r < 0)
		return r;
	endpoint.sin_port = htons(port);
	if (inet_pton(AF_INET, address, &endpoint.sin_addr) != 1 || !endpoint.sin_addr.s_addr ||
	    !port)
		return sd_bus_error_setf(ret_error, HOMEWARD_ERROR_INVALID_ARGUMENT,
					 "endpoint (\"%s\", %u) is no IPv4 address and port",
					 address, port);
	pair = peer_table_find_spi(&tunneld->peers, spi_in);
	if (pair)
		datapath_carry_out(tunneld, pair->peer,
				   peer_move(pair->peer, loop_now(tunneld->loop), &endpoint));
	return sd_bus_reply_method_return(message, NULL);
}

static int no_peer(sd_bus_error *ret_error, const char *path)
{
	return sd_bus_error_setf(ret_error, HOMEWARD_ERROR_NO_SUCH_OBJECT, "no peer %s", path);
}

static int remove_peer_sas(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct tunneld *tunneld = userdata;
	struct peer *peer;
	const char *path;
	int r = sd_bus_message_read(message, "o", &path);

	if (r < 0)
		return r;
	peer = bus_peer_find(tunneld, path);
	if (!peer)
		return no_peer(ret_error, path);
	while (peer->pairs)
		tunneld_remove_pair(tunneld, peer->pairs);
	tunneld_release_peer(tunneld, peer);
	return sd_bus_reply_method_return(message, NULL);
}

static int use_datapath(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct tunneld *tunneld = userdata;
	const char *kind;
	int r = sd_bus_message_read(message, "s", &kind);

	if (r < 0)
		return r;
	if (strcmp(kind, "user") && strcmp(kind, "kernel"))
		return sd_bus_error_setf(ret_error, HOMEWARD_ERROR_INVALID_ARGUMENT,
					 "there is no data path \"%s\"", kind);
	r = datapath_xfrm_switch(tunneld, !strcmp(kind, "kernel"));
	if (r == -EPERM)
		return sd_bus_error_setf(ret_error, HOMEWARD_ERROR_FAILED,
					 "tunneld.conf does not say \"kind = kernel\"");
	if (r < 0)
		return sd_bus_error_setf(ret_error, HOMEWARD_ERROR_FAILED, "%s",
					 datapath_xfrm_reason(tunneld));
	return sd_bus_reply_method_return(message, NULL);
}

static int acquire_failed(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct tunneld *tunneld = userdata;
	const char *path, *reason;
	struct peer *peer;
	int r = sd_bus_message_read(message, "os", &path, &reason);

	if (r < 0)
		return r;
	peer = bus_peer_find(tunneld, path);
	if (!peer)
		return no_peer(ret_error, path);
	timeline_note(&tunneld->timeline, tunneld->generation, "no tunnel to %.*s: %s",
		      (int)strcspn(peer->name, "."), peer->name, reason);
	datapath_carry_out(tunneld, peer,
			   peer_acquire_failed(peer, loop_now(tunneld->loop), reason));
	tunneld_release_peer(tunneld, peer);
	return sd_bus_reply_method_return(message, NULL);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Reason", "s", get_reason, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Counters", "a{st}", get_counters, 0, 0),
	SD_BUS_PROPERTY("Timeline", "a(tts)", timeline_property, offsetof(struct tunneld, timeline),
			0),
	SD_BUS_PROPERTY("Interface", "s", get_interface, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Address", "s", get_address, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Port", "q", get_port, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Datapath", "s", get_datapath, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("DatapathReason", "s", get_datapath_reason, 0,
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Offloads", "as", get_offloads, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("OffloadsBroken", "as", get_offloads, 0,
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("FirewallZone", "s", get_firewall_zone, 0,
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Generation", "t", NULL, offsetof(struct tunneld, generation),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_SIGNAL_WITH_ARGS("Acquire", SD_BUS_ARGS("o", peer), 0),
	SD_BUS_METHOD_WITH_ARGS("OpenIkeChannel", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", channel),
				open_ike_channel, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("InstallSa",
				SD_BUS_ARGS("s", name, "s", host_id, "(sq)", endpoint, "u", spi_in,
					    "u", spi_out, "s", algorithm, "b", esn, "b", initiator,
					    "h", keys),
				SD_BUS_RESULT("o", peer), install_sa, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("RemoveSa", SD_BUS_ARGS("u", spi_in), SD_BUS_NO_RESULT, remove_sa,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("RetireSa", SD_BUS_ARGS("u", spi_in), SD_BUS_NO_RESULT, retire_sa,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("LimitSa", SD_BUS_ARGS("u", spi_in, "t", octets, "t", packets),
				SD_BUS_NO_RESULT, limit_sa, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("MoveSa", SD_BUS_ARGS("u", spi_in, "(sq)", endpoint),
				SD_BUS_NO_RESULT, move_sa, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("RemovePeerSas", SD_BUS_ARGS("o", peer), SD_BUS_NO_RESULT,
				remove_peer_sas, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("UseDatapath", SD_BUS_ARGS("s", kind), SD_BUS_NO_RESULT,
				use_datapath, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("AcquireFailed", SD_BUS_ARGS("o", peer, "s", reason),
				SD_BUS_NO_RESULT, acquire_failed, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

int bus_start(struct tunneld *tunneld)
{
	int r = sd_bus_add_object_vtable(daemon_bus(tunneld->daemon), &tunneld->vtable, PATH,
					 INTERFACE, vtable, tunneld);

	return r < 0 ? r : bus_peer_start(tunneld);
}

void bus_stop(struct tunneld *tunneld)
{
	bus_peer_stop(tunneld);
	tunneld->vtable = sd_bus_slot_unref(tunneld->vtable);
}

void bus_emit_changed(struct tunneld *tunneld, const char *first, const char *second)
{
	sd_bus_emit_properties_changed(daemon_bus(tunneld->daemon), PATH, INTERFACE, first, second,
				       NULL);
}

void bus_emit_acquire(struct tunneld *tunneld, const struct peer *peer)
{
	char path[BUS_PEER_PATH_SIZE];

	bus_peer_path(peer, path);
	sd_bus_emit_signal(daemon_bus(tunneld->daemon), PATH, INTERFACE, "Acquire", "o", path);
}
