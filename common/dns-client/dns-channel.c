/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * closed --request--> connecting to a server --open--> all requests sent
 * connecting --failed--> the next server; after the last: all requests fail
 * open --ended, with requests--> connecting to the same server, the second time to the next
 * open --no answer for 10 s--> connecting to the next server
 * open --nothing asked for 15 s--> closed
 */
#include "common/dns-client/dns-channel.h"

#include "common/dns-client/dns-stream.h"
#include "common/dns/dns-message.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define REQUESTS_MAX 64
#define IDLE_MSEC    15000
#define ANSWER_MSEC  10000
#define AVOID_MSEC   60000

struct dns_request {
	struct dns_channel *channel; /* NULL: no longer in its list */
	struct dns_request *next;
	dns_request_callback callback;
	void *userdata;
	uint8_t *data;
	size_t size;
	uint64_t due; /* of its answer; UINT64_MAX: not sent on this connection */
};

struct dns_channel {
	struct loop *loop;
	struct loop_timer *timer;
	struct dns_server servers[DNS_SERVERS_MAX];
	uint64_t avoid_until[DNS_SERVERS_MAX];
	bool tried[DNS_SERVERS_MAX]; /* for the requests that wait */
	size_t n_servers, current;
	bool used; /* `last` is set */
	struct dns_server last;
	struct dns_stream *stream;
	unsigned int n_lost; /* connections in a row that ended with requests unanswered */
	struct dns_request *requests;
	size_t n_requests;
	uint64_t idle_at;
	uint64_t n_dropped;
	int error; /* of the servers tried: a certificate that is not accepted, else the last one */
	char words[320];
	bool *gone; /* set by dns_channel_free() while callbacks run */
};

static const struct dns_stream_events events;

/* All servers may be tried for what waits, and for what will be asked. */
static void begin_anew(struct dns_channel *channel)
{
	memset(channel->tried, 0, sizeof(channel->tried));
	channel->error = 0;
	channel->words[0] = 0;
}

/* That somebody showed a wrong certificate is not forgotten because others do not answer. */
static void note_error(struct dns_channel *channel, int error, const char *words)
{
	if (channel->error == DNS_STREAM_UNTRUSTED)
		return;
	channel->error = error;
	snprintf(channel->words, sizeof(channel->words), "%s", words);
}

static void set_timer(struct dns_channel *channel)
{
	uint64_t due = UINT64_MAX;

	for (const struct dns_request *request = channel->requests; request;
	     request = request->next)
		due = request->due < due ? request->due : due;
	/* Failing is for the loop to tell. */
	if (channel->requests && !channel->stream)
		due = 0;
	if (!channel->requests && channel->stream)
		due = channel->idle_at;
	loop_timer_set(channel->timer, due);
}

static void unlink_request(struct dns_request *request)
{
	struct dns_channel *channel = request->channel;

	if (!channel)
		return;
	for (struct dns_request **at = &channel->requests; *at; at = &(*at)->next) {
		if (*at == request) {
			*at = request->next;
			channel->n_requests--;
			break;
		}
	}
	request->channel = NULL;
	request->next = NULL;
	if (channel->requests)
		return;
	begin_anew(channel);
	channel->n_lost = 0;
	channel->idle_at = loop_now(channel->loop) + IDLE_MSEC;
	set_timer(channel);
}

struct dns_request *dns_request_free(struct dns_request *request)
{
	if (!request)
		return NULL;
	unlink_request(request);
	free(request->data);
	free(request);
	return NULL;
}

/* Tells the requests that wait now; their callbacks may do as they like. */
static void fail_all(struct dns_channel *channel)
{
	bool gone = false, *former = channel->gone;
	size_t n = channel->n_requests;
	char words[sizeof(channel->words)];
	int error = channel->error ?: -ETIMEDOUT;

	strcpy(words, channel->words);
	channel->gone = &gone;
	begin_anew(channel);
	while (n-- > 0 && !gone && channel->requests) {
		struct dns_request *request = channel->requests;

		unlink_request(request);
		request->callback(request->userdata, error, words, NULL, 0);
	}
	if (!gone) {
		channel->gone = former;
		set_timer(channel);
	}
}

/* The next server for the requests that wait: one not tried for them, rather one that has not
 * failed lately. */
static bool choose_server(struct dns_channel *channel)
{
	uint64_t now = loop_now(channel->loop);

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < channel->n_servers; i++) {
			if (channel->tried[i] || (pass == 0 && channel->avoid_until[i] > now))
				continue;
			channel->current = i;
			return true;
		}
	}
	return false;
}

