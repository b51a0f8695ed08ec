/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of zoned share among themselves. */
#include "services/zoned/account-loader.h"
#include "services/zoned/backend-dns.h"
#include "services/zoned/checkpointer.h"
#include "services/zoned/metrics-server.h"
#include "services/zoned/server-stream.h"
#include "services/zoned/stun-server.h"
#include "services/zoned/zoned-metrics.h"
#include "services/zoned/zoned.h"

struct transaction;

struct zoned {
	struct daemon *daemon;
	struct loop *loop;
	const struct zoned_config *config;
	struct authority_options options;
	struct transfer_settings transfer;
	struct transfer_keys backend_keys;
	struct backend_dns_options backend_options;
	struct backend_dns *backend; /* NULL: the storage is all there is */
	struct authority *authority;
	struct storage *reader;          /* the loop's own; its reads touch no disk that waits */
	struct storage *writer;          /* the thread's, while a transaction is under way */
	struct transaction *transaction; /* under way, or NULL */
	struct checkpointer *checkpointer;
	struct server_udp *udp;
	struct server_stream *streams;
	struct stun_server *stun; /* NULL: none */
	struct metrics_server *metrics;
	struct zoned_measures measures;
	struct outbox answers;   /* to what came in one burst */
	uint64_t accounts_asked; /* when a burst of messages last looked for new ones */
	struct loop_timer *work_timer;
	struct loop_timer *accounts_timer;
	struct account_loader loader;
	bool is_stopping;
};

struct moment zoned_moment(struct zoned *zoned);
/* What changed in the database; 0 or a negative errno. */
int zoned_refresh_accounts(struct zoned *zoned);

/* zoned-work.c: what the authority wants to be done */

/* Sends all and clears it. */
void zoned_send_all(struct zoned *zoned, struct outbox *outbox);
/* To be called whenever the authority may have something to do sooner than it had. */
void zoned_schedule(struct zoned *zoned);
/* After zoned_stop(): ends the daemon when nobody has to wait any more. */
void zoned_stop_if_done(struct zoned *zoned);
/* For the timer. */
void zoned_on_work(void *userdata);
/* The transaction under way is left to its thread. */
void zoned_leave_transaction(struct zoned *zoned);
extern const struct backend_dns_callbacks zoned_backend_callbacks;

/* zoned-listen.c: where clients come in. 0, or a negative errno that has been logged. */

int zoned_open_sockets(struct zoned *zoned, const struct server_callbacks *udp,
		       const struct stream_callbacks *streams);
int zoned_open_metrics(struct zoned *zoned);
/* zoned-stun.c: `stun` stays NULL where nobody asked for it and its port is taken. */
int zoned_open_stun(struct zoned *zoned);
/* The certificate for connections to come. */
int zoned_load_certificate(struct zoned *zoned);
