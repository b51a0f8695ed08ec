/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The additional key exchange (RFC 9370) in IKE_INTERMEDIATE (RFC 9242), with a played one. */
#include "services/keyd/ike-intermediate.h"
#include "tests/unit/keyd/played-kem.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/world.h"

static void give_both(struct world *world)
{
	for (int i = 0; i < WORLD_HOSTS; i++)
		host_give_kem(world_host(world, i), &played_kem, IKE_KEM_PREFERRED);
}

static const struct ike_sa *newest_sa(const struct host *host)
{
	const struct ike_sa *newest = NULL;

	for (const struct ike_sa *sa = host_next_sa(host, NULL); sa; sa = host_next_sa(host, sa))
		newest = sa;
	return newest;
}

static bool uses_kem(const struct host *host)
{
	const struct ike_sa *sa = host_current_sa(host);

	return sa && sa->suite.kem == IKE_KEM_MLKEM768;
}

static void assert_connected(struct world *world, bool with_kem)
{
	assert_true(world_agrees(world));
	for (int i = 0; i < WORLD_HOSTS; i++)
		assert_int_equal(uses_kem(world_host(world, i)), with_kem);
}

/* What went over the wire. */
struct seen {
	struct world *world;
	unsigned int n[64];  /* messages of each exchange; pieces count */
	unsigned int lose;   /* so many of the messages below are lost */
	unsigned int change; /* so many of them are changed */
	uint8_t exchange, response;
	uint32_t auth_id;
	size_t largest;
};

static unsigned int look(struct world *world, struct datagram *datagram)
{
	struct seen *seen = world->userdata;
	struct ike_header header;

	assert_int_equal(ike_header_read(datagram->data, datagram->size, &header), 0);
	assert_true(header.exchange < ARRAY_SIZE(seen->n));
	seen->n[header.exchange]++;
	if (datagram->size > seen->largest)
		seen->largest = datagram->size;
	if (header.exchange == IKE_EXCHANGE_AUTH)
		seen->auth_id = header.message_id;
	if (header.exchange != seen->exchange ||
	    !(header.flags & IKE_FLAG_RESPONSE) != !seen->response)
		return 1;
	if (seen->change) {
		seen->change--;
		datagram->data[datagram->size - 20] ^= 1;
	}
	if (seen->lose) {
		seen->lose--;
		return 0;
	}
	return 1;
}

static void watch(struct world *world, struct seen *seen)
{
	world->network = look;
	world->userdata = seen;
}

/* Both have it, one of them, nobody; each may begin. */
static void test_who_has_it(void **state)
{
	for (unsigned int who = 0; who < 8; who++) {
		struct world *world = world_new();
		struct seen seen = {};
		bool both = (who & 3) == 3;

		for (int i = 0; i < WORLD_HOSTS; i++)
			if (who & 1u << i)
				host_give_kem(world_host(world, i), &played_kem, IKE_KEM_PREFERRED);
		watch(world, &seen);
		host_want(world_host(world, who >> 2));
		world_run_until(world, 1000);
		assert_connected(world, both);
		/* Each of the two messages in two pieces: they do not fit in 1280 octets. */
		assert_int_equal(seen.n[IKE_EXCHANGE_INTERMEDIATE], both ? 3 : 0);
		assert_int_equal(seen.n[IKE_EXCHANGE_SA_INIT], 2);
		assert_int_equal(seen.n[IKE_EXCHANGE_AUTH], 2);
		assert_int_equal(seen.auth_id, both ? 2 : 1);
		assert_true(seen.largest <= IKE_DATAGRAM_SIZE - IKE_DATAGRAM_OVERHEAD);
		/* Classical exchanges and those with it are counted alike. */
		assert_int_equal(host_counters(world_host(world, 0))->key_exchanges, 1 + both);
		world_free(world);
	}
}

/* The first octets of a first request do not tell where nothing is to be offered. */
static unsigned int keep_first(struct world *world, struct datagram *datagram)
{
	struct datagram *first = world->userdata;

	if (!first->size)
		*first = *datagram;
	return 1;
}

static void test_wire_without(void **state)
{
	struct datagram first[3] = {};

	for (int i = 0; i < 3; i++) {
		struct world *world = world_new();

		if (i == 1)
			host_give_kem(world_host(world, 0), &played_kem, IKE_KEM_NEVER);
		if (i == 2)
			host_give_kem(world_host(world, 0), &played_kem, IKE_KEM_PREFERRED);
		world->network = keep_first;
		world->userdata = &first[i];
		host_want(world_host(world, 0));
		world_run_until(world, 1000);
		assert_connected(world, false);
		world_free(world);
	}
	assert_int_equal(first[0].size, first[1].size);
	assert_memory_equal(first[0].data, first[1].data, first[0].size);
	assert_true(first[2].size > first[0].size);
}

