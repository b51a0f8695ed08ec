/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* common/net: rows as the kernel writes them. */
#include "common/net/network-route.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static char octets[512] __attribute__((aligned(NLMSG_ALIGNTO)));
static struct nlmsghdr *header;
static struct rtmsg *row;
static struct network_route route;

/* default via 192.168.1.1 dev 3 metric 100 */
static int make_row(void **unused)
{
	memset(octets, 0, sizeof octets);
	header = mnl_nlmsg_put_header(octets);
	header->nlmsg_type = RTM_NEWROUTE;
	row = mnl_nlmsg_put_extra_header(header, sizeof *row);
	row->rtm_family = AF_INET;
	row->rtm_table = RT_TABLE_MAIN;
	row->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(header, RTA_GATEWAY, inet_addr("192.168.1.1"));
	mnl_attr_put_u32(header, RTA_OIF, 3);
	mnl_attr_put_u32(header, RTA_PRIORITY, 100);
	return 0;
}

static void test_default_route(void **unused)
{
	mnl_attr_put_u32(header, RTA_PREFSRC, inet_addr("192.168.1.2"));
	assert_true(network_route_read(header, &route));
	assert_int_equal(route.link, 3);
	assert_int_equal(route.metric, 100);
	assert_int_equal(route.gateway.s_addr, inet_addr("192.168.1.1"));
	assert_int_equal(route.source.s_addr, inet_addr("192.168.1.2"));
}

static void test_other_routes(void **unused)
{
	row->rtm_dst_len = 24;
	assert_false(network_route_read(header, &route));
	make_row(NULL);
	row->rtm_flags = RTNH_F_DEAD;
	assert_false(network_route_read(header, &route));
	make_row(NULL);
	row->rtm_type = RTN_LOCAL;
	assert_false(network_route_read(header, &route));
	make_row(NULL);
	row->rtm_tos = 0x10;
	assert_false(network_route_read(header, &route));
	make_row(NULL);
	row->rtm_family = AF_INET6;
	assert_false(network_route_read(header, &route));
	make_row(NULL);
	row->rtm_table = RT_TABLE_LOCAL;
	assert_false(network_route_read(header, &route));
	/* The number of the table that counts is the attribute's: the octet has no room for it. */
	make_row(NULL);
	mnl_attr_put_u32(header, RTA_TABLE, 1000);
	assert_false(network_route_read(header, &route));
	make_row(NULL);
	row->rtm_table = RT_TABLE_COMPAT;
	mnl_attr_put_u32(header, RTA_TABLE, RT_TABLE_MAIN);
	assert_true(network_route_read(header, &route));
}

static void test_dead_ends(void **unused)
{
	static const uint8_t types[] = { RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT };

	assert_true(network_route_read(header, &route));
	assert_false(route.dead_end);
	for (size_t i = 0; i < sizeof types; i++) {
		make_row(NULL);
		row->rtm_type = types[i];
		assert_true(network_route_read(header, &route));
		assert_true(route.dead_end);
		assert_int_equal(route.metric, 100);
	}
}

static void put_hop(char *hops, int number, unsigned int flags, int link, const char *gateway)
{
	struct {
		struct rtnexthop hop;
		struct nlattr attribute;
		uint32_t gateway;
	} one = {
		.hop = { .rtnh_len = sizeof one, .rtnh_flags = flags, .rtnh_ifindex = link },
		.attribute = { .nla_len = 8, .nla_type = RTA_GATEWAY },
		.gateway = inet_addr(gateway),
	};

	memcpy(hops + number * sizeof one, &one, sizeof one);
}

static void test_several_ways(void **unused)
{
	char hops[3 * 16];

	put_hop(hops, 0, RTNH_F_DEAD, 5, "10.0.5.1");
	put_hop(hops, 1, RTNH_F_LINKDOWN, 6, "10.0.6.1");
	put_hop(hops, 2, 0, 7, "10.0.7.1");
	header->nlmsg_len = MNL_NLMSG_HDRLEN + sizeof *row;
	mnl_attr_put(header, RTA_MULTIPATH, sizeof hops, hops);
	assert_true(network_route_read(header, &route));
	assert_int_equal(route.link, 7);
	assert_int_equal(route.gateway.s_addr, inet_addr("10.0.7.1"));
	/* Cut anywhere: another way or none. */
	for (size_t size = 0; size < sizeof hops; size++) {
		header->nlmsg_len = MNL_NLMSG_HDRLEN + sizeof *row;
		mnl_attr_put(header, RTA_MULTIPATH, size, hops);
		assert_false(network_route_read(header, &route));
	}
}

static void test_link(void **unused)
{
	struct ifinfomsg info = { .ifi_flags = IFF_UP };

	assert_false(network_link_is_up(&info));
	info.ifi_flags |= 0x10000;
	assert_true(network_link_is_up(&info));
	info.ifi_flags &= ~IFF_UP;
	assert_false(network_link_is_up(&info));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_default_route, make_row),
		cmocka_unit_test_setup(test_other_routes, make_row),
		cmocka_unit_test_setup(test_dead_ends, make_row),
		cmocka_unit_test_setup(test_several_ways, make_row),
		cmocka_unit_test(test_link),
	};

	return cmocka_run_group_tests_name("network-route", tests, NULL, NULL);
}
