/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Preshared keys of single peers (RFC 7296 §2.15). */
#include "services/keyd/ike-psk.h"
#include "services/keyd/ike-sa-state.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/world.h"

#define LAPTOP  "laptop." TEST_DOMAIN
#define DESKTOP "desktop." TEST_DOMAIN
#define KEY     "0x000102030405060708090a0b0c0d0e0f"
#define OTHER   "0x100102030405060708090a0b0c0d0e0f"

static void give(struct world *world, const char *of_desktop, const char *of_laptop)
{
	/* Both find the other in the zone. */
	host_show(world_host(world, 0));
	host_show(world_host(world, 1));
	host_give_psks(world_host(world, 0), of_desktop);
	host_give_psks(world_host(world, 1), of_laptop);
}

static const struct ike_sa *find_sa(struct host *host)
{
	for (uint64_t id = 1; id < 10; id++)
		if (ike_manager_find(host->manager, id))
			return ike_manager_find(host->manager, id);
	return NULL;
}

/* The file. */

static void test_file(void **state)
{
	static const char text[] = "# keys\n\n  Laptop.alice.example.org \t" KEY "  \r\n"
				   "phone.alice.example.org 0sAAECAwQFBgcICQoLDA0ODxA=\n"
				   "tv.alice.example.org 0x000102030405060708090A0B0C0D0E0F10";
	struct ike_psks *psks;
	const char *complaint;
	unsigned int line;
	struct ike_octets key;

	assert_int_equal(ike_psks_parse(text, strlen(text), &psks, &complaint, &line), 0);
	key = ike_psks_find(psks, "laptop.alice.example.org");
	assert_int_equal(key.size, 16);
	assert_octets(key.data, "000102030405060708090a0b0c0d0e0f");
	key = ike_psks_find(psks, "phone.alice.example.org");
	assert_int_equal(key.size, 17);
	assert_octets(key.data, "000102030405060708090a0b0c0d0e0f10");
	assert_int_equal(ike_psks_find(psks, "tv.alice.example.org").size, 17);
	assert_int_equal(ike_psks_find(psks, "tv.alice.example.or").size, 0);
	assert_int_equal(ike_psks_find(NULL, "tv.alice.example.org").size, 0);
	ike_psks_free(psks);
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *text, *complaint;
		unsigned int line;
	} cases[] = {
		{ "a.b 0x000102030405060708090a0b0c0d0e", "the key has less than 128 bits", 1 },
		{ "\n#\na.b 0sAAECAwQFBgcICQoLDA0O", "the key has less than 128 bits", 3 },
		{ "a.b 0x00000000000000000000000000000000", "the key is not a random one", 1 },
		{ "a.b correct-horse-battery-staple",
		  "the key must be octets, written 0x... or 0s...; passphrases are not taken", 1 },
		{ "a.b",
		  "the key must be octets, written 0x... or 0s...; passphrases are not taken", 1 },
		{ "a.b 0x000102030405060708090a0b0c0d0e0g", "the key cannot be read as octets", 1 },
		{ "a.b 0x000102030405060708090a0b0c0d0e0", "the key cannot be read as octets", 1 },
		{ "a.b 0sAAECAwQFBgcICQoLDA0ODxA", "the key cannot be read as octets", 1 },
		{ "a.b 0s!AECAwQFBgcICQoLDA0ODxA=", "the key cannot be read as octets", 1 },
		{ "a.b 0x", "the key cannot be read as octets", 1 },
		{ "a.b " KEY " x", "there is something after the key", 1 },
		{ "a " KEY, "the name must be a full one, such as laptop.alice.members.example.org",
		  1 },
		{ "a.b " KEY "\nA.B " OTHER, "this name has a key already", 2 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ike_psks *psks;
		const char *complaint;
		unsigned int line;

		assert_int_equal(ike_psks_parse(cases[i].text, strlen(cases[i].text), &psks,
						&complaint, &line),
				 -EINVAL);
		assert_string_equal(complaint, cases[i].complaint);
		assert_int_equal(line, cases[i].line);
	}
}

/* Cut off anywhere it is a shorter file or a complaint. */
static void test_cut_off(void **state)
{
	static const char text[] = "laptop.alice.example.org " KEY "\n"
				   "phone.alice.example.org 0sAAECAwQFBgcICQoLDA0ODxA=\n";

	for (size_t size = 0; size <= strlen(text); size++) {
		char *copy = malloc(size ?: 1);
		struct ike_psks *psks = NULL;
		const char *complaint = NULL;
		unsigned int line;
		int r;

		memcpy(copy, text, size);
		r = ike_psks_parse(copy, size, &psks, &complaint, &line);
		assert_true(r == 0 ? psks && !complaint : r == -EINVAL && complaint);
		ike_psks_free(psks);
		free(copy);
	}
}

/* Negotiations. */

