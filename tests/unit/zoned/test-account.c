/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "tests/unit/zoned/server-fixture.h"

static const uint8_t new_key[32] = "another key of thirty-two octets";

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture_start(fixture);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(*state);
	free(*state);
	return 0;
}

/* What the fixture's account was made with. */
static struct account_terms terms_of(const uint8_t secret[static 32])
{
	return (struct account_terms){ .key = secret, .key_size = 32 };
}

static struct account_terms terms(void)
{
	static uint8_t secret[32];

	for (size_t i = 0; i < sizeof secret; i++)
		secret[i] = i;
	return terms_of(secret);
}

static int change(struct fixture *fixture, const struct account_terms *terms)
{
	int r = authority_change_account(fixture->authority, FIXTURE_ACCOUNT, terms,
					 &fixture->moment);

	fixture_work(fixture);
	return r;
}

struct answer {
	uint16_t rcode;
	struct dns_tsig tsig;
	int has_tsig;
};

/* A query for the SOA, with a MAC of `mac_size` octets; 0: as long as it is. */
static struct answer ask(struct fixture *fixture, const struct dns_tsig_key *key, size_t mac_size)
{
	struct exchange exchange;
	struct answer answer = {};
	struct writer *writer;
	struct dns_tsig tsig;
	size_t size;

	exchange_begin_query(&exchange, "@", LDNS_RR_TYPE_SOA);
	size = dns_builder_sign(&exchange.builder, key, NULL, fixture->moment.date / 1000,
				&exchange.mac);
	assert_int_equal(dns_tsig_find(exchange.octets, size, &tsig), 1);
	if (mac_size) {
		/* Lengths of data and MAC; and behind the MAC there are six octets. */
		size_t cut = tsig.mac.size - mac_size;
		size_t mac = size - 6 - tsig.mac.size;

		writer = &exchange.builder.writer;
		writer_patch_u16(writer, tsig.start + tsig.key_name.size + 8,
				 tsig.algorithm_name.size + 16 + mac_size);
		writer_patch_u16(writer, mac - 2, mac_size);
		memmove(exchange.octets + mac + mac_size, exchange.octets + size - 6, 6);
		size -= cut;
		exchange.mac.size = mac_size;
	}
	fixture_clear_outbox(fixture);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  size, &fixture->outbox);
	assert_int_equal(fixture->outbox.n, 1);
	answer.rcode = fixture->outbox.items[0].data[3] & 0xf;
	answer.has_tsig = dns_tsig_find(fixture->outbox.items[0].data,
					fixture->outbox.items[0].size, &answer.tsig);
	/* What is signed is signed by the same key and algorithm, with a whole MAC. */
	if (answer.has_tsig > 0 && answer.tsig.mac.size)
		assert_int_equal(dns_tsig_verify(fixture->outbox.items[0].data, &answer.tsig, key,
						 &exchange.mac, fixture->moment.date / 1000, 0),
				 DNS_TSIG_RESULT_OK);
	return answer;
}

static const enum dns_tsig_algorithm current[] = {
	DNS_TSIG_ALGORITHM_HMAC_SHA224,     DNS_TSIG_ALGORITHM_HMAC_SHA256,
	DNS_TSIG_ALGORITHM_HMAC_SHA384,     DNS_TSIG_ALGORITHM_HMAC_SHA512,
	DNS_TSIG_ALGORITHM_HMAC_SHA256_128, DNS_TSIG_ALGORITHM_HMAC_SHA384_192,
	DNS_TSIG_ALGORITHM_HMAC_SHA512_256,
};
static const enum dns_tsig_algorithm old[] = { DNS_TSIG_ALGORITHM_HMAC_SHA1,
					       DNS_TSIG_ALGORITHM_HMAC_MD5 };

static void current_algorithms(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(current); i++) {
		fixture_set_algorithm(current[i]);
		assert_int_equal(ask(fixture, fixture_key(FIXTURE_DOMAIN), 0).rcode, 0);
		assert_int_equal(fixture_add(fixture, DESKTOP_KEY, 5400, "desktop A 192.0.2.1"), 0);
		fixture->moment.date += 1000;
	}
}

/* Old algorithms are refused to who signs rightly; who does not learns nothing. */
static void old_algorithms_only_where_asked_for(void **state)
{
	struct account_terms allowing = terms();
	struct fixture *fixture = *state;

	allowing.allows_md5 = true;
	for (int allowed = 0; allowed < 2; allowed++) {
		if (allowed)
			assert_int_equal(change(fixture, &allowing), 1);
		for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
			struct dns_tsig_key wrong;
			struct answer answer;

			fixture_set_algorithm(old[i]);
			answer = ask(fixture, fixture_key(FIXTURE_DOMAIN), 0);
			assert_int_equal(answer.rcode,
					 allowed ? LDNS_RCODE_NOERROR : LDNS_RCODE_NOTAUTH);
			assert_int_equal(answer.tsig.error, allowed ? 0 : DNS_TSIG_ERROR_BADKEY);
			assert_int_equal(answer.tsig.mac.size == 0, !allowed);
			wrong = *fixture_key(FIXTURE_DOMAIN);
			wrong.secret = new_key;
			assert_int_equal(ask(fixture, &wrong, 0).tsig.error, DNS_TSIG_ERROR_BADSIG);
			dns_name_from_text("carol.members.example.org", &wrong.name);
			assert_int_equal(ask(fixture, &wrong, 0).tsig.error, DNS_TSIG_ERROR_BADSIG);
		}
	}
}

