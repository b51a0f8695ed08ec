/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Asks for a page (captive-wire.h) from a given address of ours, on a thread: names are resolved by
 * the system's resolver, which blocks. Bounded in time, octets, and to one question at a time.
 */
#include "services/mapper/captive-wire.h"

#include "common/loop/loop.h"

#include <netinet/in.h>

struct captive_check;

typedef void (*captive_check_callback)(void *userdata, enum captive_answer answer);

/* 0 or a negative errno. */
int captive_check_new(struct loop *loop, const struct captive_url *url,
		      captive_check_callback callback, void *userdata, struct captive_check **ret);
/* No callback comes after it. */
struct captive_check *captive_check_free(struct captive_check *check);
/* The answer comes to the callback, if not another question or captive_check_stop() comes first. */
void captive_check_start(struct captive_check *check, struct in_addr local);
void captive_check_stop(struct captive_check *check);

DEFINE_CLEANUP(struct captive_check *, captive_check_free)
