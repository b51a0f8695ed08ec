/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-auth.h"
#include "tests/unit/keyd/account.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/thorough.h"

#include <openssl/rsa.h>

#define NAME   "desktop." TEST_DOMAIN
#define TUNNEL "AutoTunnel-00-22-69-FF-FE-8E-34-2A." TEST_DOMAIN
#define NAMES  "DNS:" NAME ",DNS:" TUNNEL

struct fixture {
	struct test_account account;
	struct ike_trust *trust;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	test_account_make(&fixture->account, TEST_DOMAIN);
	assert_int_equal(ike_trust_new(fixture->account.certificate.data,
				       fixture->account.certificate.size, TEST_DOMAIN,
				       &fixture->trust),
			 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	ike_trust_free(fixture->trust);
	test_account_drop(&fixture->account);
	free(fixture);
	return 0;
}

/* NULL when accepted, else the reason. */
static const char *check(struct fixture *fixture, const struct test_host *host, const char *name,
			 long later)
{
	const char *reason = NULL;
	struct ike_holder holder;

	if (ike_certificate_check(fixture->trust, host->certificate.data, host->certificate.size,
				  name, TEST_REALTIME + later, &holder, &reason) < 0) {
		assert_non_null(reason);
		return reason;
	}
	assert_octets(holder.eui64, "002269fffe8e342a");
	EVP_PKEY_free(holder.key);
	return NULL;
}

static const char *check_options(struct fixture *fixture, const struct test_host_options *options,
				 const char *name, long later)
{
	struct test_host host;
	const char *reason;

	test_host_make(&host, &fixture->account, options);
	reason = check(fixture, &host, name, later);
	test_host_drop(&host);
	return reason;
}

static void test_certificates(void **state)
{
	struct fixture *fixture = *state;
	const struct test_host_options good = { .names = NAMES };

	assert_null(check_options(fixture, &good, NAME, 0));
	assert_string_equal(check_options(fixture, &good, "laptop." TEST_DOMAIN, 0),
			    "its certificate is for another name");
	/* Under this one it would be another host than the one that was forgotten. */
	assert_string_equal(
		check_options(fixture, &good, "autotunnel-00-22-69-ff-fe-8e-34-2a." TEST_DOMAIN, 0),
		"its certificate is for another name");
	assert_string_equal(check_options(fixture, &good, "desktop.bob.members.example.org", 0),
			    "its name is not one of the account");
	assert_string_equal(check_options(fixture, &good, "a.desktop." TEST_DOMAIN, 0),
			    "its name is not one of the account");
	assert_string_equal(check_options(fixture, &good, NAME, 100000),
			    "its certificate is valid no more; is a clock wrong?");
	assert_null(check_options(fixture, &good, NAME, -86400 - 3600));
	assert_string_equal(check_options(fixture, &good, NAME, -3 * 86400),
			    "its certificate is not valid yet; is a clock wrong?");
	assert_string_equal(check_options(fixture,
					  &(struct test_host_options){ .names = "DNS:" NAME }, NAME,
					  0),
			    "its certificate has not one AutoTunnel name of the account");
	assert_string_equal(
		check_options(fixture,
			      &(struct test_host_options){
				      .names = NAMES
				      ",DNS:AutoTunnel-00-22-69-FF-FE-8E-34-2B." TEST_DOMAIN },
			      NAME, 0),
		"its certificate has not one AutoTunnel name of the account");
	assert_string_equal(
		check_options(fixture,
			      &(struct test_host_options){ .names = NAMES,
							   .constraints = "critical,CA:TRUE" },
			      NAME, 0),
		"its certificate is not a host's");
	assert_string_equal(check_options(fixture, &(struct test_host_options){}, NAME, 0),
			    "its certificate is for another name");
}

/* Names go to the bus and into lines for people. */
static void test_names(void **state)
{
	static const char *const bad[] = {
		"",
		"." TEST_DOMAIN,
		TEST_DOMAIN,
		"Desktop." TEST_DOMAIN,
		"desk top." TEST_DOMAIN,
		"desk\ntop." TEST_DOMAIN,
		"d\xc3\xa9sktop." TEST_DOMAIN,
		"desk\xfftop." TEST_DOMAIN,
		"a.desktop." TEST_DOMAIN,
		"desktop." TEST_DOMAIN ".",
	};
	struct fixture *fixture = *state;

	assert_true(ike_trust_has_name(fixture->trust, NAME));
	assert_true(ike_trust_has_name(fixture->trust, "my-2nd-laptop." TEST_DOMAIN));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(ike_trust_has_name(fixture->trust, bad[i]));
}

static void test_other_account(void **state)
{
	struct fixture *fixture = *state;
	struct test_account other;
	struct test_host host;

	test_account_make(&other, TEST_DOMAIN);
	test_host_make(&host, &other, &(struct test_host_options){ .names = NAMES });
	assert_string_equal(check(fixture, &host, NAME, 0),
			    "its certificate is not of this account");
	/* The anchor itself is no host. */
	host.certificate = fixture->account.certificate;
	assert_non_null(check(fixture, &host, NAME, 0));
	test_host_drop(&host);
	test_account_drop(&other);
}

static void test_damaged_certificates(void **state)
{
	struct fixture *fixture = *state;
	struct test_host host;
	struct ike_holder holder;
	const char *reason;

	test_host_make(&host, &fixture->account, &(struct test_host_options){ .names = NAMES });
	for (size_t cut = 0; cut < host.certificate.size; cut += test_step()) {
		uint8_t *exact = malloc(cut ? cut : 1);

		memcpy(exact, host.certificate.data, cut);
		assert_true(ike_certificate_check(fixture->trust, exact, cut, NAME, TEST_REALTIME,
						  &holder, &reason) < 0);
		free(exact);
	}
	for (size_t i = 0; i < host.certificate.size; i += test_step()) {
		host.certificate.data[i] ^= 0x10;
		assert_non_null(check(fixture, &host, NAME, 0));
		host.certificate.data[i] ^= 0x10;
	}
	host.certificate.data[host.certificate.size++] = 0;
	assert_string_equal(check(fixture, &host, NAME, 0), "its certificate cannot be read");
	test_host_drop(&host);
}

static void test_signature(void **state)
{
	struct fixture *fixture = *state;
	static const uint8_t octets[] = "what is signed";
	struct test_octets signature;
	struct test_host host;
	uint8_t data[512];
	int size;

	test_host_make(&host, &fixture->account, &(struct test_host_options){ .names = NAMES });
	test_host_sign(&host, octets, sizeof octets, &signature);
	size = ike_signature_wrap(signature.data, signature.size, data, sizeof data);
	assert_int_equal(size, signature.size + 13);
	assert_int_equal(ike_signature_check(host.key, data, size, octets, sizeof octets), 0);
	assert_int_equal(ike_signature_check(host.key, data, size, octets, sizeof octets - 1),
			 -EACCES);
	for (int i = 0; i < size; i += test_step()) {
		data[i] ^= 4;
		assert_true(ike_signature_check(host.key, data, size, octets, sizeof octets) < 0);
		data[i] ^= 4;
		assert_true(ike_signature_check(host.key, data, i, octets, sizeof octets) < 0);
	}
	assert_int_equal(
		ike_signature_check(fixture->account.key, data, size, octets, sizeof octets),
		-EOPNOTSUPP);
	assert_int_equal(ike_signature_wrap(signature.data, signature.size, data, 20), -ENOBUFS);
	test_host_drop(&host);
}

/* AUTH data as other implementations make it: 07 and the identifier of Ed25519 (RFC 8420). */
static void test_ed25519(void **state)
{
	struct fixture *fixture = *state;
	static const uint8_t octets[] = "what is signed";
	uint8_t data[8 + 64];
	size_t size = 64;
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	from_hex("07300506032b6570", data);
	EVP_DigestSignInit(context, NULL, NULL, NULL, fixture->account.key);
	assert_int_equal(EVP_DigestSign(context, data + 8, &size, octets, sizeof octets), 1);
	EVP_MD_CTX_free(context);
	assert_int_equal(
		ike_signature_check(fixture->account.key, data, sizeof data, octets, sizeof octets),
		0);
	data[20] ^= 1;
	assert_int_equal(
		ike_signature_check(fixture->account.key, data, sizeof data, octets, sizeof octets),
		-EACCES);
}

static size_t sign_rsa(const struct test_host *host, bool pss, const char *algorithm_hex,
		       const uint8_t *octets, size_t size, uint8_t *data)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters;
	size_t head, signature_size = 256;