/* Keys of before and after, and of the children, have nothing in common with those without it. */
static void test_keys(void **state)
{
	struct ike_keys keys[2];
	uint8_t pairs[2][ESP_KEYMAT_LIMIT];

	for (int with = 0; with < 2; with++) {
		struct world *world = world_new();

		if (with)
			give_both(world);
		host_want(world_host(world, 0));
		world_run_until(world, 1000);
		assert_connected(world, with);
		keys[with] = host_current_sa(world_host(world, 0))->keys;
		assert_memory_equal(&keys[with], &host_current_sa(world_host(world, 1))->keys,
				    sizeof keys[with]);
		memcpy(pairs[with], host_pair(world_host(world, 0))->keys, sizeof pairs[with]);
		for (int i = 0; i < WORLD_HOSTS; i++)
			assert_null(host_current_sa(world_host(world, i))->former_keys);
		world_free(world);
	}
	assert_memory_not_equal(keys[0].d, keys[1].d, 32);
	assert_memory_not_equal(keys[0].ei, keys[1].ei, 20);
	assert_memory_not_equal(keys[0].er, keys[1].er, 20);
	assert_memory_not_equal(keys[0].pi, keys[1].pi, 32);
	assert_memory_not_equal(pairs[0], pairs[1], 40);
}

static void test_required(void **state)
{
	/* Who requires it, and who has it: the other one, or both. */
	for (unsigned int i = 0; i < 4; i++) {
		struct world *world = world_new();
		struct host *desktop = world_host(world, 0);
		bool both = i & 2;

		if (both)
			give_both(world);
		host_give_kem(world_host(world, i & 1), &played_kem, IKE_KEM_REQUIRED);
		host_want(desktop);
		world_run_until(world, 130000);
		if (both) {
			assert_connected(world, true);
		} else {
			assert_int_equal(host_pairs(desktop) + host_pairs(world_host(world, 1)), 0);
			assert_string_equal(desktop->failure, "it refused with NO_PROPOSAL_CHOSEN");
		}
		world_free(world);
	}
}

/* Each message lost some times, and each piece of it. */
static void test_loss(void **state)
{
	for (int response = 0; response < 2; response++)
		for (unsigned int lose = 1; lose < 8; lose++) {
			struct world *world = world_new();
			struct seen seen = { .exchange = IKE_EXCHANGE_INTERMEDIATE,
					     .response = response,
					     .lose = lose };

			give_both(world);
			watch(world, &seen);
			host_want(world_host(world, 0));
			world_run_until(world, 20000);
			assert_connected(world, true);
			assert_int_equal(host_counters(world_host(world, 0))->established, 1);
			/* The work is done once. */
			assert_int_equal(host_counters(world_host(world, 1))->key_exchanges, 2);
			world_free(world);
		}
}

/* A way through which nothing larger than 576 octets comes: the answer is divided anew, with keys
 * that are not in use any more. */
static unsigned int narrow(struct world *world, struct datagram *datagram)
{
	return datagram->size > IKE_FRAGMENT_SMALL ? 0 : 1;
}

static void test_narrow(void **state)
{
	struct world *world = *state;

	give_both(world);
	world->network = narrow;
	host_want(world_host(world, 0));
	world_run_until(world, 60000);
	assert_connected(world, true);
	assert_int_equal(host_counters(world_host(world, 0))->negotiations_begun, 1);
}

/* Narrow for the answer alone. */
static unsigned int narrow_back(struct world *world, struct datagram *datagram)
{
	return datagram->size > IKE_FRAGMENT_SMALL &&
			       datagram->from.sin_addr.s_addr ==
				       world_host(world, 1)->address.sin_addr.s_addr
		       ? 0
		       : 1;
}

static void test_narrow_back(void **state)
{
	struct world *world = *state;

	give_both(world);
	world->network = narrow_back;
	host_want(world_host(world, 0));
	world_run_until(world, 60000);
	assert_connected(world, true);
	assert_int_equal(host_counters(world_host(world, 0))->negotiations_begun, 1);
}

/* The messages twice each, and the old ones again when all is done. */
static unsigned int twice(struct world *world, struct datagram *datagram)
{
	return 2;
}

static void test_twice(void **state)
{
	struct world *world = *state;

	give_both(world);
	world->network = twice;
	host_want(world_host(world, 0));
	world_run_until(world, 1000);
	assert_connected(world, true);
	assert_int_equal(host_counters(world_host(world, 1))->key_exchanges, 2);
}

