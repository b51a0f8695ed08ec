/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Resumption of IKE SAs that were lost (RFC 5723). */
#include "services/keyd/ike-revoked-state.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/world.h"

static int set_up(void **state)
{
	struct world *world = world_new();

	for (int i = 0; i < WORLD_HOSTS; i++)
		assert_int_equal(host_keep_tickets(world_host(world, i)), 0);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	world_free(*state);
	return 0;
}

static const struct ike_sa *find_sa(struct host *host)
{
	for (uint64_t id = 1; id < 20; id++) {
		const struct ike_sa *sa = ike_manager_find(host->manager, id);

		if (sa && sa->state == IKE_SA_ESTABLISHED)
			return sa;
	}
	return NULL;
}

/* An SA between the two, that one of them began, and the tickets are exchanged. */
static void connect_hosts(struct world *world, int initiator)
{
	host_show(world_host(world, 1 - initiator));
	host_want(world_host(world, initiator));
	world_run_until(world, 1000);
	assert_true(world_agrees(world));
	for (int i = 0; i < WORLD_HOSTS; i++) {
		assert_int_equal(host_counters(world_host(world, i))->tickets_given, 1);
		assert_int_equal(host_counters(world_host(world, i))->tickets_kept, 1);
		assert_false(find_sa(world_host(world, i))->resumed);
	}
}

static void assert_resumed(struct host *host)
{
	const struct ike_counters *counters = host_counters(host);

	assert_non_null(find_sa(host));
	assert_true(find_sa(host)->resumed);
	assert_int_equal(counters->resumed, 1);
}

static void assert_no_public_key(struct host *host)
{
	const struct ike_counters *counters = host_counters(host);

	assert_int_equal(counters->signatures_made, 0);
	assert_int_equal(counters->signatures_checked, 0);
	assert_int_equal(counters->key_exchanges, 0);
}

/* Octets. */

static struct ike_session sample(void)
{
	struct ike_session session = {
		.peer = "laptop." TEST_DOMAIN,
		.host_id = { 0xfd, 1, 2 },
		.suite = { 20, 128, IKE_PRF_HMAC_SHA2_256, IKE_GROUP_X25519 },
		.proof = IKE_PROOF_PSK,
		.ppk = true,
		.issued = 1234,
		.ends = TEST_REALTIME + 100,
		.proof_expires = TEST_REALTIME + 200,
	};

	memset(session.d, 7, 32);
	return session;
}

/* SKEYSEED = prf(SK_d, "Resumption" | Ni | Nr) and prf+ of it, by another implementation of HMAC.
 */
static void test_keys(void **state)
{
	static const struct ike_suite suite = { 20, 128, IKE_PRF_HMAC_SHA2_256, IKE_GROUP_X25519 };
	uint8_t d[32], nonce_i[32], nonce_r[32];
	struct ike_keys keys;

	memset(d, 0xd0, 32);
	memset(nonce_i, 0x01, 32);
	memset(nonce_r, 0x02, 32);
	assert_int_equal(ike_keys_resume(&suite, d, (struct ike_octets){ nonce_i, 32 },
					 (struct ike_octets){ nonce_r, 32 }, 0x1112131415161718,
					 0x2122232425262728, &keys),
			 0);
	assert_octets(keys.d, "c4c1f9c4d8986a505271c6e4f9a52a6f650f4a615e93b5f736364260a1b0e77f");
	assert_octets(keys.ei, "b3d5894cda088b41f1b7bfdd4e57acf85017384b");
	assert_octets(keys.pr, "4323cebee48a0779dd021a3ad40a87ff7e9c1d87cac3c3aa7aa1843b03b6be27");
}

static void test_session_octets(void **state)
{
	struct ike_session session = sample(), read = {};
	uint8_t octets[512];
	struct writer writer = writer_init(octets, sizeof octets);
	struct reader reader;

	ike_session_write(&writer, &session);
	assert_false(writer.failed);
	for (size_t size = 0; size < writer.position; size++) {
		uint8_t *copy = malloc(size ?: 1);

		memcpy(copy, octets, size);
		reader = reader_init(copy, size);
		assert_int_equal(ike_session_read(&reader, &read), -EBADMSG);
		free(copy);
	}
	reader = reader_init(octets, writer.position);
	assert_int_equal(ike_session_read(&reader, &read), 0);
	assert_int_equal(reader_left(&reader), 0);
	assert_memory_equal(&session, &read, sizeof session);
}

