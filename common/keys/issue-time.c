/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/keys/issue-time.h"

#include "common/wire/cursor.h"

#include <errno.h>
#include <stdio.h>

/* First octet of a serial number that has a time in it; those of before begin with 0x40 to 0x7f. */
#define SERIAL_FORM 0x21
#define TIME_OCTETS 5

void issue_time_to_serial(uint64_t time, const uint8_t random[static ISSUE_SERIAL_RANDOM_SIZE],
			  uint8_t ret[static ISSUE_SERIAL_SIZE])
{
	struct writer writer = writer_init(ret, ISSUE_SERIAL_SIZE);

	writer_u8(&writer, SERIAL_FORM);
	writer_unsigned(&writer, time, TIME_OCTETS);
	writer_copy(&writer, random, ISSUE_SERIAL_RANDOM_SIZE);
}

uint64_t issue_time_of_serial(const uint8_t *serial, size_t size)
{
	struct reader reader = reader_init(serial, size);

	if (size != ISSUE_SERIAL_SIZE || reader_u8(&reader) != SERIAL_FORM)
		return 0;
	return reader_unsigned(&reader, TIME_OCTETS);
}

void issue_time_to_digits(uint64_t time, char ret[static 8 + 1])
{
	snprintf(ret, 8 + 1, "%08x", time < UINT32_MAX ? (uint32_t)time : UINT32_MAX);
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int issue_time_of_tag(const char *tag, size_t size, uint64_t *ret_time)
{
	uint64_t time = 0;

	if (size != ISSUE_TAG_SIZE && size != ISSUE_TAG_OLD_SIZE)
		return -EINVAL;
	for (size_t i = 0; i < size; i++) {
		int value = digit_value(tag[i]);

		if (value < 0)
			return -EINVAL;
		if (i >= ISSUE_TAG_OLD_SIZE)
			time = time << 4 | value;
	}
	*ret_time = time;
	return 0;
}
