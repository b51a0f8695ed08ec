/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/stun-wire.h"

#include <errno.h>

#define LENGTH_POSITION  2
#define FINGERPRINT_XOR  0x5354554e
#define FINGERPRINT_SIZE 8 /* with its header */
#define FAMILY_IPV4      1
#define FAMILY_IPV6      2
#define CHANGE_ADDRESS   0x4
#define CHANGE_PORT      0x2

/* CRC-32 as in ISO 3309, which FINGERPRINT is made of (§14.7); a few dozen octets at a time. */
static uint32_t crc32(const uint8_t *octets, size_t size)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < size; i++) {
		crc ^= octets[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static size_t padded(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

static size_t address_size(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

/* The cookie and the transaction, as the addresses are disguised with (§14.2). */
static void make_mask(const uint8_t txid[STUN_TXID_SIZE], uint8_t ret[16])
{
	struct writer writer = writer_init(ret, 16);

	writer_u32(&writer, STUN_COOKIE);
	writer_copy(&writer, txid, STUN_TXID_SIZE);
}

static void apply_mask(struct stun_address *address, const uint8_t txid[STUN_TXID_SIZE])
{
	uint8_t mask[16];

	make_mask(txid, mask);
	address->port ^= STUN_COOKIE >> 16;
	for (size_t i = 0; i < address_size(address->family); i++)
		address->octets[i] ^= mask[i];
}

/* The first of its kind counts (§14). */
static bool read_address(struct reader *value, struct stun_address *ret)
{
	struct stun_address address = {};
	uint8_t family;

	reader_u8(value);
	family = reader_u8(value);
	address.port = reader_u16(value);
	if (family != FAMILY_IPV4 && family != FAMILY_IPV6)
		return false;
	address.family = family == FAMILY_IPV4 ? 4 : 6;
	reader_copy(value, address.octets, address_size(address.family));
	if (value->failed || reader_left(value) > 0)
		return false;
	if (!ret->family)
		*ret = address;
	return true;
}

static bool read_change_request(struct reader *value, struct stun_message *message)
{
	uint32_t flags = reader_u32(value);

	message->has_change_request = true;
	message->change_address = flags & CHANGE_ADDRESS;
	message->change_port = flags & CHANGE_PORT;
	return !value->failed && reader_left(value) == 0;
}

/* The standard has two octets, and what follows them is padding; coturn counts that in the length.
 */
static bool read_response_port(struct reader *value, struct stun_message *message)
{
	message->has_response_port = true;
	message->response_port = reader_u16(value);
	return !value->failed && (reader_left(value) == 0 || reader_left(value) == 2);
}

static bool read_error(struct reader *value, struct stun_message *message)
{
	unsigned int class, number;

	reader_u16(value);
	class = reader_u8(value) & 7;
	number = reader_u8(value);
	if (value->failed || class < 3 || class > 6 || number > 99)
		return false;
	message->error = class * 100 + number;
	return true;
}

static bool read_xor_mapped(struct reader *value, struct stun_message *message)
{
	bool is_first = !message->xor_mapped.family;

	if (!read_address(value, &message->xor_mapped))
		return false;
	if (is_first)
		apply_mask(&message->xor_mapped, message->txid);
	return true;
}

static void note_unknown(struct stun_message *message, uint16_t attribute)
{
	if (attribute >= STUN_OPTIONAL_ATTRIBUTES)
		return;
	if (message->n_unknown < STUN_UNKNOWN_LIMIT)
		message->unknown[message->n_unknown++] = attribute;
}

static bool read_attribute(uint16_t attribute, struct reader *value, struct stun_message *message)
{
	switch (attribute) {
	case STUN_MAPPED_ADDRESS:
		return read_address(value, &message->mapped);
	case STUN_XOR_MAPPED_ADDRESS:
		return read_xor_mapped(value, message);
	case STUN_RESPONSE_ORIGIN:
		return read_address(value, &message->response_origin);
	case STUN_OTHER_ADDRESS:
		return read_address(value, &message->other_address);
	case STUN_CHANGE_REQUEST:
		return read_change_request(value, message);
	case STUN_RESPONSE_PORT:
		return read_response_port(value, message);
	case STUN_ERROR_CODE:
		return read_error(value, message);
	case STUN_PADDING:
		message->has_padding = true;
		return true;
	case STUN_USERNAME:
	case STUN_REALM:
	case STUN_NONCE:
	case STUN_MESSAGE_INTEGRITY:
	case STUN_MESSAGE_INTEGRITY_SHA256:
	case STUN_UNKNOWN_ATTRIBUTES:
		/* Known, and of no meaning to who has no password in common. */
		return true;
	default:
		note_unknown(message, attribute);
		return true;
	}
}

/* It covers all that is before it, and is the last (§14.7). */
static bool check_fingerprint(const uint8_t *octets, size_t size, size_t position,
			      struct reader *value)
{
	return reader_u32(value) == (crc32(octets, position) ^ FINGERPRINT_XOR) && !value->failed &&
	       reader_left(value) == 0 && position + FINGERPRINT_SIZE == size;
}

static bool read_attributes(struct reader *reader, struct stun_message *message)
{
	bool is_sealed = false;

	while (reader_left(reader) > 0) {
		size_t position = reader->position;
		uint16_t attribute = reader_u16(reader);
		uint16_t length = reader_u16(reader);
		struct reader value = reader_sub(reader, length);

		reader_take(reader, padded(length) - length);
		if (reader->failed)
			return false;
		if (attribute == STUN_FINGERPRINT) {
			if (!check_fingerprint(reader->data, reader->size, position, &value))
				return false;
			message->has_fingerprint = true;
		} else if (!is_sealed && !read_attribute(attribute, &value, message)) {
			return false;
		}
		/* What follows an integrity check could have been put there by anybody (§14.5). */
		if (attribute == STUN_MESSAGE_INTEGRITY ||
		    attribute == STUN_MESSAGE_INTEGRITY_SHA256)
			is_sealed = true;
	}
	return true;
}

static bool is_binding(uint16_t type)
{
	return type == STUN_REQUEST || type == STUN_INDICATION || type == STUN_SUCCESS ||
	       type == STUN_ERROR;
}

bool stun_is_message(const void *octets, size_t size)
{
	struct reader reader = reader_init(octets, size);
	uint16_t type = reader_u16(&reader);
	uint16_t length = reader_u16(&reader);

	return size >= STUN_HEADER_SIZE && reader_u32(&reader) == STUN_COOKIE && type < 0x4000 &&
	       length % 4 == 0 && length == size - STUN_HEADER_SIZE;
}

int stun_parse(const void *octets, size_t size, struct stun_message *ret)
{
	struct reader reader = reader_init(octets, size);
	struct stun_message message = {};

	if (!stun_is_message(octets, size))
		return -EBADMSG;
	message.type = reader_u16(&reader);
	reader_take(&reader, 6);
	reader_copy(&reader, message.txid, STUN_TXID_SIZE);
	if (!is_binding(message.type) || !read_attributes(&reader, &message))
		return -EBADMSG;
	*ret = message;
	return 0;
}

const struct stun_address *stun_reflexive(const struct stun_message *message)
{
	return message->xor_mapped.family ? &message->xor_mapped : &message->mapped;
}

void stun_begin(struct writer *writer, uint16_t type, const uint8_t txid[STUN_TXID_SIZE])
{
	writer_u16(writer, type);
	writer_u16(writer, 0);
	writer_u32(writer, STUN_COOKIE);
	writer_copy(writer, txid, STUN_TXID_SIZE);
}

void stun_put_address(struct writer *writer, uint16_t attribute, const struct stun_address *address)
{
	size_t size = address_size(address->family);

	writer_u16(writer, attribute);
	writer_u16(writer, 4 + size);
	writer_u8(writer, 0);
	writer_u8(writer, address->family == 4 ? FAMILY_IPV4 : FAMILY_IPV6);
	writer_u16(writer, address->port);
	writer_copy(writer, address->octets, size);
}

void stun_put_xor_mapped(struct writer *writer, const struct stun_address *address,
			 const uint8_t txid[STUN_TXID_SIZE])
{
	struct stun_address disguised = *address;

	apply_mask(&disguised, txid);
	stun_put_address(writer, STUN_XOR_MAPPED_ADDRESS, &disguised);
}

void stun_put_change_request(struct writer *writer, bool address, bool port)
{
	writer_u16(writer, STUN_CHANGE_REQUEST);
	writer_u16(writer, 4);
	writer_u32(writer, (address ? CHANGE_ADDRESS : 0) | (port ? CHANGE_PORT : 0));
}

void stun_put_response_port(struct writer *writer, uint16_t port)
{
	writer_u16(writer, STUN_RESPONSE_PORT);
	writer_u16(writer, 2);
	writer_u16(writer, port);
	writer_u16(writer, 0);
}

static void put_zeros(struct writer *writer, size_t size)
{
	uint8_t *room = writer_room(writer, size);

	if (room)
		memset(room, 0, size);
}

void stun_put_padding(struct writer *writer, size_t size)
{
	writer_u16(writer, STUN_PADDING);
	writer_u16(writer, padded(size));
	put_zeros(writer, padded(size));
}

void stun_put_error(struct writer *writer, uint16_t error, const char *reason)
{
	size_t size = strlen(reason);

	writer_u16(writer, STUN_ERROR_CODE);
	writer_u16(writer, 4 + size);
	writer_u16(writer, 0);
	writer_u8(writer, error / 100);
	writer_u8(writer, error % 100);
	writer_copy(writer, reason, size);
	put_zeros(writer, padded(size) - size);
}

void stun_put_unknown_attributes(struct writer *writer, const uint16_t *attributes, size_t n)
{
	writer_u16(writer, STUN_UNKNOWN_ATTRIBUTES);
	writer_u16(writer, 2 * n);
	for (size_t i = 0; i < n; i++)
		writer_u16(writer, attributes[i]);
	put_zeros(writer, padded(2 * n) - 2 * n);
}

void stun_put_fingerprint(struct writer *writer)
{
	size_t size = writer->position;

	if (writer->failed)
		return;
	writer_patch_u16(writer, LENGTH_POSITION, size - STUN_HEADER_SIZE + FINGERPRINT_SIZE);
	writer_u16(writer, STUN_FINGERPRINT);
	writer_u16(writer, 4);
	writer_u32(writer, crc32(writer->data, size) ^ FINGERPRINT_XOR);
}

int stun_end(struct writer *writer)
{
	writer_patch_u16(writer, LENGTH_POSITION, writer->position - STUN_HEADER_SIZE);
	return writer->failed ? -ENOBUFS : (int)writer->position;
}