static void fill(void *userdata, void *data, size_t size)
{
	uint8_t *octet = userdata;

	memset(data, ++*octet, size);
}

static void test_tickets(void **state)
{
	uint8_t octet = 0;
	const struct ike_random random = { fill, &octet };
	struct ike_session session = sample(), read;
	struct ike_tickets *tickets;
	struct ike_blob ticket = {};
	struct ike_octets octets;

	assert_int_equal(ike_tickets_new(&tickets), 0);
	assert_int_equal(ike_tickets_give(tickets, &random, TEST_REALTIME, &session, &ticket), 0);
	octets = (struct ike_octets){ ticket.data, ticket.size };
	assert_int_equal(ike_tickets_open(tickets, TEST_REALTIME, octets, &read), 0);
	assert_memory_equal(&session, &read, sizeof session);
	assert_int_equal(ike_tickets_open(tickets, TEST_REALTIME + 100, octets, &read), -ESTALE);
	/* Each octet counts, and each length. */
	for (size_t i = 0; i < ticket.size; i++) {
		octets.size = i;
		assert_true(ike_tickets_open(tickets, TEST_REALTIME, octets, &read) < 0);
		octets.size = ticket.size;
		ticket.data[i] ^= 1;
		assert_true(ike_tickets_open(tickets, TEST_REALTIME, octets, &read) < 0);
		ticket.data[i] ^= 1;
	}
	ike_tickets_spend(tickets, TEST_REALTIME, octets, session.ends);
	assert_int_equal(ike_tickets_open(tickets, TEST_REALTIME, octets, &read), -EALREADY);
	ike_blob_clear(&ticket);
	/* Its key outlives it by nothing, and new ones come. */
	assert_int_equal(ike_tickets_give(tickets, &random, TEST_REALTIME, &session, &ticket), 0);
	session.ends = TEST_REALTIME + 20000;
	octets = (struct ike_octets){ ticket.data, ticket.size };
	assert_int_equal(ike_tickets_open(tickets, TEST_REALTIME + 99, octets, &read), 0);
	{
		struct ike_blob later = {};

		assert_int_equal(
			ike_tickets_give(tickets, &random, TEST_REALTIME + 4000, &session, &later),
			0);
		assert_memory_not_equal(ticket.data, later.data, 9);
		ike_blob_clear(&later);
	}
	assert_int_equal(ike_tickets_open(tickets, TEST_REALTIME + 4000, octets, &read), -ENOENT);
	ike_blob_clear(&ticket);
	ike_tickets_free(tickets);
}

/* When more come back than can be remembered, none of the old ones serves. */
static void test_too_many_spent(void **state)
{
	uint8_t octet = 0;
	const struct ike_random random = { fill, &octet };
	struct ike_session session = sample(), read;
	struct ike_tickets *tickets;
	struct ike_blob ticket = {};

	assert_int_equal(ike_tickets_new(&tickets), 0);
	assert_int_equal(ike_tickets_give(tickets, &random, TEST_REALTIME, &session, &ticket), 0);
	for (unsigned int i = 0; i <= IKE_TICKETS_SPENT; i++) {
		/* The nonce comes after version and name of the key. */
		memcpy(ticket.data + 9, &i, sizeof i);
		ike_tickets_spend(tickets, TEST_REALTIME,
				  (struct ike_octets){ ticket.data, ticket.size }, session.ends);
	}
	assert_int_equal(ike_tickets_open(tickets, TEST_REALTIME,
					  (struct ike_octets){ ticket.data, ticket.size }, &read),
			 -ENOENT);
	ike_blob_clear(&ticket);
	ike_tickets_free(tickets);
}

