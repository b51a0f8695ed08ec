/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/checkpointer.h"

#include "common/base/log.h"

/* This long without a transaction is a pause. */
#define PAUSE_MSEC 100

struct checkpointer {
	struct loop *loop;
	struct loop_timer *timer;
	bool is_waiting; /* for a pause: the timer runs */
	bool was_busy;   /* there was a transaction since it began to run */
	int log_pages;
	int pages_done;          /* of them, carried over: there were so many when that began */
	struct storage *storage; /* the thread's, while a checkpoint is under way */
	struct checkpoint *checkpoint;
};

struct checkpoint {
	struct checkpointer *checkpointer; /* NULL: it is gone, and the storage is ours to free */
	struct storage *storage;
	int result;
};

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

static void start(struct checkpointer *checkpointer)
{
	struct checkpoint *checkpoint = calloc(1, sizeof *checkpoint);

	if (!checkpoint)
		return;
	checkpoint->checkpointer = checkpointer;
	checkpoint->storage = checkpointer->storage;
	if (loop_queue_work(checkpointer->loop, work, on_done, checkpoint) < 0) {
		free(checkpoint);
		return;
	}
	checkpointer->checkpoint = checkpoint;
	checkpointer->pages_done = checkpointer->log_pages;
}

static void wait_for_pause(struct checkpointer *checkpointer)
{
	checkpointer->is_waiting = true;
	checkpointer->was_busy = false;
	loop_timer_set_delay(checkpointer->timer, PAUSE_MSEC);
}

static void on_timer(void *userdata)
{
	struct checkpointer *checkpointer = userdata;

	checkpointer->is_waiting = false;
	if (checkpointer->log_pages < STORAGE_LOG_PAGES)
		return;
	if (checkpointer->was_busy || checkpointer->checkpoint)
		wait_for_pause(checkpointer);
	else if (checkpointer->log_pages > checkpointer->pages_done)
		start(checkpointer);
}

void checkpointer_committed(struct checkpointer *checkpointer, int log_pages)
{
	/* It was all carried over, and started anew. */
	if (log_pages < checkpointer->log_pages)
		checkpointer->pages_done = 0;
	checkpointer->log_pages = log_pages;
	checkpointer->was_busy = true;
	if (log_pages < STORAGE_LOG_PAGES)
		return;
	if (!checkpointer->checkpoint && log_pages >= checkpointer->pages_done + STORAGE_LOG_PAGES)
		start(checkpointer);
	if (!checkpointer->is_waiting)
		wait_for_pause(checkpointer);
}

int checkpointer_new(struct loop *loop, struct storage *storage, struct checkpointer **ret)
{
	struct checkpointer *checkpointer = calloc(1, sizeof *checkpointer);
	int r;

	if (!checkpointer) {
		storage_free(storage);
		return -ENOMEM;
	}
	checkpointer->loop = loop;
	checkpointer->storage = storage;
	r = loop_timer_new(loop, on_timer, checkpointer, &checkpointer->timer);
	if (r < 0) {
		checkpointer_free(checkpointer);
		return r;
	}
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
	loop_timer_free(checkpointer->timer);
	free(checkpointer);
	return NULL;
}
