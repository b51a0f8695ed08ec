/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * All IKE SAs of the host: found by number, by SPI, by peer, by first message, and by when there is
 * something to do, without a look at the others, so that ten thousand cost no more than ten.
 *
 * Nobody can make these tables slow. Numbers and SPIs in them are our own; a stranger may ask for
 * any SPI, and finds a short list. Names get in of hosts that have proved to be of the account. The
 * first messages, which anybody may choose so that their hashes meet, are as many as strangers are
 * let in, and those of peers that have proved themselves since.
 *
 * Whoever does anything with an SA says so with ike_sas_touch(); after the event the manager looks
 * at these, and at no others: whether they ended, and when they are due.
 */
#include "common/base/due-heap.h"
#include "common/base/hash.h"

#define IKE_FIRST_HASH_SIZE 32 /* SHA-256 */

struct ike_sa;
struct ike_sa_group;

/* What an SA has for this. */
struct ike_sa_links {
	struct ike_sa *previous;
	UT_hash_handle by_id, by_spi, by_first;
	uint64_t own_spi;
	uint8_t first_hash[IKE_FIRST_HASH_SIZE];
	struct ike_sa_group *group; /* those of the same peer; NULL: who that is is not known */
	struct ike_sa *next_of_group, *next_stranger, *next_touched;
	struct due_entry due;
	bool stranger, touched;
};

/* All zero: none. */
struct ike_sas {
	struct ike_sa *first; /* all, newest first, by sa->next */
	struct ike_sa *by_id, *by_spi, *by_first;
	struct ike_sa_group *groups;
	struct ike_sa *strangers; /* newest first */
	struct ike_sa *touched;
	struct due_heap due;
};

/* Frees all of them. */
void ike_sas_deinit(struct ike_sas *sas);
/* Takes the SA, with the number it has, and touches it. -ENOMEM: it is in, but nobody will find it.
 */
int ike_sas_add(struct ike_sas *sas, struct ike_sa *sa);
/* The same for one that somebody unknown began with a message of this hash. */
int ike_sas_add_stranger(struct ike_sas *sas, struct ike_sa *sa,
			 const uint8_t hash[IKE_FIRST_HASH_SIZE]);
/* Frees it. */
void ike_sas_remove(struct ike_sas *sas, struct ike_sa *sa);

/* NULL: there is none. Also those that are DEAD and not removed yet. */
struct ike_sa *ike_sas_find(const struct ike_sas *sas, uint64_t id);
struct ike_sa *ike_sas_find_spi(const struct ike_sas *sas, uint64_t own_spi);
struct ike_sa *ike_sas_find_first(const struct ike_sas *sas,
				  const uint8_t hash[IKE_FIRST_HASH_SIZE]);
/* Those whose peer is known to have this name, one after the other by links.next_of_group. */
struct ike_sa *ike_sas_with(const struct ike_sas *sas, const char *name);

/* It is known who the peer is. 0, also when that was known; -ENOMEM: it is not among the others. */
int ike_sas_join(struct ike_sas *sas, struct ike_sa *sa);
void ike_sas_touch(struct ike_sas *sas, struct ike_sa *sa);
/* One that was touched, or NULL: all of them were taken. */
struct ike_sa *ike_sas_take_touched(struct ike_sas *sas);
/* Notes what it is now. */
void ike_sas_update(struct ike_sas *sas, struct ike_sa *sa);
/* One that has something to do at `now`, or NULL. It is not given again before ike_sas_update(). */
struct ike_sa *ike_sas_take_due(struct ike_sas *sas, uint64_t now);
