/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/way.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>

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
	struct way *way = userdata;
	const struct nlattr *attribute;

	if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_type != RTN_UNICAST)
		return;
	mnl_attr_for_each (attribute, message, sizeof *route) {
		if (mnl_attr_get_type(attribute) == RTA_OIF)
			way->link = mnl_attr_get_u32(attribute);
		if (mnl_attr_get_type(attribute) == RTA_PREFSRC)
			way->source = attribute_address(attribute);
		if (mnl_attr_get_type(attribute) == RTA_GATEWAY)
			way->next_hop = attribute_address(attribute);
	}
}

int way_find(struct netlink *netlink, struct in_addr destination, int link, struct way *ret)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETROUTE, 0);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof *route);
	int r;

	*ret = (struct way){ .next_hop = destination };
	route->rtm_family = AF_INET;
	route->rtm_dst_len = 32;
	mnl_attr_put_u32(request, RTA_DST, destination.s_addr);
	if (link)
		mnl_attr_put_u32(request, RTA_OIF, link);
	r = netlink_ask(netlink, request, on_route, ret);
	if (r >= 0 && (!ret->link || !ret->source.s_addr))
		r = -ENETUNREACH;
	if (r < 0)
		*ret = (struct way){};
	return r;
}

bool way_link_runs(const struct netlink *netlink, int link, char ret_name[IFNAMSIZ])
{
	struct ifreq request = { .ifr_ifindex = link };
	int fd = netlink_fd(netlink);

	/* Unlike a question over rtnetlink, this does not wait for who configures interfaces. */
	if (ioctl(fd, SIOCGIFNAME, &request) < 0)
		return false;
	if (ret_name)
		memcpy(ret_name, request.ifr_name, IFNAMSIZ);
	return ioctl(fd, SIOCGIFFLAGS, &request) >= 0 && request.ifr_flags & IFF_UP &&
	       request.ifr_flags & IFF_RUNNING;
}