static void unknown_algorithm(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;
	struct dns_tsig tsig;
	size_t size;

	exchange_begin_query(&exchange, "@", LDNS_RR_TYPE_SOA);
	size = dns_builder_sign(&exchange.builder, fixture_key(FIXTURE_DOMAIN), NULL,
				fixture->moment.date / 1000, NULL);
	assert_int_equal(dns_tsig_find(exchange.octets, size, &tsig), 1);
	exchange.octets[tsig.start + tsig.key_name.size + 10 + 1] = 'x';
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  size, &fixture->outbox);
	assert_int_equal(
		dns_tsig_find(fixture->outbox.items[0].data, fixture->outbox.items[0].size, &tsig),
		1);
	assert_int_equal(tsig.error, DNS_TSIG_ERROR_BADKEY);
	assert_int_equal(tsig.mac.size, 0);
}

/* Half of the hash, 128 bits at the least, is enough. */
static void shortened_signatures(void **state)
{
	static const struct {
		enum dns_tsig_algorithm algorithm;
		size_t size;
		ldns_pkt_rcode rcode;
		enum dns_tsig_error error;
	} cases[] = {
		{ DNS_TSIG_ALGORITHM_HMAC_SHA256, 16, LDNS_RCODE_NOERROR, 0 },
		{ DNS_TSIG_ALGORITHM_HMAC_SHA256, 15, LDNS_RCODE_FORMERR, 0 },
		{ DNS_TSIG_ALGORITHM_HMAC_SHA512, 32, LDNS_RCODE_NOERROR, 0 },
		{ DNS_TSIG_ALGORITHM_HMAC_SHA512, 31, LDNS_RCODE_FORMERR, 0 },
		{ DNS_TSIG_ALGORITHM_HMAC_SHA256_128, 15, LDNS_RCODE_FORMERR, 0 },
		{ DNS_TSIG_ALGORITHM_HMAC_SHA1, 16, LDNS_RCODE_NOERROR, 0 },
		{ DNS_TSIG_ALGORITHM_HMAC_SHA1, 12, LDNS_RCODE_NOTAUTH, DNS_TSIG_ERROR_BADTRUNC },
		{ DNS_TSIG_ALGORITHM_HMAC_SHA1, 9, LDNS_RCODE_FORMERR, 0 },
		{ DNS_TSIG_ALGORITHM_HMAC_MD5, 15, LDNS_RCODE_NOTAUTH, DNS_TSIG_ERROR_BADTRUNC },
		{ DNS_TSIG_ALGORITHM_HMAC_MD5, 10, LDNS_RCODE_NOTAUTH, DNS_TSIG_ERROR_BADTRUNC },
		{ DNS_TSIG_ALGORITHM_HMAC_MD5, 9, LDNS_RCODE_FORMERR, 0 },
	};
	struct account_terms allowing = terms();
	struct fixture *fixture = *state;

	allowing.allows_md5 = true;
	change(fixture, &allowing);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct answer answer;

		fixture_set_algorithm(cases[i].algorithm);
		answer = ask(fixture, fixture_key(FIXTURE_DOMAIN), cases[i].size);
		assert_int_equal(answer.rcode, cases[i].rcode);
		assert_int_equal(answer.has_tsig > 0, cases[i].rcode != LDNS_RCODE_FORMERR);
		if (answer.has_tsig > 0) {
			assert_int_equal(answer.tsig.error, cases[i].error);
			assert_true(answer.tsig.mac.size > 0);
		}
	}
}

static void new_key_at_once(void **state)
{
	struct account_terms changed = terms_of(new_key);
	struct fixture *fixture = *state;
	struct dns_tsig_key key;

	assert_int_equal(fixture_add(fixture, DESKTOP_KEY, 5400, "desktop A 192.0.2.1"), 0);
	assert_int_equal(change(fixture, &changed), 1);
	assert_int_equal(change(fixture, &changed), 0);
	key = *fixture_key(DESKTOP_KEY);
	assert_int_equal(ask(fixture, &key, 0).tsig.error, DNS_TSIG_ERROR_BADSIG);
	key = *fixture_key(FIXTURE_DOMAIN);
	assert_int_equal(ask(fixture, &key, 0).tsig.error, DNS_TSIG_ERROR_BADSIG);
	key.secret = new_key;
	assert_int_equal(ask(fixture, &key, 0).rcode, 0);
	/* What was there stays. */
	changed = terms();
	assert_int_equal(change(fixture, &changed), 1);
	assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_A), 1);
	assert_int_equal(fixture_add(fixture, DESKTOP_KEY, 5400, "desktop A 192.0.2.2"), 0);
}

