/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Forgotten hosts, when the zone has more than one list. */
#include "tests/unit/zoned/unit.h"

#include "common/dns/dns-records.h"
#include "common/keys/revocation-list.h"
#include "services/identity/certificate.h"
#include "tests/unit/zoned/server-fixture.h"

#include <stdio.h>

#define LISTS 8
#define DATE  1764000000

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture_start(fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_stop(*state);
	free(*state);
	return 0;
}

/* A list with one host on it is one more record; the RCODE. */
static int forget(struct fixture *fixture, const char *host)
{
	struct revocation_list list = { .number = 1 };
	struct certificate account = {}, crl = {};
	struct exchange exchange;
	struct secret *seed;
	ldns_rr *record;
	int rcode;

	assert_int_equal(secret_new(32, &seed), 0);
	memset(seed->data, 7, 32);
	assert_int_equal(certificate_make_account(seed, FIXTURE_DOMAIN, &account), 0);
	assert_int_equal(revocation_list_add(&list, host, DATE), 0);
	assert_int_equal(revocation_list_sign(&list, seed, account.data, account.size, DATE,
					      &crl.data, &crl.size),
			 0);
	record = dns_record_new_cert(REVOCATION_LABEL "." FIXTURE_DOMAIN, 10, crl.data, crl.size);
	assert_non_null(record);
	exchange_begin_update(&exchange);
	dns_update_add(&exchange.builder, record);
	rcode = fixture_send(fixture, &exchange, FIXTURE_DOMAIN);
	exchange_clear(&exchange);
	fixture_clear_outbox(fixture);
	ldns_rr_free(record);
	certificate_deinit(&crl);
	certificate_deinit(&account);
	secret_free(seed);
	return rcode;
}

/* Whatever the answer is: its refusal is not signed. */
static void try_to_add(struct fixture *fixture, const char *key_name, const char *text)
{
	struct exchange exchange;
	int size;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, text);
	size = dns_builder_sign(&exchange.builder, fixture_key(key_name), NULL,
				fixture->moment.date / 1000, NULL);
	assert_true(size > 0);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  size, &fixture->outbox);
	fixture_work(fixture);
	fixture_clear_outbox(fixture);
}

/* Wherever the new record comes to stand among the others. */
static void test_each_list_counts(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < LISTS; i++) {
		char host[16], key[80], text[80];

		snprintf(host, sizeof host, "host%d", i);
		snprintf(key, sizeof key, "1a2b3c4d.%s." FIXTURE_DOMAIN, host);
		snprintf(text, sizeof text, "%s A 192.0.2.1", host);
		assert_int_equal(fixture_add(fixture, key, 3600, text), LDNS_RCODE_NOERROR);
		assert_int_equal(forget(fixture, host), LDNS_RCODE_NOERROR);
		assert_int_equal(fixture_count(fixture, host, LDNS_RR_TYPE_A), -1);
		try_to_add(fixture, key, text);
		assert_int_equal(fixture_count(fixture, host, LDNS_RR_TYPE_A), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_list_counts, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("revoked", tests, NULL, NULL);
}