static void test_saved(void **state)
{
	uint8_t octet = 0, secret[32] = { 1 }, other[32] = { 2 };
	const struct ike_random random = { fill, &octet };
	struct ike_session session = sample(), read;
	struct ike_tickets *tickets, *loaded;
	struct ike_blob own = {}, spent = {}, saved = {}, taken = {};
	struct ike_octets octets;

	assert_int_equal(ike_tickets_new(&tickets), 0);
	assert_int_equal(ike_tickets_new(&loaded), 0);
	assert_int_equal(ike_tickets_give(tickets, &random, TEST_REALTIME, &session, &own), 0);
	assert_int_equal(ike_tickets_give(tickets, &random, TEST_REALTIME, &session, &spent), 0);
	ike_tickets_spend(tickets, TEST_REALTIME, (struct ike_octets){ spent.data, spent.size },
			  session.ends);
	ike_tickets_keep(tickets, &session, (struct ike_octets){ (const uint8_t *)"theirs", 6 });
	assert_int_equal(ike_tickets_save(tickets, &random, secret, &saved), 0);
	/* No secret stands in it as it is. */
	assert_null(memmem(saved.data, saved.size, session.d, 32));
	octets = (struct ike_octets){ saved.data, saved.size };
	assert_int_equal(ike_tickets_load(loaded, TEST_REALTIME, other, octets), -EBADMSG);
	for (size_t i = 0; i < saved.size; i++) {
		octets.size = i;
		assert_int_equal(ike_tickets_load(loaded, TEST_REALTIME, secret, octets), -EBADMSG);
		octets.size = saved.size;
		saved.data[i] ^= 1;
		assert_int_equal(ike_tickets_load(loaded, TEST_REALTIME, secret, octets), -EBADMSG);
		saved.data[i] ^= 1;
	}
	assert_int_equal(ike_tickets_count(loaded), 0);
	assert_int_equal(ike_tickets_load(loaded, TEST_REALTIME, secret, octets), 0);
	assert_int_equal(ike_tickets_open(loaded, TEST_REALTIME,
					  (struct ike_octets){ own.data, own.size }, &read),
			 0);
	assert_int_equal(ike_tickets_open(loaded, TEST_REALTIME,
					  (struct ike_octets){ spent.data, spent.size }, &read),
			 -EALREADY);
	assert_true(ike_tickets_take(loaded, TEST_REALTIME, session.peer, session.host_id, &read,
				     &taken));
	assert_memory_equal(&session, &read, sizeof session);
	assert_int_equal(taken.size, 6);
	assert_false(ike_tickets_take(loaded, TEST_REALTIME, session.peer, session.host_id, &read,
				      &taken));
	/* After their end nothing is left. */
	assert_int_equal(ike_tickets_load(loaded, TEST_REALTIME + 100, secret, octets), 0);
	assert_int_equal(ike_tickets_count(loaded), 0);
	ike_blob_clear(&own);
	ike_blob_clear(&spent);
	ike_blob_clear(&saved);
	ike_blob_clear(&taken);
	ike_tickets_free(tickets);
	ike_tickets_free(loaded);
}

/* Conversations. */

/* Whoever restarts, whoever had begun: two round trips, and no work with public keys. */
static void test_restart(void **state)
{
	for (int initiator = 0; initiator < WORLD_HOSTS; initiator++)
		for (int restarts = 0; restarts < WORLD_HOSTS; restarts++) {
			struct world *world;
			struct host *host, *other;
			struct ike_counters before;

			set_up((void **)&world);
			connect_hosts(world, initiator);
			host = world_host(world, restarts);
			other = world_host(world, 1 - restarts);
			before = *host_counters(other);
			host_restart(host);
			world_run_until(world, 30000);
			assert_true(world_agrees(world));
			assert_resumed(host);
			assert_resumed(other);
			assert_no_public_key(host);
			assert_int_equal(host_counters(other)->signatures_made,
					 before.signatures_made);
			assert_int_equal(host_counters(other)->signatures_checked,
					 before.signatures_checked);
			assert_int_equal(host_counters(other)->key_exchanges, before.key_exchanges);
			assert_int_equal(host_counters(other)->tickets_refused, 0);
			assert_int_equal(find_sa(host)->proof, IKE_PROOF_CERTIFICATE);
			world_free(world);
		}
}

/* Again and again: each time there is a new ticket, and never one for longer than the certificate
 * that began it. */
static void test_restarts(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);
	uint8_t keys[5][ESP_KEYMAT_LIMIT];
	int64_t expires;

	connect_hosts(world, 0);
	expires = find_sa(desktop)->proof_expires;
	assert_true(expires > TEST_REALTIME);
	for (int i = 0; i < 5; i++) {
		memcpy(keys[i], host_pair(desktop)->keys, sizeof keys[i]);
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(keys[i], keys[j], 32);
		struct host *host = world_host(world, i % 2);

		/* The world cannot tell the pairs of two keyds apart. */
		memset(host->pairs, 0, sizeof host->pairs);
		host->orphan = true;
		host_restart(host);
		world_run_until(world, 30000 * (i + 1));
		assert_true(world_agrees(world));
		assert_true(find_sa(desktop)->resumed);
		assert_true(find_sa(world_host(world, 1))->resumed);
		for (int j = 0; j < WORLD_HOSTS; j++)
			assert_int_equal(find_sa(world_host(world, j))->proof_expires, expires);
	}
}

