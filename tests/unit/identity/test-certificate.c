/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/keys/account-keys.h"
#include "services/identity/certificate.h"
#include "services/identity/credentials-wire.h"
#include "services/identity/host-key.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static const uint8_t serial[CERTIFICATE_SERIAL_SIZE] = { 0xff, 2, 3 };

static struct secret *make_seed(uint8_t first)
{
	struct secret *seed;

	assert_int_equal(secret_new(32, &seed), 0);
	for (size_t i = 0; i < 32; i++)
		seed->data[i] = first + i;
	return seed;
}

static X509 *parse(const struct certificate *certificate)
{
	const uint8_t *octets = certificate->data;
	X509 *parsed = d2i_X509(NULL, &octets, (long)certificate->size);

	assert_non_null(parsed);
	assert_ptr_equal(octets, certificate->data + certificate->size);
	return parsed;
}

static void assert_time(const ASN1_TIME *time, time_t wanted)
{
	assert_int_equal(ASN1_TIME_cmp_time_t(time, wanted), 0);
}

/* The same octets on every host and for all time: this golden value must never change, or hosts
 * that signed in with different versions would not trust each other. SHA-256 of the DER, as another
 * X.509 library makes it from the same seed. */
static void test_account_is_deterministic(void **unused)
{
	static const char golden[] =
		"f47c5107fb39119e34ae35f27647efab0b31897d762360c28cf61bc1ed7d8291";
	struct secret *seed = make_seed(0);
	struct certificate first, second;
	uint8_t digest[32];
	char text[65] = "";

	assert_int_equal(certificate_make_account(seed, "alice.members.example.org", &first), 0);
	assert_int_equal(certificate_make_account(seed, "alice.members.example.org", &second), 0);
	assert_int_equal(first.size, second.size);
	assert_memory_equal(first.data, second.data, first.size);
	assert_int_equal(EVP_Digest(first.data, first.size, digest, NULL, EVP_sha256(), NULL), 1);
	for (int i = 0; i < 32; i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	assert_string_equal(text, golden);
	certificate_deinit(&first);
	certificate_deinit(&second);
	secret_free(seed);
}

static void test_account_content(void **unused)
{
	struct secret *seed = make_seed(0);
	struct certificate made;
	char name[128];
	X509 *account;

	assert_int_equal(certificate_make_account(seed, "alice.members.example.org", &made), 0);
	account = parse(&made);
	assert_int_equal(X509_get_version(account), X509_VERSION_3);
	assert_int_equal(ASN1_INTEGER_get(X509_get0_serialNumber(account)), 1);
	assert_int_equal(
		X509_NAME_cmp(X509_get_subject_name(account), X509_get_issuer_name(account)), 0);
	X509_NAME_get_text_by_NID(X509_get_subject_name(account), NID_commonName, name,
				  sizeof name);
	assert_string_equal(name, "alice.members.example.org account");
	assert_time(X509_get0_notBefore(account), 1577836800);
	assert_time(X509_get0_notAfter(account), 4733510400);
	assert_int_equal(X509_verify(account, X509_get0_pubkey(account)), 1);
	assert_int_equal(X509_check_ca(account), 1);
	assert_int_equal(X509_get_key_usage(account), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_non_null(X509_get0_subject_key_id(account));
	assert_true(X509_EXTENSION_get_critical(
		X509_get_ext(account, X509_get_ext_by_NID(account, NID_basic_constraints, -1))));
	assert_true(X509_EXTENSION_get_critical(
		X509_get_ext(account, X509_get_ext_by_NID(account, NID_key_usage, -1))));
	X509_free(account);
	certificate_deinit(&made);
	secret_free(seed);
}

static void make_host(struct secret *seed, EVP_PKEY *key, struct certificate *ret_account,
		      struct certificate *ret_host)
{
	assert_int_equal(certificate_make_account(seed, "alice.members.example.org", ret_account),
			 0);
	assert_int_equal(certificate_make_host(
				 seed, ret_account, key, "desktop.alice.members.example.org",
				 "AutoTunnel-00-22-69-FF-FE-8E-34-2A.alice.members.example.org",
				 serial, ret_host),
			 0);
}

static void test_host_content(void **unused)
{
	struct secret *seed = make_seed(0);
	struct certificate account, host;
	X509 *issuer, *certificate;
	EVP_PKEY *key;

	assert_int_equal(host_key_generate(&key), 0);
	make_host(seed, key, &account, &host);
	issuer = parse(&account);
	certificate = parse(&host);
	assert_int_equal(X509_get_version(certificate), X509_VERSION_3);
	assert_int_equal(X509_verify(certificate, X509_get0_pubkey(issuer)), 1);
	assert_int_equal(X509_check_issued(issuer, certificate), X509_V_OK);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(certificate), key), 1);
	/* Whatever the clock said. */
	assert_time(X509_get0_notBefore(certificate), 1577836800);
	assert_time(X509_get0_notAfter(certificate), 4733510400);
	assert_int_equal(
		X509_check_host(certificate, "desktop.alice.members.example.org", 0, 0, NULL), 1);
	assert_int_equal(
		X509_check_host(certificate,
				"autotunnel-00-22-69-ff-fe-8e-34-2a.alice.members.example.org", 0,
				0, NULL),
		1);
	assert_int_equal(
		X509_check_host(certificate, "laptop.alice.members.example.org", 0, 0, NULL), 0);
	assert_int_equal(X509_get_key_usage(certificate), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_extended_key_usage(certificate), XKU_SSL_SERVER | XKU_SSL_CLIENT);
	assert_int_equal(X509_check_ca(certificate), 0);
	assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(certificate),
					       X509_get0_subject_key_id(issuer)),
			 0);
	/* Positive, whatever the first octet was. */
	assert_int_equal(X509_get0_serialNumber(certificate)->type, V_ASN1_INTEGER);
	assert_int_equal(X509_get0_serialNumber(certificate)->data[0], 0x7f);
	X509_free(issuer);
	X509_free(certificate);
	certificate_deinit(&account);
	certificate_deinit(&host);
	EVP_PKEY_free(key);
	secret_free(seed);
}

