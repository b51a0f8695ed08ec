/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/xfrm-link.h"

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
/* More than a full buffer holds. */
#define STALE_MAX 16384
/* The interface's own limit; routes say less. */
#define INTERFACE_MTU 1438

struct xfrm_link {
	struct mnl_socket *requests, *events, *routes;
	struct loop_io *events_io, *packets_io;
	int packets; /* a packet socket of the interface */
	int index;
	uint32_t if_id, sequence;
	const struct xfrm_link_callbacks *callbacks;
	void *userdata;
	char interface[IF_NAMESIZE];
};

typedef void (*event_handler)(void *userdata, const struct xfrm_event *event);

/* Answers one message of `sequence`: 1 when it was the last, with the kernel's word in *ret. */
static int take_answer(const struct nlmsghdr *message, uint32_t sequence, event_handler on_event,
		       void *userdata, int *ret)
{
	struct xfrm_event event;

	if (message->nlmsg_seq != sequence)
		return 0;
	if (message->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

		*ret = error->error;
		return 1;
	}
	if (message->nlmsg_type == NLMSG_DONE) {
		*ret = 0;
		return 1;
	}
	if (on_event && xfrm_read_event(message, &event) == 0)
		on_event(userdata, &event);
	return 0;
}

/* Takes away what was said since the last request: the socket is told of everybody's states. When
 * its buffer is full the kernel drops the answer as well. */
static void drop_stale(struct mnl_socket *socket, char *buffer)
{
	ssize_t n = 0;

	for (unsigned int i = 0; i < STALE_MAX && (n >= 0 || errno == ENOBUFS); i++) {
		n = recv(mnl_socket_get_fd(socket), buffer, BUFFER_SIZE, MSG_DONTWAIT);
		if (n > 0)
			explicit_bzero(buffer, n);
	}
}

/* Sends a request and reads to its acknowledgement; on the way, what is said about it. Others' news
 * may be between. All of it is there when the request is sent: nothing is waited for, which might
 * be for ever. */
static int transact(struct mnl_socket *socket, struct nlmsghdr *request, event_handler on_event,
		    void *userdata)
{
	cleanup(freep) char *buffer = malloc(BUFFER_SIZE);
	uint32_t sequence = request->nlmsg_seq;
	int r = buffer ? 0 : -ENOMEM;

	if (buffer)
		drop_stale(socket, buffer);
	if (r >= 0 && mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		r = -errno;
	/* It may have held keys. */
	explicit_bzero(request, XFRM_REQUEST_SIZE);
	while (r >= 0) {
		ssize_t n = recv(mnl_socket_get_fd(socket), buffer, BUFFER_SIZE, MSG_DONTWAIT);
		const struct nlmsghdr *message = (const void *)buffer;
		int left = n;

		if (n < 0 && errno == ENOBUFS)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ENOBUFS : -errno;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
			if (take_answer(message, sequence, on_event, userdata, &r)) {
				explicit_bzero(buffer, n);
				return r;
			}
		}
		explicit_bzero(buffer, n);
	}
	return r;
}

