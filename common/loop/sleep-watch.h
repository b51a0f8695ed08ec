/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What logind says of the machine's sleep (org.freedesktop.login1.Manager, PrepareForSleep). Where
 * there is no logind nothing happens; it may come later. It is not started for this.
 */
#include "common/base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define LOGIND_NAME      "org.freedesktop.login1"
#define LOGIND_PATH      "/org/freedesktop/login1"
#define LOGIND_INTERFACE "org.freedesktop.login1.Manager"

struct sleep_watch;

struct sleep_watch_callbacks {
	/* The machine is about to sleep, or is awake again. It is awake, too, when logind went:
	 * nobody would say so later. */
	void (*on_sleep)(void *userdata, bool sleeping);
	/* logind, or another one, came or went; when another one came, it went before. May be NULL.
	 * Not called for one that was there from the beginning. */
	void (*on_logind)(void *userdata, bool present);
};

/* Keeps a pointer to `callbacks`, which come from the loop. 0 or a negative errno. */
int sleep_watch_new(sd_bus *bus, const struct sleep_watch_callbacks *callbacks, void *userdata,
		    struct sleep_watch **ret);
struct sleep_watch *sleep_watch_free(struct sleep_watch *watch);
bool sleep_watch_is_sleeping(const struct sleep_watch *watch);
/* How long logind waits for those who delay the machine's sleep; its own default until it said. */
uint64_t sleep_watch_delay_usec(const struct sleep_watch *watch);

DEFINE_CLEANUP(struct sleep_watch *, sleep_watch_free)
