/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-preferences.h"
#include "tests/unit/keyd/test.h"

#include <errno.h>

static void test_init(void **state)
{
	struct ike_preferences preferences;

	ike_preferences_init(&preferences);
	assert_int_equal(preferences.ike.n, 3);
	assert_int_equal(preferences.esp.n, 3);
	assert_int_equal(preferences.prfs.n, 3);
	assert_int_equal(preferences.groups.n, 3);
	assert_int_equal(preferences.groups.items[0], IKE_GROUP_X25519);
	assert_string_equal(ike_cipher_name(preferences.esp.items[2].encryption,
					    preferences.esp.items[2].key_bits),
			    "chacha20poly1305");
}

/* The words that the complaint about a wrong one names are those that are taken. */
static void test_all_words(void **state)
{
	struct ike_preferences preferences, all;

	ike_preferences_init(&all);
	memset(&preferences, 0, sizeof preferences);
	assert_int_equal(ike_preferences_parse_ciphers(IKE_CIPHER_WORDS, &preferences.ike), 0);
	assert_int_equal(ike_preferences_parse_ciphers(IKE_CIPHER_WORDS, &preferences.esp), 0);
	assert_int_equal(ike_preferences_parse_prfs(IKE_PRF_WORDS, &preferences.prfs), 0);
	assert_int_equal(ike_preferences_parse_groups(IKE_GROUP_WORDS, &preferences.groups), 0);
	assert_memory_equal(&preferences, &all, sizeof all);
}

static void test_order(void **state)
{
	struct ike_preferences preferences;

	ike_preferences_init(&preferences);
	assert_int_equal(ike_preferences_parse_ciphers("\tchacha20poly1305   aes256gcm16 ",
						       &preferences.ike),
			 0);
	assert_int_equal(preferences.ike.n, 2);
	assert_int_equal(preferences.ike.items[0].encryption, IKE_ENCR_CHACHA20_POLY1305);
	assert_int_equal(preferences.ike.items[1].key_bits, 256);
	assert_int_equal(ike_preferences_parse_groups("ecp384", &preferences.groups), 0);
	assert_int_equal(preferences.groups.n, 1);
	assert_int_equal(preferences.groups.items[0], IKE_GROUP_P384);
	assert_int_equal(ike_preferences_parse_prfs("prfsha512 prfsha256", &preferences.prfs), 0);
	assert_int_equal(preferences.prfs.items[0], IKE_PRF_HMAC_SHA2_512);
}

/* Nothing weaker, nothing twice, nothing at all: the list stays what it was. */
static void test_refused(void **state)
{
	static const char *const lines[] = {
		"",
		" ",
		"aes128gcm16 aes128gcm16",
		"aes128gcm16 3des",
		"aes128gcm8",
		"aes128gcm16,aes256gcm16",
		"AES128GCM16",
		"aes128gcm16 aes256gcm16 chacha20poly1305 aes128gcm16",
		"null",
		"prfsha256",
		"aes128gcm1",
		"aes128gcm166",
	};
	struct ike_preferences preferences, before;

	ike_preferences_init(&preferences);
	before = preferences;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(ike_preferences_parse_ciphers(lines[i], &preferences.ike),
				 -EINVAL);
	assert_int_equal(ike_preferences_parse_groups("modp2048", &preferences.groups), -EINVAL);
	assert_int_equal(ike_preferences_parse_prfs("prfsha1", &preferences.prfs), -EINVAL);
	assert_memory_equal(&preferences, &before, sizeof before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_all_words),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("ike-preferences", tests, NULL, NULL);
}