static void disabled_account(void **state)
{
	struct account_terms disabled = terms(), enabled = terms();
	struct fixture *fixture = *state;

	disabled.is_disabled = true;
	assert_int_equal(fixture_add(fixture, DESKTOP_KEY, 5400, "desktop A 192.0.2.1"), 0);
	assert_int_equal(change(fixture, &disabled), 1);
	/* Signed: its owner may know. */
	assert_int_equal(ask(fixture, fixture_key(FIXTURE_DOMAIN), 0).rcode, LDNS_RCODE_REFUSED);
	assert_true(ask(fixture, fixture_key(FIXTURE_DOMAIN), 0).tsig.mac.size > 0);
	assert_int_equal(fixture_add(fixture, DESKTOP_KEY, 5400, "desktop A 192.0.2.2"),
			 LDNS_RCODE_REFUSED);
	assert_int_equal(change(fixture, &enabled), 1);
	assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_A), 1);
}

static void purged_account(void **state)
{
	struct account_terms purged = terms(), enabled = terms();
	struct fixture *fixture = *state;
	uint32_t serial;

	purged.is_disabled = purged.is_purged = true;
	assert_int_equal(fixture_add(fixture, DESKTOP_KEY, 5400, "desktop A 192.0.2.1"), 0);
	assert_int_equal(fixture_add(fixture, FIXTURE_DOMAIN, 0, "note TXT \"stays\""), 0);
	serial = fixture_serial(fixture);
	assert_int_equal(change(fixture, &purged), 1);
	/* Again, as each time the database is read: there is nothing left. */
	assert_int_equal(change(fixture, &purged), 0);
	fixture_restart(fixture);
	assert_int_equal(change(fixture, &enabled), 0);
	assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_A), -1);
	assert_int_equal(fixture_count(fixture, "note", LDNS_RR_TYPE_TXT), -1);
	assert_int_equal(fixture_count(fixture, "@", LDNS_RR_TYPE_SOA), 1);
	assert_int_equal(fixture_count(fixture, "_dns-llq._udp", LDNS_RR_TYPE_SRV), 1);
	assert_int_equal(fixture_serial(fixture), serial + 1);
}

/* While a transaction is under way the versions of a zone are two. */
static void changes_wait_for_the_transaction(void **state)
{
	struct account_terms disabled = terms();
	struct fixture *fixture = *state;
	struct change_list changes = {};
	struct exchange exchange;
	size_t size;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, "host A 192.0.2.1");
	size = dns_builder_sign(&exchange.builder, fixture_key(FIXTURE_DOMAIN), NULL,
				fixture->moment.date / 1000, NULL);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  size, &fixture->outbox);
	assert_int_equal(authority_begin(fixture->authority, &fixture->moment, &changes), 1);
	disabled.is_disabled = true;
	assert_int_equal(authority_change_account(fixture->authority, FIXTURE_ACCOUNT, &disabled,
						  &fixture->moment),
			 -EAGAIN);
	memory_storage_apply(&fixture->storage, &changes);
	authority_finish(fixture->authority, &fixture->moment, true, &fixture->outbox);
	assert_int_equal(change(fixture, &disabled), 1);
	assert_int_equal(
		authority_change_account(fixture->authority, 99, &disabled, &fixture->moment),
		-ENOENT);
}

/* What was sent before the account was disabled, and waits, is refused too: its records may have
 * been purged in between. */
static void disabled_while_an_update_waits(void **state)
{
	struct account_terms purged = terms(), enabled = terms();
	struct fixture *fixture = *state;
	struct exchange exchange;
	size_t size;

	purged.is_disabled = purged.is_purged = true;
	exchange_begin_update(&exchange);
	exchange_add(&exchange, "host A 192.0.2.1");
	size = dns_builder_sign(&exchange.builder, fixture_key(FIXTURE_DOMAIN), NULL,
				fixture->moment.date / 1000, NULL);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  size, &fixture->outbox);
	assert_int_equal(authority_change_account(fixture->authority, FIXTURE_ACCOUNT, &purged,
						  &fixture->moment),
			 1);
	fixture_work(fixture);
	assert_int_equal(fixture->outbox.n, 1);
	assert_int_equal(fixture->outbox.items[0].data[3] & 0xf, LDNS_RCODE_REFUSED);
	assert_int_equal(change(fixture, &enabled), 1);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_A), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(current_algorithms),
		TEST(old_algorithms_only_where_asked_for),
		TEST(unknown_algorithm),
		TEST(shortened_signatures),
		TEST(new_key_at_once),
		TEST(disabled_account),
		TEST(purged_account),
		TEST(changes_wait_for_the_transaction),
		TEST(disabled_while_an_update_waits),
	};

	return cmocka_run_group_tests_name("zoned accounts", tests, NULL, NULL);
}
