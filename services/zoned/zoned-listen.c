/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where clients come in: sockets, their limits, the certificate, metrics. */
#include "services/zoned/zoned-internal.h"

#include "common/base/log.h"
#include "services/zoned/socket-address.h"
#include "services/zoned/tls-context.h"

#include <stdio.h>
#include <sys/resource.h>

/* What to do about it, where that is not plain. All addresses cannot be had when anybody has one of
 * them. */
static const char *advice(const struct zoned *zoned, int error)
{
	if (error != -EADDRINUSE)
		return "";
	return zoned->config->listen_addresses.n > 0
		       ? "; another program has it"
		       : "; another program has the port on one address at least, as "
			 "systemd-resolved "
			 "has 127.0.0.53: say in [listen] which addresses are yours";
}

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
		log_error("cannot listen on %s by %s: %s%s", endpoint_to_text(&endpoint, text),
			  names[transport], strerror(-r), advice(zoned, r));
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

int zoned_load_certificate(struct zoned *zoned)
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

int zoned_open_sockets(struct zoned *zoned, const struct server_callbacks *udp,
		       const struct stream_callbacks *streams)
{
	int r = server_udp_new(zoned->loop, udp, zoned, &zoned->udp);

	raise_descriptor_limit(zoned->config);
	if (r >= 0)
		r = server_stream_new(zoned->loop, streams, zoned, &zoned->streams);
	if (r < 0)
		return r;
	set_limits(zoned, TRANSPORT_TCP, &zoned->config->tcp_limits);
	set_limits(zoned, TRANSPORT_TLS, &zoned->config->tls_limits);
	r = listen_by(zoned, TRANSPORT_UDP);
	if (r >= 0)
		r = listen_by(zoned, TRANSPORT_TCP);
	if (r >= 0 && zoned->config->tls.port) {
		r = zoned_load_certificate(zoned);
		if (r >= 0)
			r = listen_by(zoned, TRANSPORT_TLS);
	}
	return r;
}

static void on_metrics(void *userdata, struct metrics_text *text)
{
	struct zoned *zoned = userdata;

	zoned_metrics_write(text, zoned->authority, &zoned->measures, zoned->config->database);
	zoned_metrics_write_streams(text, server_stream_counters(zoned->streams),
				    server_stream_n_connections(zoned->streams, TRANSPORT_TCP),
				    server_stream_n_connections(zoned->streams, TRANSPORT_TLS));
	if (zoned->stun)
		zoned_metrics_write_stun(text, stun_server_counters(zoned->stun));
	metrics_end(text);
}

int zoned_open_metrics(struct zoned *zoned)
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
