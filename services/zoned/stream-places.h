/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connections by number. A number is a place and, above that, a count: no other connection ever had
 * it, and finding one is looking into an array. */
#include <stdint.h>

struct connection;

/* All zero: none. */
struct stream_places {
	struct connection **items;
	uint32_t *free;
	uint32_t n, n_free;
	uint64_t n_taken;
};

/* Finds a place and the number that goes with it. 0 or -ENOMEM. */
int stream_places_take(struct stream_places *places, struct connection *connection,
		       uint64_t *ret_number);
/* NULL: it has gone. */
struct connection *stream_places_find(const struct stream_places *places, uint64_t number);
void stream_places_leave(struct stream_places *places, uint64_t number);
void stream_places_clear(struct stream_places *places);
