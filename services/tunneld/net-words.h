/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Numbers in network order in the middle of packets, where a bounds check for each would be one too
 * many: whoever uses these has looked at the size.
 */
#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t get_u16(const uint8_t *data)
{
	uint16_t value;

	memcpy(&value, data, sizeof value);
	return be16toh(value);
}

static inline uint32_t get_u32(const uint8_t *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof value);
	return be32toh(value);
}

static inline void put_u16(uint8_t *data, uint16_t value)
{
	value = htobe16(value);
	memcpy(data, &value, sizeof value);
}

static inline void put_u32(uint8_t *data, uint32_t value)
{
	value = htobe32(value);
	memcpy(data, &value, sizeof value);
}

static inline void put_u64(uint8_t *data, uint64_t value)
{
	value = htobe64(value);
	memcpy(data, &value, sizeof value);
}
