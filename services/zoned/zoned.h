/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The server: sockets, disk and clock around the authority. */
#include "common/loop/daemon.h"
#include "services/zoned/zoned-config.h"

struct zoned;

/* Opens database and sockets, reads the zones. Keeps a pointer to both arguments. 0, or a negative
 * errno after a line in the log. */
int zoned_new(struct daemon *daemon, const struct zoned_config *config, struct zoned **ret);
struct zoned *zoned_free(struct zoned *zoned);
/* Finishes the transaction under way, then daemon_stop(). */
void zoned_stop(struct zoned *zoned);
/* SIGHUP: the certificate is read again, for connections to come. */
void zoned_reload(struct zoned *zoned);

DEFINE_CLEANUP(struct zoned *, zoned_free)
