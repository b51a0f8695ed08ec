/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/detour.h"

#include "common/net/network-route.h"
#include "common/net/way.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* Default routes that are looked at; more than anybody has. */
#define ROUTES 32

struct routes {
	struct network_route routes[ROUTES];
	unsigned int n;
};

static void on_route(void *userdata, const struct nlmsghdr *message)
{
	struct routes *routes = userdata;

	if (message->nlmsg_type == RTM_NEWROUTE && routes->n < ROUTES &&
	    network_route_read(message, &routes->routes[routes->n]))
		routes->n++;
}

static int list_routes(struct netlink *netlink, struct routes *ret)
{
	char buffer[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r, n_tries = 3;

	/* It is read anew when it changed in between. */
	do {
		struct nlmsghdr *request = netlink_request(buffer, RTM_GETROUTE, NLM_F_DUMP);
		struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof *route);

		route->rtm_family = AF_INET;
		route->rtm_table = RT_TABLE_MAIN;
		ret->n = 0;
		r = netlink_ask(netlink, request, on_route, ret);
	} while (r == -EINTR && --n_tries > 0);
	return r == -EINTR ? 0 : r;
}

static void on_link(void *userdata, const struct nlmsghdr *message)
{
	bool *is_tunnel = userdata;

	if (message->nlmsg_type == RTM_NEWLINK)
		*is_tunnel = network_link_is_tunnel(message);
}

static bool is_tunnel(struct netlink *netlink, int link)
{
	char buffer[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof *info);
	bool answer = true;

	info->ifi_index = link;
	return netlink_ask(netlink, request, on_link, &answer) < 0 || answer;
}

static bool is_usable(struct netlink *netlink, const struct network_route *route,
		      struct in_addr destination, char *ret_name)
{
	struct way way;

	return way_link_runs(netlink, route->link, ret_name) &&
	       way_find(netlink, destination, route->link, &way) >= 0 && way.link == route->link &&
	       ntohl(way.source.s_addr) >> 16 != 0xa9fe &&
	       (route->gateway.s_addr || !is_tunnel(netlink, route->link));
}

static bool has_default_route(const struct routes *routes, int link)
{
	for (unsigned int i = 0; i < routes->n; i++)
		if (!routes->routes[i].dead_end && routes->routes[i].link == link)
			return true;
	return false;
}

/* The first of the lowest metric that is neither `tried` nor of a lower one; NULL: no more. */
static const struct network_route *next_route(const struct routes *routes,
					      const struct network_route *tried)
{
	const struct network_route *best = NULL;

	for (unsigned int i = 0; i < routes->n; i++) {
		const struct network_route *route = &routes->routes[i];

		if (tried && (route->metric < tried->metric ||
			      (route->metric == tried->metric && route <= tried)))
			continue;
		if (!best || route->metric < best->metric)
			best = route;
	}
	return best;
}

struct detour detour_find(struct netlink *netlink, struct in_addr destination)
{
	struct routes routes = { .n = 0 };
	struct way way;
	char name[IFNAMSIZ];

	if (way_find(netlink, destination, 0, &way) < 0 || way_link_runs(netlink, way.link, NULL) ||
	    list_routes(netlink, &routes) < 0 || !has_default_route(&routes, way.link))
		return (struct detour){};
	for (const struct network_route *route = next_route(&routes, NULL);
	     route && !route->dead_end; route = next_route(&routes, route))
		if (is_usable(netlink, route, destination, name)) {
			struct detour detour = { .link = route->link, .avoided = way.link };

			memcpy(detour.name, name, sizeof detour.name);
			return detour;
		}
	return (struct detour){};
}

int detour_take(int fd, struct in_addr destination)
{
	struct netlink netlink;
	struct detour detour;

	if (netlink_open(&netlink, NETLINK_ROUTE) < 0)
		return 0;
	detour = detour_find(&netlink, destination);
	netlink_close(&netlink);
	/* Not IP_UNICAST_IF, which TCP does not know. A socket that is bound to no interface yet
	 * needs no privilege for this (Linux 5.7). */
	if (detour.link &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, detour.name, strlen(detour.name)) < 0)
		return 0;
	return detour.link;
}
