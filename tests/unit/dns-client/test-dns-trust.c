/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which certificate is taken, and what is said about one that is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dns-client/dns-trust.h"

#include <cmocka.h>
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <string.h>

/* RFC 7858 has no example; this is SHA-256 of nothing. */
#define PIN_TEXT "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
static const uint8_t pin[DNS_PIN_SIZE] = { 0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
					   0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
					   0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
					   0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55 };

static struct dns_trust_finding found(int pkix_error)
{
	struct dns_trust_finding finding = { .seen = true, .pkix_error = pkix_error };

	memcpy(finding.pin, pin, sizeof(pin));
	return finding;
}

static void test_pins_as_text(void **state)
{
	char text[DNS_PIN_TEXT_SIZE];
	struct dns_pins pins = { 0 };

	dns_pin_to_text(pin, text);
	assert_string_equal(text, PIN_TEXT);
	assert_int_equal(dns_pins_parse(PIN_TEXT, &pins), 0);
	assert_int_equal(pins.n, 1);
	assert_memory_equal(pins.items[0], pin, sizeof(pin));
}

static void test_what_is_no_pin(void **state)
{
	static const char *const wrong[] = {
		"",
		"sha256/",
		"sha1/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF==",
		"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUx",
		"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
		"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= ",
		"sha256/47DEQpj8HBSa !TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	};
	struct dns_pins pins = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(dns_pins_parse(wrong[i], &pins), -EINVAL);
	assert_int_equal(pins.n, 0);
	for (size_t i = 0; i < DNS_PINS_MAX; i++)
		assert_int_equal(dns_pins_parse(PIN_TEXT, &pins), 0);
	assert_int_equal(dns_pins_parse(PIN_TEXT, &pins), -EINVAL);
}

static void test_the_first_that_there_is_decides(void **state)
{
	struct dns_trust trust = { .name = "ns.example" };
	struct dns_trust_finding good = found(X509_V_OK), bad = found(X509_V_ERR_CERT_HAS_EXPIRED),
				 none = { 0 };

	assert_int_equal(dns_trust_basis(&trust), DNS_TRUST_BASIS_PKIX);
	assert_true(dns_trust_accepts(&trust, &good));
	assert_false(dns_trust_accepts(&trust, &bad));
	assert_false(dns_trust_accepts(&trust, &none));

	/* A record that names another key: the authorities do not help. */
	trust.tlsa.n = 1;
	assert_int_equal(dns_trust_basis(&trust), DNS_TRUST_BASIS_TLSA);
	assert_false(dns_trust_accepts(&trust, &good));
	memcpy(trust.tlsa.items[0], pin, sizeof(pin));
	assert_true(dns_trust_accepts(&trust, &bad));

	trust.pins.n = 1;
	assert_int_equal(dns_trust_basis(&trust), DNS_TRUST_BASIS_PINS);
	assert_false(dns_trust_accepts(&trust, &good));
	trust.pins.n = 2;
	memcpy(trust.pins.items[1], pin, sizeof(pin));
	assert_true(dns_trust_accepts(&trust, &bad));
	assert_false(dns_trust_accepts(&trust, &none));
}

static void assert_says(const struct dns_trust *trust, const struct dns_trust_finding *finding,
			const char *part)
{
	char words[320];

	dns_trust_explain(trust, finding, words, sizeof(words));
	assert_true(strlen(words) < 280);
	assert_non_null(strstr(words, part));
}

static void test_words(void **state)
{
	struct dns_trust trust = { .name = "ns.example", .config = "/etc/homeward/registrar.conf" };
	struct dns_trust_finding finding = found(X509_V_ERR_HOSTNAME_MISMATCH), none = { 0 };

	strcpy(finding.subject, "other.example");
	assert_says(&trust, &finding, "it is for other.example");
	assert_says(&trust, &finding, "put pin = " PIN_TEXT " into /etc/homeward/registrar.conf");
	assert_says(&trust, &none, "shows no certificate");
	trust.tlsa.n = 1;
	assert_says(&trust, &finding, "pin " PIN_TEXT);
	trust.pins.n = 1;
	assert_says(&trust, &finding,
		    "has pin " PIN_TEXT ", none of the pins configured in "
		    "/etc/homeward/registrar.conf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pins_as_text),
		cmocka_unit_test(test_what_is_no_pin),
		cmocka_unit_test(test_the_first_that_there_is_decides),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("dns-trust", tests, NULL, NULL);
}
