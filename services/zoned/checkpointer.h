/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Carries the log of the database over into the database, on a thread and a connection of its own,
 * while transactions go on: see storage_defer_checkpoints(). What they write meanwhile keeps the
 * log from starting anew; so each part is carried over once, and the rest when they pause. If they
 * never do, the log reaches its bound and the commit that has to empty it finds little left to be
 * done.
 */
#include "common/loop/loop.h"
#include "services/zoned/storage.h"

struct checkpointer;

/* Takes the storage over, also on failure. 0 or a negative errno. */
int checkpointer_new(struct loop *loop, struct storage *storage, struct checkpointer **ret);
/* One that is under way goes on to its end. */
struct checkpointer *checkpointer_free(struct checkpointer *checkpointer);
/* A transaction has ended. */
void checkpointer_committed(struct checkpointer *checkpointer, int log_pages);

DEFINE_CLEANUP(struct checkpointer *, checkpointer_free)
