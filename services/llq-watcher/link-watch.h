/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether there is a network interface of a certain name, as the kernel tells by rtnetlink. */
#include "common/loop/loop.h"

struct link_watch;

/* The index is another one; 0: the interface is gone. */
typedef void (*link_watch_callback)(void *userdata, unsigned int index);

/* `name` is kept. 0 or a negative errno. */
int link_watch_new(struct loop *loop, const char *name, link_watch_callback callback,
		   void *userdata, struct link_watch **ret);
struct link_watch *link_watch_free(struct link_watch *watch);
unsigned int link_watch_index(const struct link_watch *watch);

DEFINE_CLEANUP(struct link_watch *, link_watch_free)
