/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/zoned.h"

#include "common/base/log.h"
#include "common/dns/dns-options.h"
#include "services/zoned/account-loader.h"
#include "services/zoned/backend-dns.h"
#include "services/zoned/checkpointer.h"
#include "services/zoned/metrics-server.h"
#include "services/zoned/server-stream.h"
#include "services/zoned/socket-address.h"
#include "services/zoned/tls-context.h"
#include "services/zoned/tls-credentials.h"
#include "services/zoned/zoned-metrics.h"

#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>

/* A removed account is noticed this soon when nobody writes to us. */
#define ACCOUNTS_CHECK_MSEC 1000
/* And not oftener than this when there are many. */
#define ACCOUNTS_ASK_MSEC 10
/* While the zone of the primary is on its way, what else is due waits no longer than this. */
#define FOLLOWING_MSEC 20

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
	struct metrics_server *metrics;
	struct zoned_measures measures;
	struct outbox answers;   /* to what came in one burst */
	uint64_t accounts_asked; /* when a burst of messages last looked for new ones */
	struct loop_timer *work_timer;
	struct loop_timer *accounts_timer;
	struct account_loader loader;
	bool is_stopping;
};

static struct moment moment_now(struct zoned *zoned)
{
	return (struct moment){ loop_now(zoned->loop), realtime_usec() / 1000 };
}

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

static void send_all(struct zoned *zoned, struct outbox *outbox)
{
	for (size_t i = 0; i < outbox->n; i++)
		carry_out(zoned, &outbox->items[i]);
	server_udp_flush(zoned->udp);
	outbox_clear(outbox);
	zoned_measures_sent(&zoned->measures, zoned->authority);
}

static void schedule(struct zoned *zoned)
{
	struct moment moment = moment_now(zoned);

	loop_timer_set(zoned->work_timer, authority_next_due(zoned->authority, &moment));
}

static void stop_if_done(struct zoned *zoned)
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
	struct moment moment = moment_now(zoned);
	struct outbox outbox = {};

	if (result < 0)
		log_error("cannot write to %s: %s", zoned->config->database,
			  storage_error(zoned->writer));
	authority_finish(zoned->authority, &moment, result >= 0, &outbox);
	zoned_measures_finish(&zoned->measures, result >= 0);
	send_all(zoned, &outbox);
	stop_if_done(zoned);
	schedule(zoned);
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
		struct moment moment = moment_now(zoned);

		if (r >= 0)
			return;
		step = authority_resume(zoned->authority, &moment, r, changes);
	}
	if (step > 0)
		start_transaction(zoned, changes);
	else
		schedule(zoned);
}

static int refresh_accounts(struct zoned *zoned);

/* Rings when a lease ends, an event has to be sent again, or after the burst of messages that
 * queued something: what came in that burst shares a transaction. */
static void on_work(void *userdata)
{
	struct zoned *zoned = userdata;
	struct moment moment = moment_now(zoned);
	struct change_list changes = {};
	struct outbox outbox = {};

	/* Under load there may be a transaction at each burst, and only between two of them can an
	 * account go. */
	if (!authority_is_busy(zoned->authority))
		(void)refresh_accounts(zoned);
	authority_tick(zoned->authority, &moment, &outbox);
	send_all(zoned, &outbox);
	stop_if_done(zoned);
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
	struct moment moment = moment_now(zoned);
	struct change_list changes = {};

	go_on(zoned, authority_resume(zoned->authority, &moment, outcome, &changes), &changes);
}

static void on_backend_changed(void *userdata)
{
	struct zoned *zoned = userdata;

	authority_set_reachable(zoned->authority, backend_dns_is_reachable(zoned->backend));
	schedule(zoned);
}

static const struct backend_dns_callbacks backend_callbacks = { on_learnt, on_wants_whole,
								on_published, on_backend_changed };

/* Accounts
 * ------------------------------------------------------------------------------------------- */

static int refresh_accounts(struct zoned *zoned)
{
	struct moment moment = moment_now(zoned);

	return account_loader_refresh(&zoned->loader, &moment);
}

static void on_accounts_timer(void *userdata)
{
	struct zoned *zoned = userdata;

	if (refresh_accounts(zoned) < 0)
		log_warning("cannot read %s: %s", zoned->config->database,
			    storage_error(zoned->reader));
	schedule(zoned);
	loop_timer_set_delay(zoned->accounts_timer, ACCOUNTS_CHECK_MSEC);
}

/* Requests
 * ------------------------------------------------------------------------------------------- */

static void on_burst_begin(void *userdata)
{
	struct zoned *zoned = userdata;
	uint64_t now = loop_now(zoned->loop);

	/* Who has just been given an account is known at once, but the question is not free. */
	if (now < zoned->accounts_asked + ACCOUNTS_ASK_MSEC)
		return;
	zoned->accounts_asked = now;
	(void)refresh_accounts(zoned);
}

