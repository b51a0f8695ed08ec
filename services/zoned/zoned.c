/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/zoned-internal.h"

#include "common/base/log.h"
#include "common/dns/dns-options.h"
#include "services/zoned/tls-credentials.h"

#include <stdio.h>
#include <sys/random.h>

/* A removed account is noticed this soon when nobody writes to us. */
#define ACCOUNTS_CHECK_MSEC 1000
/* And not oftener than this when there are many. */
#define ACCOUNTS_ASK_MSEC 10

struct moment zoned_moment(struct zoned *zoned)
{
	return (struct moment){ loop_now(zoned->loop), realtime_usec() / 1000 };
}

/* Accounts
 * ------------------------------------------------------------------------------------------- */

int zoned_refresh_accounts(struct zoned *zoned)
{
	struct moment moment = zoned_moment(zoned);

	return account_loader_refresh(&zoned->loader, &moment);
}

static void on_accounts_timer(void *userdata)
{
	struct zoned *zoned = userdata;

	if (zoned_refresh_accounts(zoned) < 0)
		log_warning("cannot read %s: %s", zoned->config->database,
			    storage_error(zoned->reader));
	zoned_schedule(zoned);
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
	(void)zoned_refresh_accounts(zoned);
}

static void on_message(void *userdata, const struct peer *peer, const uint8_t *data, size_t size)
{
	struct zoned *zoned = userdata;
	struct moment moment = zoned_moment(zoned);

	authority_receive(zoned->authority, &moment, peer, data, size, &zoned->answers);
	if (authority_take_notified(zoned->authority))
		backend_dns_notified(zoned->backend);
	zoned_measures_receive(&zoned->measures, zoned->authority);
	/* A connection whose answers nobody takes is read no further: it has to see them now. */
	if (peer->connection)
		zoned_send_all(zoned, &zoned->answers);
}

static void on_burst_end(void *userdata)
{
	struct zoned *zoned = userdata;

	zoned_send_all(zoned, &zoned->answers);
	zoned_schedule(zoned);
}

static const struct server_callbacks server_callbacks = { on_burst_begin, on_message,
							  on_burst_end };
/* Whoever says goodbye waits for the last one. */
static void on_closed(void *userdata, const struct peer *peer)
{
	struct zoned *zoned = userdata;

	authority_connection_closed(zoned->authority, peer);
	zoned_stop_if_done(zoned);
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

/* Start and end
 * ------------------------------------------------------------------------------------- */

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
		r = zoned_refresh_accounts(zoned);
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
	/* What the zone says of it depends on whether it works. */
	r = zoned_open_stun(zoned);
	if (r < 0)
		return r;
	zoned->options.stun_port = zoned->stun ? zoned->config->stun.port : 0;
	r = find_pin(zoned, zoned->options.tls_pin);
	if (r < 0)
		return r;
	return authority_new(&zoned->options, &zoned->authority);
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
		r = loop_timer_new(zoned->loop, zoned_on_work, zoned, &zoned->work_timer);
	if (r >= 0)
		r = loop_timer_new(zoned->loop, on_accounts_timer, zoned, &zoned->accounts_timer);
	if (r >= 0)
		r = zoned_open_sockets(zoned, &server_callbacks, &stream_callbacks);
	if (r >= 0)
		r = zoned_open_metrics(zoned);
	if (r >= 0 && zoned->options.is_follower)
		r = backend_dns_new(zoned->loop, &zoned->backend_options, &zoned_backend_callbacks,
				    zoned, &zoned->backend);
	if (r < 0)
		return r;
	loop_timer_set_delay(zoned->accounts_timer, ACCOUNTS_CHECK_MSEC);
	zoned_schedule(zoned);
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
	stun_server_free(zoned->stun);
	loop_timer_free(zoned->work_timer);
	loop_timer_free(zoned->accounts_timer);
	storage_free(zoned->reader);
	checkpointer_free(zoned->checkpointer);
	/* Stopped without waiting for the disk: the thread keeps what it uses. */
	if (zoned->transaction)
		zoned_leave_transaction(zoned);
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
	struct moment moment = zoned_moment(zoned);
	struct outbox outbox = {};

	if (zoned->is_stopping)
		return;
	zoned->is_stopping = true;
	server_stream_stop_listening(zoned->streams);
	authority_say_goodbye(zoned->authority, &moment, &outbox);
	zoned_send_all(zoned, &outbox);
	zoned_stop_if_done(zoned);
	zoned_schedule(zoned);
}

void zoned_reload(struct zoned *zoned)
{
	uint8_t pin[TLS_PIN_SIZE];

	/* What does not work leaves everything as it was. */
	if (!zoned->config->tls.port || find_pin(zoned, pin) < 0 ||
	    zoned_load_certificate(zoned) < 0)
		return;
	if (authority_set_tls_pin(zoned->authority, pin) < 0)
		log_error("no memory for the pin of the new certificate");
	else
		log_info("read the certificate again: %s", zoned->config->tls.certificate);
}
