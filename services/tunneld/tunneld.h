/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon's context. Data path: datapath.c moves packets between the TUN interface, the UDP port
 * and the IKE channel, by what peer-state.c says. Control: the three clients and bus.c call in
 * here.
 */
#include "common/loop/daemon.h"
#include "common/loop/timeline.h"
#include "services/tunneld/coalesce.h"
#include "services/tunneld/error-limit.h"
#include "services/tunneld/ike-channel.h"
#include "services/tunneld/peer-table.h"
#include "services/tunneld/settings.h"
#include "services/tunneld/tun-device.h"
#include "services/tunneld/tun-routes.h"
#include "services/tunneld/udp-port.h"

#include <systemd/sd-bus.h>

struct firewall_client;
struct identity_client;
struct mapper_client;
struct uplinks;
struct watcher_client;

enum tunnel_phase {
	TUNNEL_STARTING,
	TUNNEL_WAITING_IDENTITY,
	TUNNEL_SIGNED_OUT,
	TUNNEL_WAITING_MAPPER,
	TUNNEL_NO_NETWORK,
	TUNNEL_READY,
};

struct tunnel_counters {
	uint64_t unknown_spi, replayed, bad_icv, malformed, wrong_selector, congestion_dropped;
	uint64_t congestion_unusual, congestion_alarms; /* marks that do not fit (RFC 6040 §4.2) */
	uint64_t keepalives_in, keepalives_out, dummies_in, dummies_out;
	uint64_t ike_in, ike_out, ike_dropped;
	uint64_t esp_in, esp_out;
	uint64_t noise_dropped, unknown_destination, unreachables_sent;
	uint64_t send_errors, tun_errors, sequence_exhausted;
	uint64_t too_big; /* packets of ours that do not fit their peer's path */
	uint64_t too_bigs_sent;
	/* What the kernel told of its states. */
	uint64_t kernel_expired, kernel_mappings, kernel_acquires, kernel_overruns;
};

/* Whether it is worth while to wait for an answer (datapath-linger.c). */
struct lingering {
	uint64_t handled, sent; /* packets when this turn of the loop began */
	unsigned int pause;     /* after the last one in vain, so many turns without waiting */
	unsigned int left;      /* of them */
};

struct tunneld {
	struct settings settings;
	struct daemon *daemon;
	struct loop *loop;
	struct timeline timeline;
	struct tunnel_counters counters;
	struct error_limits error_limits;
	struct peer_table peers;

	struct tun_device *device;
	struct loop_io *device_io;
	struct tun_routes *routes;
	struct udp_port *udp;
	struct datapath_xfrm *kernel; /* datapath-xfrm.c's */
	struct ike_channel *channel;
	struct loop_timer *timer;
	uint64_t timer_due;
	struct lingering linger;
	uint64_t now;             /* when packets were last looked at; datapath_look_at_clock() */
	struct offloads offloads; /* those that are on; changed by datapath_set_offloads() */
	struct offloads broken;   /* by the proof at start */
	struct aead_engine *aead;
	uint8_t *memory;            /* for packets */
	uint8_t *tun_data;          /* a packet from the device; in `memory` */
	struct coalescer coalescer; /* packets for the device */

	struct identity_client *identity;
	struct mapper_client *mapper;
	struct watcher_client *watcher;
	struct uplinks *uplinks;
	struct firewall_client *firewall; /* NULL: no zone is wanted */
	sd_bus_slot *vtable, *peer_vtable, *peer_nodes;

	enum tunnel_phase phase;
	bool identity_known, mapper_known, watcher_known;
	bool have_host_id; /* signed in */
	int address_error; /* why the host id could not be set on the interface; 0: it is */
	struct in6_addr host_id;
	uint64_t generation; /* of the network, last acted on */
	struct in_addr local_address;
	bool network; /* true until mapper says otherwise */
	struct nat_view nat;
};

/* Opens everything and registers on the bus. 0 or a negative errno after a complaint in the log. */
int tunneld_start(struct tunneld *tunneld);
/* Lets go of everything; the interface stays, or with `for_good` goes too. */
void tunneld_end(struct tunneld *tunneld, bool for_good);

/* identity says: signed in with this host id, or (NULL) signed out. */
void tunneld_set_host_id(struct tunneld *tunneld, const struct in6_addr *host_id);
/* mapper says: this network, 0.0.0.0 being none. */
void tunneld_set_network(struct tunneld *tunneld, uint64_t generation, struct in_addr address);
/* mapper says what is between this network and the peers; after the network. */
void tunneld_set_nat(struct tunneld *tunneld, const struct nat_view *view);
/* watcher says: this host; then, for those that were not named since `listed` was cleared, gone. */
void tunneld_hear_host(struct tunneld *tunneld, const char *name, const struct in6_addr *host_id,
		       const struct sockaddr_in *endpoint, uint64_t generation,
		       uint64_t incarnation);
void tunneld_hear_hosts_end(struct tunneld *tunneld);

/* The peer with this host id, made if there is none; NULL when there are too many. */
struct peer *tunneld_want_peer(struct tunneld *tunneld, const struct in6_addr *host_id,
			       const char *name);
/* Takes the peer away if neither the watcher nor keyd wants it any more. */
void tunneld_release_peer(struct tunneld *tunneld, struct peer *peer);
/* The route to a peer, as large as its path's packets may be now. */
void tunneld_set_route(struct tunneld *tunneld, const struct peer *peer);
/* Removes and wipes a pair. */
void tunneld_remove_pair(struct tunneld *tunneld, struct sa_pair *pair);
/* Sets State from what is known. */
void tunneld_update_phase(struct tunneld *tunneld);

const char *tunnel_phase_to_string(enum tunnel_phase phase);
/* The same in a sentence, in `text`. */
void tunnel_phase_explain(const struct tunneld *tunneld, char *text, size_t size);
