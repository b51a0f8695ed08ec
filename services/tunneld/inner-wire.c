/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/inner-wire.h"

#include "common/wire/cursor.h"

#include <errno.h>
#include <string.h>

#define ICMP_HEADER_SIZE 8
#define ICMP_UNREACHABLE 1
#define ICMP_TOO_BIG     2
#define ICMP_HOP_LIMIT   64

static const uint32_t dummy_words[] = {
	[DUMMY_PROBE] = 0x68777072,       /* "hwpr" */
	[DUMMY_ANSWER] = 0x6877616e,      /* "hwan" */
	[DUMMY_SIZE_PROBE] = 0x68777370,  /* "hwsp" */
	[DUMMY_SIZE_ANSWER] = 0x68777361, /* "hwsa" */
};

int inner_parse(const uint8_t *packet, size_t size, struct inner_packet *ret)
{
	struct reader reader = reader_init(packet, size);
	uint32_t first = reader_u32(&reader);
	size_t payload_size = reader_u16(&reader);

	reader_take(&reader, 2);
	reader_copy(&reader, &ret->source, 16);
	reader_copy(&reader, &ret->destination, 16);
	if (reader.failed || first >> 28 != 6 || payload_size > reader_left(&reader))
		return -EINVAL;
	ret->size = INNER_HEADER_SIZE + payload_size;
	ret->traffic_class = first >> 20;
	return 0;
}

/* The ICMPv6 checksum over the pseudo header (RFC 8200 §8.1) and the message. */
static uint16_t icmp_checksum(const uint8_t *addresses, const uint8_t *message, size_t size)
{
	uint32_t sum = size + IPPROTO_ICMPV6;

	for (size_t i = 0; i < 32; i += 2)
		sum += addresses[i] << 8 | addresses[i + 1];
	for (size_t i = 0; i + 1 < size; i += 2)
		sum += message[i] << 8 | message[i + 1];
	if (size % 2)
		sum += message[size - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static bool may_be_answered(const uint8_t *packet, size_t size, const struct inner_packet *inner)
{
	static const struct in6_addr unspecified;

	if (inner->destination.s6_addr[0] == 0xff || inner->source.s6_addr[0] == 0xff ||
	    !memcmp(&inner->source, &unspecified, sizeof unspecified))
		return false;
	/* No error about an error. */
	return packet[6] != IPPROTO_ICMPV6 ||
	       (size > INNER_HEADER_SIZE && packet[INNER_HEADER_SIZE] >= 128);
}

static size_t build_error(const uint8_t *packet, size_t size, uint8_t type, uint8_t code,
			  uint32_t value, uint8_t *target)
{
	struct writer writer = writer_init(target, INNER_ERROR_LIMIT);
	struct inner_packet inner;
	size_t quoted;

	if (inner_parse(packet, size, &inner) < 0 || !may_be_answered(packet, size, &inner))
		return 0;
	quoted = INNER_ERROR_LIMIT - INNER_HEADER_SIZE - ICMP_HEADER_SIZE;
	if (inner.size < quoted)
		quoted = inner.size;
	writer_u32(&writer, UINT32_C(6) << 28);
	writer_u16(&writer, ICMP_HEADER_SIZE + quoted);
	writer_u8(&writer, IPPROTO_ICMPV6);
	writer_u8(&writer, ICMP_HOP_LIMIT);
	writer_copy(&writer, &inner.destination, 16);
	writer_copy(&writer, &inner.source, 16);
	writer_u8(&writer, type);
	writer_u8(&writer, code);
	writer_u16(&writer, 0);
	writer_u32(&writer, value);
	writer_copy(&writer, packet, quoted);
	writer_patch_u16(
		&writer, INNER_HEADER_SIZE + 2,
		icmp_checksum(target + 8, target + INNER_HEADER_SIZE, ICMP_HEADER_SIZE + quoted));
	return writer.failed ? 0 : writer.position;
}

size_t inner_build_unreachable(const uint8_t *packet, size_t size, uint8_t code, uint8_t *target)
{
	return build_error(packet, size, ICMP_UNREACHABLE, code, 0, target);
}

size_t inner_build_too_big(const uint8_t *packet, size_t size, uint32_t mtu, uint8_t *target)
{
	return build_error(packet, size, ICMP_TOO_BIG, 0, mtu, target);
}

void dummy_write(uint8_t payload[DUMMY_SIZE], enum dummy_kind kind, uint32_t number)
{
	struct writer writer = writer_init(payload, DUMMY_SIZE);

	writer_u32(&writer, dummy_words[kind]);
	writer_u32(&writer, number);
}

void dummy_write_answer(uint8_t payload[DUMMY_ANSWER_SIZE], uint32_t number,
			const struct sockaddr_in *seen)
{
	dummy_write(payload, DUMMY_ANSWER, number);
	memcpy(payload + DUMMY_SIZE, &seen->sin_addr, 4);
	memcpy(payload + DUMMY_SIZE + 4, &seen->sin_port, 2);
}

struct sockaddr_in dummy_read_seen(const uint8_t *payload, size_t size)
{
	struct sockaddr_in seen = { .sin_family = AF_INET };
	uint32_t number;

	if (size < DUMMY_ANSWER_SIZE || dummy_read(payload, size, &number) != DUMMY_ANSWER)
		return seen;
	memcpy(&seen.sin_addr, payload + DUMMY_SIZE, 4);
	memcpy(&seen.sin_port, payload + DUMMY_SIZE + 4, 2);
	return seen;
}

size_t inner_build_dummy(const struct in6_addr *source, const struct in6_addr *destination,
			 const uint8_t *payload, size_t size, uint8_t *target)
{
	struct writer writer = writer_init(target, INNER_HEADER_SIZE + size);

	writer_u32(&writer, UINT32_C(6) << 28);
	writer_u16(&writer, size);
	writer_u8(&writer, IPPROTO_NONE);
	writer_u8(&writer, 64);
	writer_copy(&writer, source, sizeof *source);
	writer_copy(&writer, destination, sizeof *destination);
	writer_copy(&writer, payload, size);
	return writer.position;
}

bool inner_is_dummy(const uint8_t *packet, size_t size)
{
	uint32_t number;

	return size >= INNER_HEADER_SIZE + DUMMY_SIZE && packet[6] == IPPROTO_NONE &&
	       dummy_read(packet + INNER_HEADER_SIZE, size - INNER_HEADER_SIZE, &number) !=
		       DUMMY_OTHER;
}

enum dummy_kind dummy_read(const uint8_t *payload, size_t size, uint32_t *ret_number)
{
	struct reader reader = reader_init(payload, size);
	uint32_t word = reader_u32(&reader);

	*ret_number = reader_u32(&reader);
	if (reader.failed)
		return DUMMY_OTHER;
	for (enum dummy_kind kind = DUMMY_PROBE; kind <= DUMMY_SIZE_ANSWER; kind++)
		if (word == dummy_words[kind])
			return kind;
	return DUMMY_OTHER;
}
