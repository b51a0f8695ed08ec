/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdlib.h>

/* How far apart the cases are of those that a test goes through one by one (octets, lengths, bits,
 * seeds): 1, or what HOMEWARD_STEP says. For valgrind, which is twenty times slower, while all of
 * them run without it. */
static inline unsigned int test_step(void)
{
	const char *step = getenv("HOMEWARD_STEP");
	int n = step ? atoi(step) : 1;

	return n > 0 ? n : 1;
}
