/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Watcher1: the other hosts of the account and where the zone says they are. */
#include "services/tunneld/tunneld.h"

int watcher_client_new(sd_bus *bus, struct tunneld *tunneld, struct watcher_client **ret);
struct watcher_client *watcher_client_free(struct watcher_client *client);
/* Tells the tunnel again what the watcher says. Takes NULL. */
void watcher_client_read(struct watcher_client *client);
