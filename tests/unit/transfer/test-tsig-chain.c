/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/dns/hex.h"

#include "common/dns/dns-message.h"
#include "common/dns/dns-tsig-chain.h"

#define NOW 1700000000

static uint8_t secret[32] = { 1, 2, 3 };
static struct dns_tsig_key key = {
	.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
	.secret = secret,
	.secret_size = sizeof secret,
};
static const struct dns_tsig_mac request_mac = { 32, { 9, 8, 7 } };

static int setup(void **state)
{
	return dns_name_from_text("transfer.example.net", &key.name);
}

/* An answer without records whose ID tells them apart. */
static struct writer message(uint8_t buffer[512], uint16_t id)
{
	struct writer writer = writer_init(buffer, 512);

	writer_u16(&writer, id);
	writer_u16(&writer, DNS_FLAG_QR | DNS_FLAG_AA);
	writer_u64(&writer, 0);
	return writer;
}

struct sender {
	struct dns_tsig_mac mac;
	bool has_begun;
};

static void sign(struct sender *sender, struct writer *writer, uint64_t now)
{
	int r = sender->has_begun
			? dns_tsig_sign_next(writer, &key, &sender->mac, now, &sender->mac)
			: dns_tsig_sign(writer, &key, &request_mac, now, &sender->mac);

	assert_int_equal(r, 0);
	sender->has_begun = true;
}

static enum dns_tsig_result take(struct dns_tsig_chain *chain, const struct writer *writer)
{
	return dns_tsig_chain_verify(chain, writer->data, writer->position, NOW);
}

static void every_message_signed(void **state)
{
	cleanup(dns_tsig_chain_freep) struct dns_tsig_chain *chain = NULL;
	struct sender sender = {};
	uint8_t buffer[512];

	assert_int_equal(dns_tsig_chain_new(&key, &request_mac, &chain), 0);
	assert_false(dns_tsig_chain_is_complete(chain));
	for (unsigned int i = 0; i < 5; i++) {
		struct writer writer = message(buffer, 7);

		sign(&sender, &writer, NOW + i);
		assert_int_equal(take(chain, &writer), DNS_TSIG_RESULT_OK);
		assert_true(dns_tsig_chain_is_complete(chain));
	}
}

/* An algorithm whose name says that half of the MAC is sent: of each message's. */
static void truncated_by_name(void **state)
{
	cleanup(dns_tsig_chain_freep) struct dns_tsig_chain *chain = NULL;
	struct sender sender = {};
	uint8_t buffer[512];

	key.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256_128;
	assert_int_equal(dns_tsig_chain_new(&key, &request_mac, &chain), 0);
	for (unsigned int i = 0; i < 3; i++) {
		struct writer writer = message(buffer, 7);
		struct dns_tsig tsig;

		sign(&sender, &writer, NOW);
		assert_int_equal(dns_tsig_find(writer.data, writer.position, &tsig), 1);
		assert_int_equal(tsig.mac.size, 16);
		assert_int_equal(take(chain, &writer), DNS_TSIG_RESULT_OK);
	}
	key.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256;
}

static void first_must_be_signed(void **state)
{
	cleanup(dns_tsig_chain_freep) struct dns_tsig_chain *chain = NULL;
	uint8_t buffer[512];
	struct writer writer = message(buffer, 7);

	assert_int_equal(dns_tsig_chain_new(&key, &request_mac, &chain), 0);
	assert_int_equal(take(chain, &writer), DNS_TSIG_RESULT_BADSIG);
}

/* What a peer does that signs only now and then: the MAC covers all since the last one. */
static void sign_over(struct sender *sender, const uint8_t *unsigned_octets, size_t size,
		      struct writer *writer)
{
	uint8_t all[65536];
	struct writer whole = writer_init(all, sizeof all);
	size_t own = writer->position;
	struct dns_tsig tsig = { .key_name = key.name,
				 .time_signed = NOW,
				 .fudge = DNS_TSIG_FUDGE };

	/* The digest runs over the octets one after the other, and so may a single message. */
	writer_copy(&whole, unsigned_octets, size);
	writer_copy(&whole, writer->data, own);
	assert_int_equal(dns_tsig_sign_next(&whole, &key, &sender->mac, NOW, &sender->mac), 0);
	tsig.mac = sender->mac;
	tsig.original_id = 7;
	assert_int_equal(dns_tsig_algorithm_to_name(key.algorithm, &tsig.algorithm_name), 0);
	assert_int_equal(dns_tsig_append(writer, &tsig), 0);
}

