/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel data path asks of the kernel: states and policies (NETLINK_XFRM), the xfrm
 * interface whose packets they are for, a way to put single packets into it, and what the kernel
 * tells. Nothing here waits for the kernel's answers (common/net/netlink.h).
 */
#include "common/loop/loop.h"
#include "services/tunneld/xfrm-wire.h"

struct xfrm_link;

struct xfrm_link_callbacks {
	void (*on_event)(void *userdata, const struct xfrm_event *event);
	/* Events were lost: there were more than the kernel keeps. */
	void (*on_overrun)(void *userdata);
	/* An inner packet without a next header came through the interface. */
	void (*on_dummy)(void *userdata, const uint8_t *packet, size_t size);
};

/* Makes the interface anew; what an earlier process left goes first. Keeps a pointer to
 * `callbacks`. On failure a negative errno, and in *ret_what words about what failed. */
int xfrm_link_new(struct loop *loop, const char *interface, uint32_t if_id,
		  const struct xfrm_link_callbacks *callbacks, void *userdata,
		  struct xfrm_link **ret, const char **ret_what);
/* Takes everything of ours away from the kernel. */
struct xfrm_link *xfrm_link_free(struct xfrm_link *link);
/* Takes away what a killed process left, if its interface is there. */
void xfrm_link_clean(const char *interface, uint32_t if_id);
int xfrm_link_index(const struct xfrm_link *link);

/* Each 0 or a negative errno. */
int xfrm_link_add_state(struct xfrm_link *link, const struct xfrm_state *state);
int xfrm_link_update_state(struct xfrm_link *link, const struct xfrm_state *state);
int xfrm_link_pace_state(struct xfrm_link *link, const struct xfrm_state *state, uint32_t msec);
/* `ret_last`: what the kernel said of it when nothing could go over it any more; have_replay is
 * false when that is not known. */
int xfrm_link_remove_state(struct xfrm_link *link, struct in_addr destination, uint32_t spi,
			   struct xfrm_event *ret_last);
int xfrm_link_set_policy(struct xfrm_link *link, const struct xfrm_policy *policy);
int xfrm_link_remove_policy(struct xfrm_link *link, const struct xfrm_policy *policy);

/* A route to this host over the interface; or none any more. */
int xfrm_link_set_route(struct xfrm_link *link, const struct in6_addr *host, bool there);
/* An inner packet, as if the host had sent it into the interface. */
int xfrm_link_send(struct xfrm_link *link, const uint8_t *packet, size_t size);

DEFINE_CLEANUP(struct xfrm_link *, xfrm_link_free)
