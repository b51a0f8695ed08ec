/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/xfrm-link.h"

#include "common/net/netlink.h"
#include "services/tunneld/tun-routes.h"

#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BUFFER_SIZE   32768
#define SOCKET_BUFFER (1 << 20)
/* Events read in one turn of the loop. */
#define EVENTS_MAX  64
#define PACKET_SIZE 2048
/* The interface's own limit; routes say less. */
#define INTERFACE_MTU 1438

struct xfrm_link {
	struct netlink requests, events, interfaces;
	struct tun_routes *routes; /* over the interface */
	struct loop_io *events_io, *packets_io;
	int packets; /* a packet socket of the interface */
	int index;
	uint32_t if_id;
	const struct xfrm_link_callbacks *callbacks;
	void *userdata;
	char interface[IF_NAMESIZE];
};

/* With room for what may come before it is read: others change their states as well. */
static int open_netlink(int protocol, struct netlink *netlink)
{
	int size = SOCKET_BUFFER, r = netlink_open(netlink, protocol);

	if (r >= 0)
		(void)setsockopt(netlink_fd(netlink), SOL_SOCKET, SO_RCVBUFFORCE, &size,
				 sizeof size);
	return r;
}

static int join(const struct netlink *netlink, int group)
{
	return setsockopt(netlink_fd(netlink), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			  sizeof group) < 0
		       ? -errno
		       : 0;
}

static int make_interface(struct xfrm_link *link)
{
	char buffer[XFRM_REQUEST_SIZE];
	struct nlmsghdr *request = netlink_request(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *outer, *inner;
	int r;

	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, link->interface);
	outer = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_strz(request, IFLA_INFO_KIND, "xfrm");
	inner = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	mnl_attr_put_u32(request, IFLA_XFRM_IF_ID, link->if_id);
	mnl_attr_nest_end(request, inner);
	mnl_attr_nest_end(request, outer);
	r = netlink_ask(&link->interfaces, request, NULL, NULL);
	if (r < 0)
		return r;
	link->index = if_nametoindex(link->interface);
	return link->index ? 0 : -errno;
}

static int bring_up(struct xfrm_link *link)
{
	int r = tun_routes_new(link->index, &link->routes);

	return r < 0 ? r : tun_routes_bring_up(link->routes, INTERFACE_MTU);
}

static void remove_interface(struct xfrm_link *link)
{
	char buffer[XFRM_REQUEST_SIZE];
	struct nlmsghdr *request = netlink_request(buffer, RTM_DELLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof *info);

	info->ifi_index = if_nametoindex(link->interface);
	if (info->ifi_index)
		(void)netlink_ask(&link->interfaces, request, NULL, NULL);
}

/* Those of ours among all that are there. */
struct leftovers {
	uint32_t if_id;
	struct xfrm_event found[64];
	size_t n;
};

static void on_leftover(void *userdata, const struct nlmsghdr *message)
{
	struct leftovers *leftovers = userdata;
	struct xfrm_event event;

	if (xfrm_read_event(message, &event) == 0 && event.if_id == leftovers->if_id &&
	    leftovers->n < ARRAY_SIZE(leftovers->found))
		leftovers->found[leftovers->n++] = event;
}

static void remove_leftover(struct xfrm_link *link, const struct xfrm_event *event)
{
	const struct xfrm_policy policy = { .inner_source = event->inner_source,
					    .inner_destination = event->inner_destination,
					    .if_id = event->if_id,
					    .out = event->out };
	struct xfrm_event last;

	if (event->kind == XFRM_EVENT_POLICY)
		(void)xfrm_link_remove_policy(link, &policy);
	else
		(void)xfrm_link_remove_state(link, event->destination, event->spi, &last);
}

/* Lists that others changed meanwhile may lack something: the next round sees it. */
static int look_for_leftovers(struct xfrm_link *link, struct leftovers *leftovers)
{
	char buffer[XFRM_REQUEST_SIZE];
	int states, policies;

	leftovers->n = 0;
	leftovers->if_id = link->if_id;
	states = netlink_ask(&link->requests, xfrm_put_state_list(buffer), on_leftover, leftovers);
	policies =
		netlink_ask(&link->requests, xfrm_put_policy_list(buffer), on_leftover, leftovers);
	return states < 0 ? states : policies;
}

