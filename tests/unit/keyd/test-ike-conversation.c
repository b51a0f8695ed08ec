/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two managers negotiate in memory (world.h), at simulated milliseconds. */
#include "services/keyd/ike-sa-state.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/world.h"
#include "tests/unit/thorough.h"

#include <arpa/inet.h>
#include <stdio.h>

/* desktop wants traffic; four datagrams later both have the pair. */
static void test_negotiation(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	host_want(desktop);
	assert_int_equal(host_pairs(desktop), 0);
	world_run_until(world, 3 * WORLD_DELAY);
	/* The responder installs before it answers. */
	assert_int_equal(host_pairs(laptop), 1);
	assert_int_equal(host_pairs(desktop), 0);
	world_run_until(world, 4 * WORLD_DELAY);
	assert_int_equal(host_pairs(desktop), 1);
	assert_true(world_agrees(world));
	assert_int_equal(world->n_sent, 4);
	assert_true(host_pair(desktop)->child.initiator);
	assert_true(host_pair(desktop)->child.suite.esn);
	assert_string_equal(esp_suite_name(&host_pair(desktop)->child.suite), "aes128gcm16");
	assert_string_equal(host_pair(laptop)->name, desktop->name);
	assert_true(host_pair(laptop)->child.spi_in >= 0x40000000);
	assert_int_equal(host_pair(laptop)->endpoint.sin_addr.s_addr,
			 desktop->address.sin_addr.s_addr);
	assert_int_equal(host_counters(laptop)->established, 1);
}

static unsigned int lose_one(struct world *world, struct datagram *datagram)
{
	return datagram->number == *(unsigned int *)world->userdata ? 0 : 1;
}

/* Each of the four lost once: the same result, from the same octets again. */
static void test_each_lost(void **state)
{
	for (unsigned int lost = 0; lost < 4; lost++) {
		struct world *world = world_new();

		world->network = lose_one;
		world->userdata = &lost;
		host_want(world_host(world, 0));
		world_run_until(world, 2000);
		assert_true(world_agrees(world));
		assert_int_equal(world_host(world, 0)->n_installed, 1);
		assert_int_equal(world_host(world, 1)->n_installed, 1);
		/* A lost response costs one response more than a lost request. */
		assert_int_equal(world->n_sent, lost % 2 ? 6 : 5);
		world_free(world);
	}
}

/* What a lost datagram costs: no more than a quarter of a second, and after the first exchange what
 * the path takes. */
static void test_cost_of_loss(void **state)
{
	for (unsigned int lost = 0; lost < 4; lost++) {
		struct world *world = world_new();

		world->network = lose_one;
		world->userdata = &lost;
		host_want(world_host(world, 0));
		world_run_until(world, 4 * WORLD_DELAY + (lost < 2 ? 250 : 150));
		assert_true(world_agrees(world));
		world_free(world);
	}
}

static unsigned int triple(struct world *world, struct datagram *datagram)
{
	return 3;
}

static void test_duplicates(void **state)
{
	struct world *world = *state;

	world->network = triple;
	host_want(world_host(world, 0));
	world_run_until(world, 5000);
	assert_true(world_agrees(world));
	assert_int_equal(world_host(world, 0)->n_installed, 1);
	assert_int_equal(world_host(world, 1)->n_installed, 1);
	assert_int_equal(host_pairs(world_host(world, 0)), 1);
}

/* Loses four of ten, doubles some, delays some beyond those sent after them. */
static unsigned int rough(struct world *world, struct datagram *datagram)
{
	uint64_t *dice = world->userdata;

	*dice = *dice * 6364136223846793005ull + 1442695040888963407ull;
	datagram->at += (*dice >> 40) % 300;
	if ((*dice >> 33) % 10 < 4)
		return 0;
	return (*dice >> 50) % 8 ? 1 : 2;
}

