/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What cmocka wants before it, and octets as hex. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static inline size_t from_hex(const char *hex, uint8_t *ret)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char pair[] = { hex[2 * i], hex[2 * i + 1], 0 };

		ret[i] = strtoul(pair, NULL, 16);
	}
	return n;
}

#define assert_octets(actual, hex)                                                                 \
	do {                                                                                       \
		uint8_t expected_[sizeof(hex) / 2];                                                \
		size_t size_ = from_hex(hex, expected_);                                           \
		assert_memory_equal(actual, expected_, size_);                                     \
	} while (0)
