/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of the kernel data path share:
 *
 *   datapath-xfrm.c         what is in the kernel: states, policies, routes, and whether they are
 *   datapath-xfrm-events.c  what the kernel tells of them
 */
#include "services/tunneld/datapath-xfrm.h"
#include "services/tunneld/xfrm-link.h"
#include "services/tunneld/xfrm-proof.h"

#include <net/if.h>

/* One direction of a pair in the kernel. */
struct kernel_state {
	bool there;
	bool lost;  /* nobody knows its numbers any more: it is never made again */
	bool paced; /* it tells no more of each packet */
	struct in_addr local;
	struct sockaddr_in remote;
	uint64_t soft_octets, soft_packets;
	uint64_t octets, packets; /* heard of */
	uint64_t sequence;        /* heard of; outbound and not there: used up to here */
	unsigned int states;      /* that the kernel has had for it */
};

struct kernel_pair {
	struct secret *keys;
	enum esp_algorithm algorithm;
	struct kernel_state in, out;
};

struct kernel_peer {
	bool in_policy, out_policy, route;
	uint32_t spi; /* of the outgoing policy, as the rest */
	struct in_addr local;
	struct sockaddr_in remote;
	uint64_t dummies_sent;                /* the kernel has not told of them yet */
	uint64_t dummies_heard, dummy_octets; /* that it counted, or will, among all others */
	struct sockaddr_in left;
	uint64_t left_at;
};

struct datapath_xfrm {
	struct xfrm_link *link;   /* NULL: never tried, or it failed */
	struct xfrm_proof *proof; /* under way: the link is not used before it is over */
	uint32_t if_id;
	char interface[IF_NAMESIZE];
	bool receiving, sealing;
	char reason[256];
};

extern const struct xfrm_link_callbacks datapath_xfrm_callbacks;

/* In the kernel's words. */
struct xfrm_state datapath_xfrm_describe(const struct tunneld *tunneld, const struct sa_pair *pair,
					 bool in, const struct kernel_state *state,
					 const struct xfrm_replay *replay);
/* keyd is to replace the pair. */
void datapath_xfrm_want_new_keys(struct tunneld *tunneld, struct sa_pair *pair);
/* The state goes. True when its last numbers are known, in *ret. */
bool datapath_xfrm_take_out(struct tunneld *tunneld, struct sa_pair *pair, bool in,
			    struct xfrm_event *ret);
