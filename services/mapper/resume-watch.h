/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tells when the machine is awake again. logind says so; without it the kernel does: a timer that
 * is cancelled whenever CLOCK_REALTIME jumps, which a sleep makes it do. It costs no wake-ups.
 */
#include "common/loop/loop.h"

struct resume_watch;

typedef void (*resume_watch_callback)(void *userdata);

/* 0 or a negative errno. */
int resume_watch_new(struct loop *loop, sd_bus *bus, resume_watch_callback callback, void *userdata,
		     struct resume_watch **ret);
struct resume_watch *resume_watch_free(struct resume_watch *watch);

DEFINE_CLEANUP(struct resume_watch *, resume_watch_free)
