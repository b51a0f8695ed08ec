/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * NetworkManager's Connectivity (org.freedesktop.NetworkManager), where there is one: it looks by
 * itself whether a network shows a page of its own. It is not started for this.
 */
#include "common/base/cleanup.h"

#include <stdbool.h>
#include <systemd/sd-bus.h>

struct network_manager;

/* It has something to say, or nothing any more: whether it sees a portal. */
typedef void (*network_manager_callback)(void *userdata, bool portal);

/* 0 or a negative errno. The callback comes from the loop, at each change. */
int network_manager_new(sd_bus *bus, network_manager_callback callback, void *userdata,
			struct network_manager **ret);
struct network_manager *network_manager_free(struct network_manager *manager);

DEFINE_CLEANUP(struct network_manager *, network_manager_free)
