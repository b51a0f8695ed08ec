/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether the present network shows a page of its own before it lets anything through: what
 * NetworkManager says, or what the configured page says. Either alone suffices.
 */
#include "services/mapper/captive-wire.h"
#include "services/mapper/network-state.h"

#include "common/loop/loop.h"

struct captive_watch;

typedef void (*captive_watch_callback)(void *userdata, bool captive);

/* `url` NULL: no page is asked for. 0 or a negative errno. */
int captive_watch_new(struct loop *loop, sd_bus *bus, const struct captive_url *url,
		      captive_watch_callback callback, void *userdata, struct captive_watch **ret);
struct captive_watch *captive_watch_free(struct captive_watch *watch);
/* Another network: what was known of the former one is forgotten. */
void captive_watch_set_network(struct captive_watch *watch, const struct network_view *view);
/* Asks again now. */
void captive_watch_reprove(struct captive_watch *watch);

DEFINE_CLEANUP(struct captive_watch *, captive_watch_free)
