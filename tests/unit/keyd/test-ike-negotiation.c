/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which algorithms two hosts agree on, and that nobody between them can make it others. */
#include "services/keyd/ike-sa-state.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/world.h"

#include <stdio.h>

/* As the lines of keyd.conf; NULL: the default. */
static void prefer(struct host *host, const char *ike, const char *prf, const char *group,
		   const char *esp)
{
	struct ike_preferences preferences;

	ike_preferences_init(&preferences);
	if (ike)
		assert_int_equal(ike_preferences_parse_ciphers(ike, &preferences.ike), 0);
	if (prf)
		assert_int_equal(ike_preferences_parse_prfs(prf, &preferences.prfs), 0);
	if (group)
		assert_int_equal(ike_preferences_parse_groups(group, &preferences.groups), 0);
	if (esp)
		assert_int_equal(ike_preferences_parse_ciphers(esp, &preferences.esp), 0);
	ike_manager_set_preferences(host->manager, &preferences);
}

static void assert_suite(struct host *host, const char *expected)
{
	const struct ike_sa *sa = NULL;
	char name[64];

	for (uint64_t id = 1; id < 10; id++)
		if (ike_manager_find(host->manager, id))
			sa = ike_manager_find(host->manager, id);
	assert_non_null(sa);
	assert_int_equal(sa->state, IKE_SA_ESTABLISHED);
	ike_suite_name(&sa->suite, name, sizeof name);
	assert_string_equal(name, expected);
}

/* Every suite of IKE with every one of ESP that its number leads to. */
static void test_every_suite(void **state)
{
	static const char *const ciphers[] = { "aes128gcm16", "aes256gcm16", "chacha20poly1305" };
	static const char *const prfs[] = { "prfsha256", "prfsha384", "prfsha512" };
	static const char *const groups[] = { "x25519", "ecp256", "ecp384" };

	for (unsigned int i = 0; i < 27; i++) {
		const char *cipher = ciphers[i % 3], *prf = prfs[i / 3 % 3], *group = groups[i / 9];
		const char *esp = ciphers[(i + i / 3) % 3];
		struct world *world = world_new();
		struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
		char expected[64];

		/* One says it, the other can do everything. */
		prefer(i % 2 ? desktop : laptop, cipher, prf, group, esp);
		host_want(desktop);
		world_run_until(world, 2000);
		assert_true(world_agrees(world));
		snprintf(expected, sizeof expected, "%s-%s-%s", cipher, prf, group);
		assert_suite(desktop, expected);
		assert_suite(laptop, expected);
		assert_string_equal(esp_suite_name(&host_pair(laptop)->child.suite), esp);
		assert_true(host_pair(laptop)->child.suite.esn);
		assert_int_equal(host_pair(laptop)->keys_size,
				 2 * esp_suite_key_size(&host_pair(laptop)->child.suite));
		world_free(world);
	}
}

/* The responder's order decides where both can do both. */
static void test_order(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	prefer(desktop, "aes128gcm16 aes256gcm16", NULL, "x25519 ecp384",
	       "aes128gcm16 aes256gcm16");
	prefer(laptop, "aes256gcm16 aes128gcm16", "prfsha512 prfsha256", "ecp384 x25519",
	       "chacha20poly1305 aes256gcm16");
	host_want(desktop);
	world_run_until(world, 1000);
	assert_true(world_agrees(world));
	assert_suite(desktop, "aes256gcm16-prfsha512-ecp384");
	assert_string_equal(esp_suite_name(&host_pair(desktop)->child.suite), "aes256gcm16");
	/* One round trip more, because the first guess of a group was another. */
	assert_int_equal(world->n_sent, 6);
	assert_int_equal(host_counters(laptop)->other_group_wanted, 1);
	assert_int_equal(host_counters(laptop)->refused_peers, 0);
}

/* Each of the six lost once. */
static unsigned int lose_one(struct world *world, struct datagram *datagram)
{
	return datagram->number == *(unsigned int *)world->userdata ? 0 : 1;
}

static void test_other_group_and_loss(void **state)
{
	for (unsigned int lost = 0; lost < 6; lost++) {
		struct world *world = world_new();

		prefer(world_host(world, 1), NULL, NULL, "ecp384 ecp256", NULL);
		world->network = lose_one;
		world->userdata = &lost;
		host_want(world_host(world, 0));
		world_run_until(world, 2000);
		assert_true(world_agrees(world));
		assert_suite(world_host(world, 0), "aes128gcm16-prfsha256-ecp384");
		world_free(world);
	}
}