static void test_rough_network(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct world *world = world_new();
		uint64_t dice = seed;

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

/* Both at the same moment, and one a little after the other: one SA, and it works at once. */
static void test_simultaneous(void **state)
{
	for (unsigned int lag = 0; lag <= 5 * WORLD_DELAY; lag += 10 * test_step())
		for (int first = 0; first < 2; first++) {
			struct world *world = world_new();

			host_want(world_host(world, first));
			world_run_until(world, lag);
			host_want(world_host(world, !first));
			world_run_until(world, 1000);
			assert_true(world_agrees(world));
			world_run_until(world, 30000);
			assert_true(world_agrees(world));
			for (int i = 0; i < 2; i++) {
				assert_int_equal(host_pairs(world_host(world, i)), 1);
				assert_int_equal(world_host(world, i)->n_installed, 1);
				assert_int_equal(world_host(world, i)->n_failed, 0);
			}
			world_free(world);
		}
}

static unsigned int flip_bit(struct world *world, struct datagram *datagram)
{
	unsigned int *bit = world->userdata;

	if (datagram->number == bit[0] && bit[1] / 8 < datagram->size)
		datagram->data[bit[1] / 8] ^= 1 << bit[1] % 8;
	return 1;
}

/*
 * One bit of one datagram turned over. Of IKE_AUTH: dropped as not authentic, and the repetition
 * gets through. Of IKE_SA_INIT, which nothing protects yet: the signatures do not match and there
 * is no SA, or the bit did not matter.
 */
static void test_flips(void **state)
{
	for (unsigned int number = 0; number < 4; number++)
		for (unsigned int bit = number * 3; bit < 3600; bit += 101 * test_step()) {
			unsigned int flip[] = { number, bit };
			struct world *world = world_new();
			struct host *desktop = world_host(world, 0);

			world->network = flip_bit;
			world->userdata = flip;
			host_want(desktop);
			world_run_until(world, 2000);
			if (number >= 2)
				assert_true(world_agrees(world));
			else if (host_pairs(desktop))
				assert_true(world_agrees(world));
			else
				assert_int_equal(host_pairs(world_host(world, 1)), 0);
			world_free(world);
		}
}

/* Everything that was sent, sent again later, to both: nothing changes. */
static struct datagram recorded[16];
static unsigned int n_recorded;

static unsigned int record(struct world *world, struct datagram *datagram)
{
	if (n_recorded < 16)
		recorded[n_recorded++] = *datagram;
	return 1;
}

static void test_replay(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
	uint32_t spi;

	n_recorded = 0;
	world->network = record;
	host_want(desktop);
	world_run_until(world, 1000);
	world->network = NULL;
	spi = host_pair(desktop)->child.spi_in;
	for (unsigned int i = 0; i < n_recorded; i++)
		world_inject(world, &recorded[i].from, &recorded[i].to, recorded[i].data,
			     recorded[i].size);
	world_run_until(world, 50000);
	assert_true(world_agrees(world));
	assert_int_equal(host_pair(desktop)->child.spi_in, spi);
	assert_int_equal(desktop->n_installed, 1);
	assert_int_equal(laptop->n_installed, 1);
	assert_true(host_counters(laptop)->repeated_responses >= 1);
	assert_true(host_counters(desktop)->out_of_window >= 2);
}

static void expect_refusal(struct world *world, const char *reason)
{
	struct host *desktop = world_host(world, 0);

	host_want(desktop);
	world_run_until(world, 5000);
	assert_int_equal(host_pairs(desktop), 0);
	assert_int_equal(host_pairs(world_host(world, 1)), 0);
	assert_int_equal(desktop->n_failed, 1);
	assert_string_equal(desktop->failure, reason);
}

static void with_certificate(struct host *host, const struct test_account *account,
			     const char *names)
{
	test_host_drop(&host->identity);
	test_host_make(&host->identity, account, &(struct test_host_options){ .names = names });
	host_sign_in(host, &host->identity);
}

#define DESKTOP_NAMES                                                                              \
	"DNS:desktop." TEST_DOMAIN ",DNS:AutoTunnel-00-22-69-FF-FE-8E-34-2A." TEST_DOMAIN

static void test_initiator_of_other_account(void **state)
{
	struct world *world = *state;
	struct test_account other;

	test_account_make(&other, TEST_DOMAIN);
	with_certificate(world_host(world, 0), &other, DESKTOP_NAMES);
	expect_refusal(world, "it refused with AUTHENTICATION_FAILED");
	test_account_drop(&other);
}

/* Strangers that are refused do not fill the timeline. */
static void test_strangers_are_noted_seldom(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
	struct test_account other;

	test_account_make(&other, TEST_DOMAIN);
	with_certificate(desktop, &other, DESKTOP_NAMES);
	for (unsigned int i = 0; i < 60; i++) {
		host_restart(desktop);
		host_want(desktop);
		world_run_until(world, 300 * (i + 1));
	}
	assert_int_equal(host_counters(laptop)->refused_peers, 60);
	assert_int_equal(laptop->n_notes, 2);
	test_account_drop(&other);
}

static void test_responder_of_other_account(void **state)
{
	struct world *world = *state;
	struct test_account other;

	test_account_make(&other, TEST_DOMAIN);
	with_certificate(world_host(world, 1), &other,
			 "DNS:laptop." TEST_DOMAIN
			 ",DNS:AutoTunnel-00-22-69-FF-FE-8E-34-2B." TEST_DOMAIN);
	expect_refusal(world, "its certificate is not of this account");
	test_account_drop(&other);
}

/* The responder is another host of the account: what a stale address in DNS leads to. */
static void test_wrong_host_answers(void **state)
{
	struct world *world = *state;
	struct host *laptop = world_host(world, 1);
	char name[IKE_NAME_LIMIT];

	strcpy(name, laptop->name);
	strcpy(laptop->name, "phone." TEST_DOMAIN);
	with_certificate(laptop, &world->account,
			 "DNS:phone." TEST_DOMAIN
			 ",DNS:AutoTunnel-00-22-69-FF-FE-8E-34-2C." TEST_DOMAIN);
	strcpy(laptop->name, name);
	expect_refusal(world, "it refused with AUTHENTICATION_FAILED");
}

/* Somebody else's key under the right certificate. */
static void test_wrong_signature(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);
	EVP_PKEY *key = desktop->identity.key;

	desktop->identity.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	expect_refusal(world, "it refused with AUTHENTICATION_FAILED");
	EVP_PKEY_free(key);
}

