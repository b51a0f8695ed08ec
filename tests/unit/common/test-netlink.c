/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Questions to the kernel by netlink, with a network namespace of our own to ask about. */
#include "common/net/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define LOOPBACK    1
#define N_ADDRESSES 600 /* more than one piece of a list holds */

static struct netlink netlink;
static char buffer[512] __attribute__((aligned(NLMSG_ALIGNTO)));
static void (*before_next_request)(void);

ssize_t __real_mnl_socket_sendto(const struct mnl_socket *socket, const void *octets, size_t size);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *octets, size_t size);

/* A time at which others may do something: what was left before has been dropped by then. */
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *octets, size_t size)
{
	void (*act)(void) = before_next_request;

	before_next_request = NULL;
	if (act)
		act();
	return __real_mnl_socket_sendto(socket, octets, size);
}

static struct nlmsghdr *link_request(uint16_t type, int index, bool up)
{
	struct nlmsghdr *request = netlink_request(buffer, type, 0);
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(request, sizeof *link);

	link->ifi_index = index;
	link->ifi_change = type == RTM_NEWLINK ? IFF_UP : 0;
	link->ifi_flags = up ? IFF_UP : 0;
	return request;
}

static struct nlmsghdr *address_request(uint16_t type, uint16_t flags, unsigned int n)
{
	struct nlmsghdr *request = netlink_request(buffer, type, flags);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(request, sizeof *header);
	struct in6_addr address;

	header->ifa_family = AF_INET6;
	if (type != RTM_NEWADDR)
		return request;
	inet_pton(AF_INET6, "fd00::", &address);
	address.s6_addr32[3] = htonl(n + 1);
	header->ifa_index = LOOPBACK;
	header->ifa_prefixlen = 128;
	mnl_attr_put(request, IFA_LOCAL, sizeof address, &address);
	mnl_attr_put_u32(request, IFA_FLAGS, IFA_F_NODAD);
	return request;
}

static void join(int group)
{
	assert_int_equal(setsockopt(netlink_fd(&netlink), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
				    &group, sizeof group),
			 0);
}

struct seen {
	unsigned int links, addresses, others;
};

static void on_answer(void *userdata, const struct nlmsghdr *message)
{
	struct seen *seen = userdata;

	if (message->nlmsg_type == RTM_NEWLINK)
		seen->links++;
	else if (message->nlmsg_type == RTM_NEWADDR)
		seen->addresses++;
	else
		seen->others++;
}

/* One question and its one answer. */
static void asks_for_loopback(void)
{
	struct seen seen = { 0 };

	assert_int_equal(
		netlink_ask(&netlink, link_request(RTM_GETLINK, LOOPBACK, false), on_answer, &seen),
		0);
	assert_int_equal(seen.links, 1);
	assert_int_equal(seen.addresses + seen.others, 0);
}

static unsigned int count_addresses(void)
{
	struct seen seen;
	int r;

	/* The kernel goes on with new addresses for a moment: whoever wants all asks again. */
	do {
		seen = (struct seen){ 0 };
		r = netlink_ask(&netlink, address_request(RTM_GETADDR, NLM_F_DUMP, 0), on_answer,
				&seen);
	} while (r == -EINTR);
	assert_int_equal(r, 0);
	assert_int_equal(seen.links + seen.others, 0);
	return seen.addresses;
}

static int enter_namespace(void)
{
	return unshare(CLONE_NEWNET) == 0 ? 0 : unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

static int begin(void **unused)
{
	return enter_namespace() < 0 ? -1 : netlink_open(&netlink, NETLINK_ROUTE);
}

static void add_addresses(void)
{
	assert_int_equal(
		netlink_ask(&netlink, link_request(RTM_NEWLINK, LOOPBACK, true), NULL, NULL), 0);
	for (unsigned int i = 0; i < N_ADDRESSES; i++)
		assert_int_equal(netlink_ask(&netlink,
					     address_request(RTM_NEWADDR, NLM_F_CREATE, i), NULL,
					     NULL),
				 0);
}

static int end(void **unused)
{
	netlink_close(&netlink);
	assert_int_equal(netlink_fd(&netlink), -1);
	netlink_close(&netlink);
	return 0;
}

static void test_answers(void **unused)
{
	struct nlmsghdr *request = link_request(RTM_GETLINK, 4711, false);
	uint32_t size = request->nlmsg_len;
	struct seen seen = { 0 };

	assert_int_equal(netlink_ask(&netlink, request, on_answer, &seen), -ENODEV);
	assert_int_equal(seen.links + seen.addresses + seen.others, 0);
	for (uint32_t i = 0; i < size; i++)
		assert_int_equal(buffer[i], 0);
	asks_for_loopback();
}

/* Answers that nobody read, and a list that was read in part: the kernel refuses another list until
 * that one is at its end. */
static void test_left_over(void **unused)
{
	struct nlmsghdr *request;
	char piece[32768];

	add_addresses();
	for (unsigned int i = 0; i < 3; i++) {
		request = link_request(RTM_GETLINK, 4711 + i, false);
		assert_true(mnl_socket_sendto(netlink.socket, request, request->nlmsg_len) > 0);
	}
	asks_for_loopback();
	request = address_request(RTM_GETADDR, NLM_F_DUMP, 0);
	assert_true(mnl_socket_sendto(netlink.socket, request, request->nlmsg_len) > 0);
	assert_true(recv(netlink_fd(&netlink), piece, sizeof piece, MSG_DONTWAIT) > 0);
	assert_int_equal(count_addresses(), 1 + N_ADDRESSES);
}

/* As many addresses go as are told of in more octets than there is room for. */
static void test_lost(void **unused)
{
	int size = 8192; /* of which each message takes 700 or more */

	add_addresses();
	join(RTNLGRP_IPV6_IFADDR);
	assert_int_equal(
		setsockopt(netlink_fd(&netlink), SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
	assert_int_equal(
		netlink_ask(&netlink, link_request(RTM_NEWLINK, LOOPBACK, false), NULL, NULL),
		-ENOBUFS);
	asks_for_loopback();
}

/* Of a route, with the number that our next request has. */
static void others_change(void)
{
	struct netlink other;
	char octets[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = netlink_request(octets, RTM_NEWROUTE, NLM_F_CREATE);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof *route);

	route->rtm_family = AF_INET;
	route->rtm_dst_len = 32;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_type = RTN_UNREACHABLE;
	mnl_attr_put_u32(request, RTA_DST, htonl(0xc0000201));
	assert_int_equal(netlink_open(&other, NETLINK_ROUTE), 0);
	other.sequence = netlink.sequence - 1;
	assert_int_equal(netlink_ask(&other, request, NULL, NULL), 0);
	assert_int_equal(other.sequence, netlink.sequence);
	netlink_close(&other);
}

static void test_others(void **unused)
{
	join(RTNLGRP_IPV4_ROUTE);
	before_next_request = others_change;
	asks_for_loopback();
	assert_null(before_next_request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, begin, end),
		cmocka_unit_test_setup_teardown(test_left_over, begin, end),
		cmocka_unit_test_setup_teardown(test_lost, begin, end),
		cmocka_unit_test_setup_teardown(test_others, begin, end),
	};

	if (enter_namespace() < 0)
		return 77; /* skipped: no network namespace is to be had */
	return cmocka_run_group_tests_name("common/netlink", tests, NULL, NULL);
}
