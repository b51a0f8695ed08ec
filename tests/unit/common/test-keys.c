/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* common/keys: secrets and their ways, and the keys of an account. */
#include "common/keys/account-keys.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static void assert_hex(const struct secret *secret, const char *expected)
{
	char text[129] = "";

	assert_true(secret->size <= 64);
	for (size_t i = 0; i < secret->size; i++)
		snprintf(text + 2 * i, 3, "%02x", secret->data[i]);
	assert_string_equal(text, expected);
}

static void test_secret_sizes(void **state)
{
	struct secret *secret = NULL;

	assert_int_equal(secret_new(0, &secret), -EINVAL);
	assert_int_equal(secret_new(65537, &secret), -EINVAL);
	assert_null(secret);
	assert_int_equal(secret_new(65536, &secret), 0);
	assert_int_equal(secret->data[65535], 0);
	assert_null(secret_free(secret));
	assert_null(secret_free(NULL));
}

static void test_memfd(void **state)
{
	struct secret *secret, *back = NULL;
	int fd;

	assert_int_equal(secret_new_copy("hush\0hush", 9, &secret), 0);
	fd = secret_to_memfd(secret);
	assert_true(fd >= 0);
	assert_int_equal(secret_from_memfd(fd, 8, &back), -EFBIG);
	assert_int_equal(secret_from_memfd(fd, 9, &back), 0);
	assert_int_equal(back->size, 9);
	assert_memory_equal(back->data, secret->data, 9);
	/* Nobody changes it under a reader. */
	assert_true(write(fd, "x", 1) < 0);
	assert_true(ftruncate(fd, 1) < 0);
	assert_true(ftruncate(fd, 100) < 0);
	assert_true(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	close(fd);
	secret_free(back);
	secret_free(secret);
}

static void test_what_is_no_sealed_memfd(void **state)
{
	struct secret *secret = NULL;
	int fd, pair[2];

	fd = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(secret_from_memfd(fd, 10, &secret), -EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
	assert_int_equal(secret_from_memfd(fd, 10, &secret), -EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	assert_int_equal(secret_from_memfd(fd, 10, &secret), 0);
	secret_free(secret);
	close(fd);
	fd = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
		0);
	assert_int_equal(secret_from_memfd(fd, 10, &secret), -EINVAL);
	close(fd);
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(secret_from_memfd(pair[0], 10, &secret), -EINVAL);
	assert_int_equal(secret_from_memfd(-1, 10, &secret), -EINVAL);
	close(pair[0]);
	close(pair[1]);
}

static int read_piped(const char *text, size_t limit, struct secret **ret)
{
	int pair[2], r;

	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(write(pair[1], text, strlen(text)), (int)strlen(text));
	close(pair[1]);
	r = secret_from_descriptor(pair[0], limit, ret);
	close(pair[0]);
	return r;
}

static void test_descriptor(void **state)
{
	struct secret *secret = NULL;

	assert_int_equal(read_piped("", 10, &secret), -ENODATA);
	assert_int_equal(read_piped("\n", 10, &secret), -ENODATA);
	assert_int_equal(read_piped("01234567890", 10, &secret), -EFBIG);
	assert_int_equal(read_piped("01234567890\n", 10, &secret), -EFBIG);
	assert_int_equal(read_piped("0123456789\n\n", 10, &secret), -EFBIG);
	assert_null(secret);
	assert_int_equal(read_piped("0123456789\n", 10, &secret), 0);
	assert_int_equal(secret->size, 10);
	secret_free(secret);
	assert_int_equal(read_piped("pass word\n", 10, &secret), 0);
	assert_memory_equal(secret->data, "pass word", 9);
	secret_free(secret);
}

/* The values were computed with another implementation (Python's hashlib and hmac). */
static void test_account_keys(void **state)
{
	struct secret *password, *master, *again, *tsig, *seed, *host, *ppk;

	assert_int_equal(secret_new_copy("correct horse battery staple", 28, &password), 0);
	assert_int_equal(account_keys_derive_master(password, "alice.members.example.org", &master),
			 0);
	assert_hex(master, "1905401c41cb15797b7f3772838f862a8f14be2714bfedd65ef06f958ebdaa34");
	/* The same account, written otherwise. */
	assert_int_equal(account_keys_derive_master(password, "Alice.Members.EXAMPLE.org.", &again),
			 0);
	assert_memory_equal(again->data, master->data, ACCOUNT_KEY_SIZE);
	assert_int_equal(account_keys_derive_tsig(master, &tsig), 0);
	assert_hex(tsig, "f316272ccb9d7d62a84ebd7a49159d888f9b5238aae9983df9a98338825ce8f1");
	assert_int_equal(account_keys_derive_signing_seed(master, &seed), 0);
	assert_hex(seed, "4c7a8e0a0cd4c84f823ed2b2197348169218780fd7c1c4affea14f8f28fa4607");
	assert_int_equal(account_keys_derive_ppk(master, &ppk), 0);
	assert_hex(ppk, "f3021fde8fd091f933932d9c55f1464e8a284a824400e39fd229f05f866ec426");
	assert_int_equal(account_keys_derive_host_tsig(
				 tsig, "1A2b3c4d.desktop.alice.members.example.org.", &host),
			 0);
	assert_hex(host, "9d148ac85bd624affe130d0e6053c508495c27acf53efd9167261444d16af482");
	secret_free(password);
	secret_free(master);
	secret_free(again);
	secret_free(tsig);
	secret_free(seed);
	secret_free(host);
	secret_free(ppk);
}

static void test_names_that_are_none(void **state)
{
	char longest[257];
	struct secret *key, *derived = NULL;

	assert_int_equal(secret_new(ACCOUNT_KEY_SIZE, &key), 0);
	assert_int_equal(account_keys_derive_host_tsig(key, "", &derived), -EINVAL);
	assert_int_equal(account_keys_derive_host_tsig(key, ".", &derived), -EINVAL);
	memset(longest, 'a', 256);
	longest[256] = 0;
	assert_int_equal(account_keys_derive_host_tsig(key, longest, &derived), -EINVAL);
	assert_null(derived);
	longest[255] = 0;
	assert_int_equal(account_keys_derive_host_tsig(key, longest, &derived), 0);
	secret_free(derived);
	secret_free(key);
}

/* More than a process may have mappings. */
static void test_pool(void **state)
{
	enum { n = 70000 };
	struct secret **secrets = calloc(n, sizeof(struct secret *)), *other;
	struct secret_pool *pool;
	uint8_t longest[65] = { 0 };

	assert_int_equal(secret_pool_new(&pool), 0);
	assert_int_equal(secret_pool_copy(pool, longest, 65, &other), -EINVAL);
	assert_int_equal(secret_pool_copy(pool, longest, 0, &other), -EINVAL);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(secret_pool_copy(pool, &i, sizeof i, &secrets[i]), 0);
	for (uint32_t i = 0; i < n; i++)
		assert_memory_equal(secrets[i]->data, &i, sizeof i);
	/* Wiped, and used again. */
	other = secrets[5];
	memcpy(longest, "\5\0\0\0", 4);
	assert_memory_equal(other->data, longest, 4);
	uint8_t *place = other->data;
	memset(place + 8, 7, 56);
	other->size = 64;
	secret_free(other);
	memset(longest, 0, 64);
	assert_memory_equal(place + 8, longest, 56);
	assert_int_equal(secret_pool_copy(pool, "again", 5, &secrets[5]), 0);
	assert_ptr_equal(secrets[5]->data, place);
	for (uint32_t i = 0; i < n; i++)
		secret_free(secrets[i]);
	free(secrets);
	assert_null(secret_pool_free(pool));
	assert_null(secret_pool_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secret_sizes),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_memfd),
		cmocka_unit_test(test_what_is_no_sealed_memfd),
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_account_keys),
		cmocka_unit_test(test_names_that_are_none),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
