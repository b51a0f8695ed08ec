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
	/* The address goes, and all that hangs on it; within the time it is back. */
	kernel_init(&kernel);
	add_link(&kernel, ETH, "eth0");
	network_state_note_change(&state, 2100);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_false(network_state_settle(&state, 2199));
	kernel_at_home(&kernel);
	network_state_note_change(&state, 2199);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_int_equal(network_state_settle(&state, 2219), NETWORK_SAME);
	assert_true(network_state_due(&state) == UINT64_MAX);
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
}

/* Two default routes, as with Wi-Fi and cable: another second best is news, and no change. */
static void test_uplinks(void **unused)
{
	struct network_state state;
	struct kernel kernel;

	settle_at_home(&state);
	assert_int_equal(state.settled.n_uplinks, 1);
	kernel_at_home(&kernel);
	add_link(&kernel, WLAN, "wlan0");
	add_address(&kernel, WLAN, "10.0.0.7", 24);
	add_route(&kernel, WLAN, "10.0.0.1", 600);
	network_state_note_change(&state, 2000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_int_equal(network_state_settle(&state, 2020), NETWORK_DETAILS);
	assert_view(&state.settled, "eth0", "192.168.1.10", "192.168.1.1");
	assert_int_equal(state.settled.n_uplinks, 2);
	assert_string_equal(state.settled.uplinks[0].interface, "eth0");
	assert_int_equal(state.settled.uplinks[0].metric, 100);
	assert_string_equal(state.settled.uplinks[1].interface, "wlan0");
	assert_int_equal(state.settled.uplinks[1].address.s_addr, inet_addr("10.0.0.7"));
	assert_int_equal(state.settled.uplinks[1].gateway.s_addr, inet_addr("10.0.0.1"));
	/* The cable is pulled: at once, for there is another way. */
	kernel.links[0].up = false;
	network_state_note_link_down(&state, ETH, 3000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_int_equal(network_state_settle(&state, 3020), NETWORK_OTHER);
	assert_view(&state.settled, "wlan0", "10.0.0.7", "10.0.0.1");
	assert_int_equal(state.settled.n_uplinks, 1);
	assert_true(state.settled.obstructed);
	/* Its route is taken away: only now anything goes out over the other one. */
	kernel.tables.routes = kernel.routes + 1;
	kernel.tables.n_routes = 1;
	network_state_note_change(&state, 3500);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_int_equal(network_state_settle(&state, 3520), NETWORK_OTHER);
	assert_view(&state.settled, "wlan0", "10.0.0.7", "10.0.0.1");
	assert_false(state.settled.obstructed);
	kernel.tables.routes = kernel.routes;
	kernel.tables.n_routes = 2;
	/* And back in; then Wi-Fi goes, which nobody used. */
	kernel.links[0].up = true;
	network_state_note_change(&state, 4000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_int_equal(network_state_settle(&state, 4020), NETWORK_OTHER);
	kernel.links[1].up = false;
	network_state_note_link_down(&state, WLAN, 5000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_int_equal(network_state_settle(&state, 5020), NETWORK_DETAILS);
	assert_view(&state.settled, "eth0", "192.168.1.10", "192.168.1.1");
}

static void test_kernels_order(void **unused)
{
	struct network_view view;
	struct kernel kernel;

	/* Of one metric, the first that the kernel lists. */
	kernel_at_home(&kernel);
	add_route(&kernel, ETH, "192.168.1.2", 100);
	add_route(&kernel, ETH, "192.168.1.3", 50);
	view = view_of(&kernel);
	assert_int_equal(view.n_uplinks, 3);
	assert_int_equal(view.uplinks[0].gateway.s_addr, inet_addr("192.168.1.3"));
	assert_int_equal(view.uplinks[1].gateway.s_addr, inet_addr("192.168.1.1"));
	assert_int_equal(view.uplinks[2].gateway.s_addr, inet_addr("192.168.1.2"));
	/* The kernel goes no farther than a route that ends in an error. */
	add_route(&kernel, 0, NULL, 60)->dead_end = true;
	view = view_of(&kernel);
	assert_int_equal(view.n_uplinks, 1);
	kernel.routes[3].metric = 10;
	view = view_of(&kernel);
	assert_int_equal(view.link, 0);
	assert_int_equal(view.kind, NETWORK_NO_ROUTE);
}

/* More ways out than anybody has: the best are kept. */
static void test_many_uplinks(void **unused)
{
	struct network_route routes[3 * NETWORK_UPLINKS] = {};
	struct network_view view;
	struct kernel kernel;
	size_t n = sizeof routes / sizeof *routes;

	kernel_at_home(&kernel);
	for (size_t i = 0; i < n; i++)
		routes[i] = (struct network_route){ .link = ETH,
						    .gateway.s_addr = htonl(0x0a000001 + i),
						    .metric = 7 * i % n };
	kernel.tables.routes = routes;
	kernel.tables.n_routes = n;
	view = view_of(&kernel);
	assert_int_equal(view.n_uplinks, NETWORK_UPLINKS);
	for (size_t i = 0; i < NETWORK_UPLINKS; i++)
		assert_int_equal(view.uplinks[i].metric, i);
}

static void test_kinds(void **unused)
{
	struct network_view view;
	struct kernel kernel;

	kernel_init(&kernel);
	add_link(&kernel, ETH, "eth0");
	assert_int_equal(view_of(&kernel).kind, NETWORK_NONE);
	/* Given by itself; a default route over the link changes nothing (avahi-autoipd sets one).
	 */
	add_address(&kernel, ETH, "169.254.7.7", 16);
	kernel.addresses[0].link_scope = true;
	view = view_of(&kernel);
	assert_int_equal(view.kind, NETWORK_LINK_LOCAL);
	assert_int_equal(view.link, 0);
	assert_string_equal(view.stray_interface, "eth0");
	add_route(&kernel, ETH, NULL, 1002)->source.s_addr = inet_addr("169.254.7.7");
	assert_int_equal(view_of(&kernel).kind, NETWORK_LINK_LOCAL);
	/* A real address beside it. */
	kernel.routes[0].source.s_addr = 0;
	kernel.tables.n_routes = 0;
	add_address(&kernel, ETH, "192.168.1.10", 24);
	view = view_of(&kernel);
	assert_int_equal(view.kind, NETWORK_NO_ROUTE);
	assert_int_equal(view.stray_address.s_addr, inet_addr("192.168.1.10"));
	/* What this machine makes for itself is no network. */
	kernel.links[0].internal = true;
	assert_int_equal(view_of(&kernel).kind, NETWORK_NONE);
	kernel.links[0].internal = false;
	add_route(&kernel, ETH, "192.168.1.1", 0);
	assert_int_equal(view_of(&kernel).kind, NETWORK_PRIVATE);
	kernel.addresses[1].address.s_addr = inet_addr("100.64.3.4");
	assert_int_equal(view_of(&kernel).kind, NETWORK_SHARED);
	kernel.addresses[1].address.s_addr = inet_addr("100.128.0.1");
	assert_int_equal(view_of(&kernel).kind, NETWORK_PUBLIC);
	assert_int_equal(network_kind_of((struct in_addr){ inet_addr("172.31.255.255") }),
			 NETWORK_PRIVATE);
	assert_int_equal(network_kind_of((struct in_addr){ inet_addr("172.32.0.0") }),
			 NETWORK_PUBLIC);
	assert_int_equal(network_kind_of((struct in_addr){ inet_addr("10.255.0.1") }),
			 NETWORK_PRIVATE);
	for (int kind = NETWORK_NONE; kind <= NETWORK_PUBLIC; kind++)
		assert_true(*network_kind_word(kind));
}

static void test_captive(void **unused)
{
	struct network_state state;
	struct kernel kernel;

	settle_at_home(&state);
	assert_int_equal(state.settled.kind, NETWORK_PRIVATE);
	assert_true(network_state_set_captive(&state, true));
	assert_false(network_state_set_captive(&state, true));
	assert_int_equal(state.settled.kind, NETWORK_CAPTIVE);
	/* It stays so while the network is the same one. */
	kernel_at_home(&kernel);
	network_state_note_change(&state, 2000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_int_equal(network_state_settle(&state, 2020), NETWORK_SAME);
	assert_int_equal(state.settled.kind, NETWORK_CAPTIVE);
	assert_true(network_state_set_captive(&state, false));
	assert_int_equal(state.settled.kind, NETWORK_PRIVATE);
	network_state_note_change(&state, 2100);
	assert_int_equal(network_state_settle(&state, 2250), NETWORK_SAME);
	assert_int_equal(state.settled.kind, NETWORK_PRIVATE);
	/* And ends with it. */
	assert_true(network_state_set_captive(&state, true));
	kernel.addresses[0].address.s_addr = inet_addr("192.168.1.20");
	network_state_note_change(&state, 3000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_int_equal(network_state_settle(&state, 3020), NETWORK_OTHER);
	assert_int_equal(state.settled.kind, NETWORK_PRIVATE);
	/* No network, no page. */
	kernel_init(&kernel);
	network_state_note_change(&state, 4000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_int_equal(network_state_settle(&state, 4100), NETWORK_OTHER);
	assert_false(network_state_set_captive(&state, true));
}

static void test_mac(void **unused)
{
	static const uint8_t one[] = { 2, 0, 0, 0, 0, 1 }, other[] = { 2, 0, 0, 0, 0, 2 };
	struct network_state state;
	struct kernel kernel;

	settle_at_home(&state);
	assert_false(state.settled.have_mac);
	assert_true(network_state_set_mac(&state, one));
	assert_false(network_state_set_mac(&state, one));
	kernel_at_home(&kernel);
	network_state_note_change(&state, 2000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_int_equal(network_state_settle(&state, 2020), NETWORK_SAME);
	assert_true(state.settled.have_mac);
	assert_true(network_state_set_mac(&state, other));
	assert_memory_equal(state.settled.mac, other, sizeof other);
	network_state_note_link_down(&state, ETH, 3000);
	network_state_set_tables(&state, &kernel.tables, true);
	assert_int_equal(network_state_settle(&state, 3020), NETWORK_OTHER);
	assert_false(state.settled.have_mac);
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
		cmocka_unit_test(test_uplinks),
		cmocka_unit_test(test_kernels_order),
		cmocka_unit_test(test_many_uplinks),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_captive),
		cmocka_unit_test(test_mac),
	};

	return cmocka_run_group_tests_name("network-state", tests, NULL, NULL);
}