/* All states and policies of ours. Not for ever, if one of them should refuse to go. */
static void remove_all(struct xfrm_link *link)
{
	cleanup(freep) struct leftovers *leftovers = malloc(sizeof *leftovers);
	int r;

	for (unsigned int i = 0; leftovers && i < 1024; i++) {
		r = look_for_leftovers(link, leftovers);
		if ((r < 0 && r != -EINTR) || (r >= 0 && !leftovers->n))
			return;
		for (size_t n = 0; n < leftovers->n; n++)
			remove_leftover(link, &leftovers->found[n]);
	}
}

/* Only packets without a next header, which nobody else looks at. */
static int open_packets(struct xfrm_link *link)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_NONE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, PACKET_SIZE),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = { ARRAY_SIZE(code), code };
	struct sockaddr_ll local = { .sll_family = AF_PACKET,
				     .sll_protocol = htons(ETH_P_IPV6),
				     .sll_ifindex = link->index };

	link->packets = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link->packets < 0 ||
	    setsockopt(link->packets, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ||
	    bind(link->packets, (struct sockaddr *)&local, sizeof local) < 0)
		return -errno;
	return 0;
}

static void on_packets(void *userdata, int status, int events)
{
	struct xfrm_link *link = userdata;
	uint8_t packet[PACKET_SIZE];

	for (unsigned int i = 0; i < EVENTS_MAX; i++) {
		ssize_t n = recv(link->packets, packet, sizeof packet, MSG_DONTWAIT);

		if (n < 0)
			return;
		link->callbacks->on_dummy(link->userdata, packet, n);
	}
}

static void on_events(void *userdata, int status, int events)
{
	struct xfrm_link *link = userdata;
	cleanup(freep) char *buffer = malloc(BUFFER_SIZE);

	for (unsigned int i = 0; buffer && i < EVENTS_MAX; i++) {
		ssize_t n = recv(netlink_fd(&link->events), buffer, BUFFER_SIZE, MSG_DONTWAIT);
		const struct nlmsghdr *message = (const void *)buffer;
		int left = n;
		struct xfrm_event event;

		if (n < 0 && errno == ENOBUFS) {
			link->callbacks->on_overrun(link->userdata);
			continue;
		}
		if (n < 0)
			return;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
			if (xfrm_read_event(message, &event) == 0)
				link->callbacks->on_event(link->userdata, &event);
		explicit_bzero(buffer, n);
	}
}

static int listen_to_events(struct xfrm_link *link, struct loop *loop)
{
	static const int groups[] = { XFRMNLGRP_ACQUIRE, XFRMNLGRP_EXPIRE, XFRMNLGRP_AEVENTS,
				      XFRMNLGRP_MAPPING };
	int r = open_netlink(NETLINK_XFRM, &link->events);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(groups); i++)
		r = join(&link->events, groups[i]);
	return r < 0 ? r
		     : loop_io_new(loop, netlink_fd(&link->events), UV_READABLE, on_events, link,
				   &link->events_io);
}

static int open_all(struct xfrm_link *link, struct loop *loop, const char **ret_what)
{
	int r;

	*ret_what = "it has no IPsec (NETLINK_XFRM)";
	r = open_netlink(NETLINK_XFRM, &link->requests);
	if (r >= 0)
		r = join(&link->requests, XFRMNLGRP_SA);
	if (r < 0)
		return r;
	remove_all(link);
	*ret_what = "it makes no xfrm interface";
	r = open_netlink(NETLINK_ROUTE, &link->interfaces);
	if (r < 0)
		return r;
	remove_interface(link);
	r = make_interface(link);
	if (r >= 0)
		r = bring_up(link);
	if (r < 0)
		return r;
	*ret_what = "there is no packet socket for us (is CAP_NET_RAW missing?)";
	r = open_packets(link);
	if (r >= 0)
		r = loop_io_new(loop, link->packets, UV_READABLE, on_packets, link,
				&link->packets_io);
	if (r < 0)
		return r;
	*ret_what = "it does not tell of its associations";
	return listen_to_events(link, loop);
}

static struct xfrm_link *allocate(const char *interface, uint32_t if_id)
{
	struct xfrm_link *link = calloc(1, sizeof *link);

	if (!link)
		return NULL;
	link->packets = -1;
	link->if_id = if_id;
	strncpy(link->interface, interface, sizeof link->interface - 1);
	return link;
}

int xfrm_link_new(struct loop *loop, const char *interface, uint32_t if_id,
		  const struct xfrm_link_callbacks *callbacks, void *userdata,
		  struct xfrm_link **ret, const char **ret_what)
{
	cleanup(xfrm_link_freep) struct xfrm_link *link = allocate(interface, if_id);
	int r;

