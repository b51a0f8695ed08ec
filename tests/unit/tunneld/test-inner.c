/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/inner-wire.h"
#include "tests/unit/tunneld/unit.h"

#include <errno.h>

/* The inner packet of G29: next header 59, 12 octets. */
#define INNER                                                                                      \
	"60000000000c3b40fd01020304050607002269fffe8e342afd11121314151617002269fffe8e342b"         \
	"000102030405060708090a0b"

static void test_parse(void **state)
{
	uint8_t packet[64] = {};
	size_t size = unit_unhex(INNER, packet);
	struct inner_packet inner;

	assert_int_equal(size, 52);
	assert_int_equal(inner_parse(packet, size, &inner), 0);
	assert_memory_equal(&inner.source, packet + 8, 16);
	assert_memory_equal(&inner.destination, packet + 24, 16);
	assert_int_equal(inner.size, 52);
	/* What follows is TFC padding (RFC 4303 §2.7). */
	assert_int_equal(inner_parse(packet, sizeof packet, &inner), 0);
	assert_int_equal(inner.size, 52);
	assert_int_equal(inner.traffic_class, 0);
	packet[0] = 0x6b;
	packet[1] = 0x9f;
	assert_int_equal(inner_parse(packet, size, &inner), 0);
	assert_int_equal(inner.traffic_class, 0xb9);
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(inner_parse(packet, cut, &inner), -EINVAL);
	packet[0] = 0x45;
	assert_int_equal(inner_parse(packet, size, &inner), -EINVAL);
}

