/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Post-quantum preshared keys (RFC 8784). */
#include "services/keyd/ike-sa-state.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/world.h"

static void give_ppk(struct host *host, uint8_t octet)
{
	memset(host->ppk, octet, sizeof host->ppk);
	host->has_ppk = true;
	host_sign_in(host, &host->identity);
}

/* Against HMAC of another implementation: prf(PPK, SK' | 0x01). */
static void test_mix(void **state)
{
	static const struct ike_suite suite = { IKE_ENCR_AES_GCM_16, 128, IKE_PRF_HMAC_SHA2_256,
						IKE_GROUP_X25519 };
	uint8_t ppk[32];
	struct ike_keys keys = { .prf_size = 32, .key_size = 20 }, before;

	for (int i = 0; i < 32; i++) {
		ppk[i] = i;
		keys.d[i] = 0xd0;
		keys.pi[i] = 0x01;
		keys.pr[i] = 0x02;
	}
	memset(keys.ei, 3, 20);
	before = keys;
	assert_int_equal(ike_keys_mix_ppk(&suite, &keys, (struct ike_octets){ ppk, 32 }), 0);
	assert_octets(keys.d, "eee768a0b906345e2d38500a168dcb7e5781ad0d67fafcb3c534c61d76ed1fc3");
	assert_octets(keys.pi, "81b30551c48032b19a029238a6cd68c85ecb26ea6e0655c65de031912af56dde");
	assert_octets(keys.pr, "c7b4301044720f304c8841a1b53a2125de6814e1b45d81516829e057885b74d3");
	assert_memory_equal(keys.ei, before.ei, sizeof keys.ei);
	assert_memory_equal(keys.er, before.er, sizeof keys.er);
}

static bool uses_ppk(struct host *host)
{
	const struct ike_sa *sa = NULL;

	for (uint64_t id = 1; id < 10; id++)
		if (ike_manager_find(host->manager, id))
			sa = ike_manager_find(host->manager, id);
	return sa && sa->peer_takes_ppk;
}

/* Both, one of them, nobody: used when both have it. */
static void test_who_has_one(void **state)
{
	for (unsigned int who = 0; who < 4; who++) {
		struct world *world = world_new();

		for (int i = 0; i < WORLD_HOSTS; i++)
			if (who & 1u << i)
				give_ppk(world_host(world, i), 7);
		host_want(world_host(world, 0));
		world_run_until(world, 1000);
		assert_true(world_agrees(world));
		for (int i = 0; i < WORLD_HOSTS; i++)
			assert_int_equal(uses_ppk(world_host(world, i)), who == 3);
		assert_int_equal(world->n_sent, 4);
		world_free(world);
	}
}

/* The keys of a child depend on it. */
static void test_child_keys(void **state)
{
	uint8_t keys[3][ESP_KEYMAT_LIMIT];

	for (unsigned int octet = 0; octet < 3; octet++) {
		struct world *world = world_new();

		for (int i = 0; i < WORLD_HOSTS && octet; i++)
			give_ppk(world_host(world, i), octet);
		host_want(world_host(world, 0));
		world_run_until(world, 1000);
		assert_true(world_agrees(world));
		memcpy(keys[octet], host_pair(world_host(world, 0))->keys, sizeof keys[octet]);
		world_free(world);
	}
	assert_memory_not_equal(keys[0], keys[1], 20);
	assert_memory_not_equal(keys[1], keys[2], 20);
}

/* Not the account's key: no SA, and the reason is said where it is known. */
static void test_other_key(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	give_ppk(desktop, 1);
	give_ppk(laptop, 2);
	host_want(desktop);
	world_run_until(world, 1000);
	assert_int_equal(host_pairs(desktop) + host_pairs(laptop), 0);
	assert_string_equal(desktop->failure, "it refused with AUTHENTICATION_FAILED");
	assert_int_equal(host_counters(laptop)->refused_peers, 1);
}

