/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* New keys within an IKE SA (RFC 7296 §1.3, §2.8, §2.25), between two managers in memory. */
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-create-child.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/world.h"

#include <arpa/inet.h>
#include <stdio.h>

/* A world in which nothing is rekeyed by time, with a pair. */
static struct world *established_world(uint64_t seed)
{
	const struct ike_lifetimes forever = {};
	struct world *world = world_new();

	for (int i = 0; i < WORLD_HOSTS; i++) {
		world_host(world, i)->random += seed * 0x9e3779b97f4a7c15ull;
		ike_manager_set_lifetimes(world_host(world, i)->manager, &forever);
	}
	host_want(world_host(world, 0));
	world_run_until(world, 1000);
	assert_true(world_agrees(world));
	return world;
}

/* The SA that a host uses: the newest that has no successor. */
static const struct ike_sa *current_sa(struct host *host)
{
	for (uint64_t id = 64; id > 0; id--) {
		const struct ike_sa *sa = ike_manager_find(host->manager, id);

		if (sa && sa->state == IKE_SA_ESTABLISHED && !sa->superseded)
			return sa;
	}
	return NULL;
}

static unsigned int count_sas(struct host *host)
{
	unsigned int n = 0;

	for (uint64_t id = 1; id <= 64; id++)
		n += ike_manager_find(host->manager, id) != NULL;
	return n;
}

static void rekey_child(struct host *host)
{
	ike_manager_rekey_child(host->manager, host->world->now,
				ike_child_main(current_sa(host))->id);
	host_run(host);
}

/* Of the IKE SA alone, without its children. */
static void rekey_sa(struct host *host)
{
	struct ike_sa *sa = (struct ike_sa *)current_sa(host);

	sa->rekey_at = host->world->now;
	host_pursue(host, sa);
}

/* Both have one pair, one IKE SA and one child, and mean the same. */
static void assert_settled(struct world *world)
{
	const struct ike_sa *sas[WORLD_HOSTS];

	assert_true(world_agrees(world));
	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = world_host(world, i);

		assert_int_equal(host_pairs(host), 1);
		assert_int_equal(count_sas(host), 1);
		sas[i] = current_sa(host);
		assert_non_null(sas[i]);
		assert_int_equal(ike_child_count(sas[i]), 1);
		assert_int_equal(ike_child_main(sas[i])->spi_in, host_pair(host)->child.spi_in);
		assert_false(host->without_pair);
	}
	assert_int_equal(sas[0]->spi_initiator, sas[1]->spi_initiator);
	assert_int_equal(sas[0]->spi_responder, sas[1]->spi_responder);
	assert_int_not_equal(sas[0]->initiator, sas[1]->initiator);
}

static void test_child(void **state)
{
	for (int who = 0; who < WORLD_HOSTS; who++) {
		struct world *world = established_world(0);
		struct host *host = world_host(world, who);
		uint32_t spi = host_pair(host)->child.spi_in;
		unsigned int n_sent = world->n_sent;

		rekey_child(host);
		world_run_until(world, 1000 + 4 * WORLD_DELAY);
		assert_int_not_equal(host_pair(host)->child.spi_in, spi);
		assert_true(host_pair(host)->child.initiator);
		assert_int_equal(world->n_sent, n_sent + 4);
		/* With a key exchange of its own. */
		assert_int_equal(ike_child_main(current_sa(host))->suite.group, IKE_GROUP_X25519);
		assert_settled(world);
		world_free(world);
	}
}

static void test_sa(void **state)
{
	for (int who = 0; who < WORLD_HOSTS; who++) {
		struct world *world = established_world(0);
		struct host *host = world_host(world, who);
		uint32_t spi = host_pair(host)->child.spi_in;
		uint64_t before = current_sa(host)->id;

		rekey_sa(host);
		world_run_until(world, 15000);
		assert_settled(world);
		/* The child is the same. */
		assert_int_equal(host_pair(host)->child.spi_in, spi);
		assert_true(current_sa(host)->initiator);
		assert_int_not_equal(current_sa(host)->id, before);
		/* And the new SA works, both ways. */
		rekey_child(world_host(world, 0));
		world_run_until(world, 16000);
		rekey_child(world_host(world, 1));
		world_run_until(world, 17000);
		assert_settled(world);
		rekey_sa(world_host(world, !who));
		world_run_until(world, 40000);
		assert_settled(world);
		world_free(world);
	}
}