static void test_check_host(void **unused)
{
	struct secret *seed = make_seed(0), *other_seed = make_seed(1);
	struct certificate account, host, other_account, other_host;
	EVP_PKEY *key, *other_key;

	assert_int_equal(host_key_generate(&key), 0);
	assert_int_equal(host_key_generate(&other_key), 0);
	make_host(seed, key, &account, &host);
	make_host(other_seed, other_key, &other_account, &other_host);
	assert_int_equal(certificate_check_host(&host, &account, key), 0);
	assert_int_equal(certificate_check_host(&host, &account, other_key), -EBADMSG);
	assert_int_equal(certificate_check_host(&host, &other_account, key), -EBADMSG);
	assert_int_equal(certificate_check_host(&other_host, &other_account, other_key), 0);
	/* The seed must be the one of the account's certificate. */
	certificate_deinit(&other_host);
	assert_int_equal(
		certificate_make_host(other_seed, &account, key, "a.b", "c.b", serial, &other_host),
		-EINVAL);
	certificate_deinit(&account);
	certificate_deinit(&host);
	certificate_deinit(&other_account);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other_key);
	secret_free(seed);
	secret_free(other_seed);
}

/* X.520 has 64 characters for a common name; a domain name may have 253. */
static void test_long_names(void **unused)
{
	struct secret *seed = make_seed(0);
	struct certificate account, host;
	char domain[200];
	EVP_PKEY *key;

	memset(domain, 'x', sizeof domain);
	for (size_t i = 63; i < sizeof domain; i += 64)
		domain[i] = '.';
	domain[sizeof domain - 1] = 0;
	assert_int_equal(host_key_generate(&key), 0);
	assert_int_equal(certificate_make_account(seed, domain, &account), 0);
	assert_int_equal(certificate_make_host(seed, &account, key, domain, domain, serial, &host),
			 0);
	assert_int_equal(certificate_check_host(&host, &account, key), 0);
	certificate_deinit(&account);
	certificate_deinit(&host);
	EVP_PKEY_free(key);
	secret_free(seed);
}

static void test_sign(void **unused)
{
	static const char octets[] = "octets to sign";
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t *signature;
	size_t size;
	EVP_PKEY *key;

	assert_int_equal(host_key_generate(&key), 0);
	assert_int_equal(host_key_sign(key, octets, sizeof octets, &signature, &size), 0);
	assert_int_equal(EVP_DigestVerifyInit_ex(context, NULL, "SHA256", NULL, NULL, key, NULL),
			 1);
	assert_int_equal(
		EVP_DigestVerify(context, signature, size, (const uint8_t *)octets, sizeof octets),
		1);
	free(signature);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
}

static struct credentials *make_credentials(void)
{
	static const uint8_t eui64[EUI64_SIZE] = { 0, 0x22, 0x69, 0xff, 0xfe, 0x8e, 0x34, 0x2a };
	struct credentials *credentials = calloc(1, sizeof *credentials);
	struct secret *seed = make_seed(0);
	EVP_PKEY *key;

