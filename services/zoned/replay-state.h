/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether an UPDATE was sent before (RFC 8945 §5.2.3). Within the fudge a signature stays good, and
 * an old UPDATE that somebody sends again, or that the network kept back, would put a host's former
 * address over the one it has now.
 *
 * A host's key is one machine's, whose messages carry one clock: what is older than the newest is
 * refused. The account's own key may be several people's, with clocks that differ a little: of it
 * only what was seen already is refused, and what is so old that this cannot be known any more.
 *
 * A message that comes twice in a row is its sender's second try, or somebody else's: it is not
 * done again but answered as the first time.
 */
#include "common/base/hash.h"
#include "common/dns/dns-tsig.h"
#include "services/zoned/lease-state.h"

#define REPLAY_KEYS 65536 /* beyond it the longest unused is forgotten */
/* Messages remembered of a host's key, and of an account's: more than wait at a time. */
#define REPLAY_HOST_MESSAGES    8
#define REPLAY_ACCOUNT_MESSAGES 2048

/* All zero: nothing was sent yet. */
struct replay_guard {
	struct replay_entry *entries; /* by key name; the longest unused first in the list */
	size_t n;
};

enum replay_verdict {
	REPLAY_NEW,   /* remembered; replay_guard_settle() must follow */
	REPLAY_AGAIN, /* the newest once more: replay_guard_outcome() */
	REPLAY_OLD,   /* to be answered with BADTIME */
};
enum replay_verdict replay_guard_check(struct replay_guard *guard, const char *key_name,
				       bool is_host, uint64_t time_signed,
				       const struct dns_tsig_mac *mac);

/* How a message was answered. */
struct replay_outcome {
	uint16_t rcode;
	struct lease_grant granted;
};
/* What became of a new message. `outcome` NULL: nothing, for a reason that will pass; it may come
 * again. */
void replay_guard_settle(struct replay_guard *guard, const char *key_name,
			 const struct dns_tsig_mac *mac, const struct replay_outcome *outcome);
/* False: it is not the newest any more, or nothing became of it. */
bool replay_guard_outcome(const struct replay_guard *guard, const char *key_name,
			  const struct dns_tsig_mac *mac, struct replay_outcome *ret);

void replay_guard_clear(struct replay_guard *guard);