/* By time, with a random part; again and again. */
static void test_by_time(void **state)
{
	const struct ike_lifetimes lifetimes = { .sa = 60000, .child = 20000, .jitter = 30 };
	struct world *world = world_new();
	unsigned int n;

	for (int i = 0; i < WORLD_HOSTS; i++)
		ike_manager_set_lifetimes(world_host(world, i)->manager, &lifetimes);
	host_want(world_host(world, 0));
	world_run_until(world, 600000);
	/* Let what is under way end. */
	for (n = 0; n < 100 &&
		    (count_sas(world_host(world, 0)) != 1 || count_sas(world_host(world, 1)) != 1 ||
		     host_pairs(world_host(world, 0)) != 1);
	     n++)
		world_run_until(world, 600000 + 200 * n);
	assert_settled(world);
	assert_in_range(host_counters(world_host(world, 0))->children_rekeyed, 30, 60);
	assert_in_range(host_counters(world_host(world, 0))->rekeyed, 9, 16);
	assert_int_equal(host_counters(world_host(world, 0))->established, 1);
	world_free(world);
}

/* tunneld says that a pair has carried enough. */
static void test_worn(void **state)
{
	struct world *world = established_world(0);
	struct host *laptop = world_host(world, 1);
	uint32_t spi = host_pair(laptop)->child.spi_in;

	laptop->worn = spi;
	host_show(laptop);
	host_run(laptop);
	world_run_until(world, 2000);
	assert_settled(world);
	assert_int_not_equal(host_pair(laptop)->child.spi_in, spi);
	assert_int_equal(host_counters(laptop)->children_rekeyed, 1);
	world_free(world);
}

/* A peer that we send to without hearing it is asked whether it is there; one that is gone is given
 * up, and with what there is to send begins another negotiation. */
static unsigned int lose_all(struct world *world, struct datagram *datagram)
{
	return 0;
}

static void test_silent(void **state)
{
	struct world *world = established_world(0);
	struct host *desktop = world_host(world, 0);
	unsigned int n_sent = world->n_sent;

	desktop->silent = true;
	host_show(desktop);
	host_run(desktop);
	assert_int_equal(world->n_sent, n_sent + 1);
	world_run_until(world, 1500);
	assert_settled(world);
	world->network = lose_all;
	host_show(desktop);
	host_run(desktop);
	world_run_until(world, 45000);
	assert_int_equal(host_pairs(desktop), 0);
	assert_int_equal(host_counters(desktop)->dead_peers, 1);
	world_free(world);
}

/* Each message of a rekey lost once. */
static unsigned int lose_one(struct world *world, struct datagram *datagram)
{
	return datagram->number == *(unsigned int *)world->userdata ? 0 : 1;
}

static void test_each_lost(void **state)
{
	for (unsigned int lost = 0; lost < 5; lost++)
		for (int what = 0; what < 2; what++) {
			struct world *world = established_world(0);
			unsigned int number = world->n_sent + lost;

			world->network = lose_one;
			world->userdata = &number;
			if (what)
				rekey_sa(world_host(world, 0));
			else
				rekey_child(world_host(world, 0));
			world_run_until(world, 20000);
			assert_settled(world);
			world_free(world);
		}
}

/*
 * Every order in which the messages of a collision can arrive. `choices` says at each step which of
 * the datagrams under way is next; the walk goes through all sequences of choices. Nothing is
 * repeated meanwhile, since time stands still; afterwards it goes on.
 */
#define STEPS 24

struct walk {
	unsigned int choices[STEPS], options[STEPS];
	unsigned int n_steps;
};

static unsigned int count_datagrams(const struct world *world)
{
	unsigned int n = 0;

	for (const struct datagram *datagram = world->datagrams; datagram;
	     datagram = datagram->next)
		n++;
	return n;
}

enum move {
	REKEY_CHILD,
	REKEY_SA,
	DELETE_CHILD,
	DELETE_SA,
	NOTHING,
};

static void begin(struct host *host, enum move move);

/* `drop_at` is the step whose datagram is lost, STEPS: none. `later` is what laptop begins: that is
 * a choice too, at each step until it is taken. */
