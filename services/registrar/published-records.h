/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What this host has in the zone, as far as it knows, and the UPDATE messages that bring the zone
 * from there to what is wanted. Pure.
 *
 * All of them are idempotent (RFC 2136 §5): they have no prerequisites, RRsets of our own names are
 * deleted before their record is added, and of the RRsets that are everybody's, which are those of
 * PTR, only our own record is added or deleted. (The one that names a type of services is the same
 * for all hosts that offer it; zoned keeps it as long as one does.) So a lost answer costs nothing,
 * and a refresh works as a registration (RFC 9664 §5.1).
 */
#include "common/dns/dns-message.h"

#define PUBLISHED_MESSAGE_SIZE 65000 /* leaves room for TSIG */

struct published_records {
	ldns_rr_list *acknowledged; /* the server has them; NULL: none */
	ldns_rr_list *possible;     /* those, and what was sent since; NULL: none */
};

void published_records_deinit(struct published_records *published);

/* `wanted` was sent. 0 or -ENOMEM. */
int published_records_sent(struct published_records *published, const ldns_rr_list *wanted);
/* The server has acknowledged `wanted`, and so has nothing else of ours. 0 or -ENOMEM. */
int published_records_acknowledged(struct published_records *published, const ldns_rr_list *wanted);

/* The server refused, so that nothing but what it has acknowledged is there. 0 or -ENOMEM. */
int published_records_refused(struct published_records *published);
/* The lease of what was acknowledged ended. */
void published_records_expired(struct published_records *published);

/* Messages, not yet signed. The size or a negative errno. `zone` is the account's domain, `lease`
 * the one asked for.
 *
 * Everything anew: for a first registration, a refresh, and whenever it is not known what the
 * server has. */
int published_records_write_whole(const struct published_records *published, const char *zone,
				  const ldns_rr_list *wanted, uint32_t lease, uint8_t *buffer,
				  size_t capacity);
/* Only what differs from what the server acknowledged last. */
int published_records_write_difference(const struct published_records *published, const char *zone,
				       const ldns_rr_list *wanted, uint32_t lease, uint8_t *buffer,
				       size_t capacity);
/* Takes away all that may be there, and the RRsets of `usual`, which a former process may have
 * left. */
int published_records_write_withdrawal(const struct published_records *published, const char *zone,
				       const ldns_rr_list *usual, uint8_t *buffer, size_t capacity);

/* Whether two lists hold the same records, in any order. NULL is an empty one. */
bool published_records_equal(const ldns_rr_list *a, const ldns_rr_list *b);
