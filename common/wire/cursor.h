/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The one type that owns position and end in octets from or for the network. Its error sticks: read
 * ten fields, check once. After an error every read gives zero (or NULL) and every write is lost.
 * Integers are in network order, most significant octet first.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *data;
	size_t size;
	size_t position;
	bool failed;
};

struct writer {
	uint8_t *data;
	size_t capacity;
	size_t position;
	bool failed;
};

static inline struct reader reader_init(const void *data, size_t size)
{
	return (struct reader){ .data = data, .size = size };
}

static inline size_t reader_left(const struct reader *reader)
{
	return reader->failed ? 0 : reader->size - reader->position;
}

/* `size` octets of the input, valid as long as the input is; NULL when fewer are left. */
static inline const uint8_t *reader_take(struct reader *reader, size_t size)
{
	const uint8_t *start;

	if (reader->failed || size > reader->size - reader->position) {
		reader->failed = true;
		return NULL;
	}
	start = reader->data + reader->position;
	reader->position += size;
	return start;
}

static inline uint64_t reader_unsigned(struct reader *reader, size_t size)
{
	const uint8_t *octets = reader_take(reader, size);
	uint64_t value = 0;

	for (size_t i = 0; octets && i < size; i++)
		value = value << 8 | octets[i];
	return value;
}

static inline uint8_t reader_u8(struct reader *reader)
{
	return reader_unsigned(reader, 1);
}

static inline uint16_t reader_u16(struct reader *reader)
{
	return reader_unsigned(reader, 2);
}

static inline uint32_t reader_u32(struct reader *reader)
{
	return reader_unsigned(reader, 4);
}

static inline uint64_t reader_u64(struct reader *reader)
{
	return reader_unsigned(reader, 8);
}

static inline void reader_copy(struct reader *reader, void *target, size_t size)
{
	const uint8_t *octets = reader_take(reader, size);

	if (octets)
		memcpy(target, octets, size);
	else
		memset(target, 0, size);
}

/* A reader of its own over the next `size` octets; a failed one when fewer are left. */
static inline struct reader reader_sub(struct reader *reader, size_t size)
{
	const uint8_t *octets = reader_take(reader, size);

	return (struct reader){ .data = octets, .size = octets ? size : 0, .failed = !octets };
}

static inline struct writer writer_init(void *data, size_t capacity)
{
	return (struct writer){ .data = data, .capacity = capacity };
}

/* Room for `size` octets at the position, to be filled by the caller; NULL when there is none. */
static inline uint8_t *writer_room(struct writer *writer, size_t size)
{
	uint8_t *start;

	if (writer->failed || size > writer->capacity - writer->position) {
		writer->failed = true;
		return NULL;
	}
	start = writer->data + writer->position;
	writer->position += size;
	return start;
}

static inline void writer_unsigned(struct writer *writer, uint64_t value, size_t size)
{
	uint8_t *octets = writer_room(writer, size);

	for (size_t i = size; octets && i > 0; i--, value >>= 8)
		octets[i - 1] = value;
}

static inline void writer_u8(struct writer *writer, uint8_t value)
{
	writer_unsigned(writer, value, 1);
}

static inline void writer_u16(struct writer *writer, uint16_t value)
{
	writer_unsigned(writer, value, 2);
}

static inline void writer_u32(struct writer *writer, uint32_t value)
{
	writer_unsigned(writer, value, 4);
}

static inline void writer_u64(struct writer *writer, uint64_t value)
{
	writer_unsigned(writer, value, 8);
}

static inline void writer_copy(struct writer *writer, const void *source, size_t size)
{
	uint8_t *octets = writer_room(writer, size);

	if (octets && size)
		memcpy(octets, source, size);
}

/* Overwrites two octets written before, such as a length known only now. */
static inline void writer_patch_u16(struct writer *writer, size_t position, uint16_t value)
{
	if (writer->failed || position > writer->position || writer->position - position < 2) {
		writer->failed = true;
		return;
	}
	writer->data[position] = value >> 8;
	writer->data[position + 1] = value;
}

static inline void writer_patch_u32(struct writer *writer, size_t position, uint32_t value)
{
	writer_patch_u16(writer, position, value >> 16);
	writer_patch_u16(writer, position + 2, value);
}