static void avoid(struct dns_channel *channel)
{
	channel->tried[channel->current] = true;
	channel->avoid_until[channel->current] = loop_now(channel->loop) + AVOID_MSEC;
	channel->n_lost = 0;
}

/* Until a connection is under way or there is no server left. */
static void connect_somewhere(struct dns_channel *channel)
{
	while (!channel->stream && choose_server(channel)) {
		struct dns_stream_options options = {
			.server = channel->servers[channel->current].address,
			.trust = &channel->servers[channel->current].trust,
		};
		int r = dns_stream_new(channel->loop, &options, &events, channel, &channel->stream);

		channel->last = channel->servers[channel->current];
		channel->used = true;
		if (r < 0) {
			note_error(channel, r, strerror(-r));
			avoid(channel);
		}
	}
	for (struct dns_request *request = channel->requests; request; request = request->next)
		request->due = UINT64_MAX;
	set_timer(channel);
}

static void send_request(struct dns_channel *channel, struct dns_request *request)
{
	uint64_t now = loop_now(channel->loop);
	int r = dns_stream_send(channel->stream, request->data, request->size);

	/* A server that takes nothing gives no answers either. */
	request->due = r < 0 ? now : now + ANSWER_MSEC;
}

static void on_open(void *userdata)
{
	struct dns_channel *channel = userdata;

	channel->avoid_until[channel->current] = 0;
	for (struct dns_request *request = channel->requests; request; request = request->next)
		send_request(channel, request);
	set_timer(channel);
}

static void on_closed(void *userdata, int error, const char *words)
{
	struct dns_channel *channel = userdata;
	bool was_open = false;

	for (const struct dns_request *request = channel->requests; request;
	     request = request->next)
		was_open |= request->due != UINT64_MAX;
	note_error(channel, error, words);
	channel->stream = dns_stream_free(channel->stream);
	if (!channel->requests) {
		begin_anew(channel);
		set_timer(channel);
		return;
	}
	/* A server may close a connection at any time, also while a question is on its way. */
	if (!was_open || ++channel->n_lost > 1)
		avoid(channel);
	connect_somewhere(channel);
}

/* Whether both begin with the same question. */
static bool same_question(const struct dns_request *request, const uint8_t *data, size_t size)
{
	size_t i = DNS_HEADER_SIZE;

	/* An error answer may have none. */
	if (size >= DNS_HEADER_SIZE && data[4] == 0 && data[5] == 0)
		return true;
	/* The name, without regard to case: lengths of labels are below 64, so no letters. */
	for (; i < request->size && i < size; i++) {
		if (tolower(request->data[i]) != tolower(data[i]))
			return false;
		if (data[i] == 0)
			break;
	}
	return i + 5 <= size && i + 5 <= request->size &&
	       memcmp(request->data + i + 1, data + i + 1, 4) == 0;
}

static void on_message(void *userdata, const uint8_t *data, size_t size)
{
	struct dns_channel *channel = userdata;
	struct dns_request *request = channel->requests;
	bool gone = false, *former = channel->gone, taken;

	while (request &&
	       (size < DNS_HEADER_SIZE || !(data[2] & 0x80) ||
		memcmp(request->data, data, 2) != 0 || !same_question(request, data, size)))
		request = request->next;
	if (!request || request->due == UINT64_MAX) {
		channel->n_dropped++;
		return;
	}
	channel->gone = &gone;
	channel->n_lost = 0;
	taken = request->callback(request->userdata, 0, NULL, data, size);
	if (gone)
		return;
	channel->n_dropped += !taken;
	channel->gone = former;
}

static const struct dns_stream_events events = { on_open, on_message, on_closed };

static void on_timer(void *userdata)
{
	struct dns_channel *channel = userdata;
	uint64_t now = loop_now(channel->loop);
	bool late = false;

	if (!channel->requests) {
		channel->stream = dns_stream_free(channel->stream);
		return;
	}
	for (const struct dns_request *request = channel->requests; request;
	     request = request->next)
		late |= request->due <= now;
	if (late) {
		channel->stream = dns_stream_abort(channel->stream);
		note_error(channel, -ETIMEDOUT, "the server does not answer");
		avoid(channel);
		connect_somewhere(channel);
	}
	if (!channel->stream)
		fail_all(channel);
	else
		set_timer(channel);
}

