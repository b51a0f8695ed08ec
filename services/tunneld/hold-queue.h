/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Copies of inner packets that cannot be sent yet, or that were sent on a path in doubt. Bounded in
 * packets, octets and age; the oldest give way.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLD_QUEUE_PACKETS  64
#define HOLD_QUEUE_OCTETS   (128 * 1024)
#define HOLD_QUEUE_AGE_MSEC 30000

struct held_packet {
	struct held_packet *next;
	uint64_t since; /* ms */
	uint32_t probe; /* number of the last probe sent before it was last sent; 0: never sent */
	size_t size;
	uint8_t data[];
};

/* All zero is an empty one. */
struct hold_queue {
	struct held_packet *first, *last;
	size_t n_packets, n_octets;
};

/* Copies a packet in. Returns how many older ones gave way, or -ENOMEM. */
int hold_queue_push(struct hold_queue *queue, uint64_t now, uint32_t probe, const uint8_t *data,
		    size_t size);
/* Whether the oldest is too old. */
bool hold_queue_is_stale(const struct hold_queue *queue, uint64_t now);
/* Frees what is too old; returns how many that were. */
int hold_queue_expire(struct hold_queue *queue, uint64_t now);
void hold_queue_clear(struct hold_queue *queue);