static void walk_once(struct world *world, struct walk *walk, unsigned int drop_at, enum move later)
{
	unsigned int step = 0, n;

	while ((n = count_datagrams(world) + (later != NOTHING)) && step < STEPS) {
		if (step >= walk->n_steps) {
			walk->choices[step] = 0;
			walk->n_steps = step + 1;
		}
		walk->options[step] = n;
		if (walk->choices[step] == count_datagrams(world)) {
			begin(world_host(world, 1), later);
			later = NOTHING;
		} else {
			world_deliver(world, walk->choices[step], step == drop_at);
		}
		step++;
	}
	walk->n_steps = step;
}

/* The next sequence of choices; false after the last one. */
static bool walk_next(struct walk *walk)
{
	while (walk->n_steps &&
	       walk->choices[walk->n_steps - 1] + 1 == walk->options[walk->n_steps - 1])
		walk->n_steps--;
	if (!walk->n_steps)
		return false;
	walk->choices[walk->n_steps - 1]++;
	return true;
}

/* What there is nothing for any more is not begun. */
static void begin(struct host *host, enum move move)
{
	struct ike_sa *sa = (struct ike_sa *)current_sa(host);

	if (!sa || (!ike_child_main(sa) && move != REKEY_SA && move != DELETE_SA))
		return;
	switch (move) {
	case REKEY_CHILD:
		rekey_child(host);
		break;
	case REKEY_SA:
		rekey_sa(host);
		break;
	case DELETE_CHILD:
		ike_child_close(sa, (struct ike_child *)ike_child_main(sa));
		host_pursue(host, sa);
		break;
	case DELETE_SA:
		ike_manager_terminate(host->manager, host->world->now, sa->id);
		host_run(host);
		break;
	case NOTHING:
		break;
	}
}

/* How many orders a walk takes and random schedules are run: HOMEWARD_SCHEDULES, for a slow machine
 * such as valgrind's; without it all orders and `wanted` schedules. */
static uint64_t schedules(uint64_t wanted)
{
	const char *many = getenv("HOMEWARD_SCHEDULES");

	return many ? strtoull(many, NULL, 10) : wanted;
}

static bool deletes(enum move move)
{
	return move == DELETE_CHILD || move == DELETE_SA;
}

/* All orders of what follows when the hosts begin these, laptop at once or at any step (`later`);
 * the number of orders. */
static unsigned int walk_from(enum move first, enum move second, bool later, uint64_t seed,
			      unsigned int drop_at)
{
	struct walk walk = {};
	unsigned int n = 0;

	do {
		struct world *world = established_world(seed);

		begin(world_host(world, 0), first);
		if (!later)
			begin(world_host(world, 1), second);
		walk_once(world, &walk, drop_at, later ? second : NOTHING);
		if (drop_at == STEPS && !deletes(first) && !deletes(second))
			assert_true(world_agrees(world) || host_pairs(world_host(world, 0)) > 1 ||
				    host_pairs(world_host(world, 1)) > 1);
		/* Both may have taken the last child: then there is something to send again. */
		world_host(world, 0)->wants_traffic = true;
		for (unsigned int at = 1; at < 100 && !world_quiet(world); at++)
			world_run_until(world, 1000 + 1000 * at);
		world_run_until(world, 200000);
		if (deletes(first) || deletes(second))
			for (int i = 0; i < WORLD_HOSTS; i++)
				world_host(world, i)->without_pair = false;
		assert_settled(world);
		world_free(world);
		n++;
	} while (n < schedules(UINT_MAX) && walk_next(&walk));
	return n;
}

static unsigned int walk_all(enum move first, enum move second, uint64_t seed, unsigned int drop_at)
{
	return walk_from(first, second, false, seed, drop_at);
}

/* Each move of one side with each of the other, which begins at any moment of the first one's
 * course: every interleaving of their messages. HOMEWARD_MODEL says with how many sets of nonces;
 * they decide who wins. */
