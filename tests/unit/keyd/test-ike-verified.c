/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-verified.h"
#include "tests/unit/keyd/account.h"
#include "tests/unit/keyd/test.h"

#include <openssl/ec.h>

#define NAME   "laptop." TEST_DOMAIN
#define NAMES  "DNS:" NAME ",DNS:AutoTunnel-00-22-69-FF-FE-8E-34-2B." TEST_DOMAIN
#define BEFORE (TEST_REALTIME - 100)
#define AFTER  (TEST_REALTIME + 100)
#define DAY    (24 * 3600)

struct fixture {
	struct ike_verified *verified;
	struct ike_holder holder;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_non_null(fixture);
	assert_int_equal(ike_verified_new(&fixture->verified), 0);
	fixture->holder.key = EVP_EC_gen("P-256");
	assert_non_null(fixture->holder.key);
	memcpy(fixture->holder.eui64, "12345678", 8);
	fixture->holder.issued = BEFORE;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	EVP_PKEY_free(fixture->holder.key);
	ike_verified_free(fixture->verified);
	free(fixture);
	return 0;
}

static void add(struct fixture *fixture, unsigned int certificate)
{
	ike_verified_add(fixture->verified, (const uint8_t *)&certificate, sizeof certificate, NAME,
			 BEFORE, AFTER, &fixture->holder);
}

static bool is_known(struct fixture *fixture, unsigned int certificate, const char *name,
		     int64_t realtime)
{
	struct ike_holder holder;

	if (!ike_verified_find(fixture->verified, (const uint8_t *)&certificate, sizeof certificate,
			       name, realtime, &holder))
		return false;
	assert_int_equal(EVP_PKEY_eq(holder.key, fixture->holder.key), 1);
	assert_memory_equal(holder.eui64, "12345678", 8);
	/* By this a host that was forgotten is refused. */
	assert_int_equal(holder.issued, BEFORE);
	EVP_PKEY_free(holder.key);
	return true;
}

static void test_the_same_octets_and_name(void **state)
{
	struct fixture *fixture = *state;

	assert_false(is_known(fixture, 1, NAME, TEST_REALTIME));
	add(fixture, 1);
	assert_true(is_known(fixture, 1, NAME, TEST_REALTIME));
	assert_false(is_known(fixture, 2, NAME, TEST_REALTIME));
	assert_false(is_known(fixture, 1, "other." TEST_DOMAIN, TEST_REALTIME));
	assert_true(is_known(fixture, 1, NAME, TEST_REALTIME));
}

static void test_another_kind_of_key(void **state)
{
	struct fixture *fixture = *state;
	EVP_PKEY *usual = fixture->holder.key;

	add(fixture, 1);
	fixture->holder.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_non_null(fixture->holder.key);
	add(fixture, 2);
	assert_true(is_known(fixture, 2, NAME, TEST_REALTIME));
	EVP_PKEY_free(fixture->holder.key);
	fixture->holder.key = usual;
	assert_true(is_known(fixture, 1, NAME, TEST_REALTIME));
}

static void test_only_while_valid(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 2; i++) {
		add(fixture, 1);
		assert_true(is_known(fixture, 1, NAME, BEFORE));
		assert_true(is_known(fixture, 1, NAME, AFTER - 1));
		assert_false(is_known(fixture, 1, NAME, i ? AFTER : BEFORE - 1));
		/* It is not known again: whoever comes with it is looked at anew. */
		assert_false(is_known(fixture, 1, NAME, TEST_REALTIME));
	}
}

static void test_bounded(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned int i = 0; i < IKE_VERIFIED_LIMIT; i++)
		add(fixture, i);
	/* Added again it takes no second place; and what was seen last stays. */
	add(fixture, 1);
	assert_true(is_known(fixture, 0, NAME, TEST_REALTIME));
	add(fixture, IKE_VERIFIED_LIMIT);
	assert_true(is_known(fixture, 0, NAME, TEST_REALTIME));
	assert_true(is_known(fixture, 1, NAME, TEST_REALTIME));
	assert_false(is_known(fixture, 2, NAME, TEST_REALTIME));
	assert_true(is_known(fixture, 3, NAME, TEST_REALTIME));
	assert_true(is_known(fixture, IKE_VERIFIED_LIMIT, NAME, TEST_REALTIME));
}

static int check(const struct ike_trust *trust, const struct test_host *host, int64_t realtime)
{
	struct ike_holder holder;
	const char *reason;
	int r = ike_certificate_check(trust, host->certificate.data, host->certificate.size, NAME,
				      realtime, &holder, &reason);

	if (r >= 0)
		EVP_PKEY_free(holder.key);
	return r;
}

/* What was in order is so until it expires, and for this account only. */
static void test_certificates(void **state)
{
	struct test_account account, other;
	struct ike_trust *trust, *other_trust;
	struct test_host host;

	test_account_make(&account, TEST_DOMAIN);
	test_account_make(&other, TEST_DOMAIN);
	test_host_make(&host, &account,
		       &(struct test_host_options){
			       .names = NAMES, .not_before = -100, .not_after = 2 * DAY });
	assert_int_equal(ike_trust_new(account.certificate.data, account.certificate.size,
				       TEST_DOMAIN, &trust),
			 0);
	assert_int_equal(ike_trust_new(other.certificate.data, other.certificate.size, TEST_DOMAIN,
				       &other_trust),
			 0);
	assert_int_equal(check(trust, &host, TEST_REALTIME), 0);
	assert_int_equal(check(trust, &host, TEST_REALTIME + 2 * DAY - 1), 0);
	assert_int_equal(check(trust, &host, TEST_REALTIME + 2 * DAY + 1), -EACCES);
	assert_int_equal(check(trust, &host, TEST_REALTIME), 0);
	/* A clock that runs a little ahead is borne, known or not. */
	assert_int_equal(check(trust, &host, TEST_REALTIME - 101), 0);
	assert_int_equal(check(trust, &host, TEST_REALTIME - 2 * DAY), -EACCES);
	assert_int_equal(check(other_trust, &host, TEST_REALTIME), -EACCES);
	ike_trust_free(trust);
	ike_trust_free(other_trust);
	test_host_drop(&host);
	test_account_drop(&account);
	test_account_drop(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_same_octets_and_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_kind_of_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_only_while_valid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounded, set_up, tear_down),
		cmocka_unit_test(test_certificates),
	};

	return cmocka_run_group_tests_name("keyd: certificates that were checked", tests, NULL,
					   NULL);
}
