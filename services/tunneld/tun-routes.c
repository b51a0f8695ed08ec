/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/tun-routes.h"

#include "common/net/netlink.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

/* Packets of ours that wait to be read. What does not fit is lost, and a TCP sender above, which
 * the queue does not slow down, loses hundreds at a time with the usual 500 when the machine is
 * busy. */
#define QUEUE_LENGTH 2000
/* What keeps packets for a peer on this machine when the interface is gone or has no carrier: ours
 * by this number of a routing protocol, which is nobody's, and after any other route. */
#define CLOSED_PROTOCOL 104
#define CLOSED_METRIC   0xfffffffe
/* Before the route over the interface, which has 1024. */
#define DETOUR_METRIC 512
/* So often a list is asked for of which something changed meanwhile. */
#define LIST_ROUNDS 32
/* Enough for as many peers as there may be, each with two routes. */
#define PURGE_ROUNDS 256

struct tun_routes {
	struct netlink netlink;
	int index;
};

struct address_list {
	int index;
	struct in6_addr addresses[256];
	size_t n_addresses;
};

int tun_routes_new(int index, struct tun_routes **ret)
{
	cleanup(tun_routes_freep) struct tun_routes *routes = calloc(1, sizeof *routes);
	int r;

	if (!routes)
		return -ENOMEM;
	routes->index = index;
	r = netlink_open(&routes->netlink, NETLINK_ROUTE);
	if (r < 0)
		return r;
	*ret = steal_ptr(routes);
	return 0;
}

struct tun_routes *tun_routes_free(struct tun_routes *routes)
{
	if (!routes)
		return NULL;
	netlink_close(&routes->netlink);
	free(routes);
	return NULL;
}

static int set_address_generation(struct tun_routes *routes)
{
	char buffer[512];
	struct nlmsghdr *request = netlink_request(buffer, RTM_NEWLINK, 0);
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(request, sizeof *link);
	struct nlattr *families, *family;

	link->ifi_family = AF_UNSPEC;
	link->ifi_index = routes->index;
	families = mnl_attr_nest_start(request, IFLA_AF_SPEC);
	family = mnl_attr_nest_start(request, AF_INET6);
	mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(request, family);
	mnl_attr_nest_end(request, families);
	return netlink_ask(&routes->netlink, request, NULL, NULL);
}

int tun_routes_bring_up(struct tun_routes *routes, uint32_t mtu)
{
	char buffer[512];
	struct nlmsghdr *request;
	struct ifinfomsg *link;

	/* Without it the kernel only talks a little on the interface, and that is dropped. */
	(void)set_address_generation(routes);
	request = netlink_request(buffer, RTM_NEWLINK, 0);
	link = mnl_nlmsg_put_extra_header(request, sizeof *link);
	link->ifi_family = AF_UNSPEC;
	link->ifi_index = routes->index;
	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	mnl_attr_put_u32(request, IFLA_MTU, mtu);
	mnl_attr_put_u32(request, IFLA_TXQLEN, QUEUE_LENGTH);
	return netlink_ask(&routes->netlink, request, NULL, NULL);
}

static void on_address(void *userdata, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct address_list *list = userdata;
	const struct nlattr *attribute;

	if (message->nlmsg_type != RTM_NEWADDR || (int)header->ifa_index != list->index)
		return;
	mnl_attr_for_each (attribute, message, sizeof *header) {
		if (mnl_attr_get_type(attribute) == IFA_ADDRESS &&
		    mnl_attr_get_payload_len(attribute) == sizeof(struct in6_addr) &&
		    list->n_addresses < ARRAY_SIZE(list->addresses))
			memcpy(&list->addresses[list->n_addresses++],
			       mnl_attr_get_payload(attribute), sizeof(struct in6_addr));
	}
}

static int ask_for_addresses(struct tun_routes *routes, struct address_list *list)
{
	char buffer[512];
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(request, sizeof *header);

	header->ifa_family = AF_INET6;
	header->ifa_index = routes->index;
	list->index = routes->index;
	list->n_addresses = 0;
	return netlink_ask(&routes->netlink, request, on_address, list);
}

