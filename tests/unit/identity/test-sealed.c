/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/sealed-wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CONTENT "what nobody else shall read"

static struct store_key *make_key(const char *protection, uint8_t fill)
{
	uint8_t octets[STORE_KEY_LIMIT];
	struct store_key *key;
	size_t size = sprintf((char *)octets, "%s\n", protection);

	memset(octets + size, fill, STORE_KEY_SIZE);
	assert_int_equal(store_key_parse(octets, size + STORE_KEY_SIZE, &key), 0);
	return key;
}

static struct secret *make_sealed(const struct store_key *key)
{
	struct secret *content, *sealed;

	assert_int_equal(secret_new_copy(CONTENT, strlen(CONTENT), &content), 0);
	assert_int_equal(sealed_write(key, "credentials", content, &sealed), 0);
	assert_int_equal(sealed->size, content->size + SEALED_OVERHEAD);
	secret_free(content);
	return sealed;
}

static void test_keys(void **state)
{
	static const char *const names[] = { "none", "host", "tpm2", "host+tpm2" };
	uint8_t octets[STORE_KEY_LIMIT];
	struct store_key *key;

	for (int i = KEY_PROTECTION_HOST; i <= KEY_PROTECTION_HOST_TPM2; i++) {
		size_t size = sprintf((char *)octets, "%s\n", names[i]);

		assert_string_equal(key_protection_name(i), names[i]);
		memset(octets + size, 7, STORE_KEY_SIZE);
		for (size_t n = 0; n < STORE_KEY_LIMIT; n++) {
			if (n == size + STORE_KEY_SIZE)
				continue;
			assert_int_equal(store_key_parse(octets, n, &key), -EBADMSG);
		}
		assert_int_equal(store_key_parse(octets, size + STORE_KEY_SIZE, &key), 0);
		assert_int_equal(key->protection, i);
		assert_memory_equal(key->secret->data, octets + size, STORE_KEY_SIZE);
		store_key_free(key);
		octets[size - 1] = ' ';
		assert_int_equal(store_key_parse(octets, size + STORE_KEY_SIZE, &key), -EBADMSG);
	}
	assert_int_equal(store_key_parse((const uint8_t *)"none", 4, &key), -ENODATA);
	assert_int_equal(store_key_parse((const uint8_t *)"none\n", 5, &key), -EBADMSG);
}

static void test_seals(void **state)
{
	struct store_key *key = make_key("host", 1);
	struct secret *sealed = make_sealed(key), *again = make_sealed(key), *content;

	assert_true(sealed_is(sealed->data, sealed->size));
	assert_null(memmem(sealed->data, sealed->size, CONTENT, 8));
	/* Never the same nonce, so never the same octets. */
	assert_memory_not_equal(sealed->data + 16, again->data + 16, 12);
	assert_int_equal(sealed_read(key, "credentials", sealed->data, sealed->size, &content), 0);
	assert_int_equal(content->size, strlen(CONTENT));
	assert_memory_equal(content->data, CONTENT, content->size);
	secret_free(content);
	secret_free(sealed);
	secret_free(again);
	store_key_free(key);
}

/* Nothing of it can be changed, cut, or used as something else. */
static void test_refuses(void **state)
{
	struct store_key *key = make_key("tpm2", 1), *other = make_key("tpm2", 2);
	struct secret *sealed = make_sealed(key), *content;

	assert_int_equal(sealed_read(NULL, "credentials", sealed->data, sealed->size, &content),
			 -ENOKEY);
	assert_int_equal(sealed_read(other, "credentials", sealed->data, sealed->size, &content),
			 -EKEYREJECTED);
	assert_int_equal(sealed_read(key, "something", sealed->data, sealed->size, &content),
			 -EBADMSG);
	for (size_t n = 0; n < sealed->size; n++) {
		uint8_t *cut = malloc(n + 1);

		memcpy(cut, sealed->data, n);
		assert_int_equal(sealed_read(key, "credentials", cut, n, &content), -EBADMSG);
		assert_int_equal(sealed_is(cut, n), n >= 8);
		free(cut);
	}
	for (size_t i = 0; i < sealed->size * 8; i++) {
		int r;

		sealed->data[i / 8] ^= 1 << i % 8;
		r = sealed_read(key, "credentials", sealed->data, sealed->size, &content);
		assert_int_equal(r, i / 8 >= 8 && i / 8 < 16 ? -EKEYREJECTED : -EBADMSG);
		sealed->data[i / 8] ^= 1 << i % 8;
	}
	secret_free(sealed);
	store_key_free(key);
	store_key_free(other);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_seals),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests_name("sealed", tests, NULL, NULL);
}
