/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How the two sides of an IKE SA prove who they are; for ike-init-state.c and ike-auth-state.c. */
#include "services/keyd/ike-sa-internal.h"

/* What a peer has proved. */
struct ike_proved {
	char name[IKE_NAME_LIMIT]; /* in lower case */
	enum ike_proof proof;
	bool has_eui64;   /* a certificate says which host ids can be its */
	uint8_t eui64[8]; /* their low half */
	uint64_t issued;  /* when it got that certificate; 0: long ago, or it has none */
	int64_t expires;  /* s; from when on it is worth nothing; 0: it has none */
};

/* How we and a peer of this name prove ourselves to each other. */
enum ike_proof ike_proof_of(const struct ike_context *context, const char *peer);
/* Whether that is done with signatures in this SA. */
bool ike_proof_signs(const struct ike_sa *sa, enum ike_proof proof);
/* Makes ours, or has it signed; then ike_auth_proved() is called, perhaps at once. 0 or a negative
 * errno. */
int ike_proof_begin(struct ike_sa *sa, uint64_t now);
/* A signature came; the same. */
int ike_proof_signed(struct ike_sa *sa, uint64_t now, const uint8_t *signature, size_t size);
/* IDi or IDr, CERT, AUTH and what belongs to them. */
void ike_proof_write(struct ike_sa *sa, struct ike_builder *inner);
/* What is needed until both sides are proved. */
void ike_proof_forget(struct ike_sa *sa);
/*
 * The peer's ID, certificate and AUTH; `instead`, if not NULL, is looked at in place of the data of
 * AUTH. 0; or -EACCES with *ret_reason, and nothing in the SA changed.
 */
int ike_proof_check(struct ike_sa *sa, const struct ike_chain *chain,
		    const struct ike_octets *instead, struct ike_proved *ret,
		    const char **ret_reason);

/* Both roles: lets the account's post-quantum preshared key into the keys, if both have one. */
int ike_proof_mix_ppk(struct ike_sa *sa);
/* Both roles: that it is used, and the initiator's also which. */
void ike_proof_add_ppk_id(struct ike_sa *sa, struct ike_builder *inner);
/* Responder: uses the key that the initiator names, or goes without one where both may; then
 * *ret_instead gets what proves the initiator without it. NULL, or a reason to refuse. */
const char *ike_proof_take_ppk(struct ike_sa *sa, const struct ike_chain *chain,
			       struct ike_octets *ret_instead);
/* Initiator: whether the responder uses it; if not, goes without it where that may be. NULL, or a
 * reason to refuse. */
const char *ike_proof_hear_ppk(struct ike_sa *sa, const struct ike_chain *chain);
