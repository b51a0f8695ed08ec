/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* common/wire/cursor.h: position, end and the error that sticks. */
#include "common/wire/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_round_trip(void **state)
{
	uint8_t octets[32];
	struct writer writer = writer_init(octets, sizeof octets);
	struct reader reader;
	char text[4] = {};

	writer_u8(&writer, 0x01);
	writer_u16(&writer, 0x0203);
	writer_u32(&writer, 0x04050607);
	writer_u64(&writer, 0x08090a0b0c0d0e0f);
	writer_unsigned(&writer, 0x101112, 3);
	writer_copy(&writer, "abc", 3);
	writer_copy(&writer, NULL, 0);
	assert_false(writer.failed);
	assert_int_equal(writer.position, 21);
	for (int i = 0; i < 18; i++)
		assert_int_equal(octets[i], i + 1);
	writer_patch_u16(&writer, 1, 0xaabb);
	writer_patch_u32(&writer, 3, 0xccddeeff);
	assert_false(writer.failed);

	reader = reader_init(octets, writer.position);
	assert_int_equal(reader_u8(&reader), 0x01);
	assert_int_equal(reader_u16(&reader), 0xaabb);
	assert_int_equal(reader_u32(&reader), 0xccddeeff);
	assert_true(reader_u64(&reader) == 0x08090a0b0c0d0e0f);
	assert_int_equal(reader_unsigned(&reader, 3), 0x101112);
	assert_int_equal(reader_left(&reader), 3);
	reader_copy(&reader, text, 3);
	assert_string_equal(text, "abc");
	assert_false(reader.failed);
	assert_int_equal(reader_left(&reader), 0);
}

static void test_reading_beyond_the_end(void **state)
{
	const uint8_t octets[5] = { 1, 2, 3, 4, 5 };

	/* A field of each size over each size of input, in memory of exactly that size. */
	for (size_t size = 0; size <= sizeof octets; size++)
		for (size_t want = 1; want <= 8; want++) {
			uint8_t *exact = malloc(size ? size : 1);
			struct reader reader;

			memcpy(exact, octets, size);
			reader = reader_init(exact, size);
			reader_unsigned(&reader, want);
			assert_int_equal(reader.failed, want > size);
			free(exact);
		}
}

static void test_error_sticks(void **state)
{
	const uint8_t octets[4] = { 1, 2, 3, 4 };
	struct reader reader = reader_init(octets, sizeof octets);
	uint8_t copy[2] = { 9, 9 };

	assert_int_equal(reader_u8(&reader), 1);
	assert_int_equal(reader_u32(&reader), 0);
	assert_true(reader.failed);
	/* There would be room for these. */
	assert_int_equal(reader_u8(&reader), 0);
	assert_null(reader_take(&reader, 1));
	assert_int_equal(reader_left(&reader), 0);
	reader_copy(&reader, copy, 2);
	assert_int_equal(copy[0], 0);
	assert_true(reader_sub(&reader, 1).failed);
}

static void test_sub_reader(void **state)
{
	const uint8_t octets[4] = { 1, 2, 3, 4 };
	struct reader reader = reader_init(octets, sizeof octets);
	struct reader inner = reader_sub(&reader, 3), none;

	assert_int_equal(reader_u16(&inner), 0x0102);
	assert_int_equal(reader_u16(&inner), 0);
	assert_true(inner.failed);
	/* The outer one goes on where the inner one was to end. */
	assert_int_equal(reader_u8(&reader), 4);
	none = reader_sub(&reader, 0);
	assert_false(none.failed);
	assert_int_equal(reader_left(&none), 0);
	assert_true(reader_sub(&reader, 1).failed);
	assert_true(reader.failed);
}

static void test_huge_sizes(void **state)
{
	const uint8_t octets[4] = { 1, 2, 3, 4 };
	struct reader reader = reader_init(octets, sizeof octets);
	uint8_t room[4];
	struct writer writer = writer_init(room, sizeof room);

	reader_u8(&reader);
	assert_null(reader_take(&reader, SIZE_MAX));
	assert_true(reader.failed);
	writer_u8(&writer, 1);
	assert_null(writer_room(&writer, SIZE_MAX));
	assert_true(writer.failed);
}

static void test_writing_beyond_the_end(void **state)
{
	uint8_t octets[4] = {};
	struct writer writer = writer_init(octets, 3);

	writer_u16(&writer, 0x0102);
	writer_u16(&writer, 0x0304);
	assert_true(writer.failed);
	/* Lost, though it would fit. */
	writer_u8(&writer, 9);
	assert_memory_equal(octets, "\1\2\0\0", 4);
	writer_patch_u16(&writer, 0, 0xffff);
	assert_memory_equal(octets, "\1\2\0\0", 4);
}

static void test_patching_only_what_was_written(void **state)
{
	uint8_t octets[8] = {};
	struct writer writer = writer_init(octets, sizeof octets);

	writer_u16(&writer, 0x0102);
	writer_patch_u16(&writer, 1, 0xffff);
	assert_true(writer.failed);
	writer = writer_init(octets, sizeof octets);
	writer_patch_u16(&writer, 100, 0xffff);
	assert_true(writer.failed);
	writer = writer_init(octets, sizeof octets);
	writer_u16(&writer, 0x0102);
	writer_patch_u32(&writer, 0, 0xffffffff);
	assert_true(writer.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_reading_beyond_the_end),
		cmocka_unit_test(test_error_sticks),
		cmocka_unit_test(test_sub_reader),
		cmocka_unit_test(test_huge_sizes),
		cmocka_unit_test(test_writing_beyond_the_end),
		cmocka_unit_test(test_patching_only_what_was_written),
	};

	return cmocka_run_group_tests_name("cursor", tests, NULL, NULL);
}