struct record {
	struct datagram datagrams[32];
	unsigned int n;
};

static unsigned int record(struct world *world, struct datagram *datagram)
{
	struct record *record = world->userdata;

	if (record && record->n < ARRAY_SIZE(record->datagrams))
		record->datagrams[record->n++] = *datagram;
	return 1;
}

static void test_again(void **state)
{
	struct world *world = *state;
	struct record recorded = {};
	uint64_t sent;

	give_both(world);
	world->network = record;
	world->userdata = &recorded;
	host_want(world_host(world, 0));
	world_run_until(world, 1000);
	assert_connected(world, true);
	world->userdata = NULL;
	sent = world->n_sent;
	for (unsigned int i = 0; i < recorded.n; i++)
		world_inject(world, &recorded.datagrams[i].from, &recorded.datagrams[i].to,
			     recorded.datagrams[i].data, recorded.datagrams[i].size);
	world_run_until(world, 2000);
	assert_connected(world, true);
	/* Answers are repeated, and nothing is begun by it. */
	assert_true(world->n_sent <= sent + 6);
	assert_int_equal(host_counters(world_host(world, 1))->key_exchanges, 2);
	assert_int_equal(host_pairs(world_host(world, 1)), 1);
}

/* Whoever changes a message on the way stops nothing: it is not taken, and sent again. */
static void test_changed(void **state)
{
	for (int response = 0; response < 2; response++) {
		struct world *world = world_new();
		struct seen seen = { .exchange = IKE_EXCHANGE_INTERMEDIATE,
				     .response = response,
				     .change = 2 };

		give_both(world);
		watch(world, &seen);
		host_want(world_host(world, 0));
		world_run_until(world, 20000);
		assert_connected(world, true);
		assert_true(host_counters(world_host(world, !response))->unauthentic > 0);
		world_free(world);
	}
}

/*
 * Somebody on the way takes the additional key exchange out of the offer, or its acceptance out of
 * the answer: AUTH covers both, so there is no SA.
 */
static void replace_notify(struct datagram *datagram, unsigned int *n)
{
	static const uint8_t notify[] = { 0, 0, 0x40, 0x36 };

	for (size_t i = 0; i + 4 <= datagram->size; i++)
		if (!memcmp(datagram->data + i, notify, 4)) {
			datagram->data[i + 3] = 0xff;
			++*n;
		}
}

static unsigned int hide(struct world *world, struct datagram *datagram)
{
	if (!datagram->number)
		replace_notify(datagram, world->userdata);
	return 1;
}

static void test_downgrade(void **state)
{
	struct world *world = *state;
	unsigned int n = 0;

	give_both(world);
	world->network = hide;
	world->userdata = &n;
	host_want(world_host(world, 0));
	world_run_until(world, 1000);
	assert_int_equal(n, 1);
	for (int i = 0; i < WORLD_HOSTS; i++) {
		assert_int_equal(host_pairs(world_host(world, i)), 0);
		assert_int_equal(host_counters(world_host(world, i))->established, 0);
	}
}

/* Accepted without the notification that must be with it: the answer is none. */
static unsigned int hide_in_answer(struct world *world, struct datagram *datagram)
{
	if (datagram->number == 1)
		replace_notify(datagram, world->userdata);
	return 1;
}

static void test_incomplete_answer(void **state)
{
	struct world *world = *state;
	unsigned int n = 0;

	give_both(world);
	world->network = hide_in_answer;
	world->userdata = &n;
	host_want(world_host(world, 0));
	/* The true answer comes when it is asked for again. */
	world_run_until(world, 10000);
	assert_int_equal(n, 1);
	assert_true(host_counters(world_host(world, 0))->malformed > 0);
	assert_connected(world, true);
}

/* AUTH covers what was exchanged in between, whatever proves the two: without it, no SA. */
static void forget_between(struct world *world, struct host *host, const struct datagram *datagram)
{
	int *which = world->userdata;
	struct ike_header header;

	if (host != world_host(world, *which) ||
	    ike_header_read(datagram->data, datagram->size, &header) < 0 ||
	    header.exchange != IKE_EXCHANGE_AUTH)
		return;
	((struct ike_sa *)newest_sa(host))->int_auth[0][3] ^= 1;
}

