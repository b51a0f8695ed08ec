/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages in pieces (RFC 7383): put together by themselves, and between two hosts. */
#include "services/keyd/ike-reassembly.h"
#include "services/keyd/ike-sa-state.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/world.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t hash[32] = "which datagram";

static enum ike_piece add(struct ike_reassembly **reassembly, uint64_t now, uint32_t id,
			  uint16_t number, uint16_t total, const char *text)
{
	const struct ike_fragment fragment = { number, total };

	return ike_reassembly_add(reassembly, now, id, &fragment, number == 1 ? 35 : 0, hash, text,
				  strlen(text));
}

static void assert_whole(struct ike_reassembly **reassembly, const char *text)
{
	uint8_t whole[IKE_MESSAGE_LIMIT], first, of_hash[32];
	size_t size = ike_reassembly_read(*reassembly, whole, &first, of_hash);

	assert_int_equal(size, strlen(text));
	assert_memory_equal(whole, text, size);
	assert_int_equal(first, 35);
	assert_memory_equal(of_hash, hash, sizeof hash);
	*reassembly = ike_reassembly_free(*reassembly);
}

/* In every order of four. */
static void test_orders(void **state)
{
	static const char *const texts[] = { "one", "two", "", "four" };

	for (unsigned int order = 0; order < 256; order++) {
		struct ike_reassembly *reassembly = NULL;
		unsigned int seen = 0, n = 0;
		enum ike_piece result = IKE_PIECE_KEPT;

		for (unsigned int i = 0; i < 4; i++) {
			unsigned int which = order >> 2 * i & 3;

			result = add(&reassembly, 0, 1, which + 1, 4, texts[which]);
			if (seen & 1 << which)
				assert_int_equal(result, IKE_PIECE_REFUSED);
			else
				n++;
			seen |= 1 << which;
		}
		assert_int_equal(result == IKE_PIECE_COMPLETE, n == 4);
		if (n == 4)
			assert_whole(&reassembly, "onetwofour");
		ike_reassembly_free(reassembly);
	}
}

static void test_sets(void **state)
{
	struct ike_reassembly *reassembly = NULL;

	assert_int_equal(add(&reassembly, 0, 1, 0, 2, "x"), IKE_PIECE_REFUSED);
	assert_int_equal(add(&reassembly, 0, 1, 3, 2, "x"), IKE_PIECE_REFUSED);
	assert_int_equal(add(&reassembly, 0, 1, 1, 0, "x"), IKE_PIECE_REFUSED);
	assert_int_equal(add(&reassembly, 0, 1, 1, IKE_FRAGMENTS_LIMIT + 1, "x"),
			 IKE_PIECE_REFUSED);
	assert_int_equal(add(&reassembly, 0, 1, 1, 1, "whole"), IKE_PIECE_COMPLETE);
	assert_whole(&reassembly, "whole");
	/* A greater total is newer, a smaller one older. */
	assert_int_equal(add(&reassembly, 0, 1, 1, 2, "old"), IKE_PIECE_KEPT);
	assert_int_equal(add(&reassembly, 0, 1, 2, 3, "b"), IKE_PIECE_KEPT);
	assert_int_equal(add(&reassembly, 0, 1, 2, 2, "old"), IKE_PIECE_REFUSED);
	assert_int_equal(add(&reassembly, 0, 1, 3, 3, "c"), IKE_PIECE_KEPT);
	assert_int_equal(add(&reassembly, 0, 1, 1, 3, "a"), IKE_PIECE_COMPLETE);
	assert_whole(&reassembly, "abc");
	/* A later message drops an earlier one, and not the other way. */
	assert_int_equal(add(&reassembly, 0, 7, 1, 2, "x"), IKE_PIECE_KEPT);
	assert_int_equal(add(&reassembly, 0, 8, 2, 2, "z"), IKE_PIECE_KEPT);
	assert_int_equal(add(&reassembly, 0, 7, 2, 2, "x"), IKE_PIECE_REFUSED);
	assert_int_equal(add(&reassembly, 0, 8, 1, 2, "y"), IKE_PIECE_COMPLETE);
	assert_whole(&reassembly, "yz");
}

static void test_time(void **state)
{
	struct ike_reassembly *reassembly = NULL;

	assert_int_equal(add(&reassembly, 5, 1, 1, 2, "a"), IKE_PIECE_KEPT);
	assert_false(ike_reassembly_expired(reassembly, 4 + IKE_REASSEMBLY_TIMEOUT));
	assert_true(ike_reassembly_expired(reassembly, 5 + IKE_REASSEMBLY_TIMEOUT));
	/* Too late: it is the first one of a new attempt. */
	assert_int_equal(add(&reassembly, 5 + IKE_REASSEMBLY_TIMEOUT, 1, 2, 2, "b"),
			 IKE_PIECE_KEPT);
	assert_int_equal(add(&reassembly, 6 + IKE_REASSEMBLY_TIMEOUT, 1, 1, 2, "c"),
			 IKE_PIECE_COMPLETE);
	assert_whole(&reassembly, "cb");
}