static void test_every_interleaving(void **state)
{
	static const char *const names[] = { "rekey of the child", "rekey of the IKE SA",
					     "delete of the child", "delete of the IKE SA" };
	const char *seeds = getenv("HOMEWARD_MODEL");
	uint64_t n_seeds = seeds ? strtoull(seeds, NULL, 10) : 1;
	unsigned int total = 0;

	for (enum move first = REKEY_CHILD; first <= DELETE_SA; first++)
		for (enum move second = REKEY_CHILD; second <= DELETE_SA; second++) {
			unsigned int n = 0;

			for (uint64_t seed = 0; seed < n_seeds; seed++)
				n += walk_from(first, second, true, seed, STEPS);
			print_message("%s, %s: %u\n", names[first], names[second], n);
			total += n;
		}
	print_message("%u orders\n", total);
}

static void test_orders_of_children(void **state)
{
	unsigned int n = 0;

	for (uint64_t seed = 0; seed < 4; seed++)
		n += walk_all(REKEY_CHILD, REKEY_CHILD, seed, STEPS);
	print_message("%u orders\n", n);
	assert_true(n >= (schedules(26) < 26 ? schedules(26) : 101));
}

static void test_orders_of_sas(void **state)
{
	unsigned int n = 0;

	for (uint64_t seed = 0; seed < 4; seed++)
		n += walk_all(REKEY_SA, REKEY_SA, seed, STEPS);
	print_message("%u orders\n", n);
	assert_true(n >= (schedules(26) < 26 ? schedules(26) : 101));
}

static void test_orders_of_both(void **state)
{
	unsigned int n = walk_all(REKEY_CHILD, REKEY_SA, 0, STEPS) +
			 walk_all(REKEY_SA, REKEY_CHILD, 0, STEPS);

	print_message("%u orders\n", n);
}

static void test_orders_of_deletes(void **state)
{
	unsigned int n = walk_all(DELETE_CHILD, DELETE_CHILD, 0, STEPS) +
			 walk_all(REKEY_CHILD, DELETE_CHILD, 0, STEPS) +
			 walk_all(DELETE_CHILD, REKEY_CHILD, 0, STEPS) +
			 walk_all(REKEY_SA, DELETE_CHILD, 0, STEPS) +
			 walk_all(DELETE_CHILD, REKEY_SA, 0, STEPS);

	print_message("%u orders\n", n);
}

/* The same with one message lost, each in turn. */
static void test_orders_with_loss(void **state)
{
	unsigned int n = 0;

	for (unsigned int drop_at = 0; drop_at < 8; drop_at++) {
		n += walk_all(REKEY_CHILD, REKEY_CHILD, drop_at, drop_at);
		n += walk_all(REKEY_SA, REKEY_SA, drop_at, drop_at);
	}
	print_message("%u orders\n", n);
}

/* Of what a host sends, nothing arrives. */
static unsigned int one_way(struct world *world, struct datagram *datagram)
{
	const struct host *mute = world->userdata;

	return datagram->from.sin_addr.s_addr != mute->address.sin_addr.s_addr;
}

/* While our own request is unanswered, a peer that asks for one successor after the other gets one.
 */
static void test_greedy_peer(void **state)
{
	struct world *world = established_world(0);
	struct host *us = world_host(world, 0), *peer = world_host(world, 1);
	struct ike_sa *theirs = (struct ike_sa *)current_sa(peer);

	world->network = one_way;
	world->userdata = us;
	rekey_sa(us);
	for (int i = 0; i < 3; i++) {
		/* It forgets that it asked before. */
		theirs->ours = ike_negotiation_free(theirs->ours);
		assert_true(ike_create_begin(theirs, IKE_REKEY_SA, 0));
		assert_return_code(ike_rekey_sa_send(theirs, world->now), 0);
		host_run(peer);
		world_run_until(world, 1000 + 2 * WORLD_DELAY * (i + 1));
	}
	assert_int_equal(count_sas(us), 2);
	world_free(world);
}

/* Loses, doubles, delays beyond what is sent later. */
static unsigned int rough(struct world *world, struct datagram *datagram)
{
	uint64_t *dice = world->userdata;

	*dice = *dice * 6364136223846793005ull + 1442695040888963407ull;
	datagram->at += (*dice >> 40) % 400;
	if ((*dice >> 33) % 10 < 3)
		return 0;
	return (*dice >> 50) % 6 ? 1 : 2;
}

