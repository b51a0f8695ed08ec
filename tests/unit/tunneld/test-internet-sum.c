/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The checksum beside one that is written as RFC 1071 says it, in each size and place. */
#include "services/tunneld/internet-sum.h"
#include "tests/unit/tunneld/unit.h"

#define SIZE 300

static uint16_t plain_sum(const uint8_t *data, size_t size)
{
	uint32_t sum = 0;
	uint8_t octets[2];
	uint16_t value;

	for (size_t i = 0; i < size; i += 2)
		sum += data[i] << 8 | (i + 1 < size ? data[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	octets[0] = sum >> 8;
	octets[1] = sum;
	memcpy(&value, octets, sizeof value);
	return value;
}

static void fill(uint8_t *data, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = seed >> 16;
	}
}

static void test_each_size_and_place(void **state)
{
	uint8_t data[SIZE + 8], copy[SIZE + 16];

	fill(data, sizeof data, 7);
	for (size_t place = 0; place < 8; place++)
		for (size_t size = 0; size <= SIZE; size++) {
			uint16_t expected = plain_sum(data + place, size);

			assert_int_equal(internet_sum_fold(internet_sum_add(0, data + place, size)),
					 expected);
			memset(copy, 0xa5, sizeof copy);
			assert_int_equal(internet_sum_fold(internet_sum_copy(0, copy + 1,
									     data + place, size)),
					 expected);
			assert_memory_equal(copy + 1, data + place, size);
			assert_int_equal(copy[0], 0xa5);
			assert_int_equal(copy[1 + size], 0xa5);
		}
}

/* Carries out of every lane. */
static void test_all_ones(void **state)
{
	static uint8_t data[65536], copy[65536];

	memset(data, 0xff, sizeof data);
	assert_int_equal(internet_sum_fold(internet_sum_add(0xffff, data, sizeof data)), 0xffff);
	assert_int_equal(internet_sum_fold(internet_sum_copy(0xffff, copy, data, sizeof data)),
			 0xffff);
	memset(data, 0, sizeof data);
	assert_int_equal(internet_sum_fold(internet_sum_add(0, data, sizeof data)), 0);
}

/* A sum goes on where another ended, if that was after an even number of octets. */
static void test_in_parts(void **state)
{
	uint8_t data[SIZE], copy[SIZE];
	uint16_t expected;

	fill(data, sizeof data, 9);
	expected = plain_sum(data, sizeof data);
	for (size_t first = 0; first <= SIZE; first += 2) {
		uint64_t sum = internet_sum_add(0, data, first);

		sum = internet_sum_copy(sum, copy, data + first, SIZE - first);
		assert_int_equal(internet_sum_fold(sum), expected);
	}
}

static void test_pseudo_header(void **state)
{
	uint8_t header[40];
	uint64_t sum;

	fill(header, 32, 11);
	memcpy(header + 32, "\x00\x01\x02\x03\x00\x00\x00\x11", 8);
	sum = internet_sum_pseudo(header, 0x00010203, 0x11);
	assert_int_equal(internet_sum_fold(sum), plain_sum(header, sizeof header));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_size_and_place),
		cmocka_unit_test(test_all_ones),
		cmocka_unit_test(test_in_parts),
		cmocka_unit_test(test_pseudo_header),
	};

	return cmocka_run_group_tests_name("tunneld/internet-sum", tests, NULL, NULL);
}
