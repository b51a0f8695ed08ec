/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-sa-state.h"

#include <openssl/crypto.h>
#include <string.h>

struct ike_local *ike_local_free(struct ike_local *local)
{
	if (!local)
		return NULL;
	ike_trust_free(local->trust);
	explicit_bzero(local, sizeof *local);
	free(local);
	return NULL;
}

bool ike_local_same(const struct ike_local *a, const struct ike_local *b)
{
	uint8_t hash_a[IKE_CERTREQ_HASH_SIZE], hash_b[IKE_CERTREQ_HASH_SIZE];

	if (!a || !b)
		return a == b;
	ike_trust_hash(a->trust, hash_a);
	ike_trust_hash(b->trust, hash_b);
	return !strcmp(a->name, b->name) && !memcmp(a->host_id, b->host_id, 16) &&
	       a->certificate_size == b->certificate_size &&
	       !memcmp(a->certificate, b->certificate, a->certificate_size) &&
	       !memcmp(hash_a, hash_b, sizeof hash_a) && a->has_ppk == b->has_ppk &&
	       !CRYPTO_memcmp(a->ppk, b->ppk, sizeof a->ppk) &&
	       !strcmp(ike_trust_domain(a->trust), ike_trust_domain(b->trust));
}
