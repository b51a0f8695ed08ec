/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hosts that move (RFC 4555), between two managers in memory. */
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-sa-internal.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/world.h"
#include "tests/unit/thorough.h"

#include <arpa/inet.h>
#include <stdio.h>

#define ELSEWHERE 0xcb007107 /* 203.0.113.7 */

static int set_up(void **state)
{
	const struct ike_lifetimes forever = {};
	struct world *world = world_new();

	for (int i = 0; i < WORLD_HOSTS; i++)
		ike_manager_set_lifetimes(world_host(world, i)->manager, &forever);
	world_host(world, 0)->wants_traffic = true;
	host_show(world_host(world, 0));
	host_run(world_host(world, 0));
	world_run_until(world, 1000);
	assert_true(world_agrees(world));
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	world_free(*state);
	return 0;
}

static bool same(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
}

static struct ike_sa *current_sa(struct host *host)
{
	for (uint64_t id = 16; id > 0; id--) {
		const struct ike_sa *sa = ike_manager_find(host->manager, id);

		if (sa && sa->state == IKE_SA_ESTABLISHED && !sa->superseded)
			return (struct ike_sa *)sa;
	}
	return NULL;
}

/* The host is somewhere else, and its tunnel notices. */
static void move(struct host *host, uint32_t address)
{
	host->address.sin_addr.s_addr = htonl(address);
	ike_manager_network_changed(host->manager, host->world->now);
	host_run(host);
}

/* The SPIs are what they were, and everybody knows where the other is. */
static void assert_found(struct world *world, uint32_t spi)
{
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	assert_true(world_agrees(world));
	assert_int_equal(host_pair(desktop)->child.spi_in, spi);
	assert_true(same(&desktop->peer_endpoint, &laptop->address));
	assert_true(same(&laptop->peer_endpoint, &desktop->address));
	assert_true(same(&current_sa(desktop)->endpoint, &laptop->address));
	assert_true(same(&current_sa(laptop)->endpoint, &desktop->address));
	for (int i = 0; i < WORLD_HOSTS; i++)
		assert_int_equal(host_counters(world_host(world, i))->established, 1);
}

static void test_agreed(void **state)
{
	struct world *world = *state;

	assert_true(current_sa(world_host(world, 0))->mobike.supported);
	assert_true(current_sa(world_host(world, 1))->mobike.supported);
	assert_true(current_sa(world_host(world, 0))->mobike.first);
	assert_false(current_sa(world_host(world, 1))->mobike.first);
}

/* An update, its answer, the question whether it is really there, its answer. */
static void test_initiator_moves(void **state)
{
	struct world *world = *state;
	uint32_t spi = host_pair(world_host(world, 0))->child.spi_in;
	unsigned int n_sent = world->n_sent;

	move(world_host(world, 0), ELSEWHERE);
	world_run_until(world, 1000 + 2 * WORLD_DELAY);
	/* Not before the proof. */
	assert_int_equal(world_host(world, 1)->n_moved, 0);
	world_run_until(world, 1000 + 3 * WORLD_DELAY);
	assert_found(world, spi);
	assert_int_equal(world_host(world, 1)->n_moved, 1);
	assert_int_equal(world->n_sent, n_sent + 4);
}

/* The responder says that it is elsewhere; the initiator decides. */
static void test_responder_moves(void **state)
{
	struct world *world = *state;
	uint32_t spi = host_pair(world_host(world, 0))->child.spi_in;

	move(world_host(world, 1), ELSEWHERE);
	world_run_until(world, 3000);
	assert_found(world, spi);
	assert_int_equal(world_host(world, 0)->n_moved, 1);
}

