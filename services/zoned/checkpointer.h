/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Carries the log of the database over into the database, on a thread and a connection of its own,
 * while transactions go on. See storage_defer_checkpoints(). */
#include "common/loop/loop.h"
#include "services/zoned/storage.h"

struct checkpointer;

/* Takes the storage over, also on failure. 0 or -ENOMEM. */
int checkpointer_new(struct loop *loop, struct storage *storage, struct checkpointer **ret);
/* One that is under way goes on to its end. */
struct checkpointer *checkpointer_free(struct checkpointer *checkpointer);
/* A transaction has ended and no other waits. */
void checkpointer_consider(struct checkpointer *checkpointer, int log_pages);

DEFINE_CLEANUP(struct checkpointer *, checkpointer_free)
