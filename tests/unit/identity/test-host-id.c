/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "services/identity/host-id-state.h"

#include <arpa/inet.h>
#include <errno.h>

static const uint8_t mac[6] = { 0x00, 0x22, 0x69, 0x8e, 0x34, 0x2a };
static const uint8_t octets[HOST_ID_RANDOM_SIZE] = { 1,    2,    3,    4,    5,    6,    7,   0xff,
						     0xfb, 0xcc, 0xdd, 0xee, 0x11, 0x22, 0x33 };

static struct host_interface ethernet(int index, uint8_t last, bool up, bool default_route)
{
	return (struct host_interface){ .index = index,
					.up = up,
					.ethernet = true,
					.default_route = default_route,
					.address = { 0x00, 0x22, 0x69, 0x8e, 0x34, last } };
}

static const struct host_interface loopback = { .index = 1, .up = true, .loopback = true };
static const struct host_interface ppp = {
	.index = 9, .up = true, .default_route = true, .address = { 9 }
};

static bool scan_at(struct host_id_state *state, const struct host_interface *interfaces, size_t n,
		    uint64_t now, uint64_t *ret_due)
{
	return host_id_state_scan(state, interfaces, n, octets, now, ret_due);
}

/* Appendix G, G36 and G37. */
static void test_eui64(void **unused)
{
	uint8_t eui64[EUI64_SIZE];
	char label[TUNNEL_LABEL_SIZE];

	eui64_from_mac(mac, false, eui64);
	eui64_to_tunnel_label(eui64, label);
	assert_string_equal(label, "AutoTunnel-00-22-69-FF-FE-8E-34-2A");
	eui64_from_mac(mac, true, eui64);
	eui64_to_tunnel_label(eui64, label);
	assert_string_equal(label, "AutoTunnel-02-22-69-FF-FE-8E-34-2A");
}

/* G38: both forms of the whole address; S91, S92. */
static void test_address(void **unused)
{
	struct host_interface interface = ethernet(2, 0x2a, true, true);
	static const char *const wanted[] = { "fd01:203:405:607:22:69ff:fe8e:342a",
					      "fd01:203:405:607:222:69ff:fe8e:342a" };

	for (int modified = 0; modified < 2; modified++) {
		struct host_id_state state;
		char text[INET6_ADDRSTRLEN];
		uint64_t due;

		host_id_state_init(&state, modified, 0);
		assert_true(scan_at(&state, &interface, 1, 0, &due));
		assert_int_equal(due, UINT64_MAX);
		assert_string_equal(inet_ntop(AF_INET6, state.id, text, sizeof text),
				    wanted[modified]);
	}
}

/* S89: all zero and not chosen until there is an interface. */
static void test_waits_with_nothing(void **unused)
{
	static const uint8_t zero[HOST_ID_SIZE];
	struct host_interface interfaces[] = { loopback, ethernet(2, 1, false, false) };
	struct host_id_state state;
	uint64_t due;

	host_id_state_init(&state, false, 100);
	assert_false(scan_at(&state, NULL, 0, 100, &due));
	assert_false(scan_at(&state, interfaces, 2, 100 + 10 * HOST_ID_PATIENCE, &due));
	assert_int_equal(due, UINT64_MAX);
	assert_false(state.chosen);
	assert_memory_equal(state.id, zero, sizeof zero);
}

static void test_default_route_first_then_lowest_index(void **unused)
{
	struct host_interface interfaces[] = { loopback, ethernet(7, 7, true, false),
					       ethernet(3, 3, true, false),
					       ethernet(2, 2, false, false),
					       ethernet(5, 5, true, true) };
	struct host_id_state state;
	uint64_t due;

	host_id_state_init(&state, false, 0);
	assert_true(scan_at(&state, interfaces, 5, 0, &due));
	assert_int_equal(state.id[15], 5);

	/* Without the default route: patience, and then the lowest index that is up. */
	host_id_state_init(&state, false, 1000);
	assert_false(scan_at(&state, interfaces, 4, 1000, &due));
	assert_int_equal(due, 1000 + HOST_ID_PATIENCE);
	assert_false(scan_at(&state, interfaces, 4, due - 1, &due));
	assert_true(scan_at(&state, interfaces, 4, due, &due));
	assert_int_equal(state.id[15], 3);
}