static void unsigned_between(void **state)
{
	for (unsigned int n = 98; n <= 100; n++) {
		cleanup(dns_tsig_chain_freep) struct dns_tsig_chain *chain = NULL;
		uint8_t buffer[512], between[100 * DNS_HEADER_SIZE];
		struct writer writer = message(buffer, 7);
		struct sender sender = {};
		enum dns_tsig_result result = DNS_TSIG_RESULT_OK;

		assert_int_equal(dns_tsig_chain_new(&key, &request_mac, &chain), 0);
		sign(&sender, &writer, NOW);
		assert_int_equal(take(chain, &writer), DNS_TSIG_RESULT_OK);
		for (unsigned int i = 0; i < n; i++) {
			writer = message(buffer, 7);
			memcpy(between + i * DNS_HEADER_SIZE, buffer, DNS_HEADER_SIZE);
			result = take(chain, &writer);
			assert_int_equal(result,
					 i < 99 ? DNS_TSIG_RESULT_OK : DNS_TSIG_RESULT_BADSIG);
			assert_false(dns_tsig_chain_is_complete(chain));
		}
		if (n == 100)
			continue;
		writer = message(buffer, 7);
		sign_over(&sender, between, n * DNS_HEADER_SIZE, &writer);
		assert_int_equal(take(chain, &writer), DNS_TSIG_RESULT_OK);
		assert_true(dns_tsig_chain_is_complete(chain));
	}
}

static void tampered(void **state)
{
	/* One octet of the second message at a time: nothing passes. */
	for (size_t at = 0;; at++) {
		cleanup(dns_tsig_chain_freep) struct dns_tsig_chain *chain = NULL;
		uint8_t buffer[512];
		struct writer writer = message(buffer, 7);
		struct sender sender = {};

		assert_int_equal(dns_tsig_chain_new(&key, &request_mac, &chain), 0);
		sign(&sender, &writer, NOW);
		assert_int_equal(take(chain, &writer), DNS_TSIG_RESULT_OK);
		writer = message(buffer, 7);
		sign(&sender, &writer, NOW);
		if (at == writer.position)
			break;
		/* The ID that is signed is the one in the TSIG record. */
		if (at < 2)
			continue;
		buffer[at] ^= 0x41;
		if (take(chain, &writer) == DNS_TSIG_RESULT_OK)
			assert_false(dns_tsig_chain_is_complete(chain));
	}
}

static void reordered_or_left_out(void **state)
{
	cleanup(dns_tsig_chain_freep) struct dns_tsig_chain *chain = NULL;
	uint8_t buffers[3][512];
	struct writer writers[3];
	struct sender sender = {};

	assert_int_equal(dns_tsig_chain_new(&key, &request_mac, &chain), 0);
	for (unsigned int i = 0; i < 3; i++) {
		writers[i] = message(buffers[i], 7);
		sign(&sender, &writers[i], NOW);
	}
	assert_int_equal(take(chain, &writers[0]), DNS_TSIG_RESULT_OK);
	assert_int_equal(take(chain, &writers[2]), DNS_TSIG_RESULT_BADSIG);
}

static void wrong_time(void **state)
{
	cleanup(dns_tsig_chain_freep) struct dns_tsig_chain *chain = NULL;
	uint8_t buffer[512];
	struct writer writer = message(buffer, 7);
	struct sender sender = {};

	assert_int_equal(dns_tsig_chain_new(&key, &request_mac, &chain), 0);
	sign(&sender, &writer, NOW);
	assert_int_equal(take(chain, &writer), DNS_TSIG_RESULT_OK);
	writer = message(buffer, 7);
	sign(&sender, &writer, NOW - DNS_TSIG_FUDGE - 1);
	assert_int_equal(take(chain, &writer), DNS_TSIG_RESULT_BADTIME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_signed),  cmocka_unit_test(first_must_be_signed),
		cmocka_unit_test(truncated_by_name),     cmocka_unit_test(first_must_be_signed),
		cmocka_unit_test(unsigned_between),      cmocka_unit_test(tampered),
		cmocka_unit_test(reordered_or_left_out), cmocka_unit_test(wrong_time),
	};

	return cmocka_run_group_tests_name("dns-tsig-chain", tests, setup, NULL);
}
