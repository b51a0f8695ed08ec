/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way that the kernel takes to a place, as it says itself. Nothing here waits (netlink.h). */
#include "common/net/netlink.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

struct way {
	int link;                /* index of the interface; 0: there is no way */
	struct in_addr source;   /* our address there */
	struct in_addr next_hop; /* the router, or the destination itself */
};

/* To `destination`; over the interface `link`, if not 0. `netlink` is one of NETLINK_ROUTE. 0, or a
 * negative errno when there is none (then *ret is all 0). */
int way_find(struct netlink *netlink, struct in_addr destination, int link, struct way *ret);
/* Whether the interface is up and has a carrier. With `ret_name`: how it is called. */
bool way_link_runs(const struct netlink *netlink, int link, char ret_name[IFNAMSIZ]);
