/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A route stays when its interface loses its carrier, until somebody removes it, and the kernel
 * goes on sending into it. Who has another way out takes that. Which one is decided here for all,
 * by the rules by which mapper finds the primary network: default routes of the main table, the
 * lowest metric first; none without carrier, behind one that ends in an error, from an address that
 * only its link knows, or over a tunnel without a gateway.
 */
#include "common/net/netlink.h"

#include <net/if.h>
#include <netinet/in.h>

struct detour {
	int link;            /* the interface to take; 0: none, the kernel's routes decide */
	int avoided;         /* the one that the kernel would take, which has no carrier */
	char name[IFNAMSIZ]; /* of `link` */
};

/* For packets to `destination`. `netlink` is one of NETLINK_ROUTE. A place that the kernel reaches
 * over an interface without a default route has none: that is a network of its own, and nobody
 * else's way leads there. Without an answer of the kernel there is none, either. */
struct detour detour_find(struct netlink *netlink, struct in_addr destination);

/* Binds `fd`, a new IPv4 socket, to the detour to `destination` if there is one; to be called
 * before connect() or bind(), for each socket anew, since a bound one stays where it is. Failures
 * leave it to the kernel. Returns the interface, 0: none. */
int detour_take(int fd, struct in_addr destination);
