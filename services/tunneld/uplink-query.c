/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/uplink-query.h"

#include "common/net/netlink.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct uplink_query {
	struct netlink netlink;
	int udp; /* for ioctl() */
};

int uplink_query_new(struct uplink_query **ret)
{
	cleanup(uplink_query_freep) struct uplink_query *query = calloc(1, sizeof *query);
	int r;

	if (!query)
		return -ENOMEM;
	query->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (query->udp < 0)
		return -errno;
	r = netlink_open(&query->netlink, NETLINK_ROUTE);
	if (r < 0)
		return r;
	*ret = steal_ptr(query);
	return 0;
}

struct uplink_query *uplink_query_free(struct uplink_query *query)
{
	if (!query)
		return NULL;
	netlink_close(&query->netlink);
	close_fd(query->udp);
	free(query);
	return NULL;
}

static struct in_addr attribute_address(const struct nlattr *attribute)
{
	struct in_addr address = {};

	if (mnl_attr_get_payload_len(attribute) == sizeof address)
		memcpy(&address, mnl_attr_get_payload(attribute), sizeof address);
	return address;
}

static void on_route(void *userdata, const struct nlmsghdr *message)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct uplink *uplink = userdata;
	const struct nlattr *attribute;

	if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_type != RTN_UNICAST)
		return;
	mnl_attr_for_each (attribute, message, sizeof *route) {
		if (mnl_attr_get_type(attribute) == RTA_OIF)
			uplink->link = mnl_attr_get_u32(attribute);
		if (mnl_attr_get_type(attribute) == RTA_PREFSRC)
			uplink->source = attribute_address(attribute);
		if (mnl_attr_get_type(attribute) == RTA_GATEWAY)
			uplink->next_hop = attribute_address(attribute);
	}
}

int uplink_query_find(struct uplink_query *query, struct in_addr destination, int link,
		      struct uplink *ret)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETROUTE, 0);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof *route);
	int r;

	*ret = (struct uplink){ .next_hop = destination };
	route->rtm_family = AF_INET;
	route->rtm_dst_len = 32;
	mnl_attr_put_u32(request, RTA_DST, destination.s_addr);
	if (link)
		mnl_attr_put_u32(request, RTA_OIF, link);
	r = netlink_ask(&query->netlink, request, on_route, ret);
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

static struct nlmsghdr *neighbour_init(void *buffer, uint16_t type, uint8_t flags,
				       const struct uplink *uplink)
{
	struct nlmsghdr *request =
		netlink_request(buffer, type, type == RTM_NEWNEIGH ? NLM_F_REPLACE : 0);
	struct ndmsg *neighbour = mnl_nlmsg_put_extra_header(request, sizeof *neighbour);

	neighbour->ndm_family = AF_INET;
	neighbour->ndm_ifindex = uplink->link;
	neighbour->ndm_state = NUD_NONE;
	neighbour->ndm_flags = flags;
	mnl_attr_put_u32(request, NDA_DST, uplink->next_hop.s_addr);
	return request;
}

static void on_neighbour(void *userdata, const struct nlmsghdr *message)
{
	const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);
	uint16_t *state = userdata;

	if (message->nlmsg_type == RTM_NEWNEIGH)
		*state = neighbour->ndm_state;
}

bool uplink_query_nudge(struct uplink_query *query, const struct uplink *uplink)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	uint16_t state = NUD_NONE;
	int r = netlink_ask(&query->netlink, neighbour_init(buffer, RTM_GETNEIGH, 0, uplink),
			    on_neighbour, &state);

	/* No entry: nothing was sent there yet. */
	if (r == -ENOENT)
		return false;
	if (r < 0 || !(state & (NUD_INCOMPLETE | NUD_FAILED)))
		return true;
	/* The entry as if nobody had asked, with the packets that wait; and use of it, which asks.
	 */
	r = netlink_ask(&query->netlink, neighbour_init(buffer, RTM_NEWNEIGH, 0, uplink), NULL,
			NULL);
	if (r >= 0)
		r = netlink_ask(&query->netlink,
				neighbour_init(buffer, RTM_NEWNEIGH, NTF_USE, uplink), NULL, NULL);
	return r < 0;
}
