/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/internet-sum.h"

#include <arpa/inet.h>
#include <string.h>

typedef uint64_t lanes __attribute__((vector_size(32)));

/* Two halves of each lane are summed apart, so that nothing is carried out of a lane for 2^32 of
 * them. Compiled once for any processor and once for one with registers as wide. */
#define SUM_BLOCKS(name, attributes)                                                               \
	attributes static uint64_t name(uint64_t sum, const uint8_t *data, size_t n_blocks)        \
	{                                                                                          \
		lanes low = {}, high = {};                                                         \
                                                                                                   \
		for (size_t i = 0; i < n_blocks; i++) {                                            \
			lanes block;                                                               \
                                                                                                   \
			memcpy(&block, data + i * sizeof block, sizeof block);                     \
			low += block & UINT32_MAX;                                                 \
			high += block >> 32;                                                       \
		}                                                                                  \
		for (unsigned int i = 0; i < 4; i++)                                               \
			sum += low[i] + high[i];                                                   \
		return sum;                                                                        \
	}

SUM_BLOCKS(sum_blocks, )
#ifdef __x86_64__
SUM_BLOCKS(sum_blocks_avx2, __attribute__((target("avx2"))))
#endif

uint64_t internet_sum_add(uint64_t sum, const void *data, size_t size)
{
	const uint8_t *octets = data;
	size_t n_blocks = size / sizeof(lanes);
	uint32_t word;

#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		sum = sum_blocks_avx2(sum, octets, n_blocks);
	else
#endif
		sum = sum_blocks(sum, octets, n_blocks);
	octets += n_blocks * sizeof(lanes);
	size -= n_blocks * sizeof(lanes);
	for (; size >= sizeof word; size -= sizeof word, octets += sizeof word) {
		memcpy(&word, octets, sizeof word);
		sum += word;
	}
	if (size) {
		word = 0;
		memcpy(&word, octets, size);
		sum += word;
	}
	return sum;
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
