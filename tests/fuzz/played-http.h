/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Takes the place of libminiupnpc's way to a gateway: whatever is asked of it, the answer is the
 * octets set here. */
#include <stddef.h>
#include <stdint.h>

void played_http_set(const uint8_t *data, size_t size);
