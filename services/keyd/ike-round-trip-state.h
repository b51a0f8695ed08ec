/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * When a request without an answer is sent again (RFC 7296 §2.1, §2.4). The first repetition comes
 * after what an answer takes on this path, as TCP estimates it (RFC 6298); before anything was
 * measured after IKE_REPEAT_FIRST. Every further one waits twice as long as the one before. Only
 * answers to requests that were sent once are measured: which sending an answer belongs to cannot
 * be told otherwise. Pure; milliseconds.
 */
#include <stdbool.h>
#include <stdint.h>

#define IKE_REPEAT_FIRST   200  /* nothing is known of the path */
#define IKE_REPEAT_MINIMUM 100  /* the other side may have signatures to make, pairs to install */
#define IKE_REPEAT_MAXIMUM 1000 /* the first repetition, however slow the path is */
#define IKE_REPEAT_LAST    4000 /* the pause grows to this */

struct ike_round_trip {
	bool measured;
	uint64_t smoothed, variation;
};

/* An answer took this long. */
void ike_round_trip_note(struct ike_round_trip *trip, uint64_t msec);
/* Another path: what was measured is of the former one. */
void ike_round_trip_forget(struct ike_round_trip *trip);
/* The pause before the first repetition. */
uint64_t ike_round_trip_first(const struct ike_round_trip *trip);
/* The pause after one of `delay`. */
uint64_t ike_round_trip_next(uint64_t delay);
