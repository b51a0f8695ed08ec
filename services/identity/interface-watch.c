/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/interface-watch.h"

#include "common/net/network-route.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define INTERFACE_LIMIT 4096
#define DUMP_SIZE       32768

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
};

DEFINE_CLEANUP(struct mnl_socket *, mnl_socket_close)

static int open_netlink(unsigned int groups, struct mnl_socket **ret)
{
	/* A dump's answer is there once the request was sent: reading never waits. */
	cleanup(mnl_socket_closep) struct mnl_socket *socket =
		mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (!socket || mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	*ret = steal_ptr(socket);
	return 0;
}

/* The burned-in address where the driver knows it: others change with the network one joins. */
static void read_address(const struct nlattr *attribute, uint8_t ret[static 6])
{
	if (mnl_attr_get_payload_len(attribute) == 6)
		memcpy(ret, mnl_attr_get_payload(attribute), 6);
}

static int on_link(const struct nlmsghdr *header, void *data)
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
	struct scan *scan = data;
	uint8_t permanent[6] = {};
	const struct nlattr *attribute;

	if (header->nlmsg_type != RTM_NEWLINK || scan->n_interfaces >= INTERFACE_LIMIT)
		return MNL_CB_OK;
	mnl_attr_for_each (attribute, header, sizeof *link) {
		if (mnl_attr_get_type(attribute) == IFLA_ADDRESS)
			read_address(attribute, interface.address);
		else if (mnl_attr_get_type(attribute) == IFLA_PERM_ADDRESS)
			read_address(attribute, permanent);
	}
	if (memcmp(permanent, (uint8_t[6]){}, 6))
		memcpy(interface.address, permanent, 6);
	longer = reallocarray(scan->interfaces, scan->n_interfaces + 1, sizeof *longer);
	if (!longer)
		return MNL_CB_ERROR;
	longer[scan->n_interfaces++] = interface;
	scan->interfaces = longer;
	return MNL_CB_OK;
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
static int on_route(const struct nlmsghdr *header, void *data)
{
	struct scan *scan = data;
	struct network_route route;

	if (header->nlmsg_type == RTM_NEWROUTE && network_route_read(header, &route) &&
	    !route.dead_end && can_be_primary(scan, route.link) &&
	    (!scan->primary.link || route.metric < scan->primary.metric))
		scan->primary = route;
	return MNL_CB_OK;
}

static int dump(struct mnl_socket *socket, int type, int family, mnl_cb_t callback,
		struct scan *scan)
{
	union {
		struct nlmsghdr header;
		char room[MNL_NLMSG_HDRLEN + 64];
	} request = {};
	cleanup(freep) char *answer = malloc(DUMP_SIZE);
	struct nlmsghdr *header = mnl_nlmsg_put_header(&request);
	struct rtgenmsg *general;
	int r;

	if (!answer)
		return -ENOMEM;
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = type;
	/* The kernel wants the whole fixed part of the type asked for. */
	general = mnl_nlmsg_put_extra_header(header, type == RTM_GETLINK ? sizeof(struct ifinfomsg)
									 : sizeof(struct rtmsg));
	general->rtgen_family = family;
	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t size = mnl_socket_recvfrom(socket, answer, DUMP_SIZE);

		if (size < 0)
			return -errno;
		r = mnl_cb_run(answer, size, type, mnl_socket_get_portid(socket), callback, scan);
	} while (r > MNL_CB_STOP);
	return r < 0 ? -errno : 0;
}

int interface_scan(struct host_interface **ret_interfaces, size_t *ret_n_interfaces)
{
	cleanup(mnl_socket_closep) struct mnl_socket *socket = NULL;
	struct scan scan = {};
	int r = open_netlink(0, &socket);

	if (r >= 0)
		r = dump(socket, RTM_GETLINK, AF_UNSPEC, on_link, &scan);
	if (r >= 0)
		r = dump(socket, RTM_GETROUTE, AF_INET, on_route, &scan);
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
	char discarded[DUMP_SIZE];

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
	r = open_netlink(RTMGRP_LINK | RTMGRP_IPV4_ROUTE, &watch->socket);
	if (r >= 0)
		r = loop_io_new(loop, mnl_socket_get_fd(watch->socket), UV_READABLE, on_readable,
				watch, &watch->io);
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
