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

#define IKE_COOKIE2_SIZE 16

struct ike_mobike {
	bool supported; /* by the peer too */
	bool first;     /* we began the first of the IKE SAs */
	bool update_wanted, announce_wanted, check_wanted;
	bool heard; /* an update or announcement of the peer, the newest with this number: */
	uint32_t newest;
	bool mapped; /* what the peer sees as our address is known, as a hash: */
	uint8_t mapping[20];
	unsigned int updates; /* of ours that were answered, and of the peer's */
};

/* In IKE_AUTH. */
void ike_mobike_add_supported(struct ike_builder *builder);
void ike_mobike_hear(struct ike_sa *sa, const struct ike_chain *chain);
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
