/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The way that the kernel takes to a peer, and when to look whether the first router on it has
 * answered the kernel's question for its MAC. That question is asked once a second (RFC 1122
 * §2.3.2.1); one that goes out before the network forwards (a bridge port or an access point that
 * is not ready yet) would make the first second in each network a silent one.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct uplink {
	int link;                /* index of the interface; 0: there is no way */
	struct in_addr source;   /* our address there */
	struct in_addr next_hop; /* the router, or the destination itself */
};

bool uplink_equal(const struct uplink *a, const struct uplink *b);

#define ROUTER_WATCH_ROUTERS 4

struct router_watch {
	struct uplink routers[ROUTER_WATCH_ROUTERS]; /* of those whose answer is awaited */
	unsigned int n_routers;
	unsigned int n_looks;
	uint64_t since;
	uint64_t due; /* UINT64_MAX: never */
};

void router_watch_init(struct router_watch *watch);
/* Packets go to this router now. Beyond ROUTER_WATCH_ROUTERS they are not looked after. */
void router_watch_add(struct router_watch *watch, uint64_t now, const struct uplink *uplink);
/* Whether to look at each router now; those that have answered are to be dropped. */
bool router_watch_look(struct router_watch *watch, uint64_t now);
void router_watch_drop(struct router_watch *watch, unsigned int i);