/* A host id whose low half the certificate does not prove. */
static void test_wrong_host_id(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);

	desktop->host_id[15] ^= 0x10;
	host_sign_in(desktop, &desktop->identity);
	expect_refusal(world, "TS_UNACCEPTABLE");
}

static void test_own_host_id_not_known(void **state)
{
	struct world *world = *state;
	struct host *laptop = world_host(world, 1);

	laptop->host_id[3] ^= 1;
	host_sign_in(laptop, &laptop->identity);
	laptop->host_id[3] ^= 1;
	expect_refusal(world, "TS_UNACCEPTABLE");
}

static void test_no_install(void **state)
{
	struct world *world = *state;

	world_host(world, 1)->refuses_install = true;
	expect_refusal(world, "TEMPORARY_FAILURE");
}

static void test_no_install_at_initiator(void **state)
{
	struct world *world = *state;

	world_host(world, 0)->refuses_install = true;
	expect_refusal(world, "tunneld did not install it: no room");
}

static void test_no_signature(void **state)
{
	struct world *world = *state;

	world_host(world, 0)->no_signature = true;
	expect_refusal(world, "identity gave no signature");
}

static unsigned int lose_all(struct world *world, struct datagram *datagram)
{
	return 0;
}

/* Repetitions at 200 ms, 600 ms, ... and after two minutes an end with a reason. */
static void test_silence(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);

	world->network = lose_all;
	host_want(desktop);
	assert_int_equal(world->n_sent, 1);
	world_run_until(world, 199);
	assert_int_equal(world->n_sent, 1);
	world_run_until(world, 200);
	assert_int_equal(world->n_sent, 2);
	world_run_until(world, 600);
	assert_int_equal(world->n_sent, 3);
	world_run_until(world, 3000);
	assert_int_equal(world->n_sent, 5);
	world_run_until(world, 119999);
	assert_int_equal(desktop->n_failed, 0);
	assert_true(world->n_sent > 12);
	world_run_until(world, 120000);
	assert_int_equal(desktop->n_failed, 1);
	assert_string_equal(desktop->failure, "no answer from 198.51.100.43:4500");
}

/* The peer's new address becomes known: the same octets go there at once. */
static void test_move_while_connecting(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	desktop->peer_endpoint.sin_port = htons(1);
	host_want(desktop);
	world_run_until(world, 10000);
	assert_int_equal(host_pairs(desktop), 0);
	desktop->peer_endpoint = laptop->address;
	host_show(desktop);
	host_run(desktop);
	world_run_until(world, 10000 + 4 * WORLD_DELAY);
	assert_true(world_agrees(world));
}

/* Our own network is another one: again at once, whatever the pause had grown to. */
static void test_own_network_changes(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);
	unsigned int n_sent;

	world->network = lose_all;
	host_want(desktop);
	world_run_until(world, 10000);
	n_sent = world->n_sent;
	world->network = NULL;
	ike_manager_network_changed(desktop->manager, world->now);
	host_run(desktop);
	assert_int_equal(world->n_sent, n_sent + 1);
	world_run_until(world, 10000 + 4 * WORLD_DELAY);
	assert_true(world_agrees(world));
}

