/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Moments of CLOCK_BOOTTIME, by which leases and mappings end, as people read them: in seconds of
 * CLOCK_REALTIME. That clock is set some time after the machine started, by minutes or years; and
 * it is steered a little all the time, which is no reason to tell each time another second. So the
 * difference of the two clocks is kept until it moved by more than two seconds.
 */
#include <stdbool.h>
#include <stdint.h>

struct wall_clock {
	bool known;
	int64_t ahead; /* milliseconds, of CLOCK_REALTIME */
};

/* `at` in seconds of CLOCK_REALTIME; `at` and `now` in milliseconds of CLOCK_BOOTTIME, `realtime`
 * is now in microseconds of CLOCK_REALTIME. */
uint64_t wall_clock_seconds(struct wall_clock *clock, uint64_t at, uint64_t now, uint64_t realtime);
