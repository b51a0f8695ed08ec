/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ML-KEM-768 of the OpenSSL that runs. It has none before 3.5; then there is nothing to test. */
#include "services/keyd/ike-kem.h"
#include "tests/unit/keyd/played-kem.h"
#include "tests/unit/keyd/test.h"

#include <errno.h>
#include <openssl/evp.h>

#define ROUNDS 100
#define DRAWN  (IKE_KEM_SEED + IKE_KEM_ENTROPY + IKE_KEM_CIPHERTEXT)

static const struct ike_kem *kem_or_skip(void)
{
	const struct ike_kem *kem = ike_kem_of_openssl();

	if (!kem)
		skip();
	return kem;
}

/*
 * Known answers without carrying them: from the stream of SHAKE-128 of nothing come a seed, entropy
 * and a ciphertext made for nobody, a hundred times; the SHAKE-128 of all public values,
 * ciphertexts, secrets and secrets of the wrong ciphertext is the one that other implementations of
 * FIPS 203 publish (that of the Go library, TestAccumulated).
 */
static void test_known_answers(void **state)
{
	const struct ike_kem *kem = kem_or_skip();
	EVP_MD_CTX *stream = EVP_MD_CTX_new(), *result = EVP_MD_CTX_new();
	uint8_t *drawn = malloc(ROUNDS * DRAWN), digest[32];

	assert_int_equal(EVP_DigestInit_ex(stream, EVP_shake128(), NULL), 1);
	assert_int_equal(EVP_DigestFinalXOF(stream, drawn, ROUNDS * DRAWN), 1);
	assert_int_equal(EVP_DigestInit_ex(result, EVP_shake128(), NULL), 1);
	for (int i = 0; i < ROUNDS; i++) {
		const uint8_t *seed = drawn + i * DRAWN, *entropy = seed + IKE_KEM_SEED;
		uint8_t public_value[IKE_KEM_PUBLIC], ciphertext[IKE_KEM_CIPHERTEXT];
		uint8_t shared[IKE_KEM_SHARED], same[IKE_KEM_SHARED], other[IKE_KEM_SHARED];

		assert_int_equal(kem->make(seed, public_value), 0);
		assert_int_equal(kem->encapsulate(public_value, entropy, ciphertext, shared), 0);
		assert_int_equal(kem->decapsulate(seed, ciphertext, same), 0);
		assert_memory_equal(shared, same, sizeof shared);
		assert_int_equal(kem->decapsulate(seed, entropy + IKE_KEM_ENTROPY, other), 0);
		EVP_DigestUpdate(result, public_value, sizeof public_value);
		EVP_DigestUpdate(result, ciphertext, sizeof ciphertext);
		EVP_DigestUpdate(result, shared, sizeof shared);
		EVP_DigestUpdate(result, other, sizeof other);
	}
	assert_int_equal(EVP_DigestFinalXOF(result, digest, sizeof digest), 1);
	assert_octets(digest, "1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415");
	EVP_MD_CTX_free(stream);
	EVP_MD_CTX_free(result);
	free(drawn);
}

/* Coefficients are below 3329 (FIPS 203 §7.2): 3329 itself, at the beginning and at the end. */
static void test_no_public_value(void **state)
{
	const struct ike_kem *kem = kem_or_skip();
	static const uint8_t seed[IKE_KEM_SEED], entropy[IKE_KEM_ENTROPY];
	uint8_t public_value[IKE_KEM_PUBLIC], ciphertext[IKE_KEM_CIPHERTEXT];
	uint8_t shared[IKE_KEM_SHARED];

	for (size_t at = 0; at <= 1149; at += 1149) {
		assert_int_equal(kem->make(seed, public_value), 0);
		public_value[at] = 0x01;
		public_value[at + 1] = (public_value[at + 1] & 0xf0) | 0x0d;
		assert_int_equal(kem->encapsulate(public_value, entropy, ciphertext, shared),
				 -EBADMSG);
	}
}

/* Each random octet matters. */
static void test_random(void **state)
{
	const struct ike_kem *kem = kem_or_skip();
	uint8_t seed[IKE_KEM_SEED] = {}, public_value[2][IKE_KEM_PUBLIC];
	uint8_t entropy[IKE_KEM_ENTROPY] = {}, ciphertext[2][IKE_KEM_CIPHERTEXT];
	uint8_t shared[2][IKE_KEM_SHARED];

	assert_int_equal(kem->make(seed, public_value[0]), 0);
	assert_int_equal(kem->encapsulate(public_value[0], entropy, ciphertext[0], shared[0]), 0);
	for (size_t i = 0; i < sizeof entropy; i++) {
		seed[i] ^= 1;
		assert_int_equal(kem->make(seed, public_value[1]), 0);
		assert_memory_not_equal(public_value[0], public_value[1], IKE_KEM_PUBLIC);
		seed[i] ^= 1;
		entropy[i] ^= 1;
		assert_int_equal(
			kem->encapsulate(public_value[0], entropy, ciphertext[1], shared[1]), 0);
		assert_memory_not_equal(ciphertext[0], ciphertext[1], IKE_KEM_CIPHERTEXT);
		assert_memory_not_equal(shared[0], shared[1], IKE_KEM_SHARED);
		entropy[i] ^= 1;
	}
}

/* The one that tests with it go by. */
static void test_played(void **state)
{
	static const uint8_t seed[IKE_KEM_SEED] = { 1 }, entropy[IKE_KEM_ENTROPY] = { 2 };
	uint8_t public_value[IKE_KEM_PUBLIC], ciphertext[IKE_KEM_CIPHERTEXT];
	uint8_t shared[2][IKE_KEM_SHARED];

	assert_int_equal(played_kem.make(seed, public_value), 0);
	assert_int_equal(played_kem.encapsulate(public_value, entropy, ciphertext, shared[0]), 0);
	assert_int_equal(played_kem.decapsulate(seed, ciphertext, shared[1]), 0);
	assert_memory_equal(shared[0], shared[1], IKE_KEM_SHARED);
	ciphertext[7] ^= 1;
	assert_int_equal(played_kem.decapsulate(seed, ciphertext, shared[1]), 0);
	assert_memory_not_equal(shared[0], shared[1], IKE_KEM_SHARED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
		cmocka_unit_test(test_no_public_value),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_played),
	};

	return cmocka_run_group_tests_name("ike-kem", tests, NULL, NULL);
}
