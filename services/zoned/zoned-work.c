/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the authority wants to be done: answers go out, transactions to the disk, updates to the
 * primary, and all of it at its time. */
#include "services/zoned/zoned-internal.h"

#include "common/base/log.h"

/* While the zone of the primary is on its way, what else is due waits no longer than this. */
#define FOLLOWING_MSEC 20

/* Sending ----------------------------------------------------------------------------------------
 */

static void carry_out(struct zoned *zoned, const struct reply *reply)
{
	switch (reply->kind) {
	case REPLY_SEND:
		if (reply->peer.connection)
			server_stream_send(zoned->streams, &reply->peer, reply->data, reply->size);
		else
			server_udp_send(zoned->udp, &reply->peer, reply->data, reply->size);
		break;
	case REPLY_KEEP:
	case REPLY_RELEASE:
		server_stream_keep(zoned->streams, &reply->peer, reply->kind == REPLY_KEEP);
		break;
	case REPLY_ABORT:
		server_stream_abort(zoned->streams, &reply->peer);
		break;
	}
}

void zoned_send_all(struct zoned *zoned, struct outbox *outbox)
{
	for (size_t i = 0; i < outbox->n; i++)
		carry_out(zoned, &outbox->items[i]);
	server_udp_flush(zoned->udp);
	outbox_clear(outbox);
	zoned_measures_sent(&zoned->measures, zoned->authority);
}

void zoned_schedule(struct zoned *zoned)
{
	struct moment moment = zoned_moment(zoned);

	loop_timer_set(zoned->work_timer, authority_next_due(zoned->authority, &moment));
}

void zoned_stop_if_done(struct zoned *zoned)
{
	if (zoned->is_stopping && !authority_is_busy(zoned->authority) &&
	    authority_n_sessions(zoned->authority) == 0)
		daemon_stop(zoned->daemon, 0);
}

/* Transactions -----------------------------------------------------------------------------------
 */

/* Runs on another thread: a COMMIT waits for the disk, and questions need not wait with it. The
 * authority starts no second one meanwhile, so the connection is never used by two threads. */
struct transaction {
	struct zoned *zoned; /* NULL: it is gone, and the storage is ours to free */
	struct storage *storage;
	struct change_list changes;
	int result;
};

static void commit(void *userdata)
{
	struct transaction *transaction = userdata;

	transaction->result = storage_commit(transaction->storage, &transaction->changes);
}

static void finish(struct zoned *zoned, int result)
{
	struct moment moment = zoned_moment(zoned);
	struct outbox outbox = {};

	if (result < 0)
		log_error("cannot write to %s: %s", zoned->config->database,
			  storage_error(zoned->writer));
	authority_finish(zoned->authority, &moment, result >= 0, &outbox);
	zoned_measures_finish(&zoned->measures, result >= 0);
	zoned_send_all(zoned, &outbox);
	zoned_stop_if_done(zoned);
	zoned_schedule(zoned);
	/* It is in a transaction that what was learnt turns out not to fit. */
	if (zoned->backend && authority_wants_whole(zoned->authority))
		backend_dns_look(zoned->backend);
	checkpointer_committed(zoned->checkpointer, storage_log_pages(zoned->writer));
}

static void on_committed(void *userdata)
{
	struct transaction *transaction = userdata;
	struct zoned *zoned = transaction->zoned;
	int result = transaction->result;

	change_list_clear(&transaction->changes);
	if (!zoned)
		storage_free(transaction->storage);
	free(transaction);
	if (!zoned)
		return;
	zoned->transaction = NULL;
	finish(zoned, result);
}

static void start_transaction(struct zoned *zoned, struct change_list *changes)
{
	struct transaction *transaction;

	zoned_measures_begin(&zoned->measures, zoned->authority, changes->n > 0);
	if (changes->n == 0) {
		change_list_clear(changes);
		finish(zoned, 0);
		return;
	}
	transaction = calloc(1, sizeof *transaction);
	if (transaction) {
		transaction->zoned = zoned;
		transaction->storage = zoned->writer;
		transaction->changes = *changes;
		if (loop_queue_work(zoned->loop, commit, on_committed, transaction) >= 0) {
			zoned->transaction = transaction;
			return;
		}
		free(transaction);
	}
	change_list_clear(changes);
	finish(zoned, -ENOMEM);
}

/* Where the records are in a primary, it has to agree first. `step` is what authority_begin() or
 * authority_resume() said. */
static void go_on(struct zoned *zoned, int step, struct change_list *changes)
{
	while (step == AUTHORITY_PUBLISH) {
		int r = backend_dns_publish(zoned->backend, authority_updates(zoned->authority));
		struct moment moment = zoned_moment(zoned);

		if (r >= 0)
			return;
		step = authority_resume(zoned->authority, &moment, r, changes);
	}
	if (step > 0)
		start_transaction(zoned, changes);
	else
		zoned_schedule(zoned);
}

/* Rings when a lease ends, an event has to be sent again, or after the burst of messages that
 * queued something: what came in that burst shares a transaction. */
void zoned_on_work(void *userdata)
{
	struct zoned *zoned = userdata;
	struct moment moment = zoned_moment(zoned);
	struct change_list changes = {};
	struct outbox outbox = {};

	/* Under load there may be a transaction at each burst, and only between two of them can an
	 * account go. */
	if (!authority_is_busy(zoned->authority))
		(void)zoned_refresh_accounts(zoned);
	authority_tick(zoned->authority, &moment, &outbox);
	zoned_send_all(zoned, &outbox);
	zoned_stop_if_done(zoned);
	if (zoned->backend && !backend_dns_may_begin(zoned->backend)) {
		/* Its end rings too. */
		loop_timer_set_delay(zoned->work_timer, FOLLOWING_MSEC);
		return;
	}
	go_on(zoned, authority_begin(zoned->authority, &moment, &changes), &changes);
}

static void on_learnt(void *userdata, struct zone_delta *delta)
{
	struct zoned *zoned = userdata;

	if (authority_learn(zoned->authority, delta) < 0)
		log_error("not enough memory for what the primary says");
}

static bool on_wants_whole(void *userdata)
{
	struct zoned *zoned = userdata;

	return authority_wants_whole(zoned->authority);
}

static void on_published(void *userdata, int outcome)
{
	struct zoned *zoned = userdata;
	struct moment moment = zoned_moment(zoned);
	struct change_list changes = {};

	go_on(zoned, authority_resume(zoned->authority, &moment, outcome, &changes), &changes);
}

static void on_backend_changed(void *userdata)
{
	struct zoned *zoned = userdata;

	authority_set_reachable(zoned->authority, backend_dns_is_reachable(zoned->backend));
	zoned_schedule(zoned);
}

const struct backend_dns_callbacks zoned_backend_callbacks = { on_learnt, on_wants_whole,
							       on_published, on_backend_changed };

void zoned_leave_transaction(struct zoned *zoned)
{
	zoned->transaction->zoned = NULL;
}