static void test_after_rekey(void **state)
{
	struct world *world = *state;
	struct host *laptop = world_host(world, 1);
	uint32_t spi;

	/* The responder begins the next SA; who decides stays the same (RFC 4555 §1.3). */
	ike_manager_rekey(laptop->manager, world->now, current_sa(laptop)->id);
	host_run(laptop);
	world_run_until(world, 20000);
	assert_true(current_sa(laptop)->initiator);
	assert_false(current_sa(laptop)->mobike.first);
	assert_true(current_sa(world_host(world, 0))->mobike.first);
	spi = host_pair(world_host(world, 0))->child.spi_in;
	move(world_host(world, 0), ELSEWHERE);
	world_run_until(world, 22000);
	assert_found(world, spi);
	move(laptop, ELSEWHERE + 1);
	world_run_until(world, 24000);
	assert_found(world, spi);
}

/* Neither reaches the other any more, until each hears by DNS where the other is. */
static void test_both_move(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
	uint32_t spi = host_pair(desktop)->child.spi_in;

	move(desktop, ELSEWHERE);
	move(laptop, ELSEWHERE + 1);
	world_run_until(world, 4000);
	desktop->peer_endpoint = laptop->address;
	host_show(desktop);
	host_run(desktop);
	world_run_until(world, 5000);
	laptop->peer_endpoint = desktop->address;
	host_show(laptop);
	host_run(laptop);
	world_run_until(world, 15000);
	assert_found(world, spi);
}

static unsigned int lose_one(struct world *world, struct datagram *datagram)
{
	return datagram->number == *(unsigned int *)world->userdata ? 0 : 1;
}

static void test_each_lost(void **state)
{
	for (unsigned int lost = 0; lost < 5; lost++)
		for (int who = 0; who < WORLD_HOSTS; who++) {
			struct world *world;
			unsigned int number;
			uint32_t spi;

			set_up((void **)&world);
			number = world->n_sent + lost;
			spi = host_pair(world_host(world, 0))->child.spi_in;
			world->network = lose_one;
			world->userdata = &number;
			move(world_host(world, who), ELSEWHERE);
			world_run_until(world, 8000);
			assert_found(world, spi);
			world_free(world);
		}
}

/* Moves on a rough network, also again before the last one is over. */
static unsigned int rough(struct world *world, struct datagram *datagram)
{
	uint64_t *dice = world->userdata;

	*dice = *dice * 6364136223846793005ull + 1442695040888963407ull;
	datagram->at += (*dice >> 40) % 300;
	if ((*dice >> 33) % 10 < 3)
		return 0;
	return (*dice >> 50) % 6 ? 1 : 2;
}

static void test_random_moves(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed += test_step()) {
		struct world *world;
		uint64_t dice = seed, plan = seed, at = 1000;
		uint32_t spi;

		set_up((void **)&world);
		spi = host_pair(world_host(world, 0))->child.spi_in;
		world->network = rough;
		world->userdata = &dice;
		for (unsigned int i = 0; i < 4; i++) {
			plan = plan * 6364136223846793005ull + 1442695040888963407ull;
			/* One side only: what leads back after both is DNS. */
			move(world_host(world, seed % 2), ELSEWHERE + i);
			at += (plan >> 33) % 2000;
			world_run_until(world, at);
		}
		world->network = NULL;
		world_run_until(world, at + 60000);
		assert_found(world, spi);
		world_free(world);
	}
}

static struct datagram recorded[64];
static unsigned int n_recorded;

static unsigned int record(struct world *world, struct datagram *datagram)
{
	if (n_recorded < 64)
		recorded[n_recorded++] = *datagram;
	return 1;
}

/* Whoever has recorded all of it and sends it again from elsewhere moves nobody. */
static void test_replay(void **state)
{
	struct world *world = *state;
	struct sockaddr_in thief = world_host(world, 0)->address;
	uint32_t spi = host_pair(world_host(world, 0))->child.spi_in;

	n_recorded = 0;
	world->network = record;
	move(world_host(world, 0), ELSEWHERE);
	world_run_until(world, 2000);
	move(world_host(world, 1), ELSEWHERE + 1);
	world_run_until(world, 4000);
	assert_found(world, spi);
	world->network = NULL;
	assert_true(n_recorded >= 8);
	thief.sin_addr.s_addr = htonl(ELSEWHERE + 99);
	for (unsigned int i = 0; i < n_recorded; i++)
		for (int host = 0; host < WORLD_HOSTS; host++)
			world_inject(world, &thief, &world_host(world, host)->address,
				     recorded[i].data, recorded[i].size);
	world_run_until(world, 10000);
	assert_found(world, spi);
}