int dns_channel_new(struct loop *loop, struct dns_channel **ret)
{
	cleanup(dns_channel_freep) struct dns_channel *channel = NULL;
	int r;

	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return -ENOMEM;
	channel->loop = loop;
	r = loop_timer_new(loop, on_timer, channel, &channel->timer);
	if (r < 0)
		return r;
	*ret = steal_ptr(channel);
	return 0;
}

struct dns_channel *dns_channel_free(struct dns_channel *channel)
{
	if (!channel)
		return NULL;
	if (channel->gone)
		*channel->gone = true;
	for (struct dns_request *request = channel->requests; request; request = request->next)
		request->channel = NULL;
	dns_stream_free(channel->stream);
	loop_timer_free(channel->timer);
	free(channel);
	return NULL;
}

static bool same_server(const struct dns_server *a, const struct dns_server *b)
{
	return a->address.sin_addr.s_addr == b->address.sin_addr.s_addr &&
	       a->address.sin_port == b->address.sin_port &&
	       memcmp(&a->trust.pins, &b->trust.pins, sizeof(a->trust.pins)) == 0 &&
	       memcmp(&a->trust.tlsa, &b->trust.tlsa, sizeof(a->trust.tlsa)) == 0 &&
	       strcmp(a->trust.name, b->trust.name) == 0;
}

void dns_channel_set_servers(struct dns_channel *channel, const struct dns_server *servers,
			     size_t n)
{
	struct dns_server kept[DNS_SERVERS_MAX];
	uint64_t avoid_until[DNS_SERVERS_MAX] = { 0 };
	size_t n_kept = 0;
	bool used = false;

	for (size_t i = 0; i < n && n_kept < DNS_SERVERS_MAX; i++) {
		if (!servers[i].tls)
			continue;
		for (size_t k = 0; k < channel->n_servers; k++)
			if (same_server(&channel->servers[k], &servers[i]))
				avoid_until[n_kept] = channel->avoid_until[k];
		used |= channel->used && same_server(&channel->last, &servers[i]);
		kept[n_kept++] = servers[i];
	}
	memcpy(channel->servers, kept, n_kept * sizeof(kept[0]));
	memcpy(channel->avoid_until, avoid_until, sizeof(avoid_until));
	begin_anew(channel);
	channel->n_servers = n_kept;
	channel->current = 0;
	for (size_t i = 0; i < n_kept; i++)
		if (used && same_server(&channel->last, &kept[i]))
			channel->current = i;
	/* A connection to a server that is none any more, or has another key now. */
	if (!used && channel->stream) {
		channel->stream = dns_stream_free(channel->stream);
		if (channel->requests)
			connect_somewhere(channel);
	}
}

size_t dns_channel_count(const struct dns_channel *channel)
{
	return channel->n_servers;
}

void dns_channel_reset(struct dns_channel *channel)
{
	/* A goodbye would not arrive from there. */
	channel->stream = dns_stream_abort(channel->stream);
	begin_anew(channel);
	memset(channel->avoid_until, 0, sizeof(channel->avoid_until));
	channel->n_lost = 0;
	if (channel->requests)
		connect_somewhere(channel);
}

const struct dns_server *dns_channel_server(const struct dns_channel *channel)
{
	return channel->used ? &channel->last : NULL;
}

uint64_t dns_channel_dropped(const struct dns_channel *channel)
{
	return channel->n_dropped;
}

int dns_channel_request(struct dns_channel *channel, const uint8_t *data, size_t size,
			dns_request_callback callback, void *userdata, struct dns_request **ret)
{
	struct dns_request *request, **at = &channel->requests;

	if (size < DNS_HEADER_SIZE || size > DNS_MESSAGE_SIZE_MAX)
		return -EMSGSIZE;
	if (channel->n_servers == 0)
		return -ENOENT;
	if (channel->n_requests == REQUESTS_MAX)
		return -EBUSY;
	for (; *at; at = &(*at)->next)
		if (memcmp((*at)->data, data, 2) == 0)
			return -EEXIST;
	request = calloc(1, sizeof(*request));
	if (request)
		request->data = malloc(size);
	if (!request || !request->data) {
		free(request);
		return -ENOMEM;
	}
	memcpy(request->data, data, size);
	request->size = size;
	request->channel = channel;
	request->callback = callback;
	request->userdata = userdata;
	request->due = UINT64_MAX;
	*at = request;
	channel->n_requests++;
	*ret = request;
	if (!channel->stream)
		connect_somewhere(channel);
	else if (dns_stream_is_open(channel->stream))
		send_request(channel, request);
	set_timer(channel);
	return 0;
}
