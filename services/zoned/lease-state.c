/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/lease-state.h"

uint32_t lease_grant(const struct lease_bounds *bounds, uint32_t wanted)
{
	if (wanted < bounds->minimum)
		return bounds->minimum;
	return wanted > bounds->maximum ? bounds->maximum : wanted;
}

uint64_t lease_end(uint64_t now, uint32_t seconds)
{
	return now + (uint64_t)seconds * 1000;
}

uint32_t lease_left(uint64_t now, uint64_t expires)
{
	return expires > now ? (expires - now + 999) / 1000 : 0;
}

int64_t lease_to_date(const struct moment *moment, uint64_t expires)
{
	if (expires == ZONE_NEVER)
		return STORED_NEVER;
	return (int64_t)(moment->date + expires - moment->now);
}

uint64_t lease_from_date(const struct moment *moment, int64_t date, uint32_t maximum)
{
	int64_t left = date - (int64_t)moment->date;
	int64_t longest = (int64_t)maximum * 1000;

	if (date == STORED_NEVER)
		return ZONE_NEVER;
	if (left < 0 && (uint64_t)-left >= moment->now)
		return 1;
	return moment->now + (left < longest ? left : longest);
}
