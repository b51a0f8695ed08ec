/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Copies of the last inner packets sent, in memory that is allocated once. A path that breaks takes
 * what was under way with it, and a sender that waits for acknowledgements has nothing more to say
 * until its own time-out: these packets, sent again where the peer is now, make it go on at once.
 */
#include <stddef.h>
#include <stdint.h>

#define RECENT_PACKETS     16
#define RECENT_PACKET_SIZE 1500 /* larger ones are not kept */

struct recent_packet {
	uint64_t at; /* ms */
	size_t size;
	uint8_t data[RECENT_PACKET_SIZE];
};

/* All zero is an empty one. */
struct recent_packets {
	struct recent_packet *ring;
	unsigned int first, n;
};

/* Without memory nothing is kept. */
void recent_packets_note(struct recent_packets *recent, uint64_t now, const uint8_t *data,
			 size_t size);
/* Takes the oldest one out; borrowed until the next note. NULL: there is none. */
const struct recent_packet *recent_packets_take(struct recent_packets *recent);
/* Empties it and gives the memory back. */
void recent_packets_clear(struct recent_packets *recent);
