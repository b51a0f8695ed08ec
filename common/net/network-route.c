/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/network-route.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

/* IFF_LOWER_UP of <linux/if.h>, which does not go together with <net/if.h>. */
#define LINK_HAS_CARRIER 0x10000

static struct in_addr read_address(const struct nlattr *attribute)
{
	struct in_addr address = { 0 };

	if (mnl_attr_get_payload_len(attribute) == sizeof(address))
		memcpy(&address, mnl_attr_get_payload(attribute), sizeof(address));
	return address;
}

static uint32_t read_number(const struct nlattr *attribute)
{
	return mnl_attr_get_payload_len(attribute) == sizeof(uint32_t) ? mnl_attr_get_u32(attribute)
								       : 0;
}

static void read_hop(const struct rtnexthop *hop, struct network_route *route)
{
	const struct nlattr *attribute = (const struct nlattr *)(hop + 1);
	const char *end = (const char *)hop + hop->rtnh_len;

	route->link = hop->rtnh_ifindex;
	for (; mnl_attr_ok(attribute, end - (const char *)attribute);
	     attribute = mnl_attr_next(attribute))
		if (mnl_attr_get_type(attribute) == RTA_GATEWAY)
			route->gateway = read_address(attribute);
}

static void read_hops(const struct nlattr *multipath, struct network_route *route)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	int left = mnl_attr_get_payload_len(multipath);

	while (left >= (int)sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) &&
	       hop->rtnh_len <= left) {
		if (!(hop->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN))) {
			read_hop(hop, route);
			return;
		}
		left -= RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
}

static bool is_dead_end(const struct rtmsg *info)
{
	return info->rtm_type == RTN_BLACKHOLE || info->rtm_type == RTN_UNREACHABLE ||
	       info->rtm_type == RTN_PROHIBIT;
}

bool network_route_read(const struct nlmsghdr *header, struct network_route *ret)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(header);
	struct network_route route = { .dead_end = is_dead_end(info) };
	const struct nlattr *attribute;
	uint32_t table = info->rtm_table;

	if (info->rtm_family != AF_INET || info->rtm_dst_len || info->rtm_src_len ||
	    info->rtm_tos || (info->rtm_type != RTN_UNICAST && !route.dead_end) ||
	    info->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD))
		return false;
	mnl_attr_for_each (attribute, header, sizeof(*info)) {
		switch (mnl_attr_get_type(attribute)) {
		case RTA_TABLE:
			table = read_number(attribute);
			break;
		case RTA_OIF:
			route.link = read_number(attribute);
			break;
		case RTA_GATEWAY:
			route.gateway = read_address(attribute);
			break;
		case RTA_PREFSRC:
			route.source = read_address(attribute);
			break;
		case RTA_PRIORITY:
			route.metric = read_number(attribute);
			break;
		case RTA_MULTIPATH:
			read_hops(attribute, &route);
			break;
		}
	}
	if (table != RT_TABLE_MAIN || (!route.link && !route.dead_end))
		return false;
	*ret = route;
	return true;
}

const char *network_link_kind(const struct nlmsghdr *header)
{
	const struct nlattr *attribute, *inner;

	mnl_attr_for_each (attribute, header, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attribute) != IFLA_LINKINFO)
			continue;
		mnl_attr_for_each_nested (inner, attribute)
			if (mnl_attr_get_type(inner) == IFLA_INFO_KIND &&
			    mnl_attr_validate(inner, MNL_TYPE_STRING) >= 0)
				return mnl_attr_get_str(inner);
	}
	return NULL;
}

bool network_link_is_tunnel(const struct nlmsghdr *header)
{
	static const char *const tunnels[] = { "tun",  "wireguard", "xfrm", "vti",
					       "ipip", "gre",       "sit" };
	const char *kind = network_link_kind(header);

	for (size_t i = 0; kind && i < sizeof tunnels / sizeof *tunnels; i++)
		if (!strcmp(kind, tunnels[i]))
			return true;
	return false;
}

bool network_link_is_up(const struct ifinfomsg *info)
{
	const unsigned int wanted = IFF_UP | LINK_HAS_CARRIER;

	return (info->ifi_flags & wanted) == wanted;
}
