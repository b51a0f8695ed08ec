/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-lifetimes-state.h"

#include "services/keyd/ike-sa-state.h"

#define GRACE 60000 /* ms, and a tenth: from when it should be replaced to its end */

void ike_lifetimes_init(struct ike_lifetimes *lifetimes)
{
	*lifetimes = (struct ike_lifetimes){
		.sa = 4 * 3600 * 1000ull,
		.child = 3600 * 1000ull,
		.jitter = 10,
		.octets = 64ull << 30,
	};
}

uint64_t ike_lifetimes_volume(const struct ike_context *context, uint64_t volume)
{
	uint64_t spread = volume / 100 * context->lifetimes.jitter;
	uint16_t dice;

	if (!spread)
		return volume;
	context->random.fill(context->random.userdata, &dice, sizeof dice);
	return volume - (spread >> 16) * dice - ((spread & 0xffff) * dice >> 16);
}

static void begin(const struct ike_context *context, uint64_t now, uint64_t lifetime,
		  uint64_t *ret_rekey_at, uint64_t *ret_expires_at)
{
	*ret_rekey_at = *ret_expires_at = UINT64_MAX;
	if (!lifetime)
		return;
	*ret_rekey_at = now + ike_lifetimes_volume(context, lifetime);
	*ret_expires_at = now + lifetime + lifetime / 10 + GRACE;
}

void ike_lifetimes_begin_sa(struct ike_sa *sa, uint64_t now)
{
	begin(sa->context, now, sa->context->lifetimes.sa, &sa->rekey_at, &sa->expires_at);
}

void ike_lifetimes_begin_child(struct ike_sa *sa, uint64_t now, struct ike_child *child)
{
	begin(sa->context, now, sa->context->lifetimes.child, &child->rekey_at, &child->expires_at);
}
