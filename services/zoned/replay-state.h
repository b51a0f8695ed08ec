/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether an UPDATE is newer than what its key's owner has sent before (RFC 8945 §5.2.3). Within
 * the fudge a signature stays good, and an old UPDATE that somebody sends again, or that the
 * network kept back, would put a host's former address over the one it has now. Meant for keys that
 * one machine has, whose messages carry one clock. A message that comes twice in a row is its
 * sender's second try.
 */
#include "common/base/hash.h"
#include "common/dns/dns-tsig.h"

#define REPLAY_KEYS     65536 /* beyond it the longest unused is forgotten */
#define REPLAY_MACS     8     /* of the newest second */
#define REPLAY_MAC_SIZE 16    /* so much of each is kept */

/* All zero: nothing was sent yet. */
struct replay_guard {
	struct replay_entry *entries; /* by key name; the longest unused first in the list */
	size_t n;
};

/* True: new, or the newest again; it is remembered. False: to be answered with BADTIME. */
bool replay_guard_accept(struct replay_guard *guard, const char *key_name, uint64_t time_signed,
			 const struct dns_tsig_mac *mac);
void replay_guard_clear(struct replay_guard *guard);
