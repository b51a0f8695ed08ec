/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/uplink-query.h"

#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define BUFFER_SIZE 8192

struct uplink_query {
	struct mnl_socket *socket;
	int udp; /* for ioctl() */
	uint32_t sequence;
};

int uplink_query_new(struct uplink_query **ret)
{
	cleanup(uplink_query_freep) struct uplink_query *query = calloc(1, sizeof *query);

	if (!query)
		return -ENOMEM;
	query->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	query->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (query->udp < 0 || !query->socket ||
	    mnl_socket_bind(query->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	*ret = steal_ptr(query);
	return 0;
}

struct uplink_query *uplink_query_free(struct uplink_query *query)
{
	if (!query)
		return NULL;
	if (query->socket)
		mnl_socket_close(query->socket);
	close_fd(query->udp);
	free(query);
	return NULL;
}

static struct nlmsghdr *request_init(struct uplink_query *query, void *buffer, uint16_t type,
				     uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	request->nlmsg_seq = ++query->sequence;
	return request;
}

/* Sends the request and reads answers to their end. 0 or a negative errno, also the kernel's. */
static int transact(struct uplink_query *query, struct nlmsghdr *request, mnl_cb_t callback,
		    void *userdata)
{
	char buffer[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	unsigned int port = mnl_socket_get_portid(query->socket);
	int r = MNL_CB_OK;

	if (mnl_socket_sendto(query->socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(query->socket, buffer, sizeof buffer);

		if (n < 0)
			return -errno;
		r = mnl_cb_run(buffer, n, request->nlmsg_seq, port, callback, userdata);
	}
	return r < 0 ? -errno : 0;
}

static struct in_addr attribute_address(const struct nlattr *attribute)
{
	struct in_addr address = {};

	if (mnl_attr_get_payload_len(attribute) == sizeof address)
		memcpy(&address, mnl_attr_get_payload(attribute), sizeof address);
	return address;
}

static int on_route(const struct nlmsghdr *message, void *userdata)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct uplink *uplink = userdata;
	const struct nlattr *attribute;

	if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	mnl_attr_for_each (attribute, message, sizeof *route) {
		if (mnl_attr_get_type(attribute) == RTA_OIF)
			uplink->link = mnl_attr_get_u32(attribute);
		if (mnl_attr_get_type(attribute) == RTA_PREFSRC)
			uplink->source = attribute_address(attribute);
		if (mnl_attr_get_type(attribute) == RTA_GATEWAY)
			uplink->next_hop = attribute_address(attribute);
	}
	return MNL_CB_OK;
}

int uplink_query_find(struct uplink_query *query, struct in_addr destination, int link,
		      struct uplink *ret)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = request_init(query, buffer, RTM_GETROUTE, 0);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof *route);
	int r;

	*ret = (struct uplink){ .next_hop = destination };
	route->rtm_family = AF_INET;
	route->rtm_dst_len = 32;
	mnl_attr_put_u32(request, RTA_DST, destination.s_addr);
	if (link)
		mnl_attr_put_u32(request, RTA_OIF, link);
	r = transact(query, request, on_route, ret);
	if (r >= 0 && (!ret->link || !ret->source.s_addr))
		r = -ENETUNREACH;
	if (r < 0)
		*ret = (struct uplink){};
	return r;
}

bool uplink_query_runs(struct uplink_query *query, int link)
{
	struct ifreq request = { .ifr_ifindex = link };

	/* Unlike a question over rtnetlink, this does not wait for who configures interfaces. */
	return ioctl(query->udp, SIOCGIFNAME, &request) >= 0 &&
	       ioctl(query->udp, SIOCGIFFLAGS, &request) >= 0 && request.ifr_flags & IFF_UP &&
	       request.ifr_flags & IFF_RUNNING;
}

static struct nlmsghdr *neighbour_init(struct uplink_query *query, void *buffer, uint16_t type,
				       uint8_t flags, const struct uplink *uplink)
{
	struct nlmsghdr *request =
		request_init(query, buffer, type, type == RTM_NEWNEIGH ? NLM_F_REPLACE : 0);
	struct ndmsg *neighbour = mnl_nlmsg_put_extra_header(request, sizeof *neighbour);

	neighbour->ndm_family = AF_INET;
	neighbour->ndm_ifindex = uplink->link;
	neighbour->ndm_state = NUD_NONE;
	neighbour->ndm_flags = flags;
	mnl_attr_put_u32(request, NDA_DST, uplink->next_hop.s_addr);
	return request;
}

static int on_neighbour(const struct nlmsghdr *message, void *userdata)
{
	const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);
	uint16_t *state = userdata;

	if (message->nlmsg_type == RTM_NEWNEIGH)
		*state = neighbour->ndm_state;
	return MNL_CB_OK;
}

bool uplink_query_nudge(struct uplink_query *query, const struct uplink *uplink)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	uint16_t state = NUD_NONE;
	int r = transact(query, neighbour_init(query, buffer, RTM_GETNEIGH, 0, uplink),
			 on_neighbour, &state);

	/* No entry: nothing was sent there yet. */
	if (r == -ENOENT)
		return false;
	if (r < 0 || !(state & (NUD_INCOMPLETE | NUD_FAILED)))
		return true;
	/* The entry as if nobody had asked, with the packets that wait; and use of it, which asks.
	 */
	r = transact(query, neighbour_init(query, buffer, RTM_NEWNEIGH, 0, uplink), NULL, NULL);
	if (r >= 0)
		r = transact(query, neighbour_init(query, buffer, RTM_NEWNEIGH, NTF_USE, uplink),
			     NULL, NULL);
	return r < 0;
}