static void test_unknown_endpoint(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);

	desktop->peer_endpoint = (struct sockaddr_in){};
	host_want(desktop);
	world_run_until(world, 20000);
	assert_int_equal(world->n_sent, 0);
	assert_int_equal(desktop->n_failed, 1);
	assert_string_equal(desktop->failure, "where it is now is not known");
}

static void establish(struct world *world)
{
	host_want(world_host(world, 0));
	world_run_until(world, 1000);
	assert_true(world_agrees(world));
}

/* A silent pair is asked for, and lives on. */
static void test_liveness(void **state)
{
	struct world *world = *state;

	establish(world);
	world_run_until(world, 600000);
	assert_true(world_agrees(world));
	assert_int_equal(world_host(world, 0)->n_installed, 1);
	assert_int_equal(host_counters(world_host(world, 0))->dead_peers, 0);
	/* One probe in two minutes serves both: there is no traffic that would miss it. */
	assert_in_range(world->n_sent, 4 + 2 * 4, 4 + 2 * 10);
}

/* The peer dies: asked in vain since our traffic is not answered, its pair is removed, and what
 * wants traffic begins anew. */
static void test_dead_peer(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	establish(world);
	world->network = lose_all;
	world_run_until(world, 15000);
	for (int i = 0; i < 2; i++) {
		world_host(world, i)->silent = true;
		host_show(world_host(world, i));
		host_run(world_host(world, i));
	}
	world_run_until(world, 15000 + IKE_LIVENESS_DEADLINE - 1000);
	assert_int_equal(host_pairs(desktop), 1);
	world_run_until(world, 15000 + IKE_LIVENESS_DEADLINE + 1000);
	assert_int_equal(host_pairs(desktop), 0);
	assert_int_equal(host_pairs(laptop), 0);
	assert_int_equal(host_counters(desktop)->dead_peers, 1);
	world->network = NULL;
	world_run_until(world, 70000);
	assert_true(world_agrees(world));
}

/* A probe under way follows the peer to its new address. */
static void test_liveness_follows_move(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	establish(world);
	laptop->address.sin_addr.s_addr = htonl(0xcb007107);
	world_run_until(world, IKE_LIVENESS_SILENCE + 20000);
	desktop->peer_endpoint = laptop->address;
	host_show(desktop);
	host_run(desktop);
	world_run_until(world, 400000);
	assert_true(world_agrees(world));
	assert_int_equal(host_counters(desktop)->dead_peers, 0);
	assert_int_equal(desktop->n_installed, 1);
}

/* keyd of laptop is killed: its tunnel keeps the pair; the new keyd replaces it, and the old pair
 * goes only when the new one is there. */
static void test_restart_of_keyd(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
	uint32_t spi;

	establish(world);
	spi = host_pair(laptop)->child.spi_in;
	host_restart(laptop);
	assert_int_equal(host_pairs(laptop), 1);
	/* The new keyd counts its children anew; the pair of the former one is the older. */
	laptop->pairs[0].child.id = 0;
	for (int i = 0; i < WORLD_PAIRS; i++)
		laptop->pairs[i].child.id = 0;
	world_run_until(world, 5000);
	assert_int_equal(laptop->n_installed, 2);
	assert_int_equal(host_pairs(desktop), 2);
	assert_true(world_agrees(world));
	assert_int_not_equal(host_pair(laptop)->child.spi_in, spi);
	world_run_until(world, 15000);
	/* Initial contact: desktop forgot what laptop knows no more. */
	assert_int_equal(host_pairs(desktop), 1);
	assert_true(world_agrees(world));
}

/* keyd of laptop is killed while desktop is out of reach: its tunnel still sends on a pair that
 * nobody looks after, so it does not stop trying. */
static void test_restart_of_keyd_out_of_reach(void **state)
{
	struct world *world = *state;
	struct host *laptop = world_host(world, 1);

	establish(world);
	world->network = lose_all;
	host_restart(laptop);
	for (int i = 0; i < WORLD_PAIRS; i++)
		laptop->pairs[i].child.id = 0;
	world_run_until(world, 300000);
	assert_int_equal(laptop->n_installed, 1);
	world->network = NULL;
	world_run_until(world, 340000);
	assert_int_equal(laptop->n_installed, 2);
	assert_true(world_agrees(world));
}