static void test_both(void **state)
{
	for (int who = 0; who < WORLD_HOSTS; who++) {
		struct world *world = world_new();

		give(world, LAPTOP " " KEY "\n", DESKTOP " " KEY "\n");
		host_want(world_host(world, who));
		world_run_until(world, 1000);
		assert_true(world_agrees(world));
		assert_int_equal(world->n_sent, 4);
		for (int i = 0; i < WORLD_HOSTS; i++) {
			const struct ike_counters *counters = host_counters(world_host(world, i));

			assert_int_equal(find_sa(world_host(world, i))->proof, IKE_PROOF_PSK);
			assert_int_equal(counters->signatures_made, 0);
			assert_int_equal(counters->signatures_checked, 0);
			assert_int_equal(counters->key_exchanges, 1);
		}
		world_free(world);
	}
}

static void test_rekey_and_ppk(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
	uint8_t keys[ESP_KEYMAT_LIMIT];

	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = world_host(world, i);

		memset(host->ppk, 9, sizeof host->ppk);
		host->has_ppk = true;
		host_sign_in(host, &host->identity);
	}
	give(world, LAPTOP " " KEY "\n", DESKTOP " " KEY "\n");
	host_want(desktop);
	world_run_until(world, 1000);
	assert_true(world_agrees(world));
	assert_true(find_sa(desktop)->peer_takes_ppk);
	memcpy(keys, host_pair(desktop)->keys, sizeof keys);
	assert_int_equal(ike_manager_rekey(laptop->manager, world->now, find_sa(laptop)->id), 0);
	host_run(laptop);
	world_run_until(world, 20000);
	assert_true(world_agrees(world));
	assert_memory_not_equal(keys, host_pair(desktop)->keys, 32);
	assert_int_equal(find_sa(desktop)->proof, IKE_PROOF_PSK);
}

/* Whoever has no key, or another one, gets nothing; and no certificate helps. */
static void test_disagreement(void **state)
{
	static const struct {
		const char *of_desktop, *of_laptop;
	} cases[] = {
		{ LAPTOP " " KEY "\n", NULL },
		{ NULL, DESKTOP " " KEY "\n" },
		{ LAPTOP " " KEY "\n", DESKTOP " " OTHER "\n" },
		{ LAPTOP " " KEY "\n", DESKTOP " " KEY "01\n" },
		/* A key of somebody else is none of ours. */
		{ LAPTOP " " KEY "\n", "phone." TEST_DOMAIN " " KEY "\n" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (int who = 0; who < WORLD_HOSTS; who++) {
			struct world *world = world_new();
			struct host *begins = world_host(world, who);

			give(world, cases[i].of_desktop, cases[i].of_laptop);
			host_want(begins);
			world_run_until(world, 1000);
			assert_int_equal(host_pairs(world_host(world, 0)) +
						 host_pairs(world_host(world, 1)),
					 0);
			assert_string_equal(begins->failure,
					    "it refused with AUTHENTICATION_FAILED");
			for (int j = 0; j < WORLD_HOSTS; j++)
				assert_int_equal(host_counters(world_host(world, j))->established,
						 0);
			world_free(world);
		}
}

/* A peer with a key is a name, and its host id the one its name has in the zone. */
static void test_unknown_host_id(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	give(world, LAPTOP " " KEY "\n", DESKTOP " " KEY "\n");
	laptop->peer_hidden = true;
	host_show(laptop);
	host_want(desktop);
	world_run_until(world, 1000);
	assert_int_equal(host_pairs(desktop) + host_pairs(laptop), 0);
	assert_string_equal(desktop->failure, "TS_UNACCEPTABLE");
	/* With a certificate it need not be known yet. */
	give(world, NULL, NULL);
	host_want(desktop);
	world_run_until(world, 10000);
	assert_true(world_agrees(world));
}

/* Both at once; and what is lost is said again. */
static void test_simultaneous_and_loss(void **state)
{
	struct world *world = *state;

	give(world, LAPTOP " " KEY "\n", DESKTOP " " KEY "\n");
	host_want(world_host(world, 0));
	host_want(world_host(world, 1));
	world_run_until(world, 60000);
	assert_true(world_agrees(world));
	assert_int_equal(host_pairs(world_host(world, 0)), 1);
	assert_int_equal(host_pairs(world_host(world, 1)), 1);
}

static void test_restart(void **state)
{
	struct world *world = *state;

	give(world, LAPTOP " " KEY "\n", DESKTOP " " KEY "\n");
	host_want(world_host(world, 0));
	world_run_until(world, 1000);
	host_restart(world_host(world, 1));
	world_run_until(world, 60000);
	assert_true(world_agrees(world));
	assert_int_equal(find_sa(world_host(world, 1))->proof, IKE_PROOF_PSK);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_both),
		test(test_rekey_and_ppk),
		cmocka_unit_test(test_disagreement),
		test(test_unknown_host_id),
		test(test_simultaneous_and_loss),
		test(test_restart),
	};

	return cmocka_run_group_tests_name("ike-psk", tests, NULL, NULL);
}
