/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The file by which tickets outlive keyd (ike-tickets-state.h). It lies in /run, so it goes with
 * the machine's power, and is sealed with a key that only identity's answer leads to: the account's
 * post-quantum preshared key. Without one, nothing is written and a restart begins anew.
 */
#include "common/loop/loop.h"
#include "services/keyd/ike-manager-state.h"

struct ticket_store;

/* `folder` must exist. Keeps pointers to `manager` and `random`. 0 or a negative errno. */
int ticket_store_new(struct loop *loop, struct ike_manager *manager,
		     const struct ike_random *random, const char *folder,
		     struct ticket_store **ret);
/* Writes what is to be written. Takes NULL; returns NULL. */
struct ticket_store *ticket_store_free(struct ticket_store *store);
/* Who we are is known, and the manager has it; NULL: nobody, and what was kept is deleted. At the
 * first time what a former keyd left is loaded. */
void ticket_store_open(struct ticket_store *store, const struct ike_local *local);
/* After every event: it may have changed something. */
void ticket_store_look(struct ticket_store *store);

DEFINE_CLEANUP(struct ticket_store *, ticket_store_free)
