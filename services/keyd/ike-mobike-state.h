/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Addresses that change (MOBIKE, RFC 4555). Whoever began the first of the IKE SAs decides which
 * addresses are used: after a move of its own, or when it knows that the other side is elsewhere,
 * it sends UPDATE_SA_ADDRESSES; the other side says by NO_ADDITIONAL_ADDRESSES that it is
 * elsewhere. Both believe an address only when an answer to a fresh secret has come from there
 * (§3.7); then tunneld is told. Packets of ESP, which tunneld follows by itself, may be faster.
 */
#include "services/keyd/ike-message-wire.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct ike_sa;

#define IKE_COOKIE2_SIZE  16
#define IKE_OTHERS_LIMIT  4 /* addresses of a peer that we remember besides the one in use */
#define IKE_PATH_PATIENCE 3 /* repetitions before they are tried */

struct ike_mobike {
	bool supported; /* by the peer too */
	bool first;     /* we began the first of the IKE SAs */
	bool update_wanted, announce_wanted, check_wanted;
	bool heard; /* an update or announcement of the peer, the newest with this number: */
	uint32_t newest;
	bool mapped; /* what the peer sees as our address is known, as a hash: */
	uint8_t mapping[20];
	unsigned int updates; /* of ours that were answered, and of the peer's */
	/* Where the peer says that it can be reached besides (§3.4). */
	struct in_addr others[IKE_OTHERS_LIMIT];
	unsigned int n_others;
};

/* In IKE_AUTH. */
void ike_mobike_add_supported(struct ike_builder *builder);
void ike_mobike_hear(struct ike_sa *sa, const struct ike_chain *chain);
/* Where else a request of ours is tried that has no answer, after so many repetitions (§3.10): only
 * who began the first SA does that. False: nowhere. */
bool ike_mobike_find_other(const struct ike_sa *sa, unsigned int repeats, struct sockaddr_in *ret);
/* The answer to such a request came from here: if it is one of those places, the peer is asked
 * there. */
void ike_mobike_answered_from(struct ike_sa *sa, const struct sockaddr_in *from);
/* Our side is elsewhere, or the peer is where sa->endpoint says now. */
void ike_mobike_moved(struct ike_sa *sa);
/* A request of the peer: what its answer has to hold, and what follows from it. */
void ike_mobike_request(struct ike_sa *sa, const struct ike_chain *chain,
			struct ike_builder *answer);
/* Sends what is wanted; false: nothing is. */
bool ike_mobike_pursue(struct ike_sa *sa, uint64_t now);
/* What an INFORMATIONAL request of ours holds so that its answer says how the peer sees us. */
void ike_mobike_add_detection(struct ike_sa *sa, struct ike_builder *builder);
/* The answer to a request of ours, sa->answered. False: the SA is ended, for the answer was not
 * given by who got the request. */
bool ike_mobike_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