static void on_message(void *userdata, const struct peer *peer, const uint8_t *data, size_t size)
{
	struct zoned *zoned = userdata;
	struct moment moment = moment_now(zoned);

	authority_receive(zoned->authority, &moment, peer, data, size, &zoned->answers);
	if (authority_take_notified(zoned->authority))
		backend_dns_notified(zoned->backend);
	zoned_measures_receive(&zoned->measures, zoned->authority);
	/* A connection whose answers nobody takes is read no further: it has to see them now. */
	if (peer->connection)
		send_all(zoned, &zoned->answers);
}

static void on_burst_end(void *userdata)
{
	struct zoned *zoned = userdata;

	send_all(zoned, &zoned->answers);
	schedule(zoned);
}

static const struct server_callbacks server_callbacks = { on_burst_begin, on_message,
							  on_burst_end };
/* Whoever says goodbye waits for the last one. */
static void on_closed(void *userdata, const struct peer *peer)
{
	struct zoned *zoned = userdata;

	authority_connection_closed(zoned->authority, peer);
	stop_if_done(zoned);
}

static const struct stream_callbacks stream_callbacks = {
	.messages = { on_burst_begin, on_message, on_burst_end },
	.closed = on_closed,
};

static bool read_binding(void *userdata, const struct peer *peer, uint8_t *ret)
{
	struct zoned *zoned = userdata;

	return server_stream_binding(zoned->streams, peer, ret, DNS_CHANNEL_BINDING_SIZE,
				     DNS_CHANNEL_BINDING_LABEL);
}

static void on_metrics(void *userdata, struct metrics_text *text)
{
	struct zoned *zoned = userdata;

	zoned_metrics_write(text, zoned->authority, &zoned->measures, zoned->config->database);
	zoned_metrics_write_streams(text, server_stream_counters(zoned->streams),
				    server_stream_n_connections(zoned->streams, TRANSPORT_TCP),
				    server_stream_n_connections(zoned->streams, TRANSPORT_TLS));
	metrics_end(text);
}

/* Start and end
 * ------------------------------------------------------------------------------------- */

static int listen_on(struct zoned *zoned, const struct endpoint *address, enum transport transport)
{
	static const char *const names[] = { "UDP", "TCP", "TLS" };
	struct endpoint endpoint = *address;
	char text[ENDPOINT_TEXT_SIZE];
	int r;

	endpoint.port = transport == TRANSPORT_TLS ? zoned->config->tls.port : zoned->config->port;
	if (transport == TRANSPORT_UDP)
		r = server_udp_listen(zoned->udp, &endpoint);
	else
		r = server_stream_listen(zoned->streams, &endpoint, transport);
	if (r < 0 && r != -EAFNOSUPPORT)
		log_error("cannot listen on %s by %s: %s", endpoint_to_text(&endpoint, text),
			  names[transport], strerror(-r));
	else if (r >= 0)
		log_info("listening on %s by %s", endpoint_to_text(&endpoint, text),
			 names[transport]);
	return r;
}

/* On all addresses of the configuration. */
static int listen_by(struct zoned *zoned, enum transport transport)
{
	static const struct endpoint all[] = { { .family = 4 }, { .family = 6 } };
	const struct endpoint_list *list = &zoned->config->listen_addresses;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < list->n; i++)
		r = listen_on(zoned, &list->items[i], transport);
	if (r < 0 || list->n > 0)
		return r;
	r = listen_on(zoned, &all[0], transport);
	if (r < 0)
		return r;
	r = listen_on(zoned, &all[1], transport);
	/* A machine without IPv6 has nobody to listen to there. */
	return r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL ? 0 : r;
}

/* The certificate for connections to come. */
static int load_certificate(struct zoned *zoned)
{
	cleanup(freep) char *message = NULL;
	SSL_CTX *context;
	int r = tls_context_new(zoned->config->tls.certificate, zoned->config->tls.private_key,
				&context, &message);

	if (r < 0) {
		log_error("%s", message ?: strerror(-r));
		return r;
	}
	server_stream_set_tls(zoned->streams, context);
	return 0;
}

static void set_limits(struct zoned *zoned, enum transport transport,
		       const struct zoned_stream_config *config)
{
	struct stream_limits limits = { config->connections, config->per_address,
					config->idle * 1000 };

	server_stream_set_limits(zoned->streams, transport, &limits);
}

/* As many descriptors as we are allowed, for the connections that the configuration allows. */
static void raise_descriptor_limit(const struct zoned_config *config)
{
	uint64_t wanted = 64ull + config->tcp_limits.connections + config->tls_limits.connections;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < wanted)
		log_warning("this process may have %llu descriptors, too few for all the "
			    "connections of [tcp] and [tls]",
			    (unsigned long long)limit.rlim_max);
}

