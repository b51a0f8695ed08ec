/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the unit tests of tunneld share: cmocka, and octets from hexadecimal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Returns how many octets `hex` gave. */
static inline size_t unit_unhex(const char *hex, uint8_t *target)
{
	size_t n = 0;
	unsigned int octet;

	for (; hex[0] && hex[1]; hex += 2) {
		assert_int_equal(sscanf(hex, "%2x", &octet), 1);
		target[n++] = octet;
	}
	return n;
}
