/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How rtnetlink's rows are understood: what a default route is and when a link can carry it. One
 * reading for all, so that two daemons do not take two interfaces for the primary one. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct ifinfomsg;
struct nlmsghdr;

/* An IPv4 default route of the main table. */
struct network_route {
	int link;
	struct in_addr gateway, source; /* 0.0.0.0: none */
	uint32_t metric;                /* of several usable ones the lowest counts, or the first */
	/* Blackhole, unreachable, prohibit: the kernel goes no further, `link` means nothing. */
	bool dead_end;
};

/* Reads an RTM_NEWROUTE with the fixed part of its type. False when it is another route, one for
 * packets of a certain type of service only, or one that is dead. Of several equal ways in one
 * route the first that is not dead is as good as any. */
bool network_route_read(const struct nlmsghdr *header, struct network_route *ret);

/* Of an RTM_NEWLINK with the fixed part of its type: whether it is TUN, WireGuard or their like. A
 * TAP device is an Ethernet. */
bool network_link_is_tunnel(const struct nlmsghdr *header);
/* IFLA_INFO_KIND of such a message; borrowed. NULL: none. */
const char *network_link_kind(const struct nlmsghdr *header);

/* Administratively up, and with a carrier. */
bool network_link_is_up(const struct ifinfomsg *info);