static void test_covered(void **state)
{
	for (int which = 0; which < WORLD_HOSTS; which++)
		for (int psk = 0; psk < 2; psk++) {
			struct world *world = world_new();

			give_both(world);
			if (psk)
				for (int i = 0; i < WORLD_HOSTS; i++)
					host_give_psks(
						world_host(world, i),
						"desktop." TEST_DOMAIN " 0x00112233445566778899aabb"
						"ccddeeff\n"
						"laptop." TEST_DOMAIN " 0x00112233445566778899aabb"
						"ccddeeff\n");
			world->arrived = forget_between;
			world->userdata = &which;
			host_want(world_host(world, 0));
			world_run_until(world, 1000);
			assert_int_equal(host_pairs(world_host(world, 0)), 0);
			assert_int_equal(host_counters(world_host(world, 0))->established, 0);
			world_free(world);
		}
}

/* With cookies, another group than the one that was tried first, and a post-quantum preshared key;
 * and resumption afterwards, which has it in its keys. */
static void test_with_others(void **state)
{
	struct world *world = *state;
	struct ike_preferences preferences;

	ike_preferences_init(&preferences);
	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = world_host(world, i);

		if (i) {
			preferences.groups =
				(struct ike_numbers){ { IKE_GROUP_P384, IKE_GROUP_X25519 }, 2 };
			preferences.kem_use = IKE_KEM_REQUIRED;
		}
		host->setup = (struct host_setup){
			.used = true,
			.preferences = preferences,
			.cookies_always = true,
			.datagram_size = 1280,
		};
		host->kem = &played_kem;
		host->has_ppk = true;
		memset(host->ppk, 7, sizeof host->ppk);
		ike_manager_free(host->manager);
		host_start(host);
		assert_int_equal(host_keep_tickets(host), 0);
	}
	host_want(world_host(world, 0));
	world_run_until(world, 2000);
	assert_connected(world, true);
	assert_true(host_current_sa(world_host(world, 0))->peer_takes_ppk);
	assert_int_equal(host_current_sa(world_host(world, 0))->suite.group, IKE_GROUP_P384);
	/* Its keyd is lost, and the ticket says what is in the keys. */
	host_restart(world_host(world, 0));
	memset(world_host(world, 0)->pairs, 0, sizeof world_host(world, 0)->pairs);
	host_want(world_host(world, 0));
	world_run_until(world, 4000);
	assert_true(host_current_sa(world_host(world, 0))->resumed);
	assert_connected(world, true);
	assert_int_equal(host_counters(world_host(world, 0))->key_exchanges, 0);
}

/* A ticket of an SA without it is no way around a host that requires it. */
static void test_resumption_required(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	for (int i = 0; i < WORLD_HOSTS; i++)
		assert_int_equal(host_keep_tickets(world_host(world, i)), 0);
	host_want(desktop);
	world_run_until(world, 1000);
	assert_connected(world, false);
	host_give_kem(laptop, &played_kem, IKE_KEM_REQUIRED);
	host_restart(desktop);
	memset(desktop->pairs, 0, sizeof desktop->pairs);
	host_give_kem(desktop, &played_kem, IKE_KEM_PREFERRED);
	host_want(desktop);
	world_run_until(world, 3000);
	assert_connected(world, true);
	assert_false(host_current_sa(desktop)->resumed);
	assert_int_equal(host_counters(laptop)->tickets_refused, 1);
}

/* New keys come of a classical exchange and of what there is: it stays in them. */
static void test_rekey(void **state)
{
	struct world *world = *state;
	struct seen seen = {};

	give_both(world);
	host_want(world_host(world, 0));
	world_run_until(world, 1000);
	watch(world, &seen);
	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = world_host(world, i);

		assert_int_equal(
			ike_manager_rekey(host->manager, world->now, host_current_sa(host)->id), 0);
		host_run(host);
		world_run_until(world, 20000 * (i + 1));
		assert_connected(world, true);
	}
	assert_int_equal(seen.n[IKE_EXCHANGE_INTERMEDIATE], 0);
	assert_int_equal(seen.n[IKE_EXCHANGE_SA_INIT], 0);
	assert_int_equal(host_counters(world_host(world, 0))->rekeyed, 2);
}

/* Both begin at once: one SA results. */
static void test_both(void **state)
{
	for (unsigned int head_start = 0; head_start < 200; head_start += 5) {
		struct world *world = world_new();

		give_both(world);
		host_want(world_host(world, 1));
		world_run_until(world, head_start);
		host_want(world_host(world, 0));
		world_run_until(world, 30000);
		assert_connected(world, true);
		for (int i = 0; i < WORLD_HOSTS; i++)
			assert_int_equal(host_pairs(world_host(world, i)), 1);
		world_free(world);
	}
}