static void do_something(struct host *host, uint64_t dice)
{
	const struct ike_sa *sa = current_sa(host);

	if (!sa || !ike_child_main(sa))
		return;
	switch (dice % 4) {
	case 0:
	case 1:
		rekey_child(host);
		break;
	case 2:
		rekey_sa(host);
		break;
	case 3:
		ike_manager_rekey(host->manager, host->world->now, sa->id);
		host_run(host);
		break;
	}
}

/* Hundreds of schedules (HOMEWARD_SCHEDULES: more): rekeys of everything from both sides at random
 * moments, on a network that loses, doubles, delays and reorders. Then it is quiet, and both agree
 * on one child. */
static void test_random_schedules(void **state)
{
	uint64_t n = schedules(400);

	for (uint64_t seed = 1; seed <= n; seed++) {
		struct world *world = established_world(seed);
		uint64_t dice = seed * 77777, plan = seed;
		uint64_t at = 1000;

		world->network = rough;
		world->userdata = &dice;
		for (unsigned int i = 0; i < 6; i++) {
			plan = plan * 6364136223846793005ull + 1442695040888963407ull;
			do_something(world_host(world, plan >> 63), plan >> 40);
			if ((plan >> 30) % 3 == 0)
				do_something(world_host(world, !(plan >> 63)), plan >> 45);
			at += (plan >> 33) % 1500;
			world_run_until(world, at);
		}
		world->network = NULL;
		world_run_until(world, at + 200000);
		world_host(world, 0)->without_pair = world_host(world, 1)->without_pair = false;
		assert_settled(world);
		world_free(world);
	}
}

/* No rekey while the peer's tunneld takes no pair: the old one stays, and it is tried again. */
static void test_no_install(void **state)
{
	for (int who = 0; who < WORLD_HOSTS; who++) {
		struct world *world = established_world(0);
		uint32_t spi = host_pair(world_host(world, 0))->child.spi_in;

		world_host(world, who)->refuses_install = true;
		rekey_child(world_host(world, 0));
		world_run_until(world, 10000);
		assert_int_equal(host_pairs(world_host(world, 0)), 1);
		assert_int_equal(host_pair(world_host(world, 0))->child.spi_in, spi);
		world_host(world, who)->refuses_install = false;
		world_run_until(world, 20000);
		assert_settled(world);
		assert_int_not_equal(host_pair(world_host(world, 0))->child.spi_in, spi);
		world_free(world);
	}
}

static struct ike_octets octets(const char *text)
{
	return (struct ike_octets){ (const uint8_t *)text, strlen(text) };
}

static void test_nonces(void **state)
{
	struct ike_negotiation a = { .nonce = { 5 } }, b = { .nonce = { 4 } };
	uint8_t low[16] = { 1 }, high[16] = { 9 };

	assert_true(ike_nonce_compare(octets("a"), octets("b")) < 0);
	assert_true(ike_nonce_compare(octets("ab"), octets("b")) < 0);
	assert_true(ike_nonce_compare(octets("a"), octets("ab")) < 0);
	assert_true(ike_nonce_compare(octets("ab"), octets("a")) > 0);
	assert_int_equal(ike_nonce_compare(octets("ab"), octets("ab")), 0);
	a.peer_nonce = (struct ike_blob){ high, sizeof high };
	b.peer_nonce = (struct ike_blob){ high, sizeof high };
	assert_true(ike_negotiation_loses(&b, &a));
	assert_false(ike_negotiation_loses(&a, &b));
	a.peer_nonce = (struct ike_blob){ low, sizeof low };
	assert_true(ike_negotiation_loses(&a, &b));
	assert_false(ike_negotiation_loses(&b, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nonces),
		cmocka_unit_test(test_child),
		cmocka_unit_test(test_sa),
		cmocka_unit_test(test_by_time),
		cmocka_unit_test(test_worn),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_each_lost),
		cmocka_unit_test(test_no_install),
		cmocka_unit_test(test_greedy_peer),
		cmocka_unit_test(test_orders_of_children),
		cmocka_unit_test(test_orders_of_sas),
		cmocka_unit_test(test_orders_of_both),
		cmocka_unit_test(test_orders_of_deletes),
		cmocka_unit_test(test_orders_with_loss),
		cmocka_unit_test(test_every_interleaving),
		cmocka_unit_test(test_random_schedules),
	};

	return cmocka_run_group_tests_name("ike-rekey", tests, NULL, NULL);
}
