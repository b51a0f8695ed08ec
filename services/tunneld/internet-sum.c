/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/internet-sum.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdbool.h>
#include <string.h>

typedef uint64_t lanes __attribute__((vector_size(32)));

/* Two halves of each lane are summed apart, so that nothing is carried out of a lane for 2^32 of
 * them. Compiled for a sum alone and for one while copying, each once for any processor and once
 * for one with registers as wide. */
#define SUM_BLOCKS(name, copies, attributes)                                                       \
	attributes static uint64_t name(uint64_t sum, uint8_t *target, const uint8_t *data,        \
					size_t n_blocks)                                           \
	{                                                                                          \
		lanes low = {}, high = {};                                                         \
                                                                                                   \
		for (size_t i = 0; i < n_blocks; i++) {                                            \
			lanes block;                                                               \
                                                                                                   \
			memcpy(&block, data + i * sizeof block, sizeof block);                     \
			if (copies)                                                                \
				memcpy(target + i * sizeof block, &block, sizeof block);           \
			low += block & UINT32_MAX;                                                 \
			high += block >> 32;                                                       \
		}                                                                                  \
		for (unsigned int i = 0; i < 4; i++)                                               \
			sum += low[i] + high[i];                                                   \
		return sum;                                                                        \
	}

SUM_BLOCKS(add_blocks, false, )
SUM_BLOCKS(copy_blocks, true, )
#ifdef __x86_64__
SUM_BLOCKS(add_blocks_avx2, false, __attribute__((target("avx2"))))
SUM_BLOCKS(copy_blocks_avx2, true, __attribute__((target("avx2"))))
#endif

#define TAKE(type)                                                                                 \
	do {                                                                                       \
		type word;                                                                         \
                                                                                                   \
		memcpy(&word, data, sizeof word);                                                  \
		data += sizeof word;                                                               \
		if (copies) {                                                                      \
			memcpy(target, &word, sizeof word);                                        \
			target += sizeof word;                                                     \
		}                                                                                  \
		sum += (word & UINT32_MAX) + ((uint64_t)word >> 32);                               \
	} while (0)

/* Less than a block is left: its halves, down to one octet. Nothing is put together in memory,
 * since reading back what was written in smaller pieces waits for all the writes before it. */
static inline uint64_t add_rest(uint64_t sum, uint8_t *target, const uint8_t *data, size_t size,
				bool copies)
{
	if (size & 16) {
		TAKE(uint64_t);
		TAKE(uint64_t);
	}
	if (size & 8)
		TAKE(uint64_t);
	if (size & 4)
		TAKE(uint32_t);
	if (size & 2)
		TAKE(uint16_t);
	if (size & 1) {
		if (copies)
			*target = *data;
		sum += htobe16(*data << 8);
	}
	return sum;
}

uint64_t internet_sum_add(uint64_t sum, const void *data, size_t size)
{
	size_t n_blocks = size / sizeof(lanes);

#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		sum = add_blocks_avx2(sum, NULL, data, n_blocks);
	else
#endif
		sum = add_blocks(sum, NULL, data, n_blocks);
	return add_rest(sum, NULL, (const uint8_t *)data + n_blocks * sizeof(lanes),
			size % sizeof(lanes), false);
}

uint64_t internet_sum_copy(uint64_t sum, void *target, const void *source, size_t size)
{
	size_t n_blocks = size / sizeof(lanes), n = n_blocks * sizeof(lanes);

#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		sum = copy_blocks_avx2(sum, target, source, n_blocks);
	else
#endif
		sum = copy_blocks(sum, target, source, n_blocks);
	return add_rest(sum, (uint8_t *)target + n, (const uint8_t *)source + n, size - n, true);
}

uint64_t internet_sum_pseudo(const uint8_t addresses[32], uint32_t size, uint8_t protocol)
{
	return internet_sum_add((uint64_t)htonl(size) + htonl(protocol), addresses, 32);
}

uint16_t internet_sum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return sum;
}
