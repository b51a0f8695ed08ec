/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel data path: the associations of peers as states of the kernel's own IPsec, beside the
 * user data path, which stays where it is. Each direction of each pair is in one place:
 *
 *   outbound  where the pair was born. A key's IVs come from one generator for ever, so a pair that
 *             the user path seals for (pair->out) is never given to the kernel, nor the other way
 *             round: pair->out is NULL then. The switch is made with new keys, for which keyd is
 *             asked (pair->worn), and while these are made the old pair goes on.
 *   inbound   where the port's ESP goes, which is one place for all: the replay window is carried.
 *
 * While the kernel seals for a peer there is a second route to it, over the xfrm interface, which
 * is preferred; whenever that is not so, packets come over the TUN interface as ever, to be held
 * and to ask for keys. So nothing above notices a switch, and the address stays on the TUN
 * interface.
 *
 * Dummy packets of ESP (next header 59) are dropped by the kernel without a word. Between two of us
 * of whom one has this data path they are inner packets without a next header instead.
 */
#include "common/keys/secret.h"
#include "services/tunneld/tunneld.h"

struct datapath_xfrm;
struct kernel_pair;
struct kernel_peer;

/* By configuration. What a killed process left in the kernel is taken away in any case. */
void datapath_xfrm_start(struct tunneld *tunneld);
void datapath_xfrm_stop(struct tunneld *tunneld);
/* Whether pairs that are made now are the kernel's, and why (or why not), in words. */
bool datapath_xfrm_is_on(const struct tunneld *tunneld);
const char *datapath_xfrm_reason(const struct tunneld *tunneld);
/* The interface that is there while the kernel seals; NULL: it never will. */
const char *datapath_xfrm_interface(const struct tunneld *tunneld);
/* Switches while running; to the kernel for the first time when it has been proven, until when all
 * is as it was. 0 or a negative errno: -EPERM when the configuration says otherwise. */
int datapath_xfrm_switch(struct tunneld *tunneld, bool on);

/* A new pair, before it is its peer's: takes `keys` (of both directions) if it wants them. Without
 * a cipher to seal with it is one that the kernel seals for. 0 or a negative errno. */
int datapath_xfrm_adopt(struct tunneld *tunneld, struct sa_pair *pair, enum esp_algorithm algorithm,
			struct secret **keys);
/* Makes the kernel what the peer's state is now: to be called after each change of its pairs, its
 * endpoint, our address or our host id. */
void datapath_xfrm_sync(struct tunneld *tunneld, struct peer *peer);
/* Before the pair, or the peer with its pairs, is freed. */
void datapath_xfrm_forget_pair(struct tunneld *tunneld, struct sa_pair *pair);
void datapath_xfrm_forget_peer(struct tunneld *tunneld, struct peer *peer);

/* An inner packet to a peer for whom the kernel seals. 0 or a negative errno. */
int datapath_xfrm_send(struct tunneld *tunneld, struct peer *peer, const uint8_t *packet,
		       size_t size);
