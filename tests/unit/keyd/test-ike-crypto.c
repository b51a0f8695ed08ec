/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-crypto.h"
#include "tests/unit/keyd/test.h"

#include <arpa/inet.h>
#include <errno.h>

static const struct ike_suite suite_128 = { IKE_ENCR_AES_GCM_16, 128, IKE_PRF_HMAC_SHA2_256,
					    IKE_GROUP_X25519 };
static const struct ike_suite suite_256 = { IKE_ENCR_AES_GCM_16, 256, IKE_PRF_HMAC_SHA2_512,
					    IKE_GROUP_X25519 };
static const struct ike_suite suite_chacha = { IKE_ENCR_CHACHA20_POLY1305, 256,
					       IKE_PRF_HMAC_SHA2_384, IKE_GROUP_P384 };

/* RFC 4231 §4.3, in two pieces */
static void test_prf(void **state)
{
	const struct ike_octets data[] = { { (const uint8_t *)"what do ya want ", 16 },
					   { (const uint8_t *)"for nothing?", 12 } };
	uint8_t result[IKE_PRF_LIMIT];

	assert_int_equal(ike_prf(IKE_PRF_HMAC_SHA2_256, "Jefe", 4, data, 2, result), 0);
	assert_octets(result, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_int_equal(ike_prf(IKE_PRF_HMAC_SHA2_384, "Jefe", 4, data, 2, result), 0);
	assert_octets(result, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47"
			      "e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
	assert_int_equal(ike_prf(IKE_PRF_HMAC_SHA2_512, "Jefe", 4, data, 2, result), 0);
	assert_octets(result, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
			      "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
	assert_int_equal(ike_prf(2, "Jefe", 4, data, 2, result), -EINVAL);
}

/* The inner key of a shared secret's AUTH (RFC 7296 §2.15); computed independently. */
static void test_prf_key_pad(void **state)
{
	const struct ike_octets pad = { (const uint8_t *)"Key Pad for IKEv2", 17 };
	uint8_t result[IKE_PRF_LIMIT];

	assert_int_equal(ike_prf(IKE_PRF_HMAC_SHA2_256, "secret", 6, &pad, 1, result), 0);
	assert_octets(result, "5fd8819cd79c7d1470058863cddc51ba31b4b8c876e6a7a803c3c95aaf71c10d");
}

static void count_up(uint8_t *octets, size_t size, uint8_t first)
{
	for (size_t i = 0; i < size; i++)
		octets[i] = first + i;
}

/* The schedule of §2.13 to §2.17, against values computed by another implementation of HMAC. */
static void test_key_schedule(void **state)
{
	uint8_t ni[32], nr[32], shared[32], keymat[40];
	const struct ike_octets i = { ni, 32 }, r = { nr, 32 }, g = { shared, 32 };
	struct ike_keys keys;

	count_up(ni, 32, 0);
	count_up(nr, 32, 32);
	count_up(shared, 32, 64);
	assert_int_equal(
		ike_keys_derive(&suite_128, i, r, g, 0x0011223344556677, 0x8899aabbccddeeff, &keys),
		0);
	assert_int_equal(keys.prf_size, 32);
	assert_int_equal(keys.key_size, 20);
	assert_octets(keys.d, "ed417dd11150c8c69d9fefe2d13db45c773738fd8aed63c1b7dc180c32c95979");
	assert_octets(keys.ei, "4daf4ec80dae5fd9f208a952420d890b4ea6ee9d");
	assert_octets(keys.er, "74ea4c3d9aaa1677c84c996388b23e4ac4042c0e");
	assert_octets(keys.pi, "900fd6c6271929a111a56e68b1e67377430a93b983101ad994b727eb86684a3a");
	assert_octets(keys.pr, "6baed35c4d61b1b341cfc228d9f9b6afba087df8d325e7c2d5838fb629a1a218");
	assert_int_equal(ike_keys_derive_child(&suite_128, &keys, i, r, keymat, sizeof keymat), 0);
	assert_octets(keymat, "ea5cadca995f9f6834fcae49836008c04f322d42"
			      "c491b08426e6bcbeae5fa507b1320d7bb0e85667");
	assert_int_equal(ike_keys_derive(&suite_256, i, r, g, 1, 2, &keys), 0);
	assert_int_equal(keys.prf_size, 64);
	assert_int_equal(keys.key_size, 36);
}

static void test_prf_plus_limits(void **state)
{
	uint8_t *result = malloc(255 * 32 + 1), one[100];

	assert_int_equal(ike_prf_plus(5, "k", 1, NULL, 0, result, 255 * 32 + 1), -EINVAL);
	assert_int_equal(ike_prf_plus(5, "k", 1, NULL, 0, result, 255 * 32), 0);
	assert_int_equal(ike_prf_plus(5, "k", 1, NULL, 0, one, sizeof one), 0);
	assert_memory_equal(one, result, sizeof one);
	free(result);
}

static const struct ike_header sample_header = {
	.spi_initiator = 0x0011223344556677,
	.spi_responder = 0x8899aabbccddeeff,
	.version = IKE_VERSION,
	.exchange = IKE_EXCHANGE_INFORMATIONAL,
	.flags = IKE_FLAG_INITIATOR,
	.message_id = 7,
};

static int open_message(const struct ike_suite *suite, const uint8_t *key, const uint8_t *message,
			size_t size, uint8_t *inner)
{
	struct ike_header header;
	struct ike_chain chain;

	if (ike_header_read(message, size, &header) < 0 ||
	    ike_chain_read(header.next_payload, message + IKE_HEADER_SIZE, size - IKE_HEADER_SIZE,
			   &chain) < 0 ||
	    chain.n_payloads != 1 || chain.payloads[0].type != IKE_PAYLOAD_SK)
		return -EBADMSG;
	return ike_sk_open(suite, key, message, &chain.payloads[0], inner);
}

/* Against AES-GCM of another library. */
static void test_seal_vector(void **state)
{
	uint8_t key[20], inner[8], message[128], opened[128];
	int size;

	count_up(key, 20, 0);
	from_hex("0000000800004000", inner);
	size = ike_sk_seal(&suite_128, key, 5, &sample_header, IKE_PAYLOAD_NOTIFY, inner, 8,
			   message, sizeof message);
	assert_int_equal(size, 65);
	assert_octets(message, "00112233445566778899aabbccddeeff2e2025080000000700000041"
			       "290000250000000000000005"
			       "582c90d30bdb32e433bf7a6a1d0d9e9ec0f0d36354736208b7");
	assert_int_equal(open_message(&suite_128, key, message, size, opened), 8);
	assert_memory_equal(opened, inner, 8);
}

/* RFC 7634 appendix B: ChaCha20-Poly1305 */
static void test_seal_chacha(void **state)
{
	static const struct ike_header header = {
		.spi_initiator = 0xc0c1c2c3c4c5c6c7,
		.spi_responder = 0xd0d1d2d3d4d5d6d7,
		.version = IKE_VERSION,
		.exchange = IKE_EXCHANGE_INFORMATIONAL,
		.message_id = 9,
	};
	uint8_t key[36], inner[12], message[128], opened[128];
	int size;

	from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3", key);
	from_hex("0000000c000040010000000a", inner);
	size = ike_sk_seal(&suite_chacha, key, 0x1011121314151617, &header, IKE_PAYLOAD_NOTIFY,
			   inner, sizeof inner, message, sizeof message);
	assert_int_equal(size, 69);
	assert_octets(message, "c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029"
			       "1011121314151617610394701f8d017f7c129248896b71bfe25236efd7cdc670"
			       "66906315b2");
	assert_int_equal(open_message(&suite_chacha, key, message, size, opened), 12);
	assert_memory_equal(opened, inner, 12);
	for (int bit = 0; bit < size * 8; bit++) {
		message[bit / 8] ^= 1 << bit % 8;
		assert_int_equal(open_message(&suite_chacha, key, message, size, opened), -EBADMSG);
		message[bit / 8] ^= 1 << bit % 8;
	}
}

static void test_seal_sizes_and_flips(void **state)
{
	uint8_t key[36], inner[100], message[256], opened[256];

	count_up(key, 36, 9);
	count_up(inner, 100, 3);
	for (size_t n = 0; n <= sizeof inner; n += 10) {
		int size = ike_sk_seal(&suite_256, key, n, &sample_header, IKE_PAYLOAD_NOTIFY,
				       inner, n, message, sizeof message);

		assert_int_equal(size, n + IKE_SK_OVERHEAD);
		assert_int_equal(open_message(&suite_256, key, message, size, opened), n);
		assert_memory_equal(opened, inner, n);
		assert_int_equal(ike_sk_seal(&suite_256, key, n, &sample_header, IKE_PAYLOAD_NOTIFY,
					     inner, n, message, size - 1),
				 -ENOBUFS);
		ike_sk_seal(&suite_256, key, n, &sample_header, IKE_PAYLOAD_NOTIFY, inner, n,
			    message, sizeof message);
		for (int bit = 0; bit < size * 8; bit++) {
			message[bit / 8] ^= 1 << bit % 8;
			assert_int_equal(open_message(&suite_256, key, message, size, opened),
					 -EBADMSG);
			message[bit / 8] ^= 1 << bit % 8;
		}
	}
}

/* A piece of a message (RFC 7383 §2.5): number and total are authentic too. */
static void test_fragment(void **state)
{
	const struct ike_fragment fragment = { 2, 3 };
	uint8_t key[20], inner[40], message[128], opened[128];
	struct ike_fragment read;
	struct ike_header header;
	struct ike_chain chain;
	int size;

	count_up(key, 20, 0);
	count_up(inner, 40, 7);
	size = ike_skf_seal(&suite_128, key, 5, &sample_header, &fragment, 0, inner, 40, message,
			    sizeof message);
	assert_int_equal(size, 40 + IKE_SKF_OVERHEAD);
	assert_int_equal(ike_header_read(message, size, &header), 0);
	assert_int_equal(header.next_payload, IKE_PAYLOAD_SKF);
	assert_octets(message + IKE_HEADER_SIZE, "0000004900020003"
						 "0000000000000005");
	assert_int_equal(ike_chain_read(header.next_payload, message + IKE_HEADER_SIZE,
					size - IKE_HEADER_SIZE, &chain),
			 0);
	assert_int_equal(ike_fragment_read(&chain.payloads[0], &read), 0);
	assert_int_equal(read.number, 2);
	assert_int_equal(read.total, 3);
	assert_int_equal(ike_sk_open(&suite_128, key, message, &chain.payloads[0], opened), 40);
	assert_memory_equal(opened, inner, 40);
	for (int bit = 0; bit < size * 8; bit++) {
		message[bit / 8] ^= 1 << bit % 8;
		assert_int_equal(ike_sk_open(&suite_128, key, message, &chain.payloads[0], opened),
				 -EBADMSG);
		message[bit / 8] ^= 1 << bit % 8;
	}
	for (size_t n = 0; n < 29; n++) {
		struct ike_payload payload = chain.payloads[0];

		payload.size = n;
		assert_int_equal(ike_sk_open(&suite_128, key, message, &payload, opened), -EBADMSG);
		assert_int_equal(ike_fragment_read(&payload, &read), n < 4 ? -EBADMSG : 0);
	}
}

/* An SK payload too short for IV, pad length and ICV. */
static void test_short_sk(void **state)
{
	uint8_t key[20] = {}, message[IKE_HEADER_SIZE + 4 + 25] = {}, opened[64];

	for (size_t n = 0; n < 25; n++) {
		struct ike_payload payload = { .type = IKE_PAYLOAD_SK,
					       .data = message + IKE_HEADER_SIZE + 4,
					       .size = n };

		assert_int_equal(ike_sk_open(&suite_128, key, message, &payload, opened), -EBADMSG);
	}
}

static void test_nat_hash(void **state)
{
	struct sockaddr_in endpoint = { .sin_family = AF_INET, .sin_port = htons(500) };
	uint8_t hash[IKE_NAT_HASH_SIZE];

	inet_pton(AF_INET, "192.168.1.10", &endpoint.sin_addr);
	assert_int_equal(ike_nat_hash(0x0011223344556677, 0, &endpoint, hash), 0);
	assert_octets(hash, "a6dbb85f16643faa3290d5b45cf3b1e1d8fd6d4b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prf),
		cmocka_unit_test(test_prf_key_pad),
		cmocka_unit_test(test_key_schedule),
		cmocka_unit_test(test_prf_plus_limits),
		cmocka_unit_test(test_seal_vector),
		cmocka_unit_test(test_seal_chacha),
		cmocka_unit_test(test_seal_sizes_and_flips),
		cmocka_unit_test(test_fragment),
		cmocka_unit_test(test_short_sk),
		cmocka_unit_test(test_nat_hash),
	};

	return cmocka_run_group_tests_name("ike-crypto", tests, NULL, NULL);
}
