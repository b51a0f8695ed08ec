/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The machine's interfaces by rtnetlink, while the host id still waits for one. */
#include "common/loop/loop.h"
#include "services/identity/host-id-state.h"

struct interface_watch;

/* `callback` comes when interfaces or routes may have changed. 0 or a negative errno. */
int interface_watch_new(struct loop *loop, void (*callback)(void *userdata), void *userdata,
			struct interface_watch **ret);
struct interface_watch *interface_watch_free(struct interface_watch *watch);

/* The interfaces now. The caller frees the array. 0 or a negative errno. */
int interface_scan(struct host_interface **ret_interfaces, size_t *ret_n_interfaces);

DEFINE_CLEANUP(struct interface_watch *, interface_watch_free)
