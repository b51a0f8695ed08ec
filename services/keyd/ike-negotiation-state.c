/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-negotiation-state.h"

#include <stdlib.h>
#include <string.h>

struct ike_negotiation *ike_negotiation_new(enum ike_negotiation_kind kind,
					    const struct ike_random *random)
{
	struct ike_negotiation *negotiation = calloc(1, sizeof *negotiation);

	if (!negotiation)
		return NULL;
	negotiation->kind = kind;
	random->fill(random->userdata, negotiation->nonce, sizeof negotiation->nonce);
	return negotiation;
}

struct ike_negotiation *ike_negotiation_free(struct ike_negotiation *negotiation)
{
	if (!negotiation)
		return NULL;
	ike_key_exchange_free(negotiation->exchange);
	ike_blob_clear(&negotiation->peer_nonce);
	free(negotiation);
	return NULL;
}

int ike_nonce_compare(struct ike_octets a, struct ike_octets b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int r = memcmp(a.data, b.data, size);

	return r ? r : (a.size > b.size) - (a.size < b.size);
}

static struct ike_octets lowest(const struct ike_negotiation *negotiation)
{
	struct ike_octets own = { negotiation->nonce, sizeof negotiation->nonce };
	struct ike_octets peer = { negotiation->peer_nonce.data, negotiation->peer_nonce.size };

	return ike_nonce_compare(own, peer) < 0 ? own : peer;
}

bool ike_negotiation_loses(const struct ike_negotiation *ours, const struct ike_negotiation *theirs)
{
	return ike_nonce_compare(lowest(ours), lowest(theirs)) < 0;
}

bool ike_negotiation_collides(const struct ike_negotiation *ours,
			      const struct ike_negotiation *theirs)
{
	return ours && theirs && ours->kind == theirs->kind && ours->old_child == theirs->old_child;
}