/* laptop was switched off and on, and has another host id: what was agreed with the former one ends
 * at once. */
static void test_other_host_id(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	establish(world);
	memset(laptop->pairs, 0, sizeof laptop->pairs);
	laptop->host_id[3] ^= 0x55;
	host_restart(laptop);
	host_want(laptop);
	world_run_until(world, 2000);
	assert_int_equal(host_pairs(desktop), 1);
	assert_true(world_agrees(world));
	world_run_until(world, 10000);
	assert_int_equal(host_pairs(desktop), 1);
	assert_true(world_agrees(world));
}

/* Both keyds are killed at once. */
static void test_restart_of_both(void **state)
{
	struct world *world = *state;

	establish(world);
	host_restart(world_host(world, 0));
	host_restart(world_host(world, 1));
	for (int host = 0; host < 2; host++)
		for (int i = 0; i < WORLD_PAIRS; i++)
			world_host(world, host)->pairs[i].child.id = 0;
	world_run_until(world, 15000);
	assert_int_equal(world_host(world, 0)->n_installed, 2);
	assert_int_equal(world_host(world, 1)->n_installed, 2);
	assert_true(world_agrees(world));
}

/* tunneld of laptop is killed and with it its pairs: desktop is told, and negotiates for its
 * traffic. */
static void test_restart_of_tunneld(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	establish(world);
	memset(laptop->pairs, 0, sizeof laptop->pairs);
	ike_manager_tunnel_restarted(laptop->manager, world->now);
	host_show(laptop);
	host_run(laptop);
	world_run_until(world, 5000);
	assert_int_equal(desktop->n_installed, 2);
	assert_int_equal(host_pairs(desktop), 1);
	assert_int_equal(host_pairs(laptop), 1);
	assert_true(world_agrees(world));
}

/* tunneld of either host is killed while they negotiate: what is agreed is not there yet, so
 * nothing is lost and the negotiation goes on. */
static void test_restart_of_tunneld_while_connecting(void **state)
{
	for (int which = 0; which < 2; which++) {
		for (uint64_t when = 10; when < 80; when += 20) {
			struct world *world = world_new();
			struct host *host = world_host(world, which);

			host_want(world_host(world, 0));
			world_run_until(world, when);
			memset(host->pairs, 0, sizeof host->pairs);
			ike_manager_tunnel_restarted(host->manager, world->now);
			host_show(host);
			host_run(host);
			world_run_until(world, 8000);
			assert_true(world_agrees(world));
			assert_int_equal(world_host(world, 0)->n_failed, 0);
			assert_int_equal(host_counters(world_host(world, 0))->negotiations_failed,
					 0);
			world_free(world);
		}
	}
}

static void test_sign_out(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	establish(world);
	desktop->wants_traffic = false;
	ike_manager_set_local(laptop->manager, world->now, NULL);
	host_run(laptop);
	assert_int_equal(host_pairs(laptop), 0);
	assert_true(ike_manager_busy(laptop->manager));
	world_run_until(world, 2000);
	assert_false(ike_manager_busy(laptop->manager));
	assert_int_equal(host_pairs(desktop), 0);
	/* And nobody gets an answer from it. */
	host_want(desktop);
	world_run_until(world, 10000);
	assert_int_equal(host_pairs(desktop), 0);
	assert_true(host_counters(laptop)->not_ready > 0);
}

/* The first SA of each manager is number 1; what replaces it in place is number 2. */
static void test_terminate_and_rekey(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
	uint32_t spi;

	assert_int_equal(ike_manager_rekey(desktop->manager, world->now, 1), -ENOENT);
	establish(world);
	spi = host_pair(desktop)->child.spi_in;
	assert_int_equal(ike_manager_rekey(laptop->manager, world->now, 1), 0);
	host_run(laptop);
	world_run_until(world, 2000);
	assert_int_equal(host_pairs(desktop), 1);
	assert_int_equal(host_pairs(laptop), 1);
	assert_true(world_agrees(world));
	assert_int_not_equal(host_pair(desktop)->child.spi_in, spi);
	assert_non_null(ike_manager_find(laptop->manager, 2));
	desktop->wants_traffic = false;
	assert_int_equal(ike_manager_terminate(laptop->manager, world->now, 2), 0);
	host_run(laptop);
	world_run_until(world, 13000);
	assert_int_equal(host_pairs(desktop), 0);
	assert_int_equal(host_pairs(laptop), 0);
	world_run_until(world, 60000);
	assert_null(ike_manager_find(laptop->manager, 2));
	assert_null(ike_manager_find(desktop->manager, 2));
}

