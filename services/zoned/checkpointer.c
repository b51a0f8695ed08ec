/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/checkpointer.h"

#include "common/base/log.h"

struct checkpointer {
	struct loop *loop;
	struct storage *storage; /* the thread's, while a checkpoint is under way */
	struct checkpoint *checkpoint;
};

struct checkpoint {
	struct checkpointer *checkpointer; /* NULL: it is gone, and the storage is ours to free */
	struct storage *storage;
	int result;
};

int checkpointer_new(struct loop *loop, struct storage *storage, struct checkpointer **ret)
{
	struct checkpointer *checkpointer = calloc(1, sizeof *checkpointer);

	if (!checkpointer) {
		storage_free(storage);
		return -ENOMEM;
	}
	checkpointer->loop = loop;
	checkpointer->storage = storage;
	*ret = checkpointer;
	return 0;
}

struct checkpointer *checkpointer_free(struct checkpointer *checkpointer)
{
	if (!checkpointer)
		return NULL;
	if (checkpointer->checkpoint)
		checkpointer->checkpoint->checkpointer = NULL;
	else
		storage_free(checkpointer->storage);
	free(checkpointer);
	return NULL;
}

static void work(void *userdata)
{
	struct checkpoint *checkpoint = userdata;

	checkpoint->result = storage_checkpoint(checkpoint->storage);
}

static void on_done(void *userdata)
{
	struct checkpoint *checkpoint = userdata;
	struct checkpointer *checkpointer = checkpoint->checkpointer;

	/* The other process may be at it; the end of the next transaction tries again. */
	if (checkpoint->result < 0 && checkpoint->result != -EBUSY)
		log_warning("checkpoint of the database: %s", storage_error(checkpoint->storage));
	if (checkpointer)
		checkpointer->checkpoint = NULL;
	else
		storage_free(checkpoint->storage);
	free(checkpoint);
}

void checkpointer_consider(struct checkpointer *checkpointer, int log_pages)
{
	struct checkpoint *checkpoint;

	if (checkpointer->checkpoint || log_pages < STORAGE_LOG_PAGES)
		return;
	checkpoint = calloc(1, sizeof *checkpoint);
	if (!checkpoint)
		return;
	checkpoint->checkpointer = checkpointer;
	checkpoint->storage = checkpointer->storage;
	if (loop_queue_work(checkpointer->loop, work, on_done, checkpoint) < 0) {
		free(checkpoint);
		return;
	}
	checkpointer->checkpoint = checkpoint;
}