static void test_nothing_in_common(void **state)
{
	static const struct {
		const char *ike, *prf, *group;
	} cases[] = {
		{ "chacha20poly1305", NULL, NULL },
		{ NULL, "prfsha512", NULL },
		{ NULL, NULL, "ecp384" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world *world = world_new();
		struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

		prefer(desktop, "aes256gcm16", "prfsha256", "x25519 ecp256", NULL);
		prefer(laptop, cases[i].ike, cases[i].prf, cases[i].group, NULL);
		host_want(desktop);
		world_run_until(world, IKE_INIT_DEADLINE + 1000);
		assert_int_equal(host_pairs(desktop), 0);
		assert_int_equal(host_pairs(laptop), 0);
		assert_string_equal(desktop->failure, "it refused with NO_PROPOSAL_CHOSEN");
		world_free(world);
	}
}

/* The IKE SA stands, and there is no child. */
static void test_no_esp_in_common(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	prefer(desktop, NULL, NULL, NULL, "aes256gcm16");
	prefer(laptop, NULL, NULL, NULL, "chacha20poly1305 aes128gcm16");
	host_want(desktop);
	world_run_until(world, 2000);
	assert_int_equal(host_pairs(desktop), 0);
	assert_string_equal(desktop->failure, "NO_PROPOSAL_CHOSEN");
}

/*
 * Somebody on the way who changes what is said in the clear. `find` becomes `put` in the datagrams
 * that `number` names; both of one size.
 */
struct tampering {
	unsigned int number;
	const char *find, *put;
	unsigned int n_done;
};

static unsigned int tamper(struct world *world, struct datagram *datagram)
{
	struct tampering *tampering = world->userdata;
	uint8_t find[64], put[64];
	size_t size = from_hex(tampering->find, find);

	from_hex(tampering->put, put);
	for (size_t i = 0; datagram->number == tampering->number && i + size <= datagram->size; i++)
		if (!memcmp(datagram->data + i, find, size)) {
			memcpy(datagram->data + i, put, size);
			tampering->n_done++;
			break;
		}
	return 1;
}

/*
 * An algorithm made unknown in the offer or changed in the answer: what results is signed by both
 * (RFC 7296 §2.15), so there is no SA rather than a lesser one.
 */
static void test_downgrade_of_offer(void **state)
{
	static const struct tampering cases[] = {
		/* AES-256 first, taken out of the offer: the responder takes AES-128. */
		{ 0, "01000014800e0100", "01000014800e0500", 0 },
		/* PRF 512 taken out */
		{ 0, "0300000802000007", "03000008020000ff", 0 },
		/* The answer claims AES-128 where the responder has taken AES-256. */
		{ 1, "01000014800e0100", "01000014800e0080", 0 },
		{ 1, "0300000802000007", "0300000802000005", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tampering tampering = cases[i];
		struct world *world = world_new();
		struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

		for (int j = 0; j < WORLD_HOSTS; j++)
			prefer(world_host(world, j), "aes256gcm16 aes128gcm16",
			       "prfsha512 prfsha256", NULL, NULL);
		world->network = tamper;
		world->userdata = &tampering;
		host_want(desktop);
		world_run_until(world, 3000);
		assert_int_equal(tampering.n_done, 1);
		assert_int_equal(host_pairs(desktop), 0);
		assert_int_equal(host_pairs(laptop), 0);
		assert_int_equal(host_counters(desktop)->established, 0);
		assert_int_equal(host_counters(laptop)->established, 0);
		world_free(world);
	}
}

/* The same on the way of every message: for good without an SA, and no harm done. */
static unsigned int tamper_always(struct world *world, struct datagram *datagram)
{
	struct tampering *tampering = world->userdata;

	tampering->number = datagram->number;
	return tamper(world, datagram);
}

static void test_downgrade_for_good(void **state)
{
	struct tampering tampering = { 0, "01000014800e0100", "01000014800e0500", 0 };
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	for (int j = 0; j < WORLD_HOSTS; j++)
		prefer(world_host(world, j), "aes256gcm16 aes128gcm16", NULL, NULL, NULL);
	world->network = tamper_always;
	world->userdata = &tampering;
	host_want(desktop);
	world_run_until(world, 60000);
	assert_true(tampering.n_done > 0);
	assert_int_equal(host_counters(desktop)->established, 0);
	assert_int_equal(host_counters(laptop)->established, 0);
	world->network = NULL;
	host_want(desktop);
	world_run_until(world, 120000);
	assert_true(world_agrees(world));
	assert_suite(desktop, "aes256gcm16-prfsha256-x25519");
}

/* Answers in the clear that ask for a group: the first `n` responses are replaced. */
struct forgery {
	uint16_t group;
	unsigned int n;
	size_t size; /* of the group's field */
	unsigned int n_requests;
	bool also_true; /* the true answer arrives as well, later */
};

static unsigned int forge_group(struct world *world, struct datagram *datagram)
{
	struct forgery *forgery = world->userdata;
	const uint8_t group[] = { forgery->group >> 8, forgery->group, 0, 0 };
	struct ike_builder builder;
	struct ike_header header;
	uint8_t answer[128];
	int size;

	ike_header_read(datagram->data, datagram->size, &header);
	if (header.exchange != IKE_EXCHANGE_SA_INIT || header.flags & IKE_FLAG_RESPONSE)
		return 1;
	if (forgery->n_requests++ >= forgery->n)
		return 1;
	header.flags = IKE_FLAG_RESPONSE;
	ike_builder_begin(&builder, answer, sizeof answer, &header);
	ike_builder_add_notify(&builder, IKE_NOTIFY_INVALID_KE_PAYLOAD, group, forgery->size);
	size = ike_builder_finish(&builder);
	world_inject(world, &datagram->to, &datagram->from, answer, size);
	if (!forgery->also_true)
		return 0;
	datagram->at += 5;
	return 1;
}

/* A group that we did not offer is never followed. */
static void test_forged_foreign_group(void **state)
{
	static const struct forgery cases[] = {
		{ .group = 2, .size = 2 },
		{ .group = 14, .size = 2 },
		{ .group = 0, .size = 2 },
		{ .group = IKE_GROUP_P384, .size = 2 },
		{ .group = IKE_GROUP_P256, .size = 0 },
		{ .group = IKE_GROUP_P256, .size = 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct forgery forgery = cases[i];
		struct world *world = world_new();
		struct host *desktop = world_host(world, 0);

		forgery.n = 1;
		prefer(desktop, NULL, NULL, "x25519 ecp256", NULL);
		world->network = forge_group;
		world->userdata = &forgery;
		host_want(desktop);
		world_run_until(world, 2000);
		assert_true(world_agrees(world));
		assert_suite(desktop, "aes128gcm16-prfsha256-x25519");
		assert_int_equal(host_counters(desktop)->unexpected, 1);
		world_free(world);
	}
}

/* One of ours that neither host prefers: the responder brings it back to what it prefers. */
static void test_forged_group(void **state)
{
	for (int also_true = 0; also_true < 2; also_true++) {
		struct forgery forgery = {
			.group = IKE_GROUP_P384, .size = 2, .n = 1, .also_true = also_true
		};
		struct world *world = world_new();
		struct host *desktop = world_host(world, 0);

		world->network = forge_group;
		world->userdata = &forgery;
		host_want(desktop);
		world_run_until(world, 3000);
		assert_true(world_agrees(world));
		assert_suite(desktop, "aes128gcm16-prfsha256-x25519");
		world_free(world);
	}
}

/* Cookies without end, each before the true answer: the first negotiation may come to nothing, the
 * next one gives the true answer more time. */
static unsigned int forge_cookies(struct world *world, struct datagram *datagram)
{
	unsigned int *n = world->userdata;
	struct ike_builder builder;
	struct ike_header header;
	uint8_t answer[128];
	int size;

	ike_header_read(datagram->data, datagram->size, &header);
	if (header.exchange != IKE_EXCHANGE_SA_INIT || header.flags & IKE_FLAG_RESPONSE)
		return 1;
	header.flags = IKE_FLAG_RESPONSE;
	ike_builder_begin(&builder, answer, sizeof answer, &header);
	ike_builder_add_notify(&builder, IKE_NOTIFY_COOKIE, n, sizeof *n);
	size = ike_builder_finish(&builder);
	++*n;
	world_inject(world, &datagram->to, &datagram->from, answer, size);
	datagram->at += 200;
	return 1;
}

static void test_endless_cookies(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);
	unsigned int n = 1;

	world->network = forge_cookies;
	world->userdata = &n;
	for (unsigned int at = 0; at < 40 && !world_agrees(world); at++) {
		host_want(desktop);
		world_run_until(world, 1000 * (at + 1));
	}
	assert_true(world_agrees(world));
	assert_int_equal(host_counters(desktop)->negotiations_failed, 1);
	assert_in_range(n, 3, 12);
}

/* A cookie and then another group: the second retry carries the cookie again (RFC 7296 §2.6.1). */
struct both {
	unsigned int n_requests;
	bool seen; /* the cookie, with the other group */
};

static unsigned int demand_both(struct world *world, struct datagram *datagram)
{
	struct both *both = world->userdata;
	static const uint8_t wanted[] = { 0, IKE_GROUP_P256 };
	struct ike_builder builder;
	struct ike_header header;
	struct ike_notify cookie;
	struct ike_chain chain;
	uint8_t answer[128];
	int size;

	ike_header_read(datagram->data, datagram->size, &header);
	if (header.exchange != IKE_EXCHANGE_SA_INIT || header.flags & IKE_FLAG_RESPONSE)
		return 1;
	if (++both->n_requests == 3) {
		ike_chain_read(header.next_payload, datagram->data + IKE_HEADER_SIZE,
			       datagram->size - IKE_HEADER_SIZE, &chain);
		both->seen = ike_chain_find_notify(&chain, IKE_NOTIFY_COOKIE, &cookie) &&
			     chain.payloads[0].type == IKE_PAYLOAD_NOTIFY &&
			     !memcmp(cookie.data.data, "sweet", 5);
	}
	if (both->n_requests > 2)
		return 1;
	header.flags = IKE_FLAG_RESPONSE;
	ike_builder_begin(&builder, answer, sizeof answer, &header);
	if (both->n_requests == 1)
		ike_builder_add_notify(&builder, IKE_NOTIFY_COOKIE, "sweet", 5);
	else
		ike_builder_add_notify(&builder, IKE_NOTIFY_INVALID_KE_PAYLOAD, wanted, 2);
	size = ike_builder_finish(&builder);
	world_inject(world, &datagram->to, &datagram->from, answer, size);
	return 0;
}

static void test_cookie_and_group(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);
	struct both both = {};

	prefer(world_host(world, 1), NULL, NULL, "ecp256", NULL);
	world->network = demand_both;
	world->userdata = &both;
	host_want(desktop);
	world_run_until(world, 2000);
	assert_true(both.seen);
	assert_true(world_agrees(world));
	assert_suite(desktop, "aes128gcm16-prfsha256-ecp256");
}

/* The responder answers with another group than it was sent. */
static void test_answer_of_other_group(void **state)
{
	struct tampering tampering = { 1, "000000080400001f", "0000000804000013", 0 };
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);

	world->network = tamper;
	world->userdata = &tampering;
	host_want(desktop);
	world_run_until(world, 2000);
	assert_int_equal(tampering.n_done, 1);
	assert_int_equal(host_counters(desktop)->malformed, 1);
	/* It was dropped; what the responder sends again is the truth. */
	assert_true(world_agrees(world));
	assert_suite(desktop, "aes128gcm16-prfsha256-x25519");
}

