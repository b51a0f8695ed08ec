/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/echo-wire.h"

#include "common/wire/cursor.h"
#include "services/tunneld/inner-wire.h"
#include "services/tunneld/internet-sum.h"

#include <string.h>

#define ICMP_ECHO_REQUEST 128
#define ICMP_ECHO_REPLY   129
#define ICMP_HEADER_SIZE  8
#define HOP_LIMIT         64
#define IDENTIFIER        0x6877     /* "hw" */
#define WORD              0x68777365 /* "hwse" */

#define NEXT_FRAGMENT        44
#define FRAGMENT_OFFSET_BITS 0xfff8

void echo_write(uint8_t *target, size_t size, const struct in6_addr *source,
		const struct in6_addr *destination, uint32_t number)
{
	struct writer writer = writer_init(target, size);
	uint64_t sum;
	uint16_t checksum;

	memset(target, 0, size);
	writer_u32(&writer, UINT32_C(6) << 28);
	writer_u16(&writer, size - INNER_HEADER_SIZE);
	writer_u8(&writer, IPPROTO_ICMPV6);
	writer_u8(&writer, HOP_LIMIT);
	writer_copy(&writer, source, sizeof *source);
	writer_copy(&writer, destination, sizeof *destination);
	writer_u8(&writer, ICMP_ECHO_REQUEST);
	writer_u8(&writer, 0);
	writer_u16(&writer, 0);
	writer_u16(&writer, IDENTIFIER);
	writer_u16(&writer, number);
	writer_u32(&writer, WORD);
	writer_u32(&writer, number);
	sum = internet_sum_pseudo(target + 8, size - INNER_HEADER_SIZE, IPPROTO_ICMPV6);
	checksum = ~internet_sum_fold(
		internet_sum_add(sum, target + INNER_HEADER_SIZE, size - INNER_HEADER_SIZE));
	memcpy(target + INNER_HEADER_SIZE + 2, &checksum, sizeof checksum);
}

bool echo_read_answer(const uint8_t *packet, size_t size, uint32_t *ret_number)
{
	struct reader reader = reader_init(packet, size);
	uint8_t next;

	reader_take(&reader, 6);
	next = reader_u8(&reader);
	reader_take(&reader, INNER_HEADER_SIZE - 7);
	if (next == NEXT_FRAGMENT) {
		next = reader_u8(&reader);
		reader_take(&reader, 1);
		if (reader_u16(&reader) & FRAGMENT_OFFSET_BITS)
			return false;
		reader_take(&reader, 4);
	}
	if (next != IPPROTO_ICMPV6 || reader_u8(&reader) != ICMP_ECHO_REPLY ||
	    reader_u8(&reader) != 0)
		return false;
	reader_take(&reader, 2);
	if (reader_u16(&reader) != IDENTIFIER)
		return false;
	reader_take(&reader, 2);
	if (reader_u32(&reader) != WORD)
		return false;
	*ret_number = reader_u32(&reader);
	return !reader.failed;
}
