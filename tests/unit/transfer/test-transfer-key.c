/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "services/zoned/transfer-key.h"

static int parse(const char *text, struct transfer_keys *keys)
{
	char *complaint = NULL;
	int r;

	*keys = (struct transfer_keys){};
	r = transfer_keys_parse(keys, text, &complaint);
	assert_true((r < 0) == (complaint != NULL));
	if (complaint)
		assert_null(strstr(complaint, "AQID"));
	free(complaint);
	return r;
}

static void as_tsig_keygen_writes_it(void **state)
{
	struct transfer_keys keys;
	struct dns_name name;

	assert_int_equal(parse("key \"Transfer.example.net\" {\n\talgorithm hmac-sha256;\n"
			       "\tsecret \"AQIDBA==\";\n};\n"
			       "# another\nkey b { secret AQID; algorithm hmac-sha512; }; // end\n",
			       &keys),
			 0);
	assert_int_equal(keys.n, 2);
	assert_int_equal(keys.items[0].tsig.algorithm, DNS_TSIG_ALGORITHM_HMAC_SHA256);
	assert_int_equal(keys.items[0].tsig.secret_size, 4);
	assert_memory_equal(keys.items[0].tsig.secret, "\1\2\3\4", 4);
	assert_int_equal(keys.items[1].tsig.secret_size, 3);
	assert_int_equal(dns_name_from_text("TRANSFER.example.net.", &name), 0);
	assert_ptr_equal(transfer_keys_find(&keys, &name), &keys.items[0]);
	assert_int_equal(dns_name_from_text("c", &name), 0);
	assert_null(transfer_keys_find(&keys, &name));
	transfer_keys_clear(&keys);
}

static void complaints(void **state)
{
	static const char *const texts[] = {
		"zone",
		"key",
		"key a",
		"key a {",
		"key a { };",
		"key a { algorithm hmac-sha256; };",
		"key a { secret \"AQID\"; };",
		"key a { algorithm rot13; secret \"AQID\"; };",
		"key a { algorithm hmac-sha256; secret \"AQI\"; };",
		"key a { algorithm hmac-sha256; secret \"AQ!D\"; };",
		"key a { algorithm hmac-sha256; secret \"\"; };",
		"key a { algorithm hmac-sha256; secret \"AQID\"; secret \"AQID\"; };",
		"key a { algorithm hmac-sha256; secret \"AQID\"; }",
		"key a { algorithm hmac-sha256 secret \"AQID\"; };",
		"key a { algorithm hmac-sha256; secret \"AQID; };",
		"key a { algorithm hmac-sha256; secret \"AQID\"; }; key A { algorithm hmac-sha256; "
		"secret \"AQID\"; };",
	};
	struct transfer_keys keys;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_true(parse(texts[i], &keys) < 0);
		transfer_keys_clear(&keys);
	}
}

static void cut_at_every_length(void **state)
{
	static const char text[] =
		"key \"a\" { algorithm hmac-sha256; secret \"AQIDBA==\"; /* x */ };";
	struct transfer_keys keys;

	for (size_t size = 1; size < sizeof text - 1; size++) {
		char *cut = strndup(text, size);

		assert_true(parse(cut, &keys) < 0);
		transfer_keys_clear(&keys);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_tsig_keygen_writes_it),
		cmocka_unit_test(complaints),
		cmocka_unit_test(cut_at_every_length),
	};

	return cmocka_run_group_tests_name("transfer-key", tests, NULL, NULL);
}