	head = from_hex(algorithm_hex, data + 1);
	data[0] = head++;
	EVP_DigestSignInit(context, &parameters, EVP_sha256(), NULL, host->key);
	if (pss) {
		EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, 32);
	}
	assert_int_equal(EVP_DigestSign(context, data + head, &signature_size, octets, size), 1);
	EVP_MD_CTX_free(context);
	return head + signature_size;
}

/* Identifiers from RFC 7427 appendix A.1 and A.4; SHA-1 is refused. */
static void test_rsa(void **state)
{
	struct fixture *fixture = *state;
	static const uint8_t octets[] = "what is signed";
	static const char pkcs1[] = "300d06092a864886f70d01010b0500";
	static const char sha1[] = "300d06092a864886f70d0101050500";
	static const char pss[] = "304106092a864886f70d01010a3034a00f300d0609608648016503040201"
				  "0500a11c301a06092a864886f70d010108300d0609608648016503040201"
				  "0500a203020120";
	struct test_host host;
	uint8_t data[512];
	size_t size;

	test_host_make(&host, &fixture->account,
		       &(struct test_host_options){ .names = NAMES, .rsa = 2048 });
	assert_null(check(fixture, &host, NAME, 0));
	size = sign_rsa(&host, false, pkcs1, octets, sizeof octets, data);
	assert_int_equal(ike_signature_check(host.key, data, size, octets, sizeof octets), 0);
	size = sign_rsa(&host, false, sha1, octets, sizeof octets, data);
	assert_int_equal(ike_signature_check(host.key, data, size, octets, sizeof octets),
			 -EOPNOTSUPP);
	size = sign_rsa(&host, true, pss, octets, sizeof octets, data);
	assert_int_equal(ike_signature_check(host.key, data, size, octets, sizeof octets), 0);
	data[80] ^= 1;
	assert_int_equal(ike_signature_check(host.key, data, size, octets, sizeof octets), -EACCES);
	test_host_drop(&host);
	/* One that can be factored. */
	test_host_make(&host, &fixture->account,
		       &(struct test_host_options){ .names = NAMES, .rsa = 1024 });
	size = sign_rsa(&host, false, pkcs1, octets, sizeof octets, data);
	assert_int_equal(ike_signature_check(host.key, data, size, octets, sizeof octets),
			 -EOPNOTSUPP);
	test_host_drop(&host);
}

