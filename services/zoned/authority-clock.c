/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The clock is set while leases run. They run on, but their dates in the storage are by the clock
 * as it was: after a restart a lease of an hour would have ended long ago, or go on to the longest
 * there is. So the dates move with the clock.
 */
#include "services/zoned/authority-internal.h"

/* No lease is so short that less matters. */
#define CLOCK_STEP_MSEC 60000

static int64_t lead_of(const struct moment *moment)
{
	return (int64_t)(moment->date - moment->now);
}

void authority_begin_clock(struct authority *authority, const struct moment *moment)
{
	if (authority->has_clock)
		return;
	authority->has_clock = true;
	authority->clock_lead = lead_of(moment);
}

static int64_t find_step(const struct authority *authority, const struct moment *moment)
{
	int64_t step = lead_of(moment) - authority->clock_lead;

	if (!authority->has_clock || (step < CLOCK_STEP_MSEC && step > -CLOCK_STEP_MSEC))
		return 0;
	return step;
}

bool authority_clock_has_stepped(const struct authority *authority, const struct moment *moment)
{
	return find_step(authority, moment) != 0;
}

int authority_write_clock(struct authority *authority, const struct moment *moment,
			  struct change_list *changes)
{
	struct change change = { .kind = CHANGE_MOVE_DATES };

	authority_begin_clock(authority, moment);
	change.msec = authority->clock_step = find_step(authority, moment);
	return change.msec ? change_list_append(changes, &change) : 0;
}

void authority_settle_clock(struct authority *authority, bool durable)
{
	if (durable)
		authority->clock_lead += authority->clock_step;
	authority->clock_step = 0;
}