static int open_sockets(struct zoned *zoned)
{
	int r = server_udp_new(zoned->loop, &server_callbacks, zoned, &zoned->udp);

	raise_descriptor_limit(zoned->config);
	if (r >= 0)
		r = server_stream_new(zoned->loop, &stream_callbacks, zoned, &zoned->streams);
	if (r < 0)
		return r;
	set_limits(zoned, TRANSPORT_TCP, &zoned->config->tcp_limits);
	set_limits(zoned, TRANSPORT_TLS, &zoned->config->tls_limits);
	r = listen_by(zoned, TRANSPORT_UDP);
	if (r >= 0)
		r = listen_by(zoned, TRANSPORT_TCP);
	if (r >= 0 && zoned->config->tls.port) {
		r = load_certificate(zoned);
		if (r >= 0)
			r = listen_by(zoned, TRANSPORT_TLS);
	}
	return r;
}

/* The third connection to the database. */
static int open_checkpointer(struct zoned *zoned, char **ret_message)
{
	struct storage *storage;
	int r = storage_open(zoned->config->database, STORAGE_EXISTING, &storage, ret_message);

	return r < 0 ? r : checkpointer_new(zoned->loop, storage, &zoned->checkpointer);
}

static int open_storage(struct zoned *zoned)
{
	cleanup(freep) char *message = NULL;
	int64_t last_record;
	int r = storage_open(zoned->config->database, STORAGE_CREATE, &zoned->writer, &message);

	if (r >= 0)
		r = storage_open(zoned->config->database, STORAGE_EXISTING, &zoned->reader,
				 &message);
	if (r >= 0)
		r = open_checkpointer(zoned, &message);
	if (r < 0) {
		log_error("%s", message ?: strerror(-r));
		return r;
	}
	storage_defer_checkpoints(zoned->writer);
	r = storage_last_record_id(zoned->reader, &last_record);
	if (r >= 0) {
		authority_set_last_record_id(zoned->authority, last_record);
		zoned->loader = (struct account_loader){
			.authority = zoned->authority,
			.storage = zoned->reader,
			.zone = zoned->config->zone,
			.is_replicated = zoned->options.is_replicated,
		};
		r = refresh_accounts(zoned);
	}
	if (r < 0)
		log_error("cannot read %s: %s", zoned->config->database,
			  storage_error(zoned->reader));
	/* From here on it is the loop that reads: what cannot be read now is tried again soon. */
	storage_set_patience(zoned->reader, 0);
	return r;
}

static int load_transfer(struct zoned *zoned, char **ret_message)
{
	struct authority_options *options = &zoned->options;
	int r = transfer_settings_load(&zoned->config->transfer, options->zone, &zoned->transfer,
				       ret_message);

	options->transfer_keys = &zoned->transfer.keys;
	options->notify_targets = zoned->transfer.targets;
	options->n_notify_targets = zoned->transfer.n_targets;
	options->is_replicated = zoned->transfer.keys.n || zoned->transfer.n_targets;
	return r;
}

static int load_backend(struct zoned *zoned, char **ret_message)
{
	const struct backend_config *config = &zoned->config->backend;
	struct authority_options *options = &zoned->options;
	int r;

	if (config->type != BACKEND_DNS)
		return 0;
	r = backend_settings_load(config, &zoned->backend_keys, ret_message);
	if (r < 0)
		return r;
	zoned->backend_options = (struct backend_dns_options){
		.zone = options->zone,
		.primary = config->primary,
		.key = &zoned->backend_keys.items[0],
	};
	options->is_follower = true;
	options->primary = config->primary;
	options->primary_key = zoned->backend_options.key;
	return 0;
}

/* Makes certificate and key if they are not there and the configuration does not name others. */
static int find_pin(struct zoned *zoned, uint8_t ret[static TLS_PIN_SIZE])
{
	const struct zoned_config *config = zoned->config;
	cleanup(freep) char *message = NULL;
	int r = 0;

	if (!config->tls.port)
		return 0;
	if (config->tls.has_own)
		r = tls_credentials_ensure(config->tls.certificate, config->tls.private_key,
					   config->server_name, realtime_usec() / 1000000,
					   &message);
	if (r > 0)
		log_info("made a certificate: %s", config->tls.certificate);
	if (r >= 0)
		r = tls_credentials_pin(config->tls.certificate, ret, &message);
	if (r < 0)
		log_error("%s", message ?: strerror(-r));
	return r;
}

