/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/keys/issue-time.h"
#include "services/identity/revocations-wire.h"
#include "tests/unit/thorough.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>

#define DOMAIN "alice.members.example.org"

struct account {
	struct secret *seed;
	struct certificate certificate;
};

static struct account make_account(uint8_t first, const char *domain)
{
	struct account account = {};

	assert_int_equal(secret_new(32, &account.seed), 0);
	for (size_t i = 0; i < 32; i++)
		account.seed->data[i] = first + i;
	assert_int_equal(certificate_make_account(account.seed, domain, &account.certificate), 0);
	return account;
}

static void drop_account(struct account *account)
{
	secret_free(account->seed);
	certificate_deinit(&account->certificate);
}

static struct certificate sign(const struct account *account, const struct revocation_list *list)
{
	struct certificate made;

	assert_int_equal(revocation_list_sign(list, account->seed, account->certificate.data,
					      account->certificate.size, 1764000000, &made.data,
					      &made.size),
			 0);
	return made;
}

static int verify(const struct account *account, const struct certificate *list,
		  struct revocation_list *ret)
{
	return revocation_list_verify(list->data, list->size, account->certificate.data,
				      account->certificate.size, ret);
}

static struct revocation_list two_hosts(void)
{
	struct revocation_list list = { .number = 7 };

	assert_int_equal(revocation_list_add(&list, "laptop", 1764000001), 0);
	assert_int_equal(revocation_list_add(&list, "desktop", 1763999999), 0);
	return list;
}

static void test_list_keeps_order_and_never_takes_back(void **unused)
{
	struct revocation_list list = two_hosts(), other = { .number = 3 };

	assert_string_equal(list.items[0].host, "desktop");
	assert_string_equal(list.items[1].host, "laptop");
	assert_int_equal(revocation_list_add(&list, "laptop", 5), 0);
	assert_int_equal(revocation_list_until(&list, "laptop"), 1764000001);
	assert_int_equal(revocation_list_until(&list, "lap"), 0);
	assert_int_equal(revocation_list_add(&list, "two.labels", 5), -EINVAL);
	assert_int_equal(revocation_list_add(&list, "", 5), -EINVAL);
	assert_int_equal(revocation_list_add(&list, "phone", 0), -EINVAL);

	/* An older list, with less and with a host that the newer does not have. */
	assert_int_equal(revocation_list_add(&other, "laptop", 1000), 0);
	assert_int_equal(revocation_list_merge(&list, &other), false);
	assert_int_equal(revocation_list_add(&other, "phone", 2000), 0);
	assert_int_equal(revocation_list_merge(&list, &other), true);
	assert_int_equal(list.number, 7);
	assert_int_equal(list.n, 3);
	assert_int_equal(revocation_list_until(&list, "laptop"), 1764000001);
}

static void test_list_covers_up_to_its_time(void **unused)
{
	struct revocation_list list = two_hosts();

	assert_true(revocation_list_covers(&list, "desktop", 0));
	assert_true(revocation_list_covers(&list, "desktop", 1763999999));
	assert_false(revocation_list_covers(&list, "desktop", 1764000000));
	assert_false(revocation_list_covers(&list, "phone", 0));
}

static void test_list_is_bounded(void **unused)
{
	struct account account = make_account(0, DOMAIN);
	struct revocation_list list = {}, read;
	struct certificate made;
	char host[REVOCATION_HOST_SIZE];

	for (int i = 0; i < REVOCATION_HOSTS_MAX; i++) {
		snprintf(host, sizeof host, "a-host-with-a-name-of-many-letters-and-a-number-%d",
			 i);
		assert_int_equal(revocation_list_add(&list, host, 1764000000 + i), 0);
	}
	assert_int_equal(revocation_list_add(&list, "one-more", 5), -ENOSPC);
	assert_int_equal(revocation_list_add(&list, host, 1864000000), 0);
	made = sign(&account, &list);
	assert_int_equal(verify(&account, &made, &read), 0);
	assert_memory_equal(&read, &list, sizeof list);
	certificate_deinit(&made);
	drop_account(&account);
}

static void test_signed_list_comes_back(void **unused)
{
	struct account account = make_account(0, DOMAIN);
	struct revocation_list list = two_hosts(), read;
	struct certificate made = sign(&account, &list), empty;

	assert_int_equal(verify(&account, &made, &read), 0);
	assert_memory_equal(&read, &list, sizeof list);
	assert_int_equal(revocation_list_read(made.data, made.size, &read), 0);
	assert_memory_equal(&read, &list, sizeof list);
	/* Small enough for a dozen hosts to fit a datagram. */
	assert_true(made.size < 500);

	list = (struct revocation_list){ .number = UINT64_MAX };
	empty = sign(&account, &list);
	assert_int_equal(verify(&account, &empty, &read), 0);
	assert_memory_equal(&read, &list, sizeof list);
	certificate_deinit(&empty);
	certificate_deinit(&made);
	drop_account(&account);
}

static void test_others_cannot_sign(void **unused)
{
	struct account ours = make_account(0, DOMAIN), other = make_account(9, DOMAIN),
		       elsewhere = make_account(0, "bob.members.example.org");
	struct revocation_list list = two_hosts(), read;
	struct certificate made = sign(&other, &list);
	uint8_t *data;
	size_t size;

	/* Another password of the same account, and another account of the same key. */
	assert_int_equal(verify(&ours, &made, &read), -EKEYREJECTED);
	certificate_deinit(&made);
	made = sign(&elsewhere, &list);
	assert_int_equal(verify(&ours, &made, &read), -EACCES);
	assert_int_equal(revocation_list_sign(&list, other.seed, ours.certificate.data,
					      ours.certificate.size, 1, &data, &size),
			 -EKEYREJECTED);
	certificate_deinit(&made);
	drop_account(&ours);
	drop_account(&other);
	drop_account(&elsewhere);
}

