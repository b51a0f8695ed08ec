/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/keyd/account.h"

#include "common/keys/issue-time.h"
#include "tests/unit/keyd/rsa-keys.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	must(extension);
	must(X509_add_ext(certificate, extension, -1));
	X509_EXTENSION_free(extension);
}

static void name(X509_NAME *target, const char *text)
{
	must(X509_NAME_add_entry_by_txt(target, "CN", MBSTRING_UTF8, (const uint8_t *)text, -1, -1,
					0));
}

static X509 *begin(EVP_PKEY *key, long serial, long not_before, long not_after)
{
	X509 *certificate = X509_new();
	time_t base = TEST_REALTIME;

	must(certificate);
	must(X509_set_version(certificate, X509_VERSION_3));
	must(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial));
	must(X509_time_adj_ex(X509_getm_notBefore(certificate), 0, not_before, &base));
	must(X509_time_adj_ex(X509_getm_notAfter(certificate), 0, not_after, &base));
	must(X509_set_pubkey(certificate, key));
	return certificate;
}

static void finish(X509 *certificate, EVP_PKEY *signer, struct test_octets *ret)
{
	uint8_t *at = ret->data;
	int size;

	must(X509_sign(certificate, signer, NULL));
	size = i2d_X509(certificate, NULL);
	must(size > 0 && (size_t)size <= sizeof ret->data);
	ret->size = i2d_X509(certificate, &at);
	X509_free(certificate);
}

static EVP_PKEY *from_seed(const uint8_t seed[32])
{
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
}

static void make_account(struct test_account *account, const char *domain)
{
	X509 *certificate;

	must(account->key);
	certificate = begin(account->key, 1, -1000000, 1000000);
	name(X509_get_subject_name(certificate), domain);
	name(X509_get_issuer_name(certificate), domain);
	add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign");
	add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
	finish(certificate, account->key, &account->certificate);
}

void test_account_make(struct test_account *account, const char *domain)
{
	account->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	make_account(account, domain);
}

void test_account_make_seeded(struct test_account *account, const char *domain,
			      const uint8_t seed[32])
{
	account->key = from_seed(seed);
	make_account(account, domain);
}

void test_account_drop(struct test_account *account)
{
	EVP_PKEY_free(account->key);
}

static void set_issued(X509 *certificate, uint64_t issued)
{
	static const uint8_t random[ISSUE_SERIAL_RANDOM_SIZE] = { 1, 2, 3 };
	uint8_t serial[ISSUE_SERIAL_SIZE];
	BIGNUM *number;

	issue_time_to_serial(issued, random, serial);
	number = BN_bin2bn(serial, sizeof serial, NULL);
	must(number);
	must(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL);
	BN_free(number);
}

static EVP_PKEY *rsa_key(unsigned int bits)
{
	long size;
	uint8_t *der = OPENSSL_hexstr2buf(bits == 1024 ? rsa_1024 : rsa_2048, &size);
	const uint8_t *at = der;
	EVP_PKEY *key;

	must(der);
	key = d2i_AutoPrivateKey(NULL, &at, size);
	must(key && EVP_PKEY_get_bits(key) == (int)bits);
	OPENSSL_free(der);
	return key;
}

void test_host_make(struct test_host *host, const struct test_account *account,
		    const struct test_host_options *options)
{
	const uint8_t *at = account->certificate.data;
	X509 *issuer = d2i_X509(NULL, &at, account->certificate.size);
	bool dated = options->not_before || options->not_after;
	X509 *certificate;

	must(issuer);
	host->key = options->rsa    ? rsa_key(options->rsa)
		    : options->seed ? from_seed(options->seed)
				    : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	must(host->key);
	certificate = begin(host->key, 2, dated ? options->not_before : -86400,
			    dated ? options->not_after : 86400);
	if (options->issued)
		set_issued(certificate, options->issued);
	name(X509_get_subject_name(certificate), "host");
	must(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)));
	add_extension(certificate, issuer, NID_basic_constraints,
		      options->constraints ? options->constraints : "critical,CA:FALSE");
	add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature");
	if (options->names)
		add_extension(certificate, issuer, NID_subject_alt_name, options->names);
	finish(certificate, account->key, &host->certificate);
	X509_free(issuer);
}

void test_host_drop(struct test_host *host)
{
	EVP_PKEY_free(host->key);
}

void test_host_sign(const struct test_host *host, const uint8_t *octets, size_t size,
		    struct test_octets *ret)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	ret->size = sizeof ret->data;
	must(context);
	must(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, host->key) == 1);
	must(EVP_DigestSign(context, ret->data, &ret->size, octets, size) == 1);
	EVP_MD_CTX_free(context);
}
