/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-round-trip-state.h"

void ike_round_trip_note(struct ike_round_trip *trip, uint64_t msec)
{
	uint64_t difference;

	if (!trip->measured) {
		trip->measured = true;
		trip->smoothed = msec;
		trip->variation = msec / 2;
		return;
	}
	difference = trip->smoothed > msec ? trip->smoothed - msec : msec - trip->smoothed;
	trip->variation = (3 * trip->variation + difference) / 4;
	trip->smoothed = (7 * trip->smoothed + msec) / 8;
}

void ike_round_trip_forget(struct ike_round_trip *trip)
{
	*trip = (struct ike_round_trip){};
}

uint64_t ike_round_trip_first(const struct ike_round_trip *trip)
{
	uint64_t delay = trip->smoothed + 4 * trip->variation;

	if (!trip->measured)
		return IKE_REPEAT_FIRST;
	if (delay < IKE_REPEAT_MINIMUM)
		return IKE_REPEAT_MINIMUM;
	return delay < IKE_REPEAT_MAXIMUM ? delay : IKE_REPEAT_MAXIMUM;
}

uint64_t ike_round_trip_next(uint64_t delay)
{
	return 2 * delay < IKE_REPEAT_LAST ? 2 * delay : IKE_REPEAT_LAST;
}
