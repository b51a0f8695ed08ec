/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/link.h"

#include "common/dns-client/dns-stream.h"
#include "common/dns/dns-records.h"

#include <stdio.h>
#include <string.h>

struct link {
	struct loop *loop;
	struct watch_set *set;
	const struct link_events *events;
	void *userdata;
	enum watch_transport transport;
	bool opened;
	struct llq_socket *socket; /* always there, so that its port stays */
	struct dns_stream *stream;
	const struct dns_tsig_key *key;
	char domain[256];
};

static struct llq_time time_now(const struct link *link)
{
	return (struct llq_time){ .now = loop_now(link->loop),
				  .realtime = realtime_usec() / 1000000 };
}

static void on_datagram(void *userdata, const uint8_t *data, size_t size)
{
	struct link *link = userdata;
	struct llq_time time = time_now(link);

	if (link->transport != WATCH_TRANSPORT_LLQ_UDP)
		return;
	watch_set_receive(link->set, &time, data, size);
	link->events->on_change(link->userdata);
}

static void on_open(void *userdata)
{
	struct link *link = userdata;
	struct llq_time time = time_now(link);
	struct push_start start = { .key = link->key };
	ldns_rdf *domain = dns_record_name(link->domain);

	link->opened = true;
	start.domain = domain;
	if (!domain ||
	    dns_stream_channel_binding(link->stream, start.binding, sizeof(start.binding)) < 0) {
		ldns_rdf_deep_free(domain);
		link->stream = dns_stream_free(link->stream);
		link->transport = WATCH_TRANSPORT_NONE;
		link->events->on_lost(link->userdata, -EIO, "the connection cannot be used");
		return;
	}
	watch_set_start_stream(link->set, link->transport, &start, &time);
	ldns_rdf_deep_free(domain);
	link->events->on_change(link->userdata);
}

static void on_message(void *userdata, const uint8_t *data, size_t size)
{
	struct link *link = userdata;
	struct llq_time time = time_now(link);

	watch_set_receive(link->set, &time, data, size);
	link->events->on_change(link->userdata);
}

static void on_closed(void *userdata, int error, const char *words)
{
	struct link *link = userdata;
	char kept[320];

	snprintf(kept, sizeof(kept), "%s", words);
	link->stream = dns_stream_free(link->stream);
	link->transport = WATCH_TRANSPORT_NONE;
	watch_set_abandon(link->set);
	link->events->on_lost(link->userdata, error, kept);
}

int link_new(struct loop *loop, struct watch_set *set, uint16_t port,
	     const struct link_events *events, void *userdata, struct link **ret)
{
	cleanup(link_freep) struct link *link = NULL;
	int r;

	link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	link->loop = loop;
	link->set = set;
	link->events = events;
	link->userdata = userdata;
	r = llq_socket_new(loop, port, on_datagram, link, &link->socket);
	if (r < 0)
		return r;
	*ret = steal_ptr(link);
	return 0;
}

struct link *link_free(struct link *link)
{
	if (!link)
		return NULL;
	dns_stream_free(link->stream);
	llq_socket_free(link->socket);
	free(link);
	return NULL;
}

/* Without a word: from where we are now it would not arrive, or come too late. */
static void drop(struct link *link)
{
	watch_set_abandon(link->set);
	link->stream = dns_stream_abort(link->stream);
	link->transport = WATCH_TRANSPORT_NONE;
}

int link_start(struct link *link, const struct dns_server *server, const struct dns_tsig_key *key,
	       const char *domain)
{
	static const struct dns_stream_events events = { on_open, on_message, on_closed };
	struct dns_stream_options options = { .server = server->address, .trust = &server->trust };
	struct llq_time time = time_now(link);
	int r;

	drop(link);
	link->opened = false;
	link->key = key;
	snprintf(link->domain, sizeof(link->domain), "%s", domain);
	if (server->tls) {
		r = dns_stream_new(link->loop, &options, &events, link, &link->stream);
	} else {
		r = llq_socket_renew(link->socket, &server->address);
		if (r >= 0)
			watch_set_start(link->set, key, &time);
	}
	if (r >= 0)
		link->transport = server->service;
	return r;
}

void link_flush(struct link *link)
{
	const uint8_t *data;
	size_t size;

	while (watch_set_next_message(link->set, &data, &size)) {
		/* What a connection does not take is lost with it; it ends by itself. */
		if (dns_stream_is_open(link->stream))
			dns_stream_send(link->stream, data, size);
		else if (link->transport == WATCH_TRANSPORT_LLQ_UDP)
			llq_socket_send(link->socket, data, size);
	}
}

void link_stop(struct link *link)
{
	struct llq_time time = time_now(link);

	if (watch_set_is_broken(link->set)) {
		drop(link);
		return;
	}
	watch_set_stop(link->set, &time);
	link_flush(link);
	link->stream = dns_stream_free(link->stream);
	link->transport = WATCH_TRANSPORT_NONE;
}

bool link_was_open(const struct link *link)
{
	return link->opened;
}

enum watch_transport link_transport(const struct link *link)
{
	return link->transport;
}

uint16_t link_port(const struct link *link)
{
	return link->transport == WATCH_TRANSPORT_LLQ_UDP ? llq_socket_port(link->socket) : 0;
}

uint64_t link_strangers(const struct link *link)
{
	return llq_socket_strangers(link->socket);
}
