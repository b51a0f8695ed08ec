/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of CREATE_CHILD_SA share. */
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-sa-internal.h"

#include <stdio.h>

#define IKE_CREATE_RETRY    1500 /* ms, and up to twice that: after a TEMPORARY_FAILURE (§2.25) */
#define IKE_CREATE_PATIENCE 180000 /* ms of such refusals: then the two are out of step */
#define IKE_CREATE_DEADLINE 60000  /* ms without an answer: the peer is dead */
#define IKE_REPLACED_LIMIT  60000  /* ms for the peer to delete what it has replaced */

/* What the messages of the exchange hold. */
struct ike_create_content {
	enum ike_negotiation_kind kind;
	struct ike_octets proposals, nonce, public_value;
	uint16_t group;            /* of the key exchange; 0: there is none */
	struct ike_notify rekeyed; /* IKE_REKEY_CHILD */
};

/* 0 or -EBADMSG. */
int ike_create_content_read(const struct ike_chain *chain, struct ike_create_content *ret);
void ike_create_refuse(struct ike_sa *sa, enum ike_notify_type type);
void ike_create_refuse_group(struct ike_sa *sa, uint16_t group);
/* Makes sa->ours. */
bool ike_create_begin(struct ike_sa *sa, enum ike_negotiation_kind kind, uint64_t old_child);
/* The peer's exchange that replaces the same as ours, or NULL. */
const struct ike_negotiation *ike_create_rival(const struct ike_sa *sa);
/* Ours is over. */
void ike_create_end(struct ike_sa *sa);
/* Not again at once (§2.25). */
void ike_create_retry(struct ike_sa *sa, uint64_t now);

/* Sends sa->ours; 0 or a negative errno. */
int ike_create_send(struct ike_sa *sa, uint64_t now);
int ike_rekey_child_send(struct ike_sa *sa, uint64_t now);
int ike_rekey_sa_send(struct ike_sa *sa, uint64_t now);
void ike_rekey_child_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain,
			     const struct ike_create_content *content);
void ike_rekey_sa_request(struct ike_sa *sa, uint64_t now,
			  const struct ike_create_content *content);
/* 0, or a negative errno for an answer that we cannot use. */
int ike_rekey_child_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain,
			     const struct ike_create_content *content);
int ike_rekey_sa_response(struct ike_sa *sa, uint64_t now,
			  const struct ike_create_content *content);
void ike_rekey_child_refused(struct ike_sa *sa, uint64_t now, uint16_t type);
void ike_rekey_sa_refused(struct ike_sa *sa, uint64_t now, uint16_t type);