/* First requests from many places; `n_recorded` has the one they are made of. */
static void send_strangers(struct world *world, unsigned int n)
{
	struct sockaddr_in stranger = world_host(world, 0)->address;

	for (unsigned int i = 0; i < n; i++) {
		stranger.sin_port = htons(10000 + i);
		recorded[0].data[0] = 1 + i;
		recorded[0].data[1] = 1 + i / 256;
		world_inject(world, &stranger, &world_host(world, 1)->address, recorded[0].data,
			     recorded[0].size);
	}
}

static void record_first_request(struct world *world)
{
	n_recorded = 0;
	world->network = record;
	host_want(world_host(world, 0));
	host_restart(world_host(world, 0));
	world_host(world, 0)->wants_traffic = false;
	world_run_until(world, 100);
}

/* Whoever cannot be answered where it says it is takes little, and keeps nobody out. */
static void test_strangers(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	record_first_request(world);
	world->network = NULL;
	send_strangers(world, 3 * IKE_HALF_OPEN_MAXIMUM);
	world_run_until(world, 200);
	assert_int_equal(host_counters(laptop)->half_open_dropped, 0);
	assert_int_equal(host_counters(laptop)->cookies_sent,
			 3 * IKE_HALF_OPEN_MAXIMUM - IKE_HALF_OPEN_EASY + 1);
	host_want(desktop);
	world_run_until(world, 400);
	assert_true(world_agrees(world));
	world_run_until(world, 40000);
	assert_int_equal(host_counters(laptop)->half_open_expired, IKE_HALF_OPEN_EASY);
}

/* A stranger that does get what is sent to it comes again with the cookie. */
static unsigned int pay_cookie(struct world *world, struct datagram *datagram)
{
	const uint8_t next = recorded[0].data[16];
	uint8_t request[1024];
	struct ike_header header;
	size_t extra = datagram->size - IKE_HEADER_SIZE, size = recorded[0].size + extra;

	if (ntohs(datagram->to.sin_port) < 10000 || datagram->data[16] != IKE_PAYLOAD_NOTIFY)
		return 1;
	ike_header_read(datagram->data, datagram->size, &header);
	memcpy(request, recorded[0].data, IKE_HEADER_SIZE);
	memcpy(request, datagram->data, 8);
	request[16] = IKE_PAYLOAD_NOTIFY;
	request[26] = size >> 8;
	request[27] = size;
	memcpy(request + IKE_HEADER_SIZE, datagram->data + IKE_HEADER_SIZE, extra);
	request[IKE_HEADER_SIZE] = next;
	memcpy(request + IKE_HEADER_SIZE + extra, recorded[0].data + IKE_HEADER_SIZE,
	       recorded[0].size - IKE_HEADER_SIZE);
	if (world->userdata)
		datagram->to.sin_port ^= htons(1);
	world_inject(world, &datagram->to, &datagram->from, request, size);
	return 0;
}

/* They are bounded too, one address more than all, and do not keep the peer out. */
static void test_strangers_with_cookies(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	record_first_request(world);
	world->network = pay_cookie;
	send_strangers(world, 3 * IKE_HALF_OPEN_MAXIMUM);
	world_run_until(world, 200);
	/* The first ones came without cookies, one of them from desktop. */
	assert_int_equal(host_counters(laptop)->half_open_dropped,
			 3 * IKE_HALF_OPEN_MAXIMUM + 1 - IKE_HALF_OPEN_EASY);
	host_want(desktop);
	world_run_until(world, 400);
	assert_true(world_agrees(world));
}

/* The same from many places: all there is room for is taken, and the peer gets in nevertheless. */
static void test_many_strangers_with_cookies(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	record_first_request(world);
	world->network = pay_cookie;
	for (unsigned int i = 0; i < 3 * IKE_HALF_OPEN_MAXIMUM; i++) {
		struct sockaddr_in stranger = desktop->address;

		stranger.sin_addr.s_addr = htonl(0xcb007100 + i);
		stranger.sin_port = htons(10000 + i);
		recorded[0].data[0] = 1 + i;
		recorded[0].data[1] = 1 + i / 256;
		world_inject(world, &stranger, &laptop->address, recorded[0].data,
			     recorded[0].size);
	}
	world_run_until(world, 200);
	assert_int_equal(host_counters(laptop)->half_open_dropped, 2 * IKE_HALF_OPEN_MAXIMUM + 1);
	host_want(desktop);
	world_run_until(world, 400);
	assert_true(world_agrees(world));
}

