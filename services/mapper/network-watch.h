/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's links, IPv4 addresses and default routes, by rtnetlink. */
#include "services/mapper/network-state.h"

#include "common/loop/loop.h"

struct network_watch;

/* Each gets the view as it is now, borrowed. The watch may not be freed from within. */
struct network_watch_callbacks {
	/* Another network settled. */
	void (*on_network)(void *userdata, const struct network_view *view);
	/* The same network, but kind, uplinks or the stray address are others. */
	void (*on_details)(void *userdata, const struct network_view *view);
	/* The kernel has learned the gateway's MAC, or it is another one: another device answers
	 * at its address. */
	void (*on_gateway_mac)(void *userdata, const struct network_view *view);
};

/* Keeps a pointer to `callbacks`. The first callback is on_network() and comes from the loop, when
 * the kernel has told everything. 0 or a negative errno. */
int network_watch_new(struct loop *loop, const struct network_watch_callbacks *callbacks,
		      void *userdata, struct network_watch **ret);
struct network_watch *network_watch_free(struct network_watch *watch);
/* Whether a page wants to be seen before anything goes through the present network. May call
 * on_details(). */
void network_watch_set_captive(struct network_watch *watch, bool captive);
/* Reads everything again: what was true before the machine slept need not be so now. */
void network_watch_reprove(struct network_watch *watch);