static void test_both_restart(void **state)
{
	struct world *world = *state;

	connect_hosts(world, 1);
	host_restart(world_host(world, 0));
	host_restart(world_host(world, 1));
	world_run_until(world, 60000);
	assert_true(world_agrees(world));
	assert_true(find_sa(world_host(world, 0))->resumed);
	assert_no_public_key(world_host(world, 0));
	assert_no_public_key(world_host(world, 1));
}

/* The other side has forgotten everything: a full negotiation, at once. */
static void test_refused(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	connect_hosts(world, 0);
	host_keep_tickets(laptop);
	host_restart(desktop);
	world_run_until(world, 30000);
	assert_true(world_agrees(world));
	assert_int_equal(host_counters(desktop)->resumptions_refused, 1);
	assert_int_equal(host_counters(laptop)->tickets_refused, 1);
	assert_int_equal(host_counters(desktop)->signatures_made, 1);
	assert_int_equal(host_counters(desktop)->negotiations_failed, 0);
	assert_false(find_sa(desktop)->resumed);
	/* And there is a ticket again. */
	host_restart(desktop);
	world_run_until(world, 60000);
	assert_true(find_sa(desktop)->resumed);
}

/* Too late, or after the certificate's end; another policy than before. */
static void test_no_more(void **state)
{
	for (int why = 0; why < 5; why++) {
		struct world *world;
		struct host *desktop, *laptop;
		struct revocation_list list = {};
		struct ike_preferences preferences;

		set_up((void **)&world);
		desktop = world_host(world, 0);
		laptop = world_host(world, 1);
		connect_hosts(world, 0);
		/* Only the one that opens the ticket thinks otherwise. */
		switch (why) {
		case 0:
			ike_manager_set_realtime(laptop->manager, TEST_REALTIME + 14400);
			break;
		case 1:
			ike_preferences_init(&preferences);
			assert_int_equal(
				ike_preferences_parse_ciphers("aes256gcm16", &preferences.ike), 0);
			ike_manager_set_preferences(laptop->manager, &preferences);
			break;
		case 2:
			host_give_psks(laptop, "desktop." TEST_DOMAIN
					       " 0x000102030405060708090a0b0c0d0e0f");
			break;
		case 4:
			assert_int_equal(revocation_list_add(&list, "desktop", 1), 0);
			ike_manager_set_revoked(laptop->manager, world->now, &list);
			host_run(laptop);
			break;
		case 3:
			ike_manager_set_ppk_use(laptop->manager, IKE_PPK_REQUIRED);
			break;
		}
		host_restart(desktop);
		world_run_until(world, 3500);
		assert_int_equal(host_counters(laptop)->tickets_refused, 1);
		assert_int_equal(host_counters(laptop)->resumed, 0);
		assert_true(why >= 2 || find_sa(desktop));
		world_free(world);
	}
}

/* Whoever ended it himself, or became another, resumes nothing. */
static void test_ended(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);

	connect_hosts(world, 0);
	desktop->wants_traffic = false;
	assert_int_equal(ike_manager_terminate(desktop->manager, world->now, find_sa(desktop)->id),
			 0);
	host_run(desktop);
	world_run_until(world, 5000);
	assert_null(find_sa(desktop));
	host_want(desktop);
	world_run_until(world, 20000);
	assert_true(world_agrees(world));
	assert_int_equal(host_counters(desktop)->resumed, 0);
	desktop->has_ppk = true;
	host_sign_in(desktop, &desktop->identity);
	assert_int_equal(ike_tickets_count(ike_manager_tickets(desktop->manager)), 0);
}

/* Each message lost, and each one twice. */
static unsigned int lose(struct world *world, struct datagram *datagram)
{
	return datagram->number != *(unsigned int *)world->userdata;
}

static unsigned int twice(struct world *world, struct datagram *datagram)
{
	return 2;
}