/* Cookies from the first one on. */
static void test_cookies_always(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	ike_manager_set_cookies_from(laptop->manager, 0);
	host_want(desktop);
	world_run_until(world, 400);
	assert_true(world_agrees(world));
	assert_int_equal(host_counters(laptop)->cookies_sent, 1);
	assert_int_equal(world->n_sent, 6);
}

/* A cookie is for one place. */
static void test_stolen_cookies(void **state)
{
	struct world *world = *state;
	struct host *laptop = world_host(world, 1);

	record_first_request(world);
	world->network = pay_cookie;
	world->userdata = world;
	send_strangers(world, IKE_HALF_OPEN_EASY + 8);
	world_run_until(world, 150);
	assert_int_equal(host_counters(laptop)->half_open_dropped, 0);
	world->network = NULL;
	world_run_until(world, 40000);
	assert_int_equal(host_counters(laptop)->half_open_expired, IKE_HALF_OPEN_EASY);
}

/* A responder that wants a cookie first: the request comes again with it, and is what AUTH signs.
 */
static unsigned int demand_cookie(struct world *world, struct datagram *datagram)
{
	struct ike_header header;
	struct ike_builder builder;
	uint8_t answer[128];
	int size;

	if (datagram->number)
		return 1;
	ike_header_read(datagram->data, datagram->size, &header);
	header.flags = IKE_FLAG_RESPONSE;
	ike_builder_begin(&builder, answer, sizeof answer, &header);
	ike_builder_add_notify(&builder, IKE_NOTIFY_COOKIE, "sweet", 5);
	size = ike_builder_finish(&builder);
	world_inject(world, &datagram->to, &datagram->from, answer, size);
	return 0;
}

static void test_cookie(void **state)
{
	struct world *world = *state;

	n_recorded = 0;
	world->network = demand_cookie;
	host_want(world_host(world, 0));
	world->network = record;
	world_run_until(world, 200);
	assert_true(world_agrees(world));
	/* First of all payloads: notify, of 8 + 5 octets. */
	assert_int_equal(recorded[0].data[16], IKE_PAYLOAD_NOTIFY);
	assert_memory_equal(recorded[0].data + IKE_HEADER_SIZE + 8, "sweet", 5);
	assert_int_equal(world->n_sent, 5);
}

/* An error in the clear is a hint: the true answer still counts; without one it is the reason. */
static unsigned int forge_error(struct world *world, struct datagram *datagram)
{
	struct ike_header header;
	struct ike_builder builder;
	uint8_t answer[128];
	int size;

	ike_header_read(datagram->data, datagram->size, &header);
	if (datagram->number == 0) {
		header.flags = IKE_FLAG_RESPONSE;
		ike_builder_begin(&builder, answer, sizeof answer, &header);
		ike_builder_add_notify(&builder, IKE_NOTIFY_NO_PROPOSAL_CHOSEN, NULL, 0);
		size = ike_builder_finish(&builder);
		world_inject(world, &datagram->to, &datagram->from, answer, size);
		datagram->at += 5;
	}
	return world->userdata ? 0 : 1;
}

static void test_forged_error(void **state)
{
	struct world *world = *state;

	world->network = forge_error;
	host_want(world_host(world, 0));
	world_run_until(world, 200);
	assert_true(world_agrees(world));
}

static void test_error_without_answer(void **state)
{
	struct world *world = *state;

	world->network = forge_error;
	world->userdata = world;
	host_want(world_host(world, 0));
	world_run_until(world, 120000);
	assert_string_equal(world_host(world, 0)->failure, "it refused with NO_PROPOSAL_CHOSEN");
}

static struct datagram last_sent;

static unsigned int keep_last(struct world *world, struct datagram *datagram)
{
	last_sent = *datagram;
	return 1;
}