static int make_authority(struct zoned *zoned)
{
	cleanup(freep) char *message = NULL;
	int r = zoned_config_make_options(zoned->config, &zoned->options, &message);

	if (r >= 0)
		r = load_transfer(zoned, &message);
	if (r >= 0)
		r = load_backend(zoned, &message);
	if (r < 0) {
		log_error("%s", message ?: strerror(-r));
		return r;
	}
	/* Grows with each start, which is when the configuration may have changed. */
	zoned->options.serial = realtime_usec() / 1000000;
	if (getrandom(zoned->options.llq_secret, sizeof zoned->options.llq_secret, 0) !=
	    sizeof zoned->options.llq_secret)
		return -EIO;
	zoned->options.channel_binding = read_binding;
	zoned->options.channel_userdata = zoned;
	r = find_pin(zoned, zoned->options.tls_pin);
	if (r < 0)
		return r;
	return authority_new(&zoned->options, &zoned->authority);
}

static int open_metrics(struct zoned *zoned)
{
	const struct zoned_config *config = zoned->config;
	struct endpoint endpoint = config->metrics.address;
	char text[ENDPOINT_TEXT_SIZE];
	int r = metrics_server_new(zoned->loop, on_metrics, zoned, &zoned->metrics);

	if (r >= 0)
		r = metrics_server_listen_local(zoned->metrics, config->metrics.socket);
	if (r < 0)
		log_error("cannot make the socket %s: %s", config->metrics.socket, strerror(-r));
	if (r < 0 || config->metrics.port == 0)
		return r;
	endpoint.port = config->metrics.port;
	r = metrics_server_listen(zoned->metrics, &endpoint);
	if (r < 0)
		log_error("cannot give metrics on %s: %s", endpoint_to_text(&endpoint, text),
			  strerror(-r));
	else
		log_info("metrics on %s", endpoint_to_text(&endpoint, text));
	return r;
}

int zoned_new(struct daemon *daemon, const struct zoned_config *config, struct zoned **ret)
{
	cleanup(zoned_freep) struct zoned *zoned = calloc(1, sizeof *zoned);
	int r;

	if (!zoned)
		return -ENOMEM;
	zoned->daemon = daemon;
	zoned->loop = daemon_loop(daemon);
	zoned->config = config;
	r = make_authority(zoned);
	if (r >= 0)
		r = open_storage(zoned);
	if (r >= 0)
		r = loop_timer_new(zoned->loop, on_work, zoned, &zoned->work_timer);
	if (r >= 0)
		r = loop_timer_new(zoned->loop, on_accounts_timer, zoned, &zoned->accounts_timer);
	if (r >= 0)
		r = open_sockets(zoned);
	if (r >= 0)
		r = open_metrics(zoned);
	if (r >= 0 && zoned->options.is_follower)
		r = backend_dns_new(zoned->loop, &zoned->backend_options, &backend_callbacks, zoned,
				    &zoned->backend);
	if (r < 0)
		return r;
	loop_timer_set_delay(zoned->accounts_timer, ACCOUNTS_CHECK_MSEC);
	schedule(zoned);
	*ret = steal_ptr(zoned);
	return 0;
}

struct zoned *zoned_free(struct zoned *zoned)
{
	if (!zoned)
		return NULL;
	backend_dns_free(zoned->backend);
	metrics_server_free(zoned->metrics);
	outbox_clear(&zoned->answers);
	server_udp_free(zoned->udp);
	server_stream_free(zoned->streams);
	loop_timer_free(zoned->work_timer);
	loop_timer_free(zoned->accounts_timer);
	storage_free(zoned->reader);
	checkpointer_free(zoned->checkpointer);
	/* Stopped without waiting for the disk: the thread keeps what it uses. */
	if (zoned->transaction)
		zoned->transaction->zoned = NULL;
	else
		storage_free(zoned->writer);
	authority_free(zoned->authority);
	zoned_config_clear_options(&zoned->options);
	transfer_settings_clear(&zoned->transfer);
	transfer_keys_clear(&zoned->backend_keys);
	free(zoned);
	return NULL;
}

void zoned_stop(struct zoned *zoned)
{
	struct moment moment = moment_now(zoned);
	struct outbox outbox = {};

	if (zoned->is_stopping)
		return;
	zoned->is_stopping = true;
	server_stream_stop_listening(zoned->streams);
	authority_say_goodbye(zoned->authority, &moment, &outbox);
	send_all(zoned, &outbox);
	stop_if_done(zoned);
	schedule(zoned);
}

void zoned_reload(struct zoned *zoned)
{
	uint8_t pin[TLS_PIN_SIZE];

	/* What does not work leaves everything as it was. */
	if (!zoned->config->tls.port || find_pin(zoned, pin) < 0 || load_certificate(zoned) < 0)
		return;
	if (authority_set_tls_pin(zoned->authority, pin) < 0)
		log_error("no memory for the pin of the new certificate");
	else
		log_info("read the certificate again: %s", zoned->config->tls.certificate);
}