/* A NAT before the initiator gives it another port, which only the other side sees. */
static unsigned int translate(struct world *world, struct datagram *datagram)
{
	const struct sockaddr_in *inside = &world_host(world, 0)->address;
	uint16_t *port = world->userdata;

	if (datagram->from.sin_addr.s_addr == inside->sin_addr.s_addr)
		datagram->from.sin_port = htons(*port);
	if (datagram->to.sin_addr.s_addr != inside->sin_addr.s_addr)
		return 1;
	if (datagram->to.sin_port != htons(*port))
		return 0;
	datagram->to.sin_port = inside->sin_port;
	return 1;
}

static void test_nat_mapping_changes(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
	uint16_t port = 4500;

	world->network = translate;
	world->userdata = &port;
	ike_manager_network_changed(desktop->manager, world->now);
	host_run(desktop);
	world_run_until(world, 2000);
	assert_int_equal(ntohs(laptop->peer_endpoint.sin_port), 4500);
	port = 31000;
	/* What it sends comes to nothing, so it asks. */
	desktop->silent = true;
	host_show(desktop);
	host_run(desktop);
	world_run_until(world, 3000);
	assert_int_equal(ntohs(laptop->peer_endpoint.sin_port), 31000);
	assert_int_equal(ntohs(current_sa(laptop)->endpoint.sin_port), 31000);
}

/* The answer does not bring the cookie back: somebody else gave it (§3.7). */
static void test_wrong_cookie(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);
	struct ike_sa *sa = current_sa(desktop);

	desktop->wants_traffic = false;
	move(desktop, ELSEWHERE);
	assert_true(ike_sa_last_request(sa)->has_cookie);
	ike_sa_last_request(sa)->cookie[3] ^= 1;
	world_run_until(world, 1000 + 2 * WORLD_DELAY);
	assert_int_equal(sa->state, IKE_SA_DELETING);
	world_run_until(world, 20000);
	assert_int_equal(host_pairs(desktop), 0);
	assert_int_equal(host_pairs(world_host(world, 1)), 0);
}

/* Where the peer forbids NAT, an address in the packet that is not the one it wrote is refused. */
static void test_no_nats_allowed(void **state)
{
	struct world *world = *state;
	struct ike_sa *sa = current_sa(world_host(world, 1));
	struct sockaddr_in before = sa->endpoint, elsewhere = sa->endpoint;

	elsewhere.sin_addr.s_addr = htonl(ELSEWHERE);
	for (int honest = 0; honest < 2; honest++) {
		uint8_t body[12], request[128], response[256];
		struct ike_builder builder;
		struct ike_chain chain;
		struct ike_notify notify;
		int size;

		memcpy(body, honest ? &elsewhere.sin_addr : &before.sin_addr, 4);
		memset(body + 4, 0, 4);
		memcpy(body + 8, &elsewhere.sin_port, 2);
		memcpy(body + 10, &elsewhere.sin_port, 2);
		ike_builder_begin_inner(&builder, request, sizeof request);
		ike_builder_add_notify(&builder, IKE_NOTIFY_UPDATE_SA_ADDRESSES, NULL, 0);
		ike_builder_add_notify(&builder, IKE_NOTIFY_NO_NATS_ALLOWED, body, sizeof body);
		ike_builder_add_notify(&builder, IKE_NOTIFY_COOKIE2, "eight or more", 13);
		size = ike_builder_finish(&builder);
		assert_int_equal(ike_chain_read(builder.first, request, size, &chain), 0);
		sa->asked_from = elsewhere;
		sa->asked_id = 100 + honest;
		ike_builder_begin_inner(&builder, response, sizeof response);
		ike_mobike_request(sa, &chain, &builder);
		size = ike_builder_finish(&builder);
		assert_int_equal(ike_chain_read(builder.first, response, size, &chain), 0);
		assert_true(ike_chain_find_notify(&chain, IKE_NOTIFY_COOKIE2, &notify));
		assert_memory_equal(notify.data.data, "eight or more", 13);
		assert_int_equal(
			ike_chain_find_notify(&chain, IKE_NOTIFY_UNEXPECTED_NAT_DETECTED, &notify),
			!honest);
		assert_true(same(&sa->endpoint, honest ? &elsewhere : &before));
	}
	/* An older one that comes later changes nothing (§3.5). */
	{
		uint8_t request[64], response[64];
		struct ike_builder builder;
		struct ike_chain chain;
		int size;

		ike_builder_begin_inner(&builder, request, sizeof request);
		ike_builder_add_notify(&builder, IKE_NOTIFY_UPDATE_SA_ADDRESSES, NULL, 0);
		size = ike_builder_finish(&builder);
		assert_int_equal(ike_chain_read(builder.first, request, size, &chain), 0);
		sa->asked_from = before;
		sa->asked_id = 99;
		ike_builder_begin_inner(&builder, response, sizeof response);
		ike_mobike_request(sa, &chain, &builder);
		assert_true(same(&sa->endpoint, &elsewhere));
	}
}

