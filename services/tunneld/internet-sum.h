/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The Internet checksum (RFC 1071). Sums are kept as the ones' complement sum of the words in the
 * machine's own order, which is the sum in network order when it is written back as it was read.
 */
#include <stddef.h>
#include <stdint.h>

/* `sum` and the octets; an odd last one counts as if a zero followed. */
uint64_t internet_sum_add(uint64_t sum, const void *data, size_t size);
/* The same while copying them to `target`. */
uint64_t internet_sum_copy(uint64_t sum, void *target, const void *source, size_t size);
/* Of the pseudo header of RFC 8200 §8.1. */
uint64_t internet_sum_pseudo(const uint8_t addresses[32], uint32_t size, uint8_t protocol);
/* In 16 bits, not complemented. */
uint16_t internet_sum_fold(uint64_t sum);
