/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How many packets were sent, in all and within the last minute. All zero is none. */
#include <stdint.h>

#define PACKET_COUNT_SECONDS 60

struct packet_count {
	uint64_t total;
	uint64_t second; /* that the newest slot is of */
	uint32_t slots[PACKET_COUNT_SECONDS];
};

/* `now` in milliseconds of a clock that never goes back. */
void packet_count_add(struct packet_count *count, uint64_t n, uint64_t now);
uint32_t packet_count_last_minute(const struct packet_count *count, uint64_t now);
