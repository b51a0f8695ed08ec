/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/interface-watch.h"

#include "common/net/netlink.h"
#include "common/net/network-route.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define INTERFACE_LIMIT 4096
#define MESSAGES_SIZE   32768

struct interface_watch {
	struct mnl_socket *socket;
	struct loop_io *io;
	void (*callback)(void *userdata);
	void *userdata;
};

struct scan {
	struct host_interface *interfaces;
	size_t n_interfaces;
	struct network_route primary; /* link 0: none */
	int error;
};

/* The burned-in address where the driver knows it: others change with the network one joins. */
static void read_address(const struct nlattr *attribute, uint8_t ret[static 6])
{
	if (mnl_attr_get_payload_len(attribute) == 6)
		memcpy(ret, mnl_attr_get_payload(attribute), 6);
}

static void on_link(void *userdata, const struct nlmsghdr *header)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);
	struct host_interface interface = {
		.index = link->ifi_index,
		.up = link->ifi_flags & IFF_UP,
		.carrier = network_link_is_up(link),
		.loopback = link->ifi_flags & IFF_LOOPBACK,
		.ethernet = link->ifi_type == ARPHRD_ETHER,
	};
	struct host_interface *longer;
	struct scan *scan = userdata;
	uint8_t permanent[6] = {};
	const struct nlattr *attribute;

	if (header->nlmsg_type != RTM_NEWLINK || scan->n_interfaces >= INTERFACE_LIMIT)
		return;
	mnl_attr_for_each (attribute, header, sizeof *link) {
		if (mnl_attr_get_type(attribute) == IFLA_ADDRESS)
			read_address(attribute, interface.address);
		else if (mnl_attr_get_type(attribute) == IFLA_PERM_ADDRESS)
			read_address(attribute, permanent);
	}
	if (memcmp(permanent, (uint8_t[6]){}, 6))
		memcpy(interface.address, permanent, 6);
	longer = reallocarray(scan->interfaces, scan->n_interfaces + 1, sizeof *longer);
	if (!longer) {
		scan->error = -ENOMEM;
		return;
	}
	longer[scan->n_interfaces++] = interface;
	scan->interfaces = longer;
}

static bool can_be_primary(const struct scan *scan, int index)
{
	for (size_t i = 0; i < scan->n_interfaces; i++)
		if (scan->interfaces[i].index == index)
			return scan->interfaces[i].carrier && scan->interfaces[i].ethernet;
	return false;
}

/* The interfaces have been read before. A route over something else, a tunnel for example, leaves
 * the primary interface the primary one. */
static void on_route(void *userdata, const struct nlmsghdr *header)
{
	struct scan *scan = userdata;
	struct network_route route;

	if (header->nlmsg_type == RTM_NEWROUTE && network_route_read(header, &route) &&
	    !route.dead_end && can_be_primary(scan, route.link) &&
	    (!scan->primary.link || route.metric < scan->primary.metric))
		scan->primary = route;
}

static int list_links(struct netlink *netlink, struct scan *scan)
{
	char buffer[128] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETLINK, NLM_F_DUMP);
	int r;

	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	r = netlink_ask(netlink, request, on_link, scan);
	return r < 0 ? r : scan->error;
}

static int list_routes(struct netlink *netlink, struct scan *scan)
{
	char buffer[128] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof *route);

	route->rtm_family = AF_INET;
	return netlink_ask(netlink, request, on_route, scan);
}

int interface_scan(struct host_interface **ret_interfaces, size_t *ret_n_interfaces)
{
	struct netlink netlink;
	struct scan scan = {};
	int r = netlink_open(&netlink, NETLINK_ROUTE);

	if (r < 0)
		return r;
	r = list_links(&netlink, &scan);
	if (r >= 0)
		r = list_routes(&netlink, &scan);
	netlink_close(&netlink);
	if (r < 0) {
		free(scan.interfaces);
		return r;
	}
	for (size_t i = 0; i < scan.n_interfaces; i++)
		scan.interfaces[i].default_route = scan.interfaces[i].index == scan.primary.link;
	*ret_interfaces = scan.interfaces;
	*ret_n_interfaces = scan.n_interfaces;
	return 0;
}

static void on_readable(void *userdata, int status, int events)
{
	struct interface_watch *watch = userdata;
	char discarded[MESSAGES_SIZE];

	/* What changed is not read here: the callback looks at everything anew. An overrun says the
	 * same. */
	while (mnl_socket_recvfrom(watch->socket, discarded, sizeof discarded) >= 0 ||
	       errno == ENOBUFS || errno == EINTR)
		;
	watch->callback(watch->userdata);
}

int interface_watch_new(struct loop *loop, void (*callback)(void *userdata), void *userdata,
			struct interface_watch **ret)
{
	cleanup(interface_watch_freep) struct interface_watch *watch = calloc(1, sizeof *watch);
	int r;

	if (!watch)
		return -ENOMEM;
	watch->callback = callback;
	watch->userdata = userdata;
	watch->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!watch->socket ||
	    mnl_socket_bind(watch->socket, RTMGRP_LINK | RTMGRP_IPV4_ROUTE, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	r = loop_io_new(loop, mnl_socket_get_fd(watch->socket), UV_READABLE, on_readable, watch,
			&watch->io);
	if (r < 0)
		return r;
	*ret = steal_ptr(watch);
	return 0;
}

struct interface_watch *interface_watch_free(struct interface_watch *watch)
{
	if (!watch)
		return NULL;
	loop_io_free(watch->io);
	if (watch->socket)
		mnl_socket_close(watch->socket);
	free(watch);
	return NULL;
}
