/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-message-wire.h"
#include "tests/unit/keyd/test.h"

#include <errno.h>

static const struct ike_header sample_header = {
	.spi_initiator = 0x0011223344556677,
	.spi_responder = 0x8899aabbccddeeff,
	.version = IKE_VERSION,
	.exchange = IKE_EXCHANGE_INFORMATIONAL,
	.flags = IKE_FLAG_INITIATOR,
	.message_id = 7,
};

/* One payload of each kind. */
static size_t build_sample(uint8_t *buffer, size_t capacity)
{
	static const uint8_t address[16] = { 0xfd, 1, 2, 3, 4, 5, 6, 7, 0, 0x22, 0x69, 0xff, 0xfe };
	struct ike_builder builder;
	int size;

	ike_builder_begin(&builder, buffer, capacity, &sample_header);
	ike_builder_add_ke(&builder, 31, "0123456789abcdef0123456789abcdef", 32);
	ike_builder_add(&builder, IKE_PAYLOAD_NONCE, "nonce-nonce-nonce", 17);
	ike_builder_add_id(&builder, IKE_PAYLOAD_IDI, "desktop.alice.members.example.org");
	ike_builder_add_tagged(&builder, IKE_PAYLOAD_CERT, IKE_CERTIFICATE_X509, "cert", 4);
	ike_builder_add_tagged(&builder, IKE_PAYLOAD_AUTH, IKE_METHOD_SIGNATURE, "auth", 4);
	ike_builder_add_selector(&builder, IKE_PAYLOAD_TSI, address);
	ike_builder_add_notify(&builder, IKE_NOTIFY_COOKIE, "cookie", 6);
	ike_builder_add_notify(&builder, IKE_NOTIFY_AUTHENTICATION_FAILED, NULL, 0);
	ike_builder_add_delete_esp(&builder, 0x40000001);
	ike_builder_add_delete_ike(&builder);
	size = ike_builder_finish(&builder);
	return size < 0 ? 0 : size;
}

static void test_header_layout(void **state)
{
	uint8_t buffer[64];
	struct ike_builder builder;

	ike_builder_begin(&builder, buffer, sizeof buffer, &sample_header);
	ike_builder_add_notify(&builder, IKE_NOTIFY_INITIAL_CONTACT, NULL, 0);
	assert_int_equal(ike_builder_finish(&builder), 36);
	assert_octets(buffer, "00112233445566778899aabbccddeeff" /* SPIs */
			      "29202508" /* notify, 2.0, INFORMATIONAL, from the initiator */
			      "0000000700000024" /* ID, length */
			      "0000000800004000");
}