static int open_netlink(int protocol, struct mnl_socket **ret)
{
	int size = SOCKET_BUFFER;

	*ret = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	if (!*ret)
		return -errno;
	if (mnl_socket_bind(*ret, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	(void)setsockopt(mnl_socket_get_fd(*ret), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	return 0;
}

static int join(struct mnl_socket *socket, int group)
{
	return mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0
		       ? -errno
		       : 0;
}

static struct nlmsghdr *link_request(struct xfrm_link *link, char *buffer, uint16_t type,
				     uint16_t flags, struct ifinfomsg **ret_info)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	request->nlmsg_seq = ++link->sequence;
	*ret_info = mnl_nlmsg_put_extra_header(request, sizeof **ret_info);
	return request;
}

static int make_interface(struct xfrm_link *link)
{
	char buffer[XFRM_REQUEST_SIZE];
	struct ifinfomsg *info;
	struct nlmsghdr *request =
		link_request(link, buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info);
	struct nlattr *outer, *inner;
	int r;

	mnl_attr_put_strz(request, IFLA_IFNAME, link->interface);
	mnl_attr_put_u32(request, IFLA_MTU, INTERFACE_MTU);
	outer = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_strz(request, IFLA_INFO_KIND, "xfrm");
	inner = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	mnl_attr_put_u32(request, IFLA_XFRM_IF_ID, link->if_id);
	mnl_attr_nest_end(request, inner);
	mnl_attr_nest_end(request, outer);
	r = transact(link->routes, request, NULL, NULL);
	if (r < 0)
		return r;
	link->index = if_nametoindex(link->interface);
	return link->index ? 0 : -errno;
}

static int bring_up(struct xfrm_link *link)
{
	char buffer[XFRM_REQUEST_SIZE];
	struct ifinfomsg *info;
	struct nlmsghdr *request = link_request(link, buffer, RTM_NEWLINK, 0, &info);
	struct nlattr *outer, *inner;

	info->ifi_index = link->index;
	outer = mnl_attr_nest_start(request, IFLA_AF_SPEC);
	inner = mnl_attr_nest_start(request, AF_INET6);
	mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(request, inner);
	mnl_attr_nest_end(request, outer);
	/* Without it the kernel only talks a little on the interface. */
	(void)transact(link->routes, request, NULL, NULL);
	request = link_request(link, buffer, RTM_NEWLINK, 0, &info);
	info->ifi_index = link->index;
	info->ifi_flags = info->ifi_change = IFF_UP;
	return transact(link->routes, request, NULL, NULL);
}

static void remove_interface(struct xfrm_link *link)
{
	char buffer[XFRM_REQUEST_SIZE];
	struct ifinfomsg *info;
	struct nlmsghdr *request = link_request(link, buffer, RTM_DELLINK, 0, &info);

	info->ifi_index = if_nametoindex(link->interface);
	if (info->ifi_index)
		(void)transact(link->routes, request, NULL, NULL);
}

/* Those of ours among all that are there. */
struct leftovers {
	uint32_t if_id;
	struct xfrm_event found[64];
	size_t n;
};

static void on_leftover(void *userdata, const struct xfrm_event *event)
{
	struct leftovers *leftovers = userdata;

	if (event->if_id == leftovers->if_id && leftovers->n < ARRAY_SIZE(leftovers->found))
		leftovers->found[leftovers->n++] = *event;
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

/* All states and policies of ours. Not for ever, if one of them should refuse to go. */
static void remove_all(struct xfrm_link *link)
{
	cleanup(freep) struct leftovers *leftovers = malloc(sizeof *leftovers);
	char buffer[XFRM_REQUEST_SIZE];

	for (unsigned int i = 0; leftovers && i < 1024; i++) {
		leftovers->n = 0;
		leftovers->if_id = link->if_id;
		if (transact(link->requests, xfrm_put_state_list(buffer, ++link->sequence),
			     on_leftover, leftovers) < 0 ||
		    transact(link->requests, xfrm_put_policy_list(buffer, ++link->sequence),
			     on_leftover, leftovers) < 0 ||
		    !leftovers->n)
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
		ssize_t n =
			recv(mnl_socket_get_fd(link->events), buffer, BUFFER_SIZE, MSG_DONTWAIT);
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
		r = join(link->events, groups[i]);
	return r < 0 ? r
		     : loop_io_new(loop, mnl_socket_get_fd(link->events), UV_READABLE, on_events,
				   link, &link->events_io);
}

static int open_all(struct xfrm_link *link, struct loop *loop, const char **ret_what)
{
	int r;

	*ret_what = "it has no IPsec (NETLINK_XFRM)";
	r = open_netlink(NETLINK_XFRM, &link->requests);
	if (r >= 0)
		r = join(link->requests, XFRMNLGRP_SA);
	if (r < 0)
		return r;
	remove_all(link);
	*ret_what = "it makes no xfrm interface";
	r = open_netlink(NETLINK_ROUTE, &link->routes);
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
	if (link->requests)
		remove_all(link);
	if (link->routes)
		remove_interface(link);
	if (link->events)
		mnl_socket_close(link->events);
	if (link->requests)
		mnl_socket_close(link->requests);
	if (link->routes)
		mnl_socket_close(link->routes);
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
		(void)join(link->requests, XFRMNLGRP_SA);
	if (link)
		(void)open_netlink(NETLINK_ROUTE, &link->routes);
}

int xfrm_link_index(const struct xfrm_link *link)
{
	return link->index;
}

int xfrm_link_add_state(struct xfrm_link *link, const struct xfrm_state *state)
{
	char buffer[XFRM_REQUEST_SIZE];

	return transact(link->requests, xfrm_put_state(buffer, ++link->sequence, state), NULL,
			NULL);
}

int xfrm_link_update_state(struct xfrm_link *link, const struct xfrm_state *state)
{
	char buffer[XFRM_REQUEST_SIZE];

	return transact(link->requests, xfrm_put_state_update(buffer, ++link->sequence, state),
			NULL, NULL);
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

	return transact(link->requests,
			xfrm_put_state_pace(buffer, ++link->sequence, state, ticks_of(msec)), NULL,
			NULL);
}

static void on_gone(void *userdata, const struct xfrm_event *event)
{
	struct xfrm_event *last = userdata;

	if (event->kind == XFRM_EVENT_GONE)
		*last = *event;
}

int xfrm_link_remove_state(struct xfrm_link *link, struct in_addr destination, uint32_t spi,
			   struct xfrm_event *ret_last)
{
	char buffer[XFRM_REQUEST_SIZE];

	*ret_last = (struct xfrm_event){ 0 };
	return transact(link->requests,
			xfrm_put_state_removal(buffer, ++link->sequence, destination, spi), on_gone,
			ret_last);
}

int xfrm_link_set_policy(struct xfrm_link *link, const struct xfrm_policy *policy)
{
	char buffer[XFRM_REQUEST_SIZE];

	return transact(link->requests, xfrm_put_policy(buffer, ++link->sequence, policy), NULL,
			NULL);
}

int xfrm_link_remove_policy(struct xfrm_link *link, const struct xfrm_policy *policy)
{
	char buffer[XFRM_REQUEST_SIZE];

	return transact(link->requests, xfrm_put_policy_removal(buffer, ++link->sequence, policy),
			NULL, NULL);
}

int xfrm_link_set_route(struct xfrm_link *link, const struct in6_addr *host, bool there)
{
	char buffer[XFRM_REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route;

	request->nlmsg_type = there ? RTM_NEWROUTE : RTM_DELROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (there ? NLM_F_CREATE : 0);
	request->nlmsg_seq = ++link->sequence;
	route = mnl_nlmsg_put_extra_header(request, sizeof *route);
	route->rtm_family = AF_INET6;
	route->rtm_dst_len = 128;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_type = RTN_UNICAST;
	mnl_attr_put(request, RTA_DST, sizeof *host, host);
	mnl_attr_put_u32(request, RTA_OIF, link->index);
	return transact(link->routes, request, NULL, NULL);
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
