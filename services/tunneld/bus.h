/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Tunnel1 and its peers on the bus. */
#include "services/tunneld/tunneld.h"

int bus_start(struct tunneld *tunneld);
void bus_stop(struct tunneld *tunneld);

/* Properties of the tunnel changed; `second` may be NULL. */
void bus_emit_changed(struct tunneld *tunneld, const char *first, const char *second);
void bus_peer_added(struct tunneld *tunneld, const struct peer *peer);
/* Before it goes from the table. */
void bus_peer_removed(struct tunneld *tunneld, const struct peer *peer);
void bus_peer_changed(struct tunneld *tunneld, const struct peer *peer);
void bus_emit_acquire(struct tunneld *tunneld, const struct peer *peer);