#define SECOND 0xc6336499 /* laptop's other address */

/* laptop can be reached at both addresses, and the first one is cut. */
static unsigned int multihomed(struct world *world, struct datagram *datagram)
{
	const struct sockaddr_in *first = &world_host(world, 1)->address;
	bool *cut = world->userdata;

	if (datagram->to.sin_addr.s_addr == htonl(SECOND)) {
		datagram->to.sin_addr = first->sin_addr;
		return 1;
	}
	if (datagram->from.sin_addr.s_addr == first->sin_addr.s_addr && *cut)
		datagram->from.sin_addr.s_addr = htonl(SECOND);
	return datagram->to.sin_addr.s_addr == first->sin_addr.s_addr && *cut ? 0 : 1;
}

static void say_addresses(struct ike_sa *sa, const uint32_t *addresses, size_t n, uint32_t id)
{
	uint8_t request[256], response[256];
	struct ike_builder builder;
	struct ike_chain chain;
	int size;

	ike_builder_begin_inner(&builder, request, sizeof request);
	for (size_t i = 0; i < n; i++) {
		uint32_t address = htonl(addresses[i]);

		ike_builder_add_notify(&builder, IKE_NOTIFY_ADDITIONAL_IP4_ADDRESS, &address, 4);
	}
	ike_builder_add_notify(&builder, IKE_NOTIFY_ADDITIONAL_IP6_ADDRESS, "sixteen octets..", 16);
	size = ike_builder_finish(&builder);
	assert_int_equal(ike_chain_read(builder.first, request, size, &chain), 0);
	sa->asked_from = sa->endpoint;
	sa->asked_id = id;
	ike_builder_begin_inner(&builder, response, sizeof response);
	ike_mobike_request(sa, &chain, &builder);
}

/* Where the peer is reached no more, its other addresses are tried; an answer leads to an update,
 * and only its proof moves the tunnel (§3.10). */
