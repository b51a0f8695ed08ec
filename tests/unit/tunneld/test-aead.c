/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each provider by the vectors of the standards, and both beside each other. */
#include "services/tunneld/aead.h"
#include "tests/unit/tunneld/unit.h"

#include <errno.h>
#include <stdlib.h>

struct vector {
	enum aead_algorithm algorithm;
	const char *key, *nonce, *aad, *plain, *sealed;
};

static const struct vector vectors[] = {
	/* The GCM specification (McGrew and Viega), test cases 4 and 16: what RFC 4106 builds on.
	 */
	{ AEAD_AES128_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
	  "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
	  "5bc94fbc3221a5db94fae95ae7121a47" },
	{ AEAD_AES256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
	/* draft-mcgrew-gcm-test-01: what RFC 4106 §9 refers to, with the parameters that ESP gives:
	 * those with extended sequence numbers, of which test-esp.c cannot reach the upper halves.
	 */
	{ AEAD_AES128_GCM, "4c80cdefbb5d10da906ac73c3613a634", "2e443b684956ed7e3b244cfe",
	  "000043218765432100000000",
	  "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000"
	  "00000000045f736970045f756470037369700963796265726369747902646b00"
	  "0021000101020201",
	  "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34"
	  "cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce"
	  "61bc17d768fd9732459018148f6cbe722fd04796562dfdb4" },
	{ AEAD_AES256_GCM, "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
	  "73616c74616e640169766563", "17405e67156f3126dd0db99b",
	  "45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb712602"
	  "50101f646d540001",
	  "f2d69ecdbd5a0d5b8d5ef38bad4da58d1f278fde98ef67549d524a3018d9a57f"
	  "f4d3a31ce673119e451626c2415771e3b7eebca614c89b35" },
	/* RFC 7634 Appendix A. */
	{ AEAD_CHACHA20_POLY1305,
	  "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	  "a0a1a2a31011121314151617", "0102030400000005",
	  "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
	  "0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
	  "2425262728292a2b2c2d2e2f303132333435363701020204",
	  "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
	  "14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
	  "cbec163fac469b502773f6fb94e664da9165b82829f641e0"
	  "76aaa8266b7fb0f7b11b369907e1ad43" },
};

/* NULL where this machine does not have the provider: there is nothing to test then. */
static struct aead_engine *engine_of(enum aead_provider provider)
{
	struct aead_engine *engine;
	int r = aead_engine_new(provider, &engine);

	if (r == -ENOTSUP && provider == AEAD_PROVIDER_IPSEC_MB)
		return NULL;
	assert_int_equal(r, 0);
	return engine;
}

static void check_vector(struct aead_engine *engine, const struct vector *vector)
{
	uint8_t key[32], nonce[12], aad[32], plain[128], sealed[160], text[160];
	size_t aad_size = unit_unhex(vector->aad, aad), size = unit_unhex(vector->plain, plain);
	struct aead *aead;

	assert_int_equal(unit_unhex(vector->key, key), aead_key_size(vector->algorithm));
	assert_int_equal(unit_unhex(vector->nonce, nonce), AEAD_NONCE_SIZE);
	assert_int_equal(unit_unhex(vector->sealed, sealed), size + AEAD_TAG_SIZE);
	memcpy(text, plain, size);
	assert_int_equal(aead_new(engine, vector->algorithm, key, true, &aead), 0);
	assert_int_equal(aead_seal(aead, nonce, aad, aad_size, text, size), 0);
	aead_free(aead);
	assert_memory_equal(text, sealed, size + AEAD_TAG_SIZE);
	assert_int_equal(aead_new(engine, vector->algorithm, key, false, &aead), 0);
	assert_int_equal(aead_open(aead, nonce, aad, aad_size, text, size), 0);
	assert_memory_equal(text, plain, size);
	/* Each octet counts: of the text, the tag and what goes with them. */
	for (size_t i = 0; i < size + AEAD_TAG_SIZE; i++) {
		memcpy(text, sealed, size + AEAD_TAG_SIZE);
		text[i] ^= 0x40;
		assert_int_equal(aead_open(aead, nonce, aad, aad_size, text, size), -EBADMSG);
	}
	memcpy(text, sealed, size + AEAD_TAG_SIZE);
	aad[0] ^= 1;
	assert_int_equal(aead_open(aead, nonce, aad, aad_size, text, size), -EBADMSG);
	aead_free(aead);
}

static void check_provider(enum aead_provider provider)
{
	struct aead_engine *engine = engine_of(provider);

	if (!engine)
		skip();
	assert_int_equal(aead_engine_provider(engine), provider);
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
		check_vector(engine, &vectors[i]);
	aead_engine_free(engine);
}

static void test_vectors_openssl(void **state)
{
	check_provider(AEAD_PROVIDER_OPENSSL);
}

static void test_vectors_ipsec_mb(void **state)
{
	check_provider(AEAD_PROVIDER_IPSEC_MB);
}

/* Sizes around the blocks of any implementation, and one object for packet after packet. */
static void test_both_give_the_same(void **state)
{
	struct aead_engine *other = engine_of(AEAD_PROVIDER_IPSEC_MB);
	static uint8_t one[2048 + 16], two[2048 + 16];
	uint8_t key[32], nonce[12] = { 7 }, aad[12];

	if (!other)
		skip();
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = 200 - i;
	for (size_t i = 0; i < sizeof aad; i++)
		aad[i] = 3 * i;
	for (enum aead_algorithm a = AEAD_AES128_GCM; a <= AEAD_CHACHA20_POLY1305; a++) {
		struct aead *seal_one, *seal_two, *open_one, *open_two;

		assert_int_equal(aead_new(NULL, a, key, true, &seal_one), 0);
		assert_int_equal(aead_new(NULL, a, key, false, &open_one), 0);
		assert_int_equal(aead_new(other, a, key, true, &seal_two), 0);
		assert_int_equal(aead_new(other, a, key, false, &open_two), 0);
		for (size_t size = 1; size <= 2048; size += size < 600 ? 1 : 61) {
			size_t aad_size = size % 2 ? 8 : 12;

			nonce[11] = size;
			nonce[10] = size >> 8;
			for (size_t i = 0; i < size; i++)
				one[i] = two[i] = i * size;
			assert_int_equal(aead_seal(seal_one, nonce, aad, aad_size, one, size), 0);
			assert_int_equal(aead_seal(seal_two, nonce, aad, aad_size, two, size), 0);
			assert_memory_equal(one, two, size + AEAD_TAG_SIZE);
			assert_int_equal(aead_open(open_two, nonce, aad, aad_size, one, size), 0);
			assert_int_equal(aead_open(open_one, nonce, aad, aad_size, two, size), 0);
			assert_memory_equal(one, two, size);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(one[i], (uint8_t)(i * size));
		}
		aead_free(seal_one);
		aead_free(seal_two);
		aead_free(open_one);
		aead_free(open_two);
	}
	aead_engine_free(other);
}

static void test_words(void **state)
{
	enum aead_provider provider;
	struct aead_engine *engine;

	for (enum aead_provider p = AEAD_PROVIDER_ANY; p <= AEAD_PROVIDER_IPSEC_MB; p++) {
		assert_int_equal(aead_provider_from_string(aead_provider_to_string(p), &provider),
				 0);
		assert_int_equal(provider, p);
	}
	assert_int_equal(aead_provider_from_string("", &provider), -EINVAL);
	assert_int_equal(aead_engine_new(AEAD_PROVIDER_ANY, &engine), 0);
	assert_int_not_equal(aead_engine_provider(engine), AEAD_PROVIDER_ANY);
	aead_engine_free(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors_openssl),
		cmocka_unit_test(test_vectors_ipsec_mb),
		cmocka_unit_test(test_both_give_the_same),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("tunneld/aead", tests, NULL, NULL);
}
