/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects /org/homeward/Tunnel1/peer/N. */
#include "services/tunneld/tunneld.h"

#define BUS_PEER_PATH_SIZE 64

int bus_peer_start(struct tunneld *tunneld);
void bus_peer_stop(struct tunneld *tunneld);
void bus_peer_path(const struct peer *peer, char path[BUS_PEER_PATH_SIZE]);
/* NULL when no peer has this path. */
struct peer *bus_peer_find(const struct tunneld *tunneld, const char *path);
