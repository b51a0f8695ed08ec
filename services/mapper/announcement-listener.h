/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hears what gateways multicast (RFC 6886 §3.2.1, RFC 6887 §14.1). */
#include "services/mapper/announcement-wire.h"

#include "common/loop/loop.h"

struct announcement_listener;

/* `announcement` is NULL when what came is none; `link` is the interface's index. */
typedef void (*announcement_callback)(void *userdata, struct in_addr source, int link,
				      const struct announcement *announcement);

/* 0 or a negative errno. */
int announcement_listener_new(struct loop *loop, announcement_callback callback, void *userdata,
			      struct announcement_listener **ret);
struct announcement_listener *announcement_listener_free(struct announcement_listener *listener);

DEFINE_CLEANUP(struct announcement_listener *, announcement_listener_free)
