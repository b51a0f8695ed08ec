/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/datagram-wire.h"
#include "tests/unit/tunneld/unit.h"

#include <arpa/inet.h>
#include <errno.h>

static void test_classify(void **state)
{
	static const uint8_t keepalive[] = { 0xff };
	static const uint8_t other[] = { 0xfe };
	static const uint8_t ike[] = { 0, 0, 0, 0, 1, 2, 3, 4 };
	static const uint8_t esp[] = { 0xc0, 0, 0, 1, 0, 0, 0, 1 };

	/* G31, G32 */
	assert_int_equal(datagram_classify(keepalive, 1), DATAGRAM_KEEPALIVE);
	assert_int_equal(datagram_classify(other, 1), DATAGRAM_MALFORMED);
	assert_int_equal(datagram_classify(other, 0), DATAGRAM_MALFORMED);
	assert_int_equal(datagram_classify(ike, sizeof ike), DATAGRAM_IKE);
	assert_int_equal(datagram_classify(esp, sizeof esp), DATAGRAM_ESP);
	assert_int_equal(datagram_spi(esp), 0xc0000001);
	for (size_t size = 2; size < 8; size++) {
		assert_int_equal(datagram_classify(ike, size), DATAGRAM_MALFORMED);
		assert_int_equal(datagram_classify(esp, size), DATAGRAM_MALFORMED);
	}
}

/* A header alone tells it; what is cut off inside is nobody's. */
static void test_unasked(void **state)
{
	uint8_t message[28] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	message[16] = 33;
	for (size_t size = 0; size <= sizeof message; size++)
		assert_true(ike_message_is_unasked(message, size));
	/* With a cookie. */
	message[16] = 41;
	assert_false(ike_message_is_unasked(message, sizeof message));
	assert_false(ike_message_is_unasked(message, 17));
	assert_true(ike_message_is_unasked(message, 16));
	/* To whom we answered. */
	message[16] = 33;
	for (unsigned int i = 8; i < 16; i++) {
		message[i] = 1;
		assert_false(ike_message_is_unasked(message, sizeof message));
		message[i] = 0;
	}
}

static void test_record_round_trip(void **state)
{
	struct sockaddr_in remote = { .sin_family = AF_INET, .sin_port = htons(4500) }, back;
	uint8_t record[IKE_RECORD_HEADER_SIZE + 1] = {};

	inet_pton(AF_INET, "203.0.113.5", &remote.sin_addr);
	ike_record_write(record, &remote);
	assert_memory_equal(record, "\xcb\x00\x71\x05\x11\x94\x00\x00", 8);
	assert_int_equal(ike_record_read(record, sizeof record, &back), 0);
	assert_memory_equal(&back, &remote, sizeof remote);
	for (size_t size = 0; size < sizeof record; size++)
		assert_int_equal(ike_record_read(record, size, &back), -EINVAL);
}

static void test_record_refused(void **state)
{
	static const uint8_t records[][9] = {
		{ 0, 0, 0, 0, 0x11, 0x94, 0, 0, 1 },
		{ 203, 0, 113, 5, 0, 0, 0, 0, 1 },
		{ 203, 0, 113, 5, 0x11, 0x94, 0, 1, 1 },
		{ 203, 0, 113, 5, 0x11, 0x94, 1, 0, 1 },
	};
	struct sockaddr_in remote;

	for (size_t i = 0; i < sizeof records / sizeof *records; i++)
		assert_int_equal(ike_record_read(records[i], sizeof records[i], &remote), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classify),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_record_round_trip),
		cmocka_unit_test(test_record_refused),
	};

	return cmocka_run_group_tests_name("tunneld/datagram", tests, NULL, NULL);
}