/* Others' interfaces change as well, and then the list may lack something. */
static int list_addresses(struct tun_routes *routes, struct address_list *list)
{
	int r = -EINTR;

	for (unsigned int i = 0; r == -EINTR && i < LIST_ROUNDS; i++)
		r = ask_for_addresses(routes, list);
	return r;
}

static int change_address(struct tun_routes *routes, uint16_t type, uint16_t flags,
			  const struct in6_addr *address)
{
	char buffer[512];
	struct nlmsghdr *request = netlink_request(buffer, type, flags);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(request, sizeof *header);

	header->ifa_family = AF_INET6;
	header->ifa_prefixlen = 128;
	header->ifa_scope = RT_SCOPE_UNIVERSE;
	header->ifa_index = routes->index;
	/* Nobody else can have it: detection would only delay it. */
	mnl_attr_put(request, IFA_LOCAL, sizeof *address, address);
	mnl_attr_put(request, IFA_ADDRESS, sizeof *address, address);
	mnl_attr_put_u32(request, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
	return netlink_ask(&routes->netlink, request, NULL, NULL);
}

int tun_routes_set_address(struct tun_routes *routes, const struct in6_addr *address)
{
	struct address_list list;
	bool there = false;
	int r = list_addresses(routes, &list);

	for (size_t i = 0; r >= 0 && i < list.n_addresses; i++) {
		if (address && !memcmp(&list.addresses[i], address, sizeof *address))
			there = true;
		else
			r = change_address(routes, RTM_DELADDR, 0, &list.addresses[i]);
	}
	if (r >= 0 && address && !there)
		r = change_address(routes, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address);
	return r;
}

/* A route to one peer: `type` is RTN_UNICAST over the interface, or RTN_UNREACHABLE. */
struct route {
	const struct in6_addr *peer, *source;
	uint8_t type;
	uint32_t mtu, most; /* 0: not said */
	int detour;         /* over this interface instead of ours; 0: none */
};

static void put_metrics(struct nlmsghdr *request, const struct route *route)
{
	struct nlattr *metrics = mnl_attr_nest_start(request, RTA_METRICS);

	mnl_attr_put_u32(request, RTAX_MTU, route->mtu);
	mnl_attr_put_u32(request, RTAX_ADVMSS,
			 route->most - sizeof(struct ip6_hdr) - sizeof(struct tcphdr));
	mnl_attr_nest_end(request, metrics);
}

static int change_route(struct tun_routes *routes, uint16_t type, uint16_t flags,
			const struct route *route)
{
	char buffer[512];
	struct nlmsghdr *request = netlink_request(buffer, type, flags);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(request, sizeof *header);
	bool closed = route->type == RTN_UNREACHABLE;

	header->rtm_family = AF_INET6;
	header->rtm_dst_len = 128;
	header->rtm_table = RT_TABLE_MAIN;
	header->rtm_type = route->type;
	/* Whoever made a route over the interface, it is to go with its peer. */
	if (type == RTM_NEWROUTE || closed)
		header->rtm_protocol = closed ? CLOSED_PROTOCOL : RTPROT_STATIC;
	mnl_attr_put(request, RTA_DST, sizeof *route->peer, route->peer);
	if (closed)
		mnl_attr_put_u32(request, RTA_PRIORITY, CLOSED_METRIC);
	else
		mnl_attr_put_u32(request, RTA_OIF, route->detour ?: routes->index);
	if (route->detour)
		mnl_attr_put_u32(request, RTA_PRIORITY, DETOUR_METRIC);
	if (route->source)
		mnl_attr_put(request, RTA_PREFSRC, sizeof *route->source, route->source);
	if (route->mtu)
		put_metrics(request, route);
	return netlink_ask(&routes->netlink, request, NULL, NULL);
}

int tun_routes_set_mtu(struct tun_routes *routes, const struct in6_addr *peer,
		       const struct in6_addr *source, uint32_t mtu, uint32_t most)
{
	const struct route route = { peer, source, RTN_UNICAST, mtu, most };

	return change_route(routes, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &route);
}

int tun_routes_set_detour(struct tun_routes *routes, int index, const struct in6_addr *peer,
			  const struct in6_addr *source, uint32_t mtu)
{
	const struct route route = { peer, source, RTN_UNICAST, mtu, mtu, index };

	return change_route(routes, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &route);
}

int tun_routes_remove_detour(struct tun_routes *routes, int index, const struct in6_addr *peer)
{
	const struct route route = { .peer = peer, .type = RTN_UNICAST, .detour = index };

	return change_route(routes, RTM_DELROUTE, 0, &route);
}

int tun_routes_add(struct tun_routes *routes, const struct in6_addr *peer,
		   const struct in6_addr *source, uint32_t mtu, uint32_t most)
{
	const struct route closed = { .peer = peer, .type = RTN_UNREACHABLE };
	int r = change_route(routes, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &closed);

	return r < 0 ? r : tun_routes_set_mtu(routes, peer, source, mtu, most);
}

int tun_routes_remove(struct tun_routes *routes, const struct in6_addr *peer)
{
	const struct route route = { .peer = peer, .type = RTN_UNICAST };
	int r = change_route(routes, RTM_DELROUTE, 0, &route);

	return r == -ESRCH ? 0 : r;
}

int tun_routes_forget(struct tun_routes *routes, const struct in6_addr *peer)
{
	const struct route closed = { .peer = peer, .type = RTN_UNREACHABLE };
	int r = tun_routes_remove(routes, peer);

	if (r >= 0)
		r = change_route(routes, RTM_DELROUTE, 0, &closed);
	return r == -ESRCH ? 0 : r;
}

/* Peers with a route that nobody wants, some of them. */
struct unwanted {
	int index;
	bool (*is_wanted)(void *userdata, const struct in6_addr *peer);
	void *userdata;
	struct in6_addr peers[256];
	size_t n_peers;
};

static void on_route(void *userdata, const struct nlmsghdr *message)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct unwanted *unwanted = userdata;
	const struct nlattr *attribute;
	struct in6_addr destination;
	bool closed =
		header->rtm_type == RTN_UNREACHABLE && header->rtm_protocol == CLOSED_PROTOCOL;
	bool ours = closed, known = false;

	if (message->nlmsg_type != RTM_NEWROUTE || header->rtm_table != RT_TABLE_MAIN ||
	    (header->rtm_type != RTN_UNICAST && !closed) || header->rtm_dst_len != 128)
		return;
	mnl_attr_for_each (attribute, message, sizeof *header) {
		if (mnl_attr_get_type(attribute) == RTA_OIF && !closed)
			ours = (int)mnl_attr_get_u32(attribute) == unwanted->index;
		if (mnl_attr_get_type(attribute) == RTA_DST &&
		    mnl_attr_get_payload_len(attribute) == sizeof destination) {
			memcpy(&destination, mnl_attr_get_payload(attribute), sizeof destination);
			known = true;
		}
	}
	if (ours && known && unwanted->n_peers < ARRAY_SIZE(unwanted->peers) &&
	    !unwanted->is_wanted(unwanted->userdata, &destination))
		unwanted->peers[unwanted->n_peers++] = destination;
}

/* Also of a list of which something changed meanwhile (-EINTR). */
static int purge_some(struct tun_routes *routes, struct unwanted *unwanted)
{
	char buffer[512];
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(request, sizeof *header);
	int r;

	header->rtm_family = AF_INET6;
	unwanted->n_peers = 0;
	r = netlink_ask(&routes->netlink, request, on_route, unwanted);
	for (size_t i = 0; (r >= 0 || r == -EINTR) && i < unwanted->n_peers; i++) {
		int forgotten = tun_routes_forget(routes, &unwanted->peers[i]);

		r = forgotten < 0 ? forgotten : r;
	}
	return r;
}

int tun_routes_purge(struct tun_routes *routes,
		     bool (*is_wanted)(void *userdata, const struct in6_addr *peer), void *userdata)
{
	struct unwanted unwanted = { routes->index, is_wanted, userdata };
	int r;

	/* Not for ever, if one of them should refuse to go. */
	for (unsigned int i = 0; i < PURGE_ROUNDS; i++) {
		r = purge_some(routes, &unwanted);
		if (r != -EINTR && (r < 0 || unwanted.n_peers < ARRAY_SIZE(unwanted.peers)))
			break;
	}
	return r;
}
