/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may call a method that changes something. The bus lets everybody call; root and homeward's
 * own users are let through, of others polkit is asked. Nothing blocks: a question takes as long as
 * a person takes to type a password, if the caller allows that.
 */
#include "common/base/cleanup.h"

#include <sys/types.h>
#include <systemd/sd-bus.h>

#define CALLER_CHECK_QUESTIONS  32 /* under way, and of one caller */
#define CALLER_CHECK_PER_CALLER 4

struct caller_check;

/* The caller is there and may do it. */
typedef void (*caller_check_callback)(void *userdata, sd_bus_message *call, uid_t uid);

/* For calls to which polkit's `action` belongs; `what` it is for people, as in "only root may ask
 * for mappings here". Both are kept as pointers. Looks homeward's users up, which may block. 0 or a
 * negative errno. */
int caller_check_new(sd_bus *bus, const char *action, const char *what, struct caller_check **ret);
/* Questions under way are dropped. */
struct caller_check *caller_check_free(struct caller_check *check);
/*
 * Keeps the call until its caller is known. Whoever may not is answered from here; then the
 * callback does not come. `destroy` is called with `userdata` at the end in any case but that of an
 * error. 0, or a negative errno with `error` set.
 */
int caller_check_start(struct caller_check *check, sd_bus_message *call,
		       caller_check_callback callback, sd_bus_destroy_t destroy, void *userdata,
		       sd_bus_error *error);

DEFINE_CLEANUP(struct caller_check *, caller_check_free)
