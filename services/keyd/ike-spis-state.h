/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The inbound SPIs of all child SAs, so that no two have the same. They are random and our own, so
 * they are their own hash.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: none. */
struct ike_spis {
	uint32_t *places; /* a power of two of them; 0: free */
	size_t n_places, n;
};

/* False: it is taken already. Without memory it is not noted, and another may get the same: tunneld
 * refuses that one. */
bool ike_spis_take(struct ike_spis *spis, uint32_t spi);
/* Nothing for one that is not taken. */
void ike_spis_give(struct ike_spis *spis, uint32_t spi);
bool ike_spis_have(const struct ike_spis *spis, uint32_t spi);
/* Frees its memory; empty then. */
void ike_spis_clear(struct ike_spis *spis);
