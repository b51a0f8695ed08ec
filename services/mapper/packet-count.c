/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/packet-count.h"

void packet_count_add(struct packet_count *count, uint64_t n, uint64_t now)
{
	uint64_t second = now / 1000;

	for (int i = 0; i < PACKET_COUNT_SECONDS && count->second < second; i++) {
		/* After a minute without packets all slots are emptied, and it is `second`. */
		if (second - count->second > PACKET_COUNT_SECONDS)
			count->second = second - PACKET_COUNT_SECONDS;
		count->second++;
		count->slots[count->second % PACKET_COUNT_SECONDS] = 0;
	}
	count->slots[second % PACKET_COUNT_SECONDS] += n;
	count->total += n;
}

uint32_t packet_count_last_minute(const struct packet_count *count, uint64_t now)
{
	uint64_t age = now / 1000 - count->second;
	uint32_t n = 0;

	for (uint64_t i = 0; i + age < PACKET_COUNT_SECONDS && i <= count->second; i++)
		n += count->slots[(count->second - i) % PACKET_COUNT_SECONDS];
	return n;
}