static void test_round_trip(void **state)
{
	uint8_t buffer[1024];
	size_t size = build_sample(buffer, sizeof buffer);
	struct ike_header header;
	struct ike_chain chain;
	struct ike_notify notify;
	struct ike_octets octets;
	struct ike_selectors selectors;
	uint16_t u16;
	uint8_t u8, spi_size;

	assert_int_not_equal(size, 0);
	assert_int_equal(ike_header_read(buffer, size, &header), 0);
	assert_int_equal(header.spi_initiator, sample_header.spi_initiator);
	assert_int_equal(header.message_id, 7);
	assert_int_equal(header.length, size);
	assert_int_equal(ike_chain_read(header.next_payload, buffer + IKE_HEADER_SIZE,
					size - IKE_HEADER_SIZE, &chain),
			 0);
	assert_int_equal(chain.n_payloads, 10);
	assert_int_equal(ike_ke_read(ike_chain_find(&chain, IKE_PAYLOAD_KE), &u16, &octets), 0);
	assert_int_equal(u16, 31);
	assert_int_equal(octets.size, 32);
	assert_int_equal(ike_id_read(ike_chain_find(&chain, IKE_PAYLOAD_IDI), &u8, &octets), 0);
	assert_int_equal(u8, IKE_ID_FQDN);
	assert_memory_equal(octets.data, "desktop.alice", 13);
	assert_int_equal(
		ike_certificate_read(ike_chain_find(&chain, IKE_PAYLOAD_CERT), &u8, &octets), 0);
	assert_int_equal(u8, IKE_CERTIFICATE_X509);
	assert_memory_equal(octets.data, "cert", 4);
	assert_int_equal(
		ike_authentication_read(ike_chain_find(&chain, IKE_PAYLOAD_AUTH), &u8, &octets), 0);
	assert_int_equal(u8, IKE_METHOD_SIGNATURE);
	assert_int_equal(octets.size, 4);
	assert_int_equal(ike_selectors_read(ike_chain_find(&chain, IKE_PAYLOAD_TSI), &selectors),
			 0);
	assert_int_equal(selectors.n_items, 1);
	assert_int_equal(selectors.items[0].port_last, 65535);
	assert_int_equal(selectors.items[0].last[0], 0xfd);
	assert_true(ike_chain_find_notify(&chain, IKE_NOTIFY_COOKIE, &notify));
	assert_memory_equal(notify.data.data, "cookie", 6);
	assert_true(ike_chain_find_error(&chain, &notify));
	assert_string_equal(ike_notify_name(notify.type), "AUTHENTICATION_FAILED");
	assert_int_equal(ike_delete_read(ike_chain_find(&chain, IKE_PAYLOAD_DELETE), &u8, &spi_size,
					 &u16, &octets),
			 0);
	assert_int_equal(u8, IKE_PROTOCOL_ESP);
	assert_int_equal(spi_size, 4);
	assert_int_equal(u16, 1);
	assert_octets(octets.data, "40000001");
}

/* Every prefix is refused as a message, and as a chain, without a read beyond it. */
static void test_truncation(void **state)
{
	uint8_t buffer[1024];
	size_t size = build_sample(buffer, sizeof buffer);
	struct ike_header header;

	assert_int_equal(ike_header_read(buffer, size, &header), 0);
	for (size_t cut = 0; cut < size; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);
		struct ike_chain chain;
		struct ike_header cut_header;

		memcpy(exact, buffer, cut);
		assert_int_equal(ike_header_read(exact, cut, &cut_header), -EBADMSG);
		if (cut >= IKE_HEADER_SIZE)
			assert_int_equal(ike_chain_read(header.next_payload,
							exact + IKE_HEADER_SIZE,
							cut - IKE_HEADER_SIZE, &chain),
					 -EBADMSG);
		free(exact);
	}
}

static void read_body(const struct ike_payload *payload)
{
	struct ike_notify notify;
	struct ike_octets octets;
	struct ike_selectors selectors;
	uint16_t u16;
	uint8_t u8, spi_size;

	ike_notify_read(payload, &notify);
	ike_ke_read(payload, &u16, &octets);
	ike_id_read(payload, &u8, &octets);
	ike_certificate_read(payload, &u8, &octets);
	ike_authentication_read(payload, &u8, &octets);
	ike_delete_read(payload, &u8, &spi_size, &u16, &octets);
	ike_selectors_read(payload, &selectors);
}

/* Each body, cut at every length, is read by every reader. */
static void test_truncated_bodies(void **state)
{
	uint8_t buffer[1024];
	size_t size = build_sample(buffer, sizeof buffer);
	struct ike_header header;
	struct ike_chain chain;

	ike_header_read(buffer, size, &header);
	ike_chain_read(header.next_payload, buffer + IKE_HEADER_SIZE, size - IKE_HEADER_SIZE,
		       &chain);
	for (size_t i = 0; i < chain.n_payloads; i++)
		for (size_t cut = 0; cut <= chain.payloads[i].size; cut++) {
			uint8_t *exact = malloc(cut ? cut : 1);
			struct ike_payload payload = chain.payloads[i];
			struct ike_selectors selectors;

			memcpy(exact, payload.data, cut);
			payload.data = exact;
			payload.size = cut;
			read_body(&payload);
			if (payload.type == IKE_PAYLOAD_TSI && cut < chain.payloads[i].size)
				assert_int_equal(ike_selectors_read(&payload, &selectors),
						 -EBADMSG);
			free(exact);
		}
}

