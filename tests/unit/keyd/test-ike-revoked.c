/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hosts that were forgotten: refused in both roles, and ended at once. */
#include "services/keyd/ike-revoked-state.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/world.h"

#include <stdio.h>

static void forget(struct host *host, const char *name, uint64_t until)
{
	struct revocation_list list = { .number = until };

	assert_int_equal(revocation_list_add(&list, name, until), 0);
	ike_manager_set_revoked(host->manager, host->world->now, &list);
	host_run(host);
}

/* Another certificate, issued at that time. */
static void issue(struct world *world, int index, uint64_t issued)
{
	struct host *host = world_host(world, index);
	char names[512];

	snprintf(names, sizeof names,
		 "DNS:%s,DNS:AutoTunnel-00-22-69-FF-FE-8E-34-%02X." TEST_DOMAIN, host->name,
		 host->host_id[15]);
	test_host_drop(&host->identity);
	test_host_make(&host->identity, &world->account,
		       &(struct test_host_options){ .names = names, .issued = issued });
	host_sign_in(host, &host->identity);
}

static void agree(struct world *world)
{
	host_want(world_host(world, 0));
	world_run_until(world, world->now + 1000);
	assert_true(world_agrees(world));
}

static void test_names_and_times(void **state)
{
	struct revocation_list list = {};

	assert_false(ike_revoked_covers(NULL, "laptop." TEST_DOMAIN, 0));
	assert_false(ike_revoked_covers(&list, "laptop." TEST_DOMAIN, 0));
	assert_int_equal(revocation_list_add(&list, "laptop", 100), 0);
	assert_true(ike_revoked_covers(&list, "laptop." TEST_DOMAIN, 0));
	assert_true(ike_revoked_covers(&list, "laptop." TEST_DOMAIN, 100));
	assert_false(ike_revoked_covers(&list, "laptop." TEST_DOMAIN, 101));
	assert_false(ike_revoked_covers(&list, "lap." TEST_DOMAIN, 0));
	assert_false(ike_revoked_covers(&list, "laptops." TEST_DOMAIN, 0));
}

/* The pair is out of tunneld before anything else happens, whatever the other side does. */
static void test_ends_at_once(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);

	agree(world);
	desktop->wants_traffic = false;
	forget(desktop, "laptop", 1);
	assert_int_equal(host_pairs(desktop), 0);
	world_run_until(world, world->now + 1000);
	assert_int_equal(host_pairs(world_host(world, 1)), 0);
	assert_null(host_next_sa(desktop, NULL));
}

/* Successors of the SA are known to be the same host's. */
static void test_ends_after_rekeying(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);
	uint64_t first;

	issue(world, 0, 50);
	issue(world, 1, 50);
	agree(world);
	first = host_current_sa(desktop)->id;
	assert_int_equal(ike_manager_rekey(desktop->manager, world->now, first), 0);
	host_run(desktop);
	world_run_until(world, world->now + 1000);
	assert_int_not_equal(host_current_sa(desktop)->id, first);
	assert_int_equal(host_current_sa(desktop)->peer_issued, 50);
	forget(desktop, "laptop", 49);
	assert_int_equal(host_pairs(desktop), 1);
	desktop->wants_traffic = false;
	forget(desktop, "laptop", 50);
	assert_int_equal(host_pairs(desktop), 0);
}

static void test_refused_as_initiator(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	forget(desktop, "laptop", 1);
	host_want(laptop);
	world_run_until(world, 1000);
	assert_int_equal(host_pairs(desktop) + host_pairs(laptop), 0);
	assert_string_equal(laptop->failure, "it refused with AUTHENTICATION_FAILED");
	assert_int_equal(host_counters(desktop)->forgotten_peers, 1);
	assert_int_equal(host_counters(desktop)->refused_peers, 1);
}

static void test_refused_as_responder(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	forget(desktop, "laptop", 1);
	host_want(desktop);
	world_run_until(world, 900);
	assert_int_equal(host_pairs(desktop) + host_pairs(laptop), 0);
	assert_string_equal(desktop->failure, IKE_REVOKED_REASON);
	assert_int_equal(host_counters(desktop)->forgotten_peers, 1);
}

/* A host of that name that was signed in later is a host like any other. */
static void test_signed_in_anew(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);

	issue(world, 1, 100);
	forget(desktop, "laptop", 100);
	host_want(desktop);
	world_run_until(world, 900);
	assert_int_equal(host_pairs(desktop), 0);
	issue(world, 1, 101);
	for (int i = 1; i < 60 && !host_pairs(desktop); i++) {
		host_want(desktop);
		world_run_until(world, 900 + i * 1000);
	}
	assert_true(world_agrees(world));
	assert_int_equal(host_current_sa(desktop)->peer_issued, 101);
	/* The same list again, and one about another host, change nothing. */
	forget(desktop, "laptop", 100);
	forget(desktop, "tablet", 200);
	assert_int_equal(host_pairs(desktop), 1);
}

/* A pair that the keyd before this one made is still in tunneld when the list is heard. */
static void test_ends_orphan(void **state)
{
	struct host *desktop = world_host(*state, 0);

	desktop->orphan = true;
	host_show(desktop);
	forget(desktop, "tablet", 1);
	assert_true(desktop->orphan);
	forget(desktop, "laptop", 1);
	assert_false(desktop->orphan);
}

/* The list is there first. */
static void test_ends_orphan_seen_later(void **state)
{
	struct host *desktop = world_host(*state, 0);

	forget(desktop, "laptop", 1);
	desktop->orphan = true;
	host_show(desktop);
	host_run(desktop);
	assert_false(desktop->orphan);
}

/* It started anew as another one: nothing is left of the former, on either side. */
static void test_ends_with_another_host_id(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
	struct ike_tunnel_peer peer = { .path = "/peer/2", .state = IKE_PEER_IDLE };

	agree(world);
	desktop->wants_traffic = false;
	desktop->peer_hidden = true;
	snprintf(peer.name, sizeof peer.name, "%s", laptop->name);
	memcpy(peer.host_id, laptop->host_id, 16);
	peer.host_id[8] ^= 1;
	peer.endpoint = laptop->address;
	ike_manager_set_peers(desktop->manager, world->now, &peer, 1);
	host_run(desktop);
	assert_int_equal(host_pairs(desktop), 0);
	world_run_until(world, world->now + 1000);
	assert_int_equal(host_pairs(laptop), 0);
	assert_null(host_next_sa(desktop, NULL));
}

/* Who only is not listed any more keeps what it has. */
static void test_stays_without_a_lease(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);

	agree(world);
	ike_manager_set_peers(desktop->manager, world->now, NULL, 0);
	host_run(desktop);
	assert_int_equal(host_pairs(desktop), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_times),
		cmocka_unit_test_setup_teardown(test_ends_at_once, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(test_ends_after_rekeying, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(test_refused_as_initiator, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(test_refused_as_responder, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(test_ends_orphan, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(test_ends_orphan_seen_later, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(test_ends_with_another_host_id, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(test_stays_without_a_lease, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(test_signed_in_anew, world_set_up, world_tear_down),
	};

	return cmocka_run_group_tests_name("ike-revoked", tests, NULL, NULL);
}