/* First requests we cannot follow get an answer that leaves nothing behind. */
static void test_refused_offers(void **state)
{
	static const struct {
		const char *proposal;
		uint16_t group;
		uint16_t refusal;
	} cases[] = {
		{ "00000024010100030300000c01000014800e00800300000802000005000000080400000e", 14,
		  IKE_NOTIFY_NO_PROPOSAL_CHOSEN },
		{ "0000002c010100040300000c01000014800e00800300000802000005030000080400000e"
		  "000000080400001f",
		  14, IKE_NOTIFY_INVALID_KE_PAYLOAD },
		{ "0000002401010009", 31, IKE_NOTIFY_INVALID_SYNTAX },
	};
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	world->network = keep_last;
	for (size_t i = 0; i < 3; i++) {
		const struct ike_header header = { .spi_initiator = 7 + i,
						   .version = IKE_VERSION,
						   .exchange = IKE_EXCHANGE_SA_INIT,
						   .flags = IKE_FLAG_INITIATOR };
		uint8_t message[512], proposal[128];
		struct ike_builder builder;
		struct ike_header answer;
		struct ike_chain chain;
		struct ike_notify error;
		int size;

		ike_builder_begin(&builder, message, sizeof message, &header);
		ike_builder_add(&builder, IKE_PAYLOAD_SA, proposal,
				from_hex(cases[i].proposal, proposal));
		ike_builder_add_ke(&builder, cases[i].group, proposal, 32);
		ike_builder_add(&builder, IKE_PAYLOAD_NONCE, proposal, 32);
		size = ike_builder_finish(&builder);
		world_inject(world, &desktop->address, &laptop->address, message, size);
		world_run_until(world, 100 * (i + 1));
		assert_int_equal(ike_header_read(last_sent.data, last_sent.size, &answer), 0);
		assert_int_equal(answer.spi_initiator, 7 + i);
		assert_int_equal(answer.spi_responder, 0);
		assert_int_equal(answer.flags, IKE_FLAG_RESPONSE);
		assert_int_equal(ike_chain_read(answer.next_payload, last_sent.data + 28,
						last_sent.size - 28, &chain),
				 0);
		assert_true(ike_chain_find_error(&chain, &error));
		assert_int_equal(error.type, cases[i].refusal);
		if (error.type == IKE_NOTIFY_INVALID_KE_PAYLOAD)
			assert_octets(error.data.data, "001f");
	}
	assert_null(ike_manager_find(laptop->manager, 1));
}

/* Anything else that may come in. */
static void test_nonsense(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
	uint8_t message[IKE_HEADER_SIZE] = {};

	establish(world);
	for (size_t size = 0; size <= sizeof message; size++)
		world_inject(world, &desktop->address, &laptop->address, message, size);
	message[27] = sizeof message;
	world_inject(world, &desktop->address, &laptop->address, message, sizeof message);
	message[17] = IKE_VERSION;
	world_inject(world, &desktop->address, &laptop->address, message, sizeof message);
	world_run_until(world, 2000);
	assert_int_equal(host_counters(laptop)->malformed, sizeof message + 1);
	assert_int_equal(host_counters(laptop)->wrong_version, 1);
	assert_int_equal(host_counters(laptop)->unknown_spi, 1);
	assert_true(world_agrees(world));
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		test(test_negotiation),
		test(test_each_lost),
		cmocka_unit_test(test_cost_of_loss),
		test(test_duplicates),
		test(test_rough_network),
		test(test_simultaneous),
		test(test_flips),
		test(test_replay),
		test(test_initiator_of_other_account),
		test(test_strangers_are_noted_seldom),
		test(test_responder_of_other_account),
		test(test_wrong_host_answers),
		test(test_wrong_signature),
		test(test_wrong_host_id),
		test(test_own_host_id_not_known),
		test(test_no_install),
		test(test_no_install_at_initiator),
		test(test_no_signature),
		test(test_silence),
		test(test_move_while_connecting),
		test(test_own_network_changes),
		test(test_unknown_endpoint),
		test(test_liveness),
		test(test_dead_peer),
		test(test_liveness_follows_move),
		test(test_restart_of_keyd),
		test(test_restart_of_keyd_out_of_reach),
		test(test_other_host_id),
		test(test_restart_of_both),
		test(test_restart_of_tunneld),
		cmocka_unit_test(test_restart_of_tunneld_while_connecting),
		test(test_sign_out),
		test(test_terminate_and_rekey),
		test(test_strangers),
		test(test_strangers_with_cookies),
		test(test_many_strangers_with_cookies),
		test(test_cookies_always),
		test(test_stolen_cookies),
		test(test_cookie),
		test(test_forged_error),
		test(test_error_without_answer),
		test(test_refused_offers),
		test(test_nonsense),
	};

	return cmocka_run_group_tests_name("ike-conversation", tests, NULL, NULL);
}
