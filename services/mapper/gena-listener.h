/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a gateway's events arrive: a TCP port at our address on its network. Only the gateway is
 * listened to, a few connections at a time, a few seconds each. */
#include "services/mapper/gena-wire.h"

#include "common/loop/loop.h"

struct gena_listener;

/* Whether the subscription is one of ours; otherwise the gateway is told that it is not. The
 * listener may be freed from within. */
typedef bool (*gena_listener_callback)(void *userdata,
				       const struct gena_notification *notification);

int gena_listener_new(struct loop *loop, struct in_addr local, struct in_addr gateway,
		      gena_listener_callback callback, void *userdata, struct gena_listener **ret);
struct gena_listener *gena_listener_free(struct gena_listener *listener);
/* What the gateway is told to send events to; its path is not to be guessed. */
void gena_listener_url(const struct gena_listener *listener, struct igd_url *ret);

DEFINE_CLEANUP(struct gena_listener *, gena_listener_free)
