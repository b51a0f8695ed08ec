/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/keepalive-state.h"

#define GRID 8 /* parts of an interval */

static bool is_same(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
}

bool keepalive_is_needed(const struct keepalive *keepalive, const struct nat_view *nat)
{
	return nat->forgets && !(nat->proven && nat->mapped.sin_addr.s_addr &&
				 is_same(&keepalive->seen, &nat->mapped));
}

uint64_t keepalive_interval(const struct keepalive *keepalive, const struct nat_view *nat)
{
	uint64_t interval = nat->silence - nat->silence / 10;

	if (!nat->silence)
		return KEEPALIVE_MSEC;
	if (interval > KEEPALIVE_MSEC && (!keepalive->lasted || keepalive->distrusted))
		return KEEPALIVE_MSEC;
	return interval;
}

uint64_t keepalive_due(const struct keepalive *keepalive, const struct nat_view *nat,
		       uint64_t last_sent)
{
	uint64_t interval = keepalive_interval(keepalive, nat);
	uint64_t grid = interval / GRID ? interval / GRID : 1;

	if (!keepalive_is_needed(keepalive, nat))
		return UINT64_MAX;
	return keepalive->again_at ? keepalive->again_at : (last_sent + interval) / grid * grid;
}

enum keepalive_verdict keepalive_timer(struct keepalive *keepalive, const struct nat_view *nat,
				       uint64_t last_sent, uint64_t now)
{
	bool asks = !keepalive->lasted && !keepalive->seen.sin_addr.s_addr;

	if (now < keepalive_due(keepalive, nat, last_sent))
		return KEEPALIVE_NONE;
	if (keepalive->again_at) {
		keepalive->again_at = 0;
		return KEEPALIVE_OCTET;
	}
	keepalive->lasted = true;
	if (keepalive_interval(keepalive, nat) > KEEPALIVE_MSEC)
		keepalive->again_at = now + KEEPALIVE_AGAIN_MSEC;
	return asks ? KEEPALIVE_PROBE : KEEPALIVE_OCTET;
}

bool keepalive_note_sent(struct keepalive *keepalive, const struct nat_view *nat,
			 uint64_t last_sent, uint64_t now)
{
	/* After so long without keepalives this is another flow to the NAT, and may leave by
	 * another port than the one at which we are reached. */
	if (now - last_sent < KEEPALIVE_MSEC || !nat->forgets ||
	    keepalive_is_needed(keepalive, nat))
		return false;
	*keepalive = (struct keepalive){};
	return true;
}

bool keepalive_hear_seen(struct keepalive *keepalive, const struct sockaddr_in *seen)
{
	if (is_same(seen, &keepalive->seen))
		return false;
	/* We did not move, nor did the peer. */
	if (keepalive->seen.sin_addr.s_addr)
		keepalive->distrusted = true;
	keepalive->seen = *seen;
	return true;
}
