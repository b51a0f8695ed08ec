/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Gives zoned's metrics to whoever asks: on a UNIX socket (mode 0600) at once after connecting, as
 * `zonectl status` reads them; on an address and port by HTTP. A handful of clients at a time; who
 * asks or reads too slowly is cut off.
 */
#include "common/loop/loop.h"
#include "services/zoned/endpoint.h"
#include "services/zoned/metrics-text.h"

typedef void (*metrics_callback)(void *userdata, struct metrics_text *text);

struct metrics_server;

/* Serves nothing yet. */
int metrics_server_new(struct loop *loop, metrics_callback callback, void *userdata,
		       struct metrics_server **ret);
struct metrics_server *metrics_server_free(struct metrics_server *server);
/* 0 or a negative errno. A socket at `path` is replaced; -EEXIST for anything else there. */
int metrics_server_listen_local(struct metrics_server *server, const char *path);
int metrics_server_listen(struct metrics_server *server, const struct endpoint *endpoint);

DEFINE_CLEANUP(struct metrics_server *, metrics_server_free)
