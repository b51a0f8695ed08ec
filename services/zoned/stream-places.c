/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/stream-places.h"

#include <errno.h>
#include <stdlib.h>

#define PLACE_BITS    20
#define PLACES_MAX    (1u << PLACE_BITS)
#define PLACE(number) ((uint32_t)((number) & (PLACES_MAX - 1)))

/* Twice as many. */
static int grow(struct stream_places *places)
{
	uint32_t n = places->n ? places->n * 2 : 64;
	struct connection **items;
	uint32_t *free_places;

	if (n > PLACES_MAX)
		return -ENOMEM;
	items = reallocarray(places->items, n, sizeof *items);
	if (!items)
		return -ENOMEM;
	places->items = items;
	free_places = reallocarray(places->free, n, sizeof *free_places);
	if (!free_places)
		return -ENOMEM;
	places->free = free_places;
	while (places->n < n) {
		places->items[places->n] = NULL;
		places->free[places->n_free++] = places->n++;
	}
	return 0;
}

int stream_places_take(struct stream_places *places, struct connection *connection,
		       uint64_t *ret_number)
{
	uint32_t place;
	int r = places->n_free ? 0 : grow(places);

	if (r < 0)
		return r;
	place = places->free[--places->n_free];
	places->items[place] = connection;
	*ret_number = ++places->n_taken << PLACE_BITS | place;
	return 0;
}

struct connection *stream_places_find(const struct stream_places *places, uint64_t number)
{
	uint32_t place = PLACE(number);

	return place < places->n ? places->items[place] : NULL;
}

void stream_places_leave(struct stream_places *places, uint64_t number)
{
	places->items[PLACE(number)] = NULL;
	places->free[places->n_free++] = PLACE(number);
}

void stream_places_clear(struct stream_places *places)
{
	free(places->items);
	free(places->free);
	*places = (struct stream_places){};
}
