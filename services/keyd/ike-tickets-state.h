/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Both sides of resumption (RFC 5723): tickets that we give to peers, with the keys they are sealed
 * with and those that came back already; and tickets that peers gave to us, with the sessions they
 * stand for. A ticket is opaque to who keeps it and good for one resumption.
 *
 * All of it can be saved and loaded, sealed, so that a keyd that starts again goes on with it.
 */
#include "services/keyd/ike-session-wire.h"

#define IKE_TICKETS_KEPT  16384 /* of peers; the oldest goes */
#define IKE_TICKETS_SPENT 4096  /* of ours that came back and have not ended */
#define IKE_TICKETS_SALT  32

struct ike_tickets;

int ike_tickets_new(struct ike_tickets **ret);
/* Wipes; takes NULL; returns NULL. */
struct ike_tickets *ike_tickets_free(struct ike_tickets *tickets);
/* Forgets everything: another identity. */
void ike_tickets_clear(struct ike_tickets *tickets);
/* Counts up with each change that should be saved. */
uint64_t ike_tickets_version(const struct ike_tickets *tickets);
/* How many of peers we have. */
size_t ike_tickets_count(const struct ike_tickets *tickets);

/* Times are seconds of the clock on the wall. */

/* A ticket for this session, which has its end. 0 or a negative errno. */
int ike_tickets_give(struct ike_tickets *tickets, const struct ike_random *random, int64_t now,
		     const struct ike_session *session, struct ike_blob *ret);
/* One of ours comes back. 0; -ENOENT when its key is gone, -EBADMSG, -ESTALE after its end,
 * -EALREADY when it was spent. */
int ike_tickets_open(const struct ike_tickets *tickets, int64_t now, struct ike_octets ticket,
		     struct ike_session *ret);
/* It served, and will not again. */
void ike_tickets_spend(struct ike_tickets *tickets, int64_t now, struct ike_octets ticket,
		       int64_t ends);

/* A peer gave us this ticket; it takes the place of a former one of that peer. Copies. */
void ike_tickets_keep(struct ike_tickets *tickets, const struct ike_session *session,
		      struct ike_octets ticket);
/* Takes the peer's ticket out: a new session and blob for the caller. False: there is none that is
 * still good. */
bool ike_tickets_take(struct ike_tickets *tickets, int64_t now, const char *peer,
		      const uint8_t host_id[16], struct ike_session *ret,
		      struct ike_blob *ret_ticket);
/* The peer's ticket is not to be used. */
void ike_tickets_drop(struct ike_tickets *tickets, const char *peer);

/* Sealed with a key from `secret` and a fresh salt. 0 or a negative errno. */
int ike_tickets_save(const struct ike_tickets *tickets, const struct ike_random *random,
		     const uint8_t secret[32], struct ike_blob *ret);
/* In place of what there is; what has ended is left out. 0; -EBADMSG for octets that are not what
 * was saved with this secret, and nothing is changed. */
int ike_tickets_load(struct ike_tickets *tickets, int64_t now, const uint8_t secret[32],
		     struct ike_octets octets);

DEFINE_CLEANUP(struct ike_tickets *, ike_tickets_free)
