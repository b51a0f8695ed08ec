/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* network-state.c: which view is chosen, and when it settles. Time is simulated. */
#include "services/mapper/network-state.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ETH  2
#define WLAN 3
#define TUN  4

/* A machine's tables, easily put together. */
struct kernel {
	struct network_link links[8];
	struct network_address addresses[8];
	struct network_route routes[8];
	struct network_tables tables;
};

static void kernel_init(struct kernel *kernel)
{
	memset(kernel, 0, sizeof *kernel);
	kernel->tables.links = kernel->links;
	kernel->tables.addresses = kernel->addresses;
	kernel->tables.routes = kernel->routes;
}

static struct network_link *add_link(struct kernel *kernel, int index, const char *name)
{
	struct network_link *link = &kernel->links[kernel->tables.n_links++];

	*link = (struct network_link){ .index = index, .up = true };
	strcpy(link->name, name);
	return link;
}

static void add_address(struct kernel *kernel, int link, const char *address, uint8_t prefix)
{
	kernel->addresses[kernel->tables.n_addresses++] = (struct network_address){
		.link = link, .address.s_addr = inet_addr(address), .prefix = prefix
	};
}

static struct network_route *add_route(struct kernel *kernel, int link, const char *gateway,
				       uint32_t metric)
{
	struct network_route *route = &kernel->routes[kernel->tables.n_routes++];

	*route = (struct network_route){ .link = link,
					 .gateway.s_addr = gateway ? inet_addr(gateway) : 0,
					 .metric = metric };
	return route;
}

/* eth0 192.168.1.10/24 via 192.168.1.1 */
static void kernel_at_home(struct kernel *kernel)
{
	kernel_init(kernel);
	add_link(kernel, ETH, "eth0");
	add_address(kernel, ETH, "192.168.1.10", 24);
	add_route(kernel, ETH, "192.168.1.1", 100);
}

/* What settles of these tables at start. */
static struct network_view view_of(const struct kernel *kernel)
{
	struct network_state state = {};

	assert_true(network_state_due(&state) == UINT64_MAX);
	network_state_set_tables(&state, &kernel->tables, true);
	assert_true(network_state_due(&state) == 0);
	assert_true(network_state_settle(&state, 0));
	assert_true(network_state_due(&state) == UINT64_MAX);
	return state.settled;
}

static void assert_view(const struct network_view *view, const char *interface, const char *address,
			const char *gateway)
{
	assert_string_equal(view->interface, interface);
	assert_int_equal(view->address.s_addr, inet_addr(address));
	assert_int_equal(view->gateway.s_addr, gateway ? inet_addr(gateway) : 0);
}

static void test_nothing_there(void **state)
{
	struct kernel kernel;

	kernel_init(&kernel);
	assert_int_equal(view_of(&kernel).link, 0);
	add_link(&kernel, ETH, "eth0");
	assert_int_equal(view_of(&kernel).link, 0);
	add_route(&kernel, ETH, "192.168.1.1", 0);
	assert_int_equal(view_of(&kernel).link, 0);
	add_address(&kernel, ETH, "192.168.1.10", 24);
	assert_int_equal(view_of(&kernel).link, ETH);
	kernel.links[0].up = false;
	assert_int_equal(view_of(&kernel).link, 0);
}

static void test_lowest_metric_wins(void **state)
{
	struct network_view view;
	struct kernel kernel;

	kernel_at_home(&kernel);
	add_link(&kernel, WLAN, "wlan0");
	add_address(&kernel, WLAN, "10.0.0.7", 24);
	add_route(&kernel, WLAN, "10.0.0.1", 600);
	view = view_of(&kernel);
	assert_view(&view, "eth0", "192.168.1.10", "192.168.1.1");
	/* The cable is out: its route may still stand there. */
	kernel.links[0].up = false;
	view = view_of(&kernel);
	assert_view(&view, "wlan0", "10.0.0.7", "10.0.0.1");
	kernel.links[0].up = true;
	kernel.routes[1].metric = 50;
	view = view_of(&kernel);
	assert_view(&view, "wlan0", "10.0.0.7", "10.0.0.1");
}

static void test_tunnels_do_not_count(void **state)
{
	struct network_view view;
	struct kernel kernel;

	kernel_at_home(&kernel);
	add_link(&kernel, TUN, "homeward0")->tunnel = true;
	add_address(&kernel, TUN, "10.9.9.9", 24);
	add_route(&kernel, TUN, "10.9.9.1", 0);
	view = view_of(&kernel);
	assert_string_equal(view.interface, "eth0");
	/* A TUN with a default route but no gateway, as VPNs make them. */
	strcpy(kernel.links[1].name, "tun7");
	kernel.routes[1].gateway.s_addr = 0;
	view = view_of(&kernel);
	assert_string_equal(view.interface, "eth0");
	/* PPP has no gateway either, but is a network. */
	kernel.links[1].tunnel = false;
	view = view_of(&kernel);
	assert_view(&view, "tun7", "10.9.9.9", NULL);
}