static void test_small_buffer(void **state)
{
	uint8_t buffer[1024];
	size_t size = build_sample(buffer, sizeof buffer);

	for (size_t capacity = 0; capacity < size; capacity++)
		assert_int_equal(build_sample(buffer, capacity), 0);
}

static void test_odd_chains(void **state)
{
	static const uint8_t self_length_zero[] = { 0, 0, 0, 0 };
	static const uint8_t trailing[] = { 0, 0, 0, 4, 9 };
	static const uint8_t critical[] = { 0, 0x80, 0, 4 };
	uint8_t many[4 * (IKE_PAYLOADS_LIMIT + 1)];
	struct ike_chain chain;

	assert_int_equal(ike_chain_read(40, self_length_zero, 4, &chain), -EBADMSG);
	assert_int_equal(ike_chain_read(40, trailing, 5, &chain), -EBADMSG);
	assert_int_equal(ike_chain_read(0, NULL, 0, &chain), 0);
	for (size_t i = 0; i < sizeof many; i += 4)
		memcpy(many + i, (uint8_t[]){ i + 4 < sizeof many ? 43 : 0, 0, 0, 4 }, 4);
	assert_int_equal(ike_chain_read(43, many, sizeof many, &chain), -E2BIG);
	assert_int_equal(ike_chain_read(200, critical, 4, &chain), 0);
	assert_int_equal(ike_chain_find_unsupported(&chain), 200);
	assert_int_equal(ike_chain_read(43, critical, 4, &chain), 0);
	assert_int_equal(ike_chain_find_unsupported(&chain), 0);
}

/* SK ends the chain; its next field is the first type inside. */
static void test_encrypted_is_last(void **state)
{
	static const uint8_t sk[] = { 41, 0, 0, 6, 1, 2 };
	struct ike_chain chain;

	assert_int_equal(ike_chain_read(IKE_PAYLOAD_SK, sk, sizeof sk, &chain), 0);
	assert_int_equal(chain.n_payloads, 1);
	assert_int_equal(chain.payloads[0].next, 41);
	assert_int_equal(chain.payloads[0].size, 2);
}

/* Selectors of IPv4 are passed over, and a length that lies is refused. */
static void test_other_selectors(void **state)
{
	static const uint8_t both[] = { 2,  0, 0, 0,   7, 0,  0, 16, 0, 0,  255, 255, 10,   0, 0, 0,
					10, 0, 0, 255, 8, 17, 0, 40, 0, 53, 0,   53,  0xfd, 0, 0, 0,
					0,  0, 0, 0,   0, 0,  0, 0,  0, 0,  0,   1,   0xfd, 0, 0, 0,
					0,  0, 0, 0,   0, 0,  0, 0,  0, 0,  0,   9 };
	struct ike_payload payload = { .data = both, .size = sizeof both };
	struct ike_selectors selectors;
	uint8_t lying[sizeof both];

	assert_int_equal(ike_selectors_read(&payload, &selectors), 0);
	assert_int_equal(selectors.n_items, 1);
	assert_int_equal(selectors.items[0].protocol, 17);
	assert_int_equal(selectors.items[0].port_first, 53);
	assert_int_equal(selectors.items[0].last[15], 9);
	memcpy(lying, both, sizeof both);
	lying[23] = 36;
	payload.data = lying;
	assert_int_equal(ike_selectors_read(&payload, &selectors), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_layout),     cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_truncation),        cmocka_unit_test(test_truncated_bodies),
		cmocka_unit_test(test_small_buffer),      cmocka_unit_test(test_odd_chains),
		cmocka_unit_test(test_encrypted_is_last), cmocka_unit_test(test_other_selectors),
	};

	return cmocka_run_group_tests_name("ike-message", tests, NULL, NULL);
}