	*ret_what = "there is no memory";
	if (!link)
		return -ENOMEM;
	link->callbacks = callbacks;
	link->userdata = userdata;
	r = open_all(link, loop, ret_what);
	if (r < 0)
		return r;
	*ret = steal_ptr(link);
	return 0;
}

struct xfrm_link *xfrm_link_free(struct xfrm_link *link)
{
	if (!link)
		return NULL;
	loop_io_free(link->packets_io);
	loop_io_free(link->events_io);
	close_fd(link->packets);
	if (link->requests.socket)
		remove_all(link);
	if (link->interfaces.socket)
		remove_interface(link);
	tun_routes_free(link->routes);
	netlink_close(&link->events);
	netlink_close(&link->requests);
	netlink_close(&link->interfaces);
	free(link);
	return NULL;
}

void xfrm_link_clean(const char *interface, uint32_t if_id)
{
	cleanup(xfrm_link_freep) struct xfrm_link *link = NULL;

	if (!if_nametoindex(interface))
		return;
	link = allocate(interface, if_id);
	if (link && open_netlink(NETLINK_XFRM, &link->requests) >= 0)
		(void)join(&link->requests, XFRMNLGRP_SA);
	if (link)
		(void)open_netlink(NETLINK_ROUTE, &link->interfaces);
}

int xfrm_link_index(const struct xfrm_link *link)
{
	return link->index;
}

int xfrm_link_add_state(struct xfrm_link *link, const struct xfrm_state *state)
{
	char buffer[XFRM_REQUEST_SIZE];

	return netlink_ask(&link->requests, xfrm_put_state(buffer, state), NULL, NULL);
}

int xfrm_link_update_state(struct xfrm_link *link, const struct xfrm_state *state)
{
	char buffer[XFRM_REQUEST_SIZE];

	return netlink_ask(&link->requests, xfrm_put_state_update(buffer, state), NULL, NULL);
}

static uint32_t ticks_of(uint32_t msec)
{
	/* The clock that advances with them. */
	struct timespec tick = {};
	uint32_t ticks = 0;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0 && tick.tv_nsec)
		ticks = msec * UINT64_C(1000000) / tick.tv_nsec;
	return ticks ?: 1;
}

int xfrm_link_pace_state(struct xfrm_link *link, const struct xfrm_state *state, uint32_t msec)
{
	char buffer[XFRM_REQUEST_SIZE];

	return netlink_ask(&link->requests, xfrm_put_state_pace(buffer, state, ticks_of(msec)),
			   NULL, NULL);
}

static void on_gone(void *userdata, const struct nlmsghdr *message)
{
	struct xfrm_event *last = userdata;
	struct xfrm_event event;

	if (xfrm_read_event(message, &event) == 0 && event.kind == XFRM_EVENT_GONE)
		*last = event;
}

int xfrm_link_remove_state(struct xfrm_link *link, struct in_addr destination, uint32_t spi,
			   struct xfrm_event *ret_last)
{
	char buffer[XFRM_REQUEST_SIZE];

	*ret_last = (struct xfrm_event){ 0 };
	return netlink_ask(&link->requests, xfrm_put_state_removal(buffer, destination, spi),
			   on_gone, ret_last);
}

int xfrm_link_set_policy(struct xfrm_link *link, const struct xfrm_policy *policy)
{
	char buffer[XFRM_REQUEST_SIZE];

	return netlink_ask(&link->requests, xfrm_put_policy(buffer, policy), NULL, NULL);
}

int xfrm_link_remove_policy(struct xfrm_link *link, const struct xfrm_policy *policy)
{
	char buffer[XFRM_REQUEST_SIZE];

	return netlink_ask(&link->requests, xfrm_put_policy_removal(buffer, policy), NULL, NULL);
}

int xfrm_link_set_route(struct xfrm_link *link, const struct in6_addr *host, bool there)
{
	return there ? tun_routes_set_mtu(link->routes, host, NULL, INTERFACE_MTU, INTERFACE_MTU)
		     : tun_routes_remove(link->routes, host);
}

int xfrm_link_send(struct xfrm_link *link, const uint8_t *packet, size_t size)
{
	struct sockaddr_ll target = { .sll_family = AF_PACKET,
				      .sll_protocol = htons(ETH_P_IPV6),
				      .sll_ifindex = link->index };

	return sendto(link->packets, packet, size, MSG_DONTWAIT, (struct sockaddr *)&target,
		      sizeof target) < 0
		       ? -errno
		       : 0;
}
