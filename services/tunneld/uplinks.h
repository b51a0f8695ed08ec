/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sees before the mapper has settled what it sees that the kernel takes another way to a peer, so
 * that the peer hears of it at once; and that the first packets on it do not wait for the router.
 * The kernel's routes decide; but into an interface without carrier, whose route nobody has removed
 * yet, packets are not sent while there is another way out (common/net/detour.h).
 */
#include "services/tunneld/tunneld.h"

/* 0 or a negative errno. */
int uplinks_new(struct tunneld *tunneld, struct uplinks **ret);
struct uplinks *uplinks_free(struct uplinks *uplinks);
/* The peer is elsewhere, or has associations now: the way there is nothing new. */
void uplinks_find(struct uplinks *uplinks, struct peer *peer);
/* The network has settled: whether the kernel's routes are to decide. */
void uplinks_choose(struct uplinks *uplinks);