static void test_required(void **state)
{
	for (int which = 0; which < WORLD_HOSTS; which++) {
		struct world *world = world_new();
		struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

		give_ppk(world_host(world, which), 1);
		ike_manager_set_ppk_use(world_host(world, which)->manager, IKE_PPK_REQUIRED);
		host_want(desktop);
		world_run_until(world, 1000);
		assert_int_equal(host_pairs(desktop) + host_pairs(laptop), 0);
		assert_string_equal(
			desktop->failure,
			which ? "it refused with AUTHENTICATION_FAILED"
			      : "it uses no post-quantum preshared key, and we require one");
		world_free(world);
	}
}

static void test_never(void **state)
{
	struct world *world = *state;

	for (int i = 0; i < WORLD_HOSTS; i++)
		give_ppk(world_host(world, i), 1);
	ike_manager_set_ppk_use(world_host(world, 1)->manager, IKE_PPK_NEVER);
	host_want(world_host(world, 0));
	world_run_until(world, 1000);
	assert_true(world_agrees(world));
	assert_false(uses_ppk(world_host(world, 0)));
}

/* A peer whose key has another name: without it where both may, and not at all otherwise. */
static void rename_ppk(struct host *host)
{
	struct ike_local *local = calloc(1, sizeof *local);

	strcpy(local->name, host->name);
	memcpy(local->host_id, host->host_id, 16);
	memcpy(local->certificate, host->identity.certificate.data,
	       host->identity.certificate.size);
	local->certificate_size = host->identity.certificate.size;
	local->has_ppk = true;
	strcpy(local->ppk_id, "another." TEST_DOMAIN);
	assert_int_equal(ike_trust_new(host->world->account.certificate.data,
				       host->world->account.certificate.size, TEST_DOMAIN,
				       &local->trust),
			 0);
	ike_manager_set_local(host->manager, host->world->now, local);
}

static void test_other_name(void **state)
{
	/* Which of them require it. */
	for (unsigned int required = 0; required < 4; required++) {
		struct world *world = world_new();
		struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

		give_ppk(desktop, 1);
		rename_ppk(laptop);
		for (int i = 0; i < WORLD_HOSTS; i++)
			if (required & 1u << i)
				ike_manager_set_ppk_use(world_host(world, i)->manager,
							IKE_PPK_REQUIRED);
		host_want(desktop);
		world_run_until(world, 1000);
		if (required) {
			assert_int_equal(host_pairs(desktop) + host_pairs(laptop), 0);
			assert_string_equal(desktop->failure,
					    "it refused with AUTHENTICATION_FAILED");
		} else {
			assert_true(world_agrees(world));
			assert_false(uses_ppk(desktop) || uses_ppk(laptop));
		}
		/* The initiator signs for both cases, where both may be. */
		assert_int_equal(host_counters(desktop)->signatures_made, required & 1 ? 1 : 2);
		assert_true(host_counters(laptop)->signatures_made <= 1);
		world_free(world);
	}
}

/* Somebody on the way makes the notification another one: AUTH covers it, so there is no SA. */
static unsigned int hide(struct world *world, struct datagram *datagram)
{
	static const uint8_t notify[] = { 0, 0, 0x40, 0x33 };
	int *which = world->userdata;

	for (size_t i = 0; datagram->number == (unsigned int)*which && i + 4 <= datagram->size; i++)
		if (!memcmp(datagram->data + i, notify, 4)) {
			datagram->data[i + 3] = 0xff;
			*which += 100;
		}
	return 1;
}

static void test_downgrade(void **state)
{
	for (int number = 0; number < 2; number++) {
		struct world *world = world_new();
		struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
		int which = number;

		for (int i = 0; i < WORLD_HOSTS; i++)
			give_ppk(world_host(world, i), 1);
		world->network = hide;
		world->userdata = &which;
		host_want(desktop);
		world_run_until(world, 1000);
		assert_int_equal(which, number + 100);
		assert_int_equal(host_pairs(desktop) + host_pairs(laptop), 0);
		assert_int_equal(host_counters(desktop)->established, 0);
		assert_int_equal(host_counters(laptop)->established, 0);
		world_free(world);
	}
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mix),        cmocka_unit_test(test_who_has_one),
		cmocka_unit_test(test_child_keys), test(test_other_key),
		cmocka_unit_test(test_required),   test(test_never),
		cmocka_unit_test(test_downgrade),  cmocka_unit_test(test_other_name),
	};

	return cmocka_run_group_tests_name("ike-ppk", tests, NULL, NULL);
}