/* UA-6. A group address or none at all is no interface's own either. */
static void test_random_without_ethernet(void **unused)
{
	struct host_interface interfaces[] = { loopback,
					       ppp,
					       ethernet(4, 4, true, true),
					       { .index = 6, .up = true, .ethernet = true } };
	struct host_id_state state;
	uint64_t due;

	interfaces[2].address[0] = 1;
	host_id_state_init(&state, false, 0);
	assert_false(scan_at(&state, interfaces, 4, 0, &due));
	assert_int_equal(due, HOST_ID_PATIENCE);
	assert_true(scan_at(&state, interfaces, 4, due, &due));
	assert_memory_equal(state.id + 1, octets, 7);
	assert_int_equal(state.id[8], 0xfc);
	assert_memory_equal(state.id + 9, octets + 8, 7);
}

/* S90, S93: chosen once; networks come and go. */
static void test_never_changes(void **unused)
{
	struct host_interface first = ethernet(2, 1, true, true);
	struct host_interface second = ethernet(1, 2, true, true);
	struct host_id_state state;
	uint8_t id[HOST_ID_SIZE];
	uint64_t due;

	host_id_state_init(&state, false, 0);
	assert_true(scan_at(&state, &first, 1, 0, &due));
	memcpy(id, state.id, sizeof id);
	assert_false(scan_at(&state, &second, 1, 1, &due));
	assert_int_equal(due, UINT64_MAX);
	assert_memory_equal(state.id, id, sizeof id);
}

static void test_restore(void **unused)
{
	uint8_t id[HOST_ID_SIZE] = { 0xfd, 9, 9, 9, 9, 9, 9, 9, 0, 0x22 };
	struct host_interface interface = ethernet(2, 1, true, true);
	struct host_id_state state;
	uint64_t due;

	host_id_state_init(&state, true, 0);
	assert_int_equal(host_id_state_restore(&state, id), 0);
	assert_false(scan_at(&state, &interface, 1, 0, &due));
	assert_memory_equal(state.id, id, sizeof id);

	host_id_state_init(&state, true, 0);
	id[0] = 0xfc;
	assert_int_equal(host_id_state_restore(&state, id), -EINVAL);
	assert_false(state.chosen);
}

/* The certificate's EUI-64 wins; the random half stays. */
static void test_bind(void **unused)
{
	static const uint8_t eui64[EUI64_SIZE] = { 1, 2, 3, 0xff, 0xfe, 4, 5, 6 };
	uint8_t id[HOST_ID_SIZE] = { 0xfd, 9, 8, 7, 6, 5, 4, 3 };
	struct host_id_state state;

	host_id_state_init(&state, false, 0);
	assert_true(host_id_state_bind(&state, eui64, octets));
	assert_true(state.chosen);
	assert_int_equal(state.id[0], 0xfd);
	assert_memory_equal(state.id + 1, octets, 7);
	assert_memory_equal(state.id + 8, eui64, 8);
	assert_false(host_id_state_bind(&state, eui64, octets));

	host_id_state_restore(&state, id);
	assert_true(host_id_state_bind(&state, eui64, octets));
	assert_memory_equal(state.id, id, 8);
	assert_memory_equal(state.id + 8, eui64, 8);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eui64),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_waits_with_nothing),
		cmocka_unit_test(test_default_route_first_then_lowest_index),
		cmocka_unit_test(test_random_without_ethernet),
		cmocka_unit_test(test_never_changes),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_bind),
	};

	return cmocka_run_group_tests_name("host-id", tests, NULL, NULL);
}
