/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Delays the machine's sleep until goodbye has been said: holds a "delay" inhibitor lock of logind
 * (org.freedesktop.login1.Manager.Inhibit) while awake, hears PrepareForSleep, and lets go when
 * told so, or by itself before logind stops waiting (InhibitDelayMaxUSec). Where there is no logind
 * nothing happens; it may come later.
 */
#include "common/loop/loop.h"

#include <systemd/sd-bus.h>

struct sleep_lock;

/* The machine is about to sleep, or is awake again. */
typedef void (*sleep_lock_callback)(void *userdata, bool sleeping);

int sleep_lock_new(struct loop *loop, sd_bus *bus, sleep_lock_callback callback, void *userdata,
		   struct sleep_lock **ret);
struct sleep_lock *sleep_lock_free(struct sleep_lock *lock);
/* Between the callbacks: nothing is left to be done. May be called more than once. */
void sleep_lock_let_go(struct sleep_lock *lock);

DEFINE_CLEANUP(struct sleep_lock *, sleep_lock_free)
