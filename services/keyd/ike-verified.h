/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Certificates of peers that were found to be in order, and what they prove. To check one takes as
 * long as all the rest of a negotiation, and the same few hosts come again and again.
 *
 * It belongs to the trust that it was checked by, and goes with it: another account begins anew. A
 * certificate is recognized by all its octets, and only in the time in which it and the account's
 * are valid. Whether a host is revoked is not remembered here but asked each time.
 */
#include "services/keyd/ike-auth.h"

#define IKE_VERIFIED_LIMIT 256 /* certificates; the one that was not seen longest goes */

struct ike_verified;

/* 0 or -ENOMEM */
int ike_verified_new(struct ike_verified **ret);
struct ike_verified *ike_verified_free(struct ike_verified *verified);

/* Whether it is known as that of `name`, and valid at `realtime` (seconds). The caller frees
 * ret->key. */
bool ike_verified_find(struct ike_verified *verified, const uint8_t *certificate, size_t size,
		       const char *name, int64_t realtime, struct ike_holder *ret);
/* It proves `holder` to be `name` from `not_before` until before `not_after`. Without memory it is
 * checked again the next time. */
void ike_verified_add(struct ike_verified *verified, const uint8_t *certificate, size_t size,
		      const char *name, int64_t not_before, int64_t not_after,
		      const struct ike_holder *holder);

DEFINE_CLEANUP(struct ike_verified *, ike_verified_free)