/* All pieces together are no larger than a message may be. */
static void test_size(void **state)
{
	struct ike_reassembly *reassembly = NULL;
	char *text = calloc(1, IKE_MESSAGE_LIMIT);

	memset(text, 'x', IKE_MESSAGE_LIMIT - 10);
	assert_int_equal(add(&reassembly, 0, 1, 1, 3, text), IKE_PIECE_KEPT);
	assert_int_equal(add(&reassembly, 0, 1, 2, 3, "01234567890"), IKE_PIECE_REFUSED);
	assert_int_equal(add(&reassembly, 0, 1, 2, 3, "0123456789"), IKE_PIECE_KEPT);
	assert_int_equal(add(&reassembly, 0, 1, 3, 3, "x"), IKE_PIECE_REFUSED);
	assert_int_equal(add(&reassembly, 0, 1, 3, 3, ""), IKE_PIECE_COMPLETE);
	ike_reassembly_free(reassembly);
	free(text);
	assert_null(ike_reassembly_free(NULL));
}

/* Between two hosts. */

static void set_size(struct world *world, unsigned int size)
{
	for (int i = 0; i < WORLD_HOSTS; i++)
		ike_manager_set_datagram_size(world_host(world, i)->manager, size);
}

/* Both with pieces of 576 octets. */
static void test_small_datagrams(void **state)
{
	struct world *world = *state;

	set_size(world, IKE_DATAGRAM_MINIMUM);
	host_want(world_host(world, 0));
	world_run_until(world, 1000);
	assert_true(world_agrees(world));
	for (int i = 0; i < WORLD_HOSTS; i++) {
		assert_int_equal(host_counters(world_host(world, i))->reassembled, 1);
		assert_int_equal(host_counters(world_host(world, i))->fragments_refused, 0);
		assert_in_range(host_counters(world_host(world, i))->fragments_received, 2, 4);
	}
}

static unsigned int lose_one(struct world *world, struct datagram *datagram)
{
	return datagram->number == *(unsigned int *)world->userdata ? 0 : 1;
}

/* Each datagram lost once. */
static void test_each_lost(void **state)
{
	for (unsigned int lost = 0; lost < 8; lost++) {
		struct world *world = world_new();

		set_size(world, IKE_DATAGRAM_MINIMUM);
		world->network = lose_one;
		world->userdata = &lost;
		host_want(world_host(world, 0));
		world_run_until(world, 3000);
		assert_true(world_agrees(world));
		for (int i = 0; i < WORLD_HOSTS; i++)
			assert_int_equal(world_host(world, i)->n_installed, 1);
		world_free(world);
	}
}

/* Loses three of ten, doubles some, delays some beyond those sent after them. */
static unsigned int rough(struct world *world, struct datagram *datagram)
{
	uint64_t *dice = world->userdata;

	*dice = *dice * 6364136223846793005ull + 1442695040888963407ull;
	datagram->at += (*dice >> 40) % 300;
	if ((*dice >> 33) % 10 < 3)
		return 0;
	return (*dice >> 50) % 4 ? 1 : 2;
}

static void test_rough_network(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct world *world = world_new();
		uint64_t dice = seed;

		set_size(world, seed % 2 ? IKE_DATAGRAM_MINIMUM : IKE_DATAGRAM_SIZE);
		world->network = rough;
		world->userdata = &dice;
		host_want(world_host(world, 0));
		if (seed % 3 == 0)
			host_want(world_host(world, 1));
		for (unsigned int at = 1000; at <= 120000 && !world_agrees(world); at += 1000)
			world_run_until(world, at);
		assert_true(world_agrees(world));
		world_free(world);
	}
}

/* A way that swallows what is larger than 576 octets, IP and UDP and marker with it. */
static unsigned int narrow(struct world *world, struct datagram *datagram)
{
	return datagram->size + IKE_DATAGRAM_OVERHEAD > IKE_DATAGRAM_MINIMUM ? 0 : 1;
}

/* The way of one direction only. */
static unsigned int narrow_back(struct world *world, struct datagram *datagram)
{
	return datagram->from.sin_addr.s_addr == world_host(world, 1)->address.sin_addr.s_addr
		       ? narrow(world, datagram)
		       : 1;
}

