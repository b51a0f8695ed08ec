/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which IPv4 network this machine is on. The kernel's tables come in as they are read, its
 * notifications come in as nudges; out comes a view that has settled.
 *
 *   settled --notification--> burst --quiet or long enough--> settled
 *
 * A view with link, address and default route settles 20 ms after the last notification, one
 * without 100 ms after it, either at most 150 ms after the first one.
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
	bool up;     /* administratively and with a carrier */
	bool tunnel; /* a TUN device */
};

struct network_address {
	int link;
	struct in_addr address;
	uint8_t prefix;
	bool secondary;
};

struct network_tables {
	struct network_link *links;
	struct network_address *addresses;
	struct network_route *routes;
	size_t n_links, n_addresses, n_routes;
};

struct network_view {
	int link; /* 0: no network */
	char interface[IFNAMSIZ];
	struct in_addr address, gateway; /* gateway 0.0.0.0: the route needs none */
	/* Another number: the link was down or the address gone in between, so this may be another
	 * network in spite of looking alike. */
	uint32_t incarnation;
};

struct network_state {
	struct network_view settled, candidate;
	uint32_t incarnation;
	bool have_settled, have_candidate;
	bool burst;
	bool stale;                 /* something changed after the tables were read */
	uint64_t first_at, last_at; /* of the burst, ms */
};

/* Something changed; the tables will be read again. */
void network_state_note_change(struct network_state *state, uint64_t now);
/* Notes besides that a link lost its carrier, went down or away. */
void network_state_note_link_down(struct network_state *state, int link, uint64_t now);
void network_state_note_address_gone(struct network_state *state, int link, struct in_addr address,
				     uint64_t now);
/* The tables as they are; borrowed for the call. `fresh`: nothing changed since their reading
 * began. */
void network_state_set_tables(struct network_state *state, const struct network_tables *tables,
			      bool fresh);
/* When to call network_state_settle(); UINT64_MAX: no need. */
uint64_t network_state_due(const struct network_state *state);
/* True when another view settled: see `settled`. */
bool network_state_settle(struct network_state *state, uint64_t now);