static void test_loss(void **state)
{
	for (unsigned int lost = 0; lost < 8; lost++) {
		struct world *world;
		struct host *desktop;
		unsigned int number;

		set_up((void **)&world);
		desktop = world_host(world, 0);
		connect_hosts(world, 0);
		number = world->n_sent + lost;
		world->network = lost < 7 ? lose : twice;
		world->userdata = &number;
		host_restart(desktop);
		world_run_until(world, 30000);
		assert_true(world_agrees(world));
		assert_true(find_sa(desktop)->resumed);
		assert_no_public_key(desktop);
		world_free(world);
	}
}

static bool deaf;

static unsigned int not_now(struct world *world, struct datagram *datagram)
{
	return !deaf;
}

/* Out of reach for long: the ticket is kept for when the way is there. */
static void test_out_of_reach(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);

	connect_hosts(world, 0);
	deaf = true;
	world->network = not_now;
	host_restart(desktop);
	world_run_until(world, 400000);
	assert_null(find_sa(desktop));
	deaf = false;
	host_want(desktop);
	world_run_until(world, 600000);
	assert_true(world_agrees(world));
}

/* A ticket that was seen on the way helps nobody: not to prove himself, and not to spend it. */
static struct datagram seen;

static unsigned int watch(struct world *world, struct datagram *datagram)
{
	if (!seen.size && datagram->data[18] == IKE_EXCHANGE_SESSION_RESUME)
		seen = *datagram;
	return 1;
}

static void test_stolen_ticket(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
	struct sockaddr_in thief = desktop->address;

	seen.size = 0;
	connect_hosts(world, 0);
	world->network = watch;
	host_restart(desktop);
	world_run_until(world, 30000);
	assert_true(find_sa(desktop)->resumed);
	assert_true(seen.size);
	/* Later: it is spent. */
	thief.sin_port = htons(6666);
	seen.data[0] ^= 1;
	world_inject(world, &thief, &laptop->address, seen.data, seen.size);
	world_run_until(world, 40000);
	assert_int_equal(host_counters(laptop)->tickets_refused, 1);
	assert_true(world_agrees(world));
}

/* With a preshared key, and with a post-quantum one, it is what it was. */
static void test_kinds(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = world_host(world, i);

		memset(host->ppk, 3, sizeof host->ppk);
		host->has_ppk = true;
		host_sign_in(host, &host->identity);
		host_keep_tickets(host);
	}
	host_give_psks(desktop, "laptop." TEST_DOMAIN " 0x000102030405060708090a0b0c0d0e0f");
	host_give_psks(laptop, "desktop." TEST_DOMAIN " 0x000102030405060708090a0b0c0d0e0f");
	connect_hosts(world, 0);
	host_restart(laptop);
	world_run_until(world, 30000);
	assert_true(world_agrees(world));
	for (int i = 0; i < WORLD_HOSTS; i++) {
		assert_true(find_sa(world_host(world, i))->resumed);
		assert_true(find_sa(world_host(world, i))->peer_takes_ppk);
		assert_int_equal(find_sa(world_host(world, i))->proof, IKE_PROOF_PSK);
	}
}

/* Cookies are asked for here as well. */
static void test_cookies(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);

	connect_hosts(world, 0);
	ike_manager_set_cookies_from(laptop->manager, 0);
	host_restart(desktop);
	world_run_until(world, 30000);
	assert_true(find_sa(desktop)->resumed);
	assert_int_equal(host_counters(laptop)->cookies_sent, 1);
	assert_no_public_key(desktop);
}

/* A peer that gives no tickets is not asked for any. */
static void test_without(void **state)
{
	struct world *world = world_new();
	struct host *desktop = world_host(world, 0);

	host_keep_tickets(desktop);
	host_want(desktop);
	world_run_until(world, 1000);
	assert_true(world_agrees(world));
	assert_int_equal(world->n_sent, 4);
	host_restart(desktop);
	world_run_until(world, 30000);
	assert_true(world_agrees(world));
	assert_false(find_sa(desktop)->resumed);
	world_free(world);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_session_octets),
		cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_too_many_spent),
		cmocka_unit_test(test_saved),
		cmocka_unit_test(test_restart),
		test(test_restarts),
		test(test_both_restart),
		test(test_refused),
		cmocka_unit_test(test_no_more),
		test(test_ended),
		cmocka_unit_test(test_loss),
		test(test_out_of_reach),
		test(test_stolen_ticket),
		test(test_kinds),
		test(test_cookies),
		cmocka_unit_test(test_without),
	};

	return cmocka_run_group_tests_name("ike-resume", tests, NULL, NULL);
}