static void test_other_address(void **state)
{
	const uint32_t others[] = { 0x7f000001, 0xc6336477, SECOND, 0xe0000001, 0 };
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);
	struct ike_sa *sa = current_sa(desktop);
	uint32_t spi = host_pair(desktop)->child.spi_in;
	bool cut = false;

	say_addresses(sa, others, ARRAY_SIZE(others), 50);
	/* What is no address of a host is not kept. */
	assert_int_equal(sa->mobike.n_others, 2);
	sa->mobike.update_wanted = false;
	world->network = multihomed;
	world->userdata = &cut;
	cut = true;
	desktop->silent = true;
	host_show(desktop);
	host_run(desktop);
	world_run_until(world, 20000);
	assert_int_equal(ntohl(sa->endpoint.sin_addr.s_addr), SECOND);
	assert_int_equal(ntohl(desktop->peer_endpoint.sin_addr.s_addr), SECOND);
	assert_int_equal(desktop->n_moved, 1);
	assert_int_equal(host_pair(desktop)->child.spi_in, spi);
	assert_int_equal(host_counters(desktop)->dead_peers, 0);
	/* It may say that there are others now, or none. */
	say_addresses(sa, others + 2, 1, 51);
	assert_int_equal(sa->mobike.n_others, 1);
	assert_int_equal(ntohl(sa->mobike.others[0].s_addr), SECOND);
}

/* An update from what cannot be an address is refused (§3.5). */
static void test_unacceptable_address(void **state)
{
	struct world *world = *state;
	struct ike_sa *sa = current_sa(world_host(world, 1));
	const struct sockaddr_in before = sa->endpoint;
	const uint32_t wrong[] = { 0, 0x7f000001, 0xe0000001, 0xffffffff };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		uint8_t request[64], response[64];
		struct ike_builder builder;
		struct ike_notify notify;
		struct ike_chain chain;
		int size;

		ike_builder_begin_inner(&builder, request, sizeof request);
		ike_builder_add_notify(&builder, IKE_NOTIFY_UPDATE_SA_ADDRESSES, NULL, 0);
		size = ike_builder_finish(&builder);
		assert_int_equal(ike_chain_read(builder.first, request, size, &chain), 0);
		sa->asked_from = before;
		sa->asked_from.sin_addr.s_addr = htonl(wrong[i]);
		sa->asked_id = 100 + i;
		ike_builder_begin_inner(&builder, response, sizeof response);
		ike_mobike_request(sa, &chain, &builder);
		size = ike_builder_finish(&builder);
		assert_int_equal(ike_chain_read(builder.first, response, size, &chain), 0);
		assert_true(
			ike_chain_find_notify(&chain, IKE_NOTIFY_UNACCEPTABLE_ADDRESSES, &notify));
		assert_true(same(&sa->endpoint, &before));
	}
}

/* The peer refuses our new address: it is said, and the tunnel stays where it was. */
static void test_refused_address(void **state)
{
	struct world *world = *state;
	struct ike_sa *sa = current_sa(world_host(world, 0));
	uint8_t response[128];
	struct ike_builder builder;
	struct ike_chain chain;
	int size;

	sa->answered = (struct ike_request){ .purpose = IKE_PURPOSE_UPDATE, .has_cookie = true };
	ike_builder_begin_inner(&builder, response, sizeof response);
	ike_builder_add_notify(&builder, IKE_NOTIFY_UNACCEPTABLE_ADDRESSES, NULL, 0);
	ike_builder_add_notify(&builder, IKE_NOTIFY_COOKIE2, sa->answered.cookie, 16);
	size = ike_builder_finish(&builder);
	assert_int_equal(ike_chain_read(builder.first, response, size, &chain), 0);
	assert_true(ike_mobike_response(sa, world->now, &chain));
	host_run(world_host(world, 0));
	assert_non_null(strstr(sa->trouble, "UNACCEPTABLE_ADDRESSES"));
	assert_int_equal(world_host(world, 0)->n_moved, 0);
	assert_int_equal(sa->state, IKE_SA_ESTABLISHED);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(test_agreed),
		test(test_initiator_moves),
		test(test_responder_moves),
		test(test_after_rekey),
		test(test_both_move),
		cmocka_unit_test(test_each_lost),
		cmocka_unit_test(test_random_moves),
		test(test_replay),
		test(test_nat_mapping_changes),
		test(test_wrong_cookie),
		test(test_no_nats_allowed),
		test(test_other_address),
		test(test_unacceptable_address),
		test(test_refused_address),
	};

	return cmocka_run_group_tests_name("ike-mobike", tests, NULL, NULL);
}
