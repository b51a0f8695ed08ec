/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's links, IPv4 addresses and default routes, by rtnetlink. */
#include "services/mapper/network-state.h"

#include "common/loop/loop.h"

struct network_watch;

/* Another view settled; borrowed. */
typedef void (*network_watch_callback)(void *userdata, const struct network_view *view);

/* The first callback comes from the loop, when the kernel has told everything. 0 or a negative
 * errno. */
int network_watch_new(struct loop *loop, network_watch_callback callback, void *userdata,
		      struct network_watch **ret);
struct network_watch *network_watch_free(struct network_watch *watch);
