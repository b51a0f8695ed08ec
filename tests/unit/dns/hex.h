/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages in tests are written in hexadecimal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

/* Octets into `buffer`; returns how many. */
static inline size_t from_hex(const char *hex, uint8_t *buffer)
{
	size_t size = strlen(hex) / 2;

	for (size_t i = 0; i < size; i++) {
		char pair[3] = { hex[2 * i], hex[2 * i + 1], 0 };

		buffer[i] = strtoul(pair, NULL, 16);
	}
	return size;
}

static inline void assert_hex(const void *octets, size_t size, const char *hex)
{
	uint8_t expected[2048];

	assert_int_equal(size, from_hex(hex, expected));
	assert_memory_equal(octets, expected, size);
}

/* A record from its presentation; the caller frees it. */
static inline ldns_rr *rr_from(const char *text)
{
	ldns_rr *rr = NULL;

	assert_int_equal(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK);
	return rr;
}
