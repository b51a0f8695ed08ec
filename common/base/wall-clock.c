/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/wall-clock.h"

#define TOLERANCE 2000 /* ms */

uint64_t wall_clock_seconds(struct wall_clock *clock, uint64_t at, uint64_t now, uint64_t realtime)
{
	int64_t ahead = (int64_t)(realtime / 1000) - (int64_t)now;
	int64_t moved = ahead - clock->ahead, moment;

	if (!clock->known || moved > TOLERANCE || moved < -TOLERANCE)
		*clock = (struct wall_clock){ .known = true, .ahead = ahead };
	moment = (int64_t)at + clock->ahead;
	return moment > 0 ? moment / 1000 : 0;
}