static uint16_t sum(const uint8_t *data, size_t size, uint32_t start)
{
	for (size_t i = 0; i < size; i += 2)
		start += data[i] << 8 | (i + 1 < size ? data[i + 1] : 0);
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static void test_unreachable(void **state)
{
	uint8_t packet[1500] = {}, answer[INNER_ERROR_LIMIT];
	size_t size = unit_unhex(INNER, packet);
	size_t answer_size =
		inner_build_unreachable(packet, size, INNER_UNREACHABLE_ADDRESS, answer);

	assert_int_equal(answer_size, 48 + size);
	assert_memory_equal(answer + 8, packet + 24, 16);
	assert_memory_equal(answer + 24, packet + 8, 16);
	assert_int_equal(answer[6], 58);
	assert_int_equal(answer[40], 1);
	assert_int_equal(answer[41], 3);
	assert_memory_equal(answer + 48, packet, size);
	/* The checksum of the whole with the pseudo header is all ones. */
	assert_int_equal(sum(answer + 8, answer_size - 8, 58 + answer_size - 40), 0xffff);

	/* A long one is quoted up to IPv6's least MTU, an odd one in full. */
	packet[4] = 1400 >> 8;
	packet[5] = 1400 & 0xff;
	assert_int_equal(inner_build_unreachable(packet, 1440, 0, answer), INNER_ERROR_LIMIT);
	packet[4] = 0;
	packet[5] = 13;
	answer_size = inner_build_unreachable(packet, 53, 0, answer);
	assert_int_equal(answer_size, 48 + 53);
	assert_int_equal(sum(answer + 8, answer_size - 8, 58 + answer_size - 40), 0xffff);
}

static void test_unreachable_refused(void **state)
{
	uint8_t packet[64], answer[INNER_ERROR_LIMIT];
	size_t size = unit_unhex(INNER, packet);

	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(inner_build_unreachable(packet, cut, 0, answer), 0);
	packet[6] = 58;
	packet[40] = 1;
	assert_int_equal(inner_build_unreachable(packet, size, 0, answer), 0);
	packet[40] = 128;
	assert_int_not_equal(inner_build_unreachable(packet, size, 0, answer), 0);
	packet[24] = 0xff;
	assert_int_equal(inner_build_unreachable(packet, size, 0, answer), 0);
}

static void test_dummies(void **state)
{
	uint8_t payload[DUMMY_SIZE + 1] = {};
	uint32_t number;

	dummy_write(payload, DUMMY_PROBE, 0x01020304);
	assert_int_equal(dummy_read(payload, DUMMY_SIZE, &number), DUMMY_PROBE);
	assert_int_equal(number, 0x01020304);
	assert_int_equal(dummy_read(payload, DUMMY_SIZE + 1, &number), DUMMY_PROBE);
	for (size_t size = 0; size < DUMMY_SIZE; size++)
		assert_int_equal(dummy_read(payload, size, &number), DUMMY_OTHER);
	dummy_write(payload, DUMMY_SIZE_PROBE, 3);
	assert_int_equal(dummy_read(payload, DUMMY_SIZE + 1, &number), DUMMY_SIZE_PROBE);
	dummy_write(payload, DUMMY_SIZE_ANSWER, 3);
	assert_int_equal(dummy_read(payload, DUMMY_SIZE, &number), DUMMY_SIZE_ANSWER);
	assert_int_equal(number, 3);
	dummy_write(payload, DUMMY_ANSWER, 7);
	assert_int_equal(dummy_read(payload, DUMMY_SIZE, &number), DUMMY_ANSWER);
	assert_int_equal(number, 7);
	/* An answer that says no more than that. */
	assert_int_equal(dummy_read_seen(payload, DUMMY_SIZE).sin_addr.s_addr, 0);
	payload[0] ^= 1;
	assert_int_equal(dummy_read(payload, DUMMY_SIZE, &number), DUMMY_OTHER);
}

static void test_answer_with_place(void **state)
{
	const struct sockaddr_in place = { .sin_family = AF_INET,
					   .sin_port = htons(4501),
					   .sin_addr = { htonl(0x0b000102) } };
	uint8_t payload[DUMMY_ANSWER_SIZE],
		golden[] = { 0x68, 0x77, 0x61, 0x6e, 0, 0, 0, 9, 11, 0, 1, 2, 0x11, 0x95 };
	struct sockaddr_in read;
	uint32_t number;

	dummy_write_answer(payload, 9, &place);
	assert_memory_equal(payload, golden, sizeof golden);
	/* Who does not know of places reads an answer. */
	assert_int_equal(dummy_read(payload, sizeof payload, &number), DUMMY_ANSWER);
	assert_int_equal(number, 9);
	read = dummy_read_seen(payload, sizeof payload);
	assert_memory_equal(&read, &place, sizeof place);
	for (size_t size = 0; size < sizeof payload; size++)
		assert_int_equal(dummy_read_seen(payload, size).sin_addr.s_addr, 0);
	dummy_write(payload, DUMMY_PROBE, 9);
	assert_int_equal(dummy_read_seen(payload, sizeof payload).sin_addr.s_addr, 0);
}

/* What the kernel lets through, and every receiver drops (RFC 8200 §4.7). */
static void test_inner_dummy(void **state)
{
	const struct in6_addr a = { .s6_addr = { 0xfd, 1 } }, b = { .s6_addr = { 0xfd, 2 } };
	uint8_t payload[DUMMY_SIZE], packet[INNER_HEADER_SIZE + DUMMY_SIZE];
	struct inner_packet inner;
	uint32_t number;

	dummy_write(payload, DUMMY_PROBE, 7);
	assert_int_equal(inner_build_dummy(&a, &b, payload, sizeof payload, packet), sizeof packet);
	assert_int_equal(inner_parse(packet, sizeof packet, &inner), 0);
	assert_int_equal(inner.size, sizeof packet);
	assert_memory_equal(&inner.source, &a, sizeof a);
	assert_memory_equal(&inner.destination, &b, sizeof b);
	assert_true(inner_is_dummy(packet, sizeof packet));
	assert_int_equal(dummy_read(packet + INNER_HEADER_SIZE, DUMMY_SIZE, &number), DUMMY_PROBE);
	assert_int_equal(number, 7);
	for (size_t n = 0; n < sizeof packet; n++)
		assert_false(inner_is_dummy(packet, n));
	packet[6] = 58;
	assert_false(inner_is_dummy(packet, sizeof packet));
	packet[6] = 59;
	packet[INNER_HEADER_SIZE] ^= 1;
	assert_false(inner_is_dummy(packet, sizeof packet));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inner_dummy), cmocka_unit_test(test_parse),
		cmocka_unit_test(test_unreachable), cmocka_unit_test(test_unreachable_refused),
		cmocka_unit_test(test_dummies),     cmocka_unit_test(test_answer_with_place),
	};

	return cmocka_run_group_tests_name("tunneld/inner", tests, NULL, NULL);
}
