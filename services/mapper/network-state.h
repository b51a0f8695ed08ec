/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which IPv4 network this machine is on. The kernel's tables come in as they are read, its
 * notifications come in as nudges; out comes a view that has settled.
 *
 *   settled --notification--> burst --quiet or long enough--> settled
 *
 * A view with link, address and default route settles 20 ms after the last notification, one
 * without 100 ms after it, either at most 150 ms after the first one. docs/ARCHITECTURE.md says
 * why.
 */
#include "common/net/network-route.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct network_link {
	int index;
	char name[IFNAMSIZ];
	bool up;       /* administratively and with a carrier */
	bool tunnel;   /* TUN, WireGuard and their like */
	bool internal; /* what this machine makes for itself: bridges, loopback, tunnels */
};

struct network_address {
	int link;
	struct in_addr address;
	uint8_t prefix;
	bool secondary;
	bool link_scope; /* not to be sent from to farther than the link */
};

struct network_tables {
	struct network_link *links;
	struct network_address *addresses;
	struct network_route *routes;
	size_t n_links, n_addresses, n_routes;
};

#define NETWORK_UPLINKS 8
#define NETWORK_MAC     6

enum network_kind {
	NETWORK_NONE,       /* no interface with an address */
	NETWORK_LINK_LOCAL, /* only 169.254/16, which a machine gives itself (RFC 3927) */
	NETWORK_NO_ROUTE,   /* an address, and no way out */
	NETWORK_CAPTIVE,    /* a page wants to be seen first */
	NETWORK_PRIVATE,    /* RFC 1918 */
	NETWORK_SHARED,     /* 100.64/10: a provider translates (RFC 6598) */
	NETWORK_PUBLIC,
};

/* A way out: an interface with an address and a default route. */
struct network_uplink {
	int link;
	char interface[IFNAMSIZ];
	struct in_addr address, gateway; /* gateway 0.0.0.0: the route needs none */
	uint32_t metric;
};

struct network_view {
	/* The first uplink; link 0: no network. */
	int link;
	char interface[IFNAMSIZ];
	struct in_addr address, gateway;

	enum network_kind kind;
	struct network_uplink uplinks[NETWORK_UPLINKS]; /* as the kernel would take them */
	size_t n_uplinks;
	/* The kernel still has a better route over a link without carrier, and sends into it:
	 * nothing arrives until somebody takes that route away. */
	bool obstructed;
	/* Of an interface that has an address and is no uplink, when there is none: for people. */
	char stray_interface[IFNAMSIZ];
	struct in_addr stray_address;
	uint8_t mac[NETWORK_MAC]; /* the gateway's, as the kernel knows it */
	bool have_mac;
	/* Another number: the link was down or the address gone in between, so this may be another
	 * network in spite of looking alike. */
	uint32_t incarnation;
};

struct network_state {
	struct network_view settled, candidate;
	uint32_t incarnation;
	bool have_settled, have_candidate;
	bool captive; /* in the settled network */
	bool burst;
	bool stale;                 /* something changed after the tables were read */
	uint64_t first_at, last_at; /* of the burst, ms */
};

/* What settling brought. */
enum network_change {
	NETWORK_SAME,
	NETWORK_DETAILS, /* kind, uplinks or the stray address: the network is the same */
	NETWORK_OTHER,
};

/* Something changed; the tables will be read again. */
void network_state_note_change(struct network_state *state, uint64_t now);
/* Notes besides that a link lost its carrier, went down or away. */
void network_state_note_link_down(struct network_state *state, int link, uint64_t now);
/* The tables as they are; borrowed for the call. `fresh`: nothing changed since their reading
 * began. */
void network_state_set_tables(struct network_state *state, const struct network_tables *tables,
			      bool fresh);
/* When to call network_state_settle(); UINT64_MAX: no need. */
uint64_t network_state_due(const struct network_state *state);
/* See `settled` for what it is now. */
enum network_change network_state_settle(struct network_state *state, uint64_t now);

/* Whether a page wants to be seen before anything goes through the settled network; forgotten with
 * the network. True when this is news. */
bool network_state_set_captive(struct network_state *state, bool captive);
/* The kernel's entry for the gateway of the settled network. True when this is news: the first
 * address, or another one. */
bool network_state_set_mac(struct network_state *state, const uint8_t mac[static NETWORK_MAC]);

/* private, shared, link-local or public. */
enum network_kind network_kind_of(struct in_addr address);
/* The word for the bus. */
const char *network_kind_word(enum network_kind kind);
