/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-spis-state.h"

#include <stdlib.h>

#define PLACES_FIRST 16

/* Where it is, or the free place where it would be. There is always one. */
static size_t find(const struct ike_spis *spis, uint32_t spi)
{
	size_t at = spi & (spis->n_places - 1);

	while (spis->places[at] && spis->places[at] != spi)
		at = (at + 1) & (spis->n_places - 1);
	return at;
}

/* Half of the places stay free, so that the ways are short. */
static bool grow(struct ike_spis *spis)
{
	struct ike_spis larger = { .n_places = spis->n_places ? 2 * spis->n_places : PLACES_FIRST,
				   .n = spis->n };

	larger.places = calloc(larger.n_places, sizeof *larger.places);
	if (!larger.places)
		return false;
	for (size_t i = 0; i < spis->n_places; i++)
		if (spis->places[i])
			larger.places[find(&larger, spis->places[i])] = spis->places[i];
	free(spis->places);
	*spis = larger;
	return true;
}

bool ike_spis_have(const struct ike_spis *spis, uint32_t spi)
{
	return spis->n && spis->places[find(spis, spi)];
}

bool ike_spis_take(struct ike_spis *spis, uint32_t spi)
{
	if (ike_spis_have(spis, spi))
		return false;
	if (2 * (spis->n + 1) > spis->n_places && !grow(spis))
		return true;
	spis->places[find(spis, spi)] = spi;
	spis->n++;
	return true;
}

void ike_spis_give(struct ike_spis *spis, uint32_t spi)
{
	size_t hole, at, mask = spis->n_places - 1;

	if (!ike_spis_have(spis, spi))
		return;
	hole = find(spis, spi);
	spis->places[hole] = 0;
	spis->n--;
	/* Those behind it that had to go on because of it move up. */
	for (at = (hole + 1) & mask; spis->places[at]; at = (at + 1) & mask) {
		size_t home = spis->places[at] & mask;

		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		spis->places[hole] = spis->places[at];
		spis->places[at] = 0;
		hole = at;
	}
}

void ike_spis_clear(struct ike_spis *spis)
{
	free(spis->places);
	*spis = (struct ike_spis){};
}