/* A peer that has exchanged keys and sends what it must not. */
static void send_as(struct world *world, struct host *host, struct ike_sa *sa, uint8_t exchange,
		    uint16_t method, const uint8_t *value, size_t size)
{
	struct ike_header header = {
		.spi_initiator = sa->spi_initiator,
		.spi_responder = sa->spi_responder,
		.version = IKE_VERSION,
		.exchange = exchange,
		.flags = IKE_FLAG_INITIATOR,
		.message_id = 1,
	};
	struct host *other = world_host(world, host == world_host(world, 0));
	uint8_t buffer[2048], message[2200];
	struct ike_builder inner;
	int n;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	if (size)
		ike_builder_add_ke(&inner, method, value, size);
	else
		ike_builder_add_notify(&inner, IKE_NOTIFY_INITIAL_CONTACT, NULL, 0);
	n = ike_sk_seal(&sa->suite, ike_sa_peer_key(sa, exchange), 99, &header, inner.first, buffer,
			ike_builder_finish(&inner), message, sizeof message);
	assert_true(n > 0);
	world_inject(world, &other->address, &host->address, message, n);
}

static unsigned int only_first(struct world *world, struct datagram *datagram)
{
	return datagram->number < 2;
}

static void test_nonsense(void **state)
{
	static const struct {
		uint8_t exchange;
		uint16_t method;
		size_t size;
		bool bad, refused;
	} cases[] = {
		{ IKE_EXCHANGE_INTERMEDIATE, IKE_KEM_MLKEM768, IKE_KEM_PUBLIC, false, false },
		{ IKE_EXCHANGE_INTERMEDIATE, IKE_KEM_MLKEM768, IKE_KEM_PUBLIC, true, true },
		{ IKE_EXCHANGE_INTERMEDIATE, IKE_KEM_MLKEM768, IKE_KEM_PUBLIC - 1, false, true },
		{ IKE_EXCHANGE_INTERMEDIATE, IKE_KEM_MLKEM768, IKE_KEM_PUBLIC + 1, false, true },
		{ IKE_EXCHANGE_INTERMEDIATE, 35, IKE_KEM_PUBLIC, false, true },
		{ IKE_EXCHANGE_INTERMEDIATE, 35, 0, false, true },
		/* Before it: it is dropped, and the right one may still come. */
		{ IKE_EXCHANGE_AUTH, IKE_KEM_MLKEM768, IKE_KEM_PUBLIC, false, false },
		{ IKE_EXCHANGE_CREATE_CHILD_SA, 0, 0, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world *world = world_new();
		struct host *laptop = world_host(world, 1);
		uint8_t value[IKE_KEM_PUBLIC + 1] = { cases[i].bad ? PLAYED_KEM_BAD : 1 };
		const struct ike_sa *sa;

		give_both(world);
		world->network = only_first;
		host_want(world_host(world, 0));
		world_run_until(world, 100);
		sa = newest_sa(laptop);
		assert_int_equal(sa->state, IKE_SA_HALF_OPEN);
		send_as(world, laptop, (struct ike_sa *)sa, cases[i].exchange, cases[i].method,
			value, cases[i].size);
		world_run_until(world, 200);
		sa = newest_sa(laptop);
		assert_int_equal(sa->state, cases[i].refused ? IKE_SA_CLOSED : IKE_SA_HALF_OPEN);
		assert_int_equal(host_counters(laptop)->refused_peers, cases[i].refused);
		assert_int_equal(sa->n_intermediate,
				 cases[i].exchange == IKE_EXCHANGE_INTERMEDIATE &&
					 !cases[i].refused);
		/* And in the end nothing is left of it. */
		world_run_until(world, 40000);
		assert_null(host_current_sa(laptop));
		world_free(world);
	}
}

/* The answer is an error, or nothing. */
static void test_no_answer(void **state)
{
	struct world *world = *state;
	struct seen seen = { .exchange = IKE_EXCHANGE_INTERMEDIATE, .response = 1, .lose = 1000 };

	give_both(world);
	watch(world, &seen);
	host_want(world_host(world, 0));
	world_run_until(world, 16000);
	assert_int_equal(host_counters(world_host(world, 0))->established, 0);
	/* From the beginning, as soon as it can be. */
	seen.lose = 0;
	world_run_until(world, 60000);
	assert_connected(world, true);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_has_it),
		cmocka_unit_test(test_wire_without),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_loss),
		test(test_narrow),
		test(test_narrow_back),
		test(test_twice),
		test(test_again),
		cmocka_unit_test(test_changed),
		test(test_downgrade),
		test(test_incomplete_answer),
		cmocka_unit_test(test_covered),
		test(test_with_others),
		test(test_resumption_required),
		test(test_rekey),
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_nonsense),
		test(test_no_answer),
	};

	return cmocka_run_group_tests_name("ike-intermediate", tests, NULL, NULL);
}
