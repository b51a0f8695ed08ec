/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One CREATE_CHILD_SA exchange (RFC 7296 §1.3) while it is under way, and afterwards as long as it
 * may turn out that both sides began the same at once (§2.8.1, §2.8.2).
 */
#include "services/keyd/ike-crypto.h"
#include "services/keyd/ike-window-state.h"

enum ike_negotiation_kind {
	IKE_NEW_CHILD,
	IKE_REKEY_CHILD,
	IKE_REKEY_SA,
};

struct ike_negotiation {
	enum ike_negotiation_kind kind;
	uint32_t message_id;  /* of the request */
	uint64_t old_child;   /* number of the child that is replaced; 0: none */
	uint64_t child;       /* number of the new child; 0: none */
	uint64_t spi;         /* IKE_REKEY_SA: our SPI of the new SA */
	uint8_t proposal;     /* theirs: number of the one we chose */
	bool answered;        /* both halves are known */
	bool again;           /* ours: to be sent with the group the peer asked for */
	unsigned int n_tries; /* ours: groups the peer asked for */
	uint8_t nonce[IKE_NONCE_SIZE];
	struct ike_blob peer_nonce;
	struct ike_key_exchange *exchange;
};

/* With a fresh nonce; NULL without memory. */
struct ike_negotiation *ike_negotiation_new(enum ike_negotiation_kind kind,
					    const struct ike_random *random);
/* Wipes; takes NULL; returns NULL. */
struct ike_negotiation *ike_negotiation_free(struct ike_negotiation *negotiation);

/* Octet by octet; the beginning of another nonce is lower than it (§2.8.1). Below 0, 0, above 0. */
int ike_nonce_compare(struct ike_octets a, struct ike_octets b);
/* Whether `ours` has the lowest of the four nonces, so that what it made is closed by us. Both must
 * have the peer's nonce. */
bool ike_negotiation_loses(const struct ike_negotiation *ours,
			   const struct ike_negotiation *theirs);
/* Whether both replace the same. */
bool ike_negotiation_collides(const struct ike_negotiation *ours,
			      const struct ike_negotiation *theirs);

DEFINE_CLEANUP(struct ike_negotiation *, ike_negotiation_free)
