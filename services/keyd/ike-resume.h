/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Resumption of an IKE SA that was lost (RFC 5723): IKE_SESSION_RESUME in place of IKE_SA_INIT, and
 * the secret of the former SA in place of signatures and of a key exchange. For the other files of
 * the state of an SA.
 */
#include "services/keyd/ike-sa-internal.h"

/* Without an answer so long, a full negotiation is tried; ms. */
#define IKE_RESUME_PATIENCE 4000

/* Initiator: takes what is kept of a former SA with the peer, if resuming is right. */
void ike_resume_prepare(struct ike_sa *sa, uint64_t now);
/* Initiator: sends or repeats the first request, with the cookie that was asked for. */
int ike_resume_send(struct ike_sa *sa, uint64_t now);
/* Initiator: an answer came to it. */
void ike_resume_response(struct ike_sa *sa, uint64_t now, const struct ike_header *header,
			 const uint8_t *data, size_t size);
/* Initiator: nobody answers. What was kept serves another time, and a full negotiation begins. */
void ike_resume_give_up(struct ike_sa *sa, uint64_t now);
/* Responder: the first request; an SA, or NULL when it was refused or malformed. */
struct ike_sa *ike_resume_respond(struct ike_context *context, uint64_t now,
				  const struct sockaddr_in *from, const struct ike_header *header,
				  const uint8_t *data, size_t size);
/* Responder: the ticket's owner has proved itself, and it is spent. False: it was already. */
bool ike_resume_spend(struct ike_sa *sa);
/* Both are proved: what the resumption was from is forgotten. */
void ike_resume_end(struct ike_sa *sa);
void ike_resume_free(struct ike_sa *sa);

/* Tickets for another time. */

/* Asks for one, in a request. */
void ike_resume_add_wish(const struct ike_sa *sa, struct ike_builder *inner);
/* Hears such a wish in a request. */
void ike_resume_hear_wish(struct ike_sa *sa, const struct ike_chain *chain);
/* Grants it, in the answer, when `chain` has the wish. */
void ike_resume_add_ticket(struct ike_sa *sa, const struct ike_chain *chain,
			   struct ike_builder *answer);
/* Keeps what an answer grants. */
void ike_resume_keep(struct ike_sa *sa, const struct ike_chain *chain);