static void test_every_bit_counts(void **unused)
{
	struct account account = make_account(0, DOMAIN);
	struct revocation_list list = two_hosts(), read;
	struct certificate made = sign(&account, &list);

	for (size_t i = 0; i < made.size * 8; i += test_step()) {
		made.data[i / 8] ^= 1 << i % 8;
		assert_true(verify(&account, &made, &read) < 0);
		made.data[i / 8] ^= 1 << i % 8;
	}
	for (size_t i = 0; i < made.size; i += test_step()) {
		struct certificate part = { made.data, i };

		assert_int_equal(verify(&account, &part, &read), -EBADMSG);
	}
	certificate_deinit(&made);
	drop_account(&account);
}

static void test_too_much_is_not_read(void **unused)
{
	struct account account = make_account(0, DOMAIN);
	struct revocation_list list = two_hosts(), read;
	struct certificate made = sign(&account, &list);
	uint8_t *longer = calloc(1, REVOCATION_LIST_SIZE_MAX + 1);

	assert_non_null(longer);
	memcpy(longer, made.data, made.size);
	assert_int_equal(revocation_list_read(longer, made.size + 1, &read), -EBADMSG);
	assert_int_equal(revocation_list_read(longer, REVOCATION_LIST_SIZE_MAX + 1, &read), -EFBIG);
	free(longer);
	certificate_deinit(&made);
	drop_account(&account);
}

static void test_times_of_issue(void **unused)
{
	static const uint8_t random[ISSUE_SERIAL_RANDOM_SIZE] = { 0xff, 1, 2 };
	static const uint8_t old[ISSUE_SERIAL_SIZE] = { 0x7f, 1, 2 };
	uint8_t serial[ISSUE_SERIAL_SIZE];
	char digits[9];
	uint64_t time;

	issue_time_to_serial(1764000000, random, serial);
	assert_int_equal(issue_time_of_serial(serial, sizeof serial), 1764000000);
	assert_int_equal(issue_time_of_serial(serial, sizeof serial - 1), 0);
	assert_int_equal(issue_time_of_serial(old, sizeof old), 0);
	issue_time_to_digits(1764000000, digits);
	assert_string_equal(digits, "69248100");
	issue_time_to_digits(UINT64_C(1) << 33, digits);
	assert_string_equal(digits, "ffffffff");
	assert_int_equal(issue_time_of_tag("1a2b3c4d69248100", 16, &time), 0);
	assert_int_equal(time, 1764000000);
	assert_int_equal(issue_time_of_tag("1A2B3C4D", 8, &time), 0);
	assert_int_equal(time, 0);
	assert_int_equal(issue_time_of_tag("1a2b3c4d6924810g", 16, &time), -EINVAL);
	assert_int_equal(issue_time_of_tag("1a2b3c4d6924810", 15, &time), -EINVAL);
}

static void test_file_comes_back(void **unused)
{
	struct account account = make_account(0, DOMAIN), other = make_account(1, DOMAIN);
	struct revocations known = {}, read;
	uint8_t *data;
	size_t size;

	assert_int_equal(revocations_bind(&known, DOMAIN, &account.certificate), 0);
	known.list = two_hosts();
	known.forgotten = 17;
	assert_int_equal(revocations_encode(&known, &data, &size), 0);
	assert_int_equal(revocations_decode(data, size, &read), 0);
	assert_memory_equal(&read, &known, sizeof known);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(revocations_decode(data, i, &read), -EBADMSG);
	data[0] ^= 1;
	assert_int_equal(revocations_decode(data, size, &read), -EBADMSG);
	free(data);

	/* The same account as before keeps it, another password does not. */
	assert_int_equal(revocations_bind(&known, DOMAIN, &account.certificate), 0);
	assert_int_equal(known.list.n, 2);
	assert_int_equal(revocations_bind(&known, DOMAIN, &other.certificate), 0);
	assert_int_equal(known.list.n, 0);
	assert_int_equal(known.forgotten, 0);
	drop_account(&account);
	drop_account(&other);
}

static void test_signing_in_again_is_later(void **unused)
{
	struct account account = make_account(0, DOMAIN);
	struct revocations known = {};

	assert_int_equal(revocations_bind(&known, DOMAIN, &account.certificate), 0);
	known.list = two_hosts();
	/* A clock that is behind makes nothing that is worth nothing at once. */
	assert_int_equal(revocations_sign_in_time(&known, DOMAIN, "laptop", 1000), 1764000002);
	assert_int_equal(revocations_sign_in_time(&known, DOMAIN, "laptop", 1764000009),
			 1764000009);
	assert_int_equal(revocations_sign_in_time(&known, DOMAIN, "phone", 1000), 1000);
	assert_int_equal(revocations_sign_in_time(&known, "bob.x.org", "laptop", 1000), 1000);
	drop_account(&account);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_keeps_order_and_never_takes_back),
		cmocka_unit_test(test_list_covers_up_to_its_time),
		cmocka_unit_test(test_list_is_bounded),
		cmocka_unit_test(test_signed_list_comes_back),
		cmocka_unit_test(test_others_cannot_sign),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_too_much_is_not_read),
		cmocka_unit_test(test_times_of_issue),
		cmocka_unit_test(test_file_comes_back),
		cmocka_unit_test(test_signing_in_again_is_later),
	};

	return cmocka_run_group_tests_name("revocation", tests, NULL, NULL);
}
