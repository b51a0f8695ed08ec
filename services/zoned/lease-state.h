/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Leases: what is granted, and how an end of one is kept over a restart. */
#include "services/zoned/change-list.h"
#include "services/zoned/zone-record.h"

/* The two clocks at one moment. Leases run by `now`, which no one sets; on the disk they are dates,
 * so that a restart neither lengthens nor shortens them. */
struct moment {
	uint64_t now;  /* milliseconds of loop_now() */
	uint64_t date; /* milliseconds since 1970 */
};

struct lease_bounds {
	uint32_t minimum; /* seconds */
	uint32_t maximum;
};

/* Seconds granted to an UPDATE: for its records, and for those of type KEY. */
struct lease_grant {
	uint32_t lease;
	uint32_t key_lease;
};

/* What is granted for what was asked for; 0 asks for the minimum (RFC 9664 has no lease that
 * deletes). */
uint32_t lease_grant(const struct lease_bounds *bounds, uint32_t wanted);
/* The end of a lease of so many seconds that starts now. */
uint64_t lease_end(uint64_t now, uint32_t seconds);
/* Whole seconds left, rounded up; 0 when it has ended. */
uint32_t lease_left(uint64_t now, uint64_t expires);

/* Between the end of a lease and its date; ZONE_NEVER and STORED_NEVER mean each other. A date in
 * the past is an end in the past, 1 at the least. No lease is longer than `maximum` seconds: when
 * the end seems farther away, the clock was wrong then or is wrong now. */
int64_t lease_to_date(const struct moment *moment, uint64_t expires);
uint64_t lease_from_date(const struct moment *moment, int64_t date, uint32_t maximum);