/* RSASSA-PSS parameters that lack what they must have: whoever has seen a certificate of the
 * account can send them with it. */
static void test_pss_without_parameters(void **state)
{
	static const char *const identifiers[] = {
		"300b06092a864886f70d01010a",
		"300d06092a864886f70d01010a0500",
		"300d06092a864886f70d01010a3000",
		/* MGF1 without its hash, and with NULL for it. */
		"303206092a864886f70d01010a3025a00f300d06096086480165030402010500"
		"a10d300b06092a864886f70d010108a203020120",
		"303406092a864886f70d01010a3027a00f300d06096086480165030402010500"
		"a10f300d06092a864886f70d0101080500a203020120",
	};
	struct fixture *fixture = *state;
	struct test_host host;
	uint8_t data[128] = {};

	test_host_make(&host, &fixture->account,
		       &(struct test_host_options){ .names = NAMES, .rsa = 2048 });
	for (size_t i = 0; i < ARRAY_SIZE(identifiers); i++) {
		data[0] = from_hex(identifiers[i], data + 1);
		assert_int_equal(ike_signature_check(host.key, data, sizeof data, data, 1),
				 -EOPNOTSUPP);
	}
	test_host_drop(&host);
}

static void test_signed_octets(void **state)
{
	const struct ike_octets message = { (const uint8_t *)"message", 7 };
	const struct ike_octets nonce = { (const uint8_t *)"nonce", 5 };
	const struct ike_octets pad = { (const uint8_t *)"Key Pad for IKEv2", 17 };
	uint8_t *octets;
	size_t size;

	assert_int_equal(ike_signed_octets(5, (const uint8_t *)"secret", 6, message, nonce, pad,
					   (struct ike_octets){}, &octets, &size),
			 0);
	assert_int_equal(size, 7 + 5 + 32);
	assert_memory_equal(octets, "messagenonce", 12);
	assert_octets(octets + 12,
		      "5fd8819cd79c7d1470058863cddc51ba31b4b8c876e6a7a803c3c95aaf71c10d");
	free(octets);
}

static void test_hash_algorithms(void **state)
{
	uint8_t body[16];
	struct writer writer = writer_init(body, sizeof body);

	ike_hash_algorithms_write(&writer);
	assert_int_equal(writer.position, 8);
	assert_octets(body, "0002000300040005");
	assert_true(ike_hash_algorithms_have((struct ike_octets){ body, 8 }, IKE_HASH_IDENTITY));
	assert_false(ike_hash_algorithms_have((struct ike_octets){ body, 7 }, IKE_HASH_IDENTITY));
	assert_false(ike_hash_algorithms_have((struct ike_octets){ NULL, 0 }, IKE_HASH_SHA2_256));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificates),  cmocka_unit_test(test_names),
		cmocka_unit_test(test_other_account), cmocka_unit_test(test_damaged_certificates),
		cmocka_unit_test(test_signature),     cmocka_unit_test(test_ed25519),
		cmocka_unit_test(test_rsa),           cmocka_unit_test(test_pss_without_parameters),
		cmocka_unit_test(test_signed_octets), cmocka_unit_test(test_hash_algorithms),
	};

	return cmocka_run_group_tests_name("ike-auth", tests, set_up, tear_down);
}