static void test_narrow_way(void **state)
{
	struct world *world = *state;

	world->network = narrow;
	host_want(world_host(world, 0));
	world_run_until(world, 6000);
	assert_true(world_agrees(world));
	assert_int_equal(world_host(world, 1)->n_installed, 1);
}

/* The request was understood, its answer is too large: it comes again in smaller pieces when the
 * request does. */
static void test_narrow_way_back(void **state)
{
	struct world *world = *state;

	world->network = narrow_back;
	host_want(world_host(world, 0));
	world_run_until(world, 6000);
	assert_true(world_agrees(world));
	assert_int_equal(world_host(world, 1)->n_installed, 1);
	assert_int_equal(host_counters(world_host(world, 1))->refused_peers, 0);
}

/* Certificates that are as large as they may be: a name of 63 octets more than once. */
static void give_large_certificate(struct world *world, int index)
{
	struct host *host = world_host(world, index);
	char names[3000];
	size_t n = snprintf(names, sizeof names,
			    "DNS:%s,DNS:AutoTunnel-00-22-69-FF-FE-8E-34-%02X." TEST_DOMAIN,
			    host->name, host->host_id[15]);

	for (int i = 0; i < 16; i++)
		n += snprintf(names + n, sizeof names - n,
			      ",DNS:%02d-a-long-name-that-says-nothing-but-takes-its-room-in-the-"
			      "certificate.example.org",
			      i);
	test_host_drop(&host->identity);
	test_host_make(&host->identity, &world->account,
		       &(struct test_host_options){ .names = names });
	host_sign_in(host, &host->identity);
}

static void test_large_certificates(void **state)
{
	for (unsigned int size = 0; size < 2; size++) {
		struct world *world = world_new();

		for (int i = 0; i < WORLD_HOSTS; i++)
			give_large_certificate(world, i);
		set_size(world, size ? IKE_DATAGRAM_SIZE : IKE_DATAGRAM_MINIMUM);
		host_want(world_host(world, 0));
		world_run_until(world, 1000);
		assert_true(world_agrees(world));
		assert_in_range(host_counters(world_host(world, 1))->fragments_received, 2, 8);
		world_free(world);
	}
}

/* Takes the notification out of IKE_SA_INIT, unknown to both: then AUTH fails and there is no SA.
 */
static unsigned int hide_support(struct world *world, struct datagram *datagram)
{
	static const uint8_t notify[] = { 0, 0, 0x40, 0x2e };

	for (size_t i = 0; datagram->data[18] == IKE_EXCHANGE_SA_INIT && i + 4 <= datagram->size;
	     i++)
		if (!memcmp(datagram->data + i, notify, 4))
			datagram->data[i + 3] = 0xff;
	return 1;
}

static void test_support_is_signed(void **state)
{
	struct world *world = *state;

	world->network = hide_support;
	host_want(world_host(world, 0));
	world_run_until(world, 3000);
	assert_int_equal(host_pairs(world_host(world, 0)), 0);
	assert_int_equal(host_pairs(world_host(world, 1)), 0);
}

/* Pieces that somebody made up, before and between the true ones. */
static struct datagram last;

static unsigned int forge_pieces(struct world *world, struct datagram *datagram)
{
	if (datagram->data[16] != IKE_PAYLOAD_SKF)
		return 1;
	last = *datagram;
	/* Other content, another number, another total. */
	last.data[last.size - 1] ^= 1;
	world_inject(world, &last.from, &last.to, last.data, last.size);
	last = *datagram;
	last.data[33] ^= 3;
	world_inject(world, &last.from, &last.to, last.data, last.size);
	last = *datagram;
	last.data[35] += 1;
	world_inject(world, &last.from, &last.to, last.data, last.size);
	datagram->at += 10;
	return 2;
}

static void test_forged_pieces(void **state)
{
	struct world *world = *state;
	struct host *laptop = world_host(world, 1);

	set_size(world, IKE_DATAGRAM_MINIMUM);
	world->network = forge_pieces;
	host_want(world_host(world, 0));
	world_run_until(world, 1000);
	assert_true(world_agrees(world));
	assert_int_equal(world_host(world, 0)->n_installed, 1);
	assert_int_equal(laptop->n_installed, 1);
	assert_true(host_counters(laptop)->unauthentic >= 2);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),        cmocka_unit_test(test_sets),
		cmocka_unit_test(test_time),          cmocka_unit_test(test_size),
		test(test_small_datagrams),           cmocka_unit_test(test_each_lost),
		cmocka_unit_test(test_rough_network), test(test_narrow_way),
		test(test_narrow_way_back),           cmocka_unit_test(test_large_certificates),
		test(test_support_is_signed),         test(test_forged_pieces),
	};

	return cmocka_run_group_tests_name("ike-fragments", tests, NULL, NULL);
}