/* A public value that is no point of the curve: no SA from it, and nothing left behind. */
static unsigned int spoil_value(struct world *world, struct datagram *datagram)
{
	struct ike_header header;
	struct ike_chain chain;
	const struct ike_payload *ke;

	if (datagram->number)
		return 1;
	ike_header_read(datagram->data, datagram->size, &header);
	ike_chain_read(header.next_payload, datagram->data + IKE_HEADER_SIZE,
		       datagram->size - IKE_HEADER_SIZE, &chain);
	ke = ike_chain_find(&chain, IKE_PAYLOAD_KE);
	datagram->data[ke->data + ke->size - 1 - datagram->data] ^= 1;
	return 1;
}

static void test_bad_public_value(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	for (int i = 0; i < WORLD_HOSTS; i++)
		prefer(world_host(world, i), NULL, NULL, "ecp256", NULL);
	world->network = spoil_value;
	host_want(desktop);
	world_run_until(world, 100);
	assert_null(ike_manager_find(laptop->manager, 1));
	assert_int_equal(host_counters(laptop)->malformed, 1);
	assert_int_equal(world->n_sent, 1);
	world_run_until(world, 3000);
	assert_true(world_agrees(world));
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		test(test_every_suite),          test(test_order),
		test(test_other_group_and_loss), test(test_nothing_in_common),
		test(test_no_esp_in_common),     test(test_downgrade_of_offer),
		test(test_downgrade_for_good),   test(test_forged_foreign_group),
		test(test_forged_group),         test(test_endless_cookies),
		test(test_cookie_and_group),     test(test_answer_of_other_group),
		test(test_bad_public_value),
	};

	return cmocka_run_group_tests_name("ike-negotiation", tests, NULL, NULL);
}