	assert_non_null(credentials);
	strcpy(credentials->name.account, "alice");
	strcpy(credentials->name.domain, "members.example.org");
	strcpy(credentials->host, "desktop");
	strcpy(credentials->tag, "1a2b3c4d");
	memcpy(credentials->eui64, eui64, sizeof eui64);
	assert_int_equal(host_key_generate(&key), 0);
	assert_int_equal(host_key_export(key, &credentials->host_key), 0);
	make_host(seed, key, &credentials->account_certificate, &credentials->certificate);
	credentials->tsig = seed;
	credentials->ppk = make_seed(1);
	EVP_PKEY_free(key);
	return credentials;
}

static void test_credentials_round_trip(void **unused)
{
	struct credentials *made = make_credentials(), *read;
	struct secret *octets, *again;
	EVP_PKEY *key;

	assert_int_equal(credentials_encode(made, &octets), 0);
	assert_int_equal(credentials_decode(octets->data, octets->size, &read), 0);
	assert_string_equal(read->name.account, "alice");
	assert_string_equal(read->name.domain, "members.example.org");
	assert_string_equal(read->host, "desktop");
	assert_string_equal(read->tag, "1a2b3c4d");
	assert_memory_equal(read->eui64, made->eui64, EUI64_SIZE);
	assert_memory_equal(read->ppk->data, made->ppk->data, ACCOUNT_KEY_SIZE);
	assert_int_equal(host_key_import(read->host_key, &key), 0);
	assert_int_equal(
		certificate_check_host(&read->certificate, &read->account_certificate, key), 0);
	assert_int_equal(credentials_encode(read, &again), 0);
	assert_int_equal(again->size, octets->size);
	assert_memory_equal(again->data, octets->data, octets->size);
	EVP_PKEY_free(key);
	secret_free(octets);
	secret_free(again);
	credentials_free(made);
	credentials_free(read);
}

/* The first form, which had no post-quantum preshared key. */
static void test_credentials_without_ppk(void **unused)
{
	struct credentials *made = make_credentials(), *read;
	struct secret *octets;

	made->ppk = secret_free(made->ppk);
	assert_int_equal(credentials_encode(made, &octets), 0);
	assert_memory_equal(octets->data, "hwident1", 8);
	assert_int_equal(credentials_decode(octets->data, octets->size, &read), 0);
	assert_null(read->ppk);
	octets->data[7] = '2';
	credentials_free(read);
	assert_int_equal(credentials_decode(octets->data, octets->size, &read), -EBADMSG);
	secret_free(octets);
	credentials_free(made);
}

static void test_credentials_cut_or_damaged(void **unused)
{
	struct credentials *made = make_credentials(), *read;
	struct secret *octets;
	uint8_t longer[CREDENTIALS_SIZE_LIMIT];

	assert_int_equal(credentials_encode(made, &octets), 0);
	for (size_t size = 0; size < octets->size; size++)
		assert_int_equal(credentials_decode(octets->data, size, &read), -EBADMSG);
	memcpy(longer, octets->data, octets->size);
	longer[octets->size] = 0;
	assert_int_equal(credentials_decode(longer, octets->size + 1, &read), -EBADMSG);
	/* An octet changed somewhere gives another valid file or none, and never a crash. */
	for (size_t i = 0; i < octets->size; i++) {
		longer[i] ^= 0x20;
		if (credentials_decode(longer, octets->size, &read) >= 0)
			credentials_free(read);
		longer[i] ^= 0x20;
	}
	secret_free(octets);
	credentials_free(made);
}

static void test_host_key_import_refuses(void **unused)
{
	struct secret *octets, *cut;
	EVP_PKEY *key = EVP_EC_gen("P-384"), *read;

	assert_int_equal(host_key_export(key, &octets), 0);
	assert_int_equal(host_key_import(octets, &read), -EBADMSG);
	EVP_PKEY_free(key);
	secret_free(octets);
	assert_int_equal(host_key_generate(&key), 0);
	assert_int_equal(host_key_export(key, &octets), 0);
	for (size_t size = 1; size < octets->size; size++) {
		assert_int_equal(secret_new_copy(octets->data, size, &cut), 0);
		assert_int_equal(host_key_import(cut, &read), -EBADMSG);
		secret_free(cut);
	}
	EVP_PKEY_free(key);
	secret_free(octets);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_account_is_deterministic),
		cmocka_unit_test(test_account_content),
		cmocka_unit_test(test_host_content),
		cmocka_unit_test(test_check_host),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_credentials_round_trip),
		cmocka_unit_test(test_credentials_without_ppk),
		cmocka_unit_test(test_credentials_cut_or_damaged),
		cmocka_unit_test(test_host_key_import_refuses),
	};

	return cmocka_run_group_tests_name("certificate", tests, NULL, NULL);
}