static void test_source_address(void **state)
{
	struct network_view view;
	struct kernel kernel;

	kernel_init(&kernel);
	add_link(&kernel, ETH, "eth0");
	add_address(&kernel, ETH, "10.1.1.1", 8);
	add_address(&kernel, ETH, "192.168.1.10", 24);
	add_address(&kernel, ETH, "192.168.1.11", 24);
	kernel.addresses[2].secondary = true;
	add_route(&kernel, ETH, "192.168.1.1", 0);
	/* Of the gateway's subnet, the primary one. */
	view = view_of(&kernel);
	assert_int_equal(view.address.s_addr, inet_addr("192.168.1.10"));
	/* What the route names. */
	kernel.routes[0].source.s_addr = inet_addr("192.168.1.11");
	view = view_of(&kernel);
	assert_int_equal(view.address.s_addr, inet_addr("192.168.1.11"));
	/* None of the subnet: the first. */
	kernel.routes[0] =
		(struct network_route){ .link = ETH, .gateway.s_addr = inet_addr("172.16.0.1") };
	view = view_of(&kernel);
	assert_int_equal(view.address.s_addr, inet_addr("10.1.1.1"));
}

static void settle_at_home(struct network_state *state)
{
	struct kernel kernel;

	*state = (struct network_state){};
	kernel_at_home(&kernel);
	network_state_set_tables(state, &kernel.tables, true);
	assert_true(network_state_settle(state, 1000));
}

static void test_complete_view_settles_soon(void **unused)
{
	struct network_state state;
	struct kernel kernel;

	settle_at_home(&state);
	kernel_at_home(&kernel);
	kernel.addresses[0].address.s_addr = inet_addr("192.168.1.20");
	/* 2000 .. 2010: three notifications; the tables were read after the last one. */
	network_state_note_change(&state, 2000);
	network_state_note_change(&state, 2005);
	network_state_note_change(&state, 2010);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_true(network_state_due(&state) == 2030);
	assert_false(network_state_settle(&state, 2029));
	assert_true(network_state_settle(&state, 2030));
	assert_int_equal(state.settled.address.s_addr, inet_addr("192.168.1.20"));
	assert_true(network_state_due(&state) == UINT64_MAX);
}

static void test_incomplete_view_waits_longer(void **unused)
{
	struct network_state state;
	struct kernel kernel;

	settle_at_home(&state);
	kernel_init(&kernel);
	network_state_note_link_down(&state, ETH, 2000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_true(network_state_due(&state) == 2100);
	assert_true(network_state_settle(&state, 2100));
	assert_int_equal(state.settled.link, 0);
}

/* Down, up, address, route within 60 ms: one change, not two. */
static void test_move_is_one_change(void **unused)
{
	struct network_state state;
	struct kernel kernel;

	settle_at_home(&state);
	kernel_init(&kernel);
	network_state_note_link_down(&state, ETH, 2000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_false(network_state_settle(&state, 2040));
	add_link(&kernel, ETH, "eth0");
	add_address(&kernel, ETH, "10.0.0.7", 24);
	add_route(&kernel, ETH, "10.0.0.1", 0);
	network_state_note_change(&state, 2060);
	assert_true(network_state_due(&state) == 2150);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_true(network_state_due(&state) == 2080);
	assert_true(network_state_settle(&state, 2080));
	assert_view(&state.settled, "eth0", "10.0.0.7", "10.0.0.1");
}

static void test_endless_burst_settles(void **unused)
{
	struct network_state state;
	struct kernel kernel;
	uint64_t now;

	settle_at_home(&state);
	kernel_at_home(&kernel);
	kernel.addresses[0].address.s_addr = inet_addr("192.168.1.20");
	for (now = 2000; now < 2150; now += 10) {
		network_state_note_change(&state, now);
		network_state_set_tables(&state, &kernel.tables, now % 20);
		assert_false(network_state_settle(&state, now));
	}
	network_state_note_change(&state, now);
	assert_true(network_state_settle(&state, now));
	/* What changed since the tables were read begins the next burst. */
	assert_true(network_state_due(&state) != UINT64_MAX);
}

static void test_flapping_back_is_no_change(void **unused)
{
	struct network_state state;
	struct kernel kernel;

	settle_at_home(&state);
	kernel_at_home(&kernel);
	network_state_note_change(&state, 2000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_false(network_state_settle(&state, 2020));
	assert_true(network_state_due(&state) == UINT64_MAX);
	/* Another address of the same link goes. */
	network_state_note_address_gone(&state, ETH, (struct in_addr){ inet_addr("10.5.5.5") },
					2100);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_false(network_state_settle(&state, 2120));
	/* Another link goes down. */
	network_state_note_link_down(&state, WLAN, 2200);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_false(network_state_settle(&state, 2220));
}

/* Two homes often have the same numbers: after the carrier was lost it may be another one. */
static void test_same_numbers_elsewhere(void **unused)
{
	struct network_state state;
	struct kernel kernel;

	settle_at_home(&state);
	kernel_at_home(&kernel);
	network_state_note_link_down(&state, ETH, 2000);
	network_state_note_change(&state, 2010);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_true(network_state_settle(&state, 2030));
	network_state_note_address_gone(&state, ETH, (struct in_addr){ inet_addr("192.168.1.10") },
					3000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_true(network_state_settle(&state, 3020));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_lowest_metric_wins),
		cmocka_unit_test(test_tunnels_do_not_count),
		cmocka_unit_test(test_source_address),
		cmocka_unit_test(test_complete_view_settles_soon),
		cmocka_unit_test(test_incomplete_view_waits_longer),
		cmocka_unit_test(test_move_is_one_change),
		cmocka_unit_test(test_endless_burst_settles),
		cmocka_unit_test(test_flapping_back_is_no_change),
		cmocka_unit_test(test_same_numbers_elsewhere),
	};

	return cmocka_run_group_tests_name("network-state", tests, NULL, NULL);
}
