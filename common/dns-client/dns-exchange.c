/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * udp --answer--> done      udp --TC, or BADKEY/BADSIG unsigned, or all attempts lost--> tcp
 * tcp --answer--> done      tcp --no answer in time, or no connection--> done, with an error
 * channel --answer--> done      channel --none, and there is a server in the clear--> udp
 * A brief one: udp --three attempts lost--> done, with an error
 */
#include "common/dns-client/dns-exchange.h"

#include "common/dns-client/dns-stream.h"
#include "common/dns/dns-options.h"
#include "common/net/detour.h"

#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

/* After each attempt over UDP, milliseconds until the next. */
static const uint16_t udp_intervals[] = { 500, 1000, 2000, 4000, 4000 };
#define N_BRIEF  3
#define TCP_MSEC 6000
/* With the option's code and length. */
#define PADDING_MAX (4 + DNS_PADDING_QUERY)

struct dns_exchange {
	struct loop *loop;
	dns_exchange_callback callback;
	void *userdata;
	struct sockaddr_in server;
	const struct dns_tsig_key *key;
	struct dns_tsig_mac mac; /* of the request */
	struct loop_timer *timer;
	struct loop_io *io;
	int fd;
	bool brief, tcp;             /* `tcp`: nobody off the path can answer */
	struct dns_channel *channel; /* NULL: not, or not any more */
	struct dns_request *waiting; /* at the channel */
	unsigned int n_sent;         /* over UDP */
	unsigned int n_dropped;
	int hint;       /* what an unsigned answer over UDP claimed: -ENOKEY, -EKEYREJECTED; or 0 */
	int last_error; /* of the network, since start(); 0: silence */

	uint8_t *request;    /* two octets of length, as TCP wants, and the message */
	size_t request_size; /* with them */
	size_t n_written;    /* over TCP */
	uint8_t *answer;     /* as TCP carries it */
	size_t n_read;
};

static void start_tcp(struct dns_exchange *exchange);

static void close_socket(struct dns_exchange *exchange)
{
	exchange->io = loop_io_free(exchange->io);
	exchange->fd = close_fd(exchange->fd);
}

static void finish(struct dns_exchange *exchange, const struct dns_exchange_result *result)
{
	exchange->waiting = dns_request_free(exchange->waiting);
	close_socket(exchange);
	loop_timer_set(exchange->timer, UINT64_MAX);
	exchange->callback(exchange->userdata, result);
}

static void fail(struct dns_exchange *exchange, int error)
{
	struct dns_exchange_result result = { .error = error };

	finish(exchange, &result);
}

/* Kept for the end: what the network said last is why there was no answer. */
static void note_error(struct dns_exchange *exchange, int error)
{
	/* A route that is prohibited. To the caller -EACCES would be the server's word. */
	exchange->last_error = error == -EACCES ? -EHOSTUNREACH : error;
}

/* What an unsigned error answer claims. */
static int read_hint(const struct dns_message *response, const struct dns_tsig *tsig)
{
	if (response->rcode != LDNS_RCODE_NOTAUTH || tsig->mac.size > 0)
		return 0;
	if (tsig->error == DNS_TSIG_ERROR_BADKEY)
		return -ENOKEY;
	if (tsig->error == DNS_TSIG_ERROR_BADSIG)
		return -EKEYREJECTED;
	return 0;
}

/* Whether the response is the server's word. 1: yes. 0: no. -ETIME, -ENOKEY, -EKEYREJECTED: that is
 * its word; the latter two are only a claim. */
static int check_signature(struct dns_exchange *exchange, const uint8_t *data, size_t size,
			   const struct dns_message *response, struct dns_tsig *tsig)
{
	int hint;

	if (!exchange->key)
		return 1;
	if (dns_tsig_find(data, size, tsig) != 1)
		return 0;
	hint = read_hint(response, tsig);
	if (hint < 0)
		return hint;
	if (dns_tsig_verify(data, tsig, exchange->key, &exchange->mac, realtime_usec() / 1000000,
			    0) != DNS_TSIG_RESULT_OK)
		return 0;
	if (response->rcode == LDNS_RCODE_NOTAUTH && tsig->error == DNS_TSIG_ERROR_BADTIME)
		return -ETIME;
	return 1;
}

static bool answers(const struct dns_exchange *exchange, const struct dns_message *response)
{
	uint16_t id = exchange->request[2] << 8 | exchange->request[3];

	return response->flags & DNS_FLAG_QR && response->id == id &&
	       response->opcode == (exchange->request[4] >> 3 & 0xf);
}

/* Returns whether the exchange is over or has moved on; the exchange may be gone then. */
static bool take_answer(struct dns_exchange *exchange, const uint8_t *data, size_t size)
{
	cleanup(dns_message_freep) struct dns_message *response = NULL;
	struct dns_exchange_result result = { 0 };
	struct dns_tsig tsig = { 0 };
	int r;

	/* The records are looked at when the server has vouched for them. */
	if (dns_message_parse_outline(data, size, &response) < 0 || !answers(exchange, response)) {
		exchange->n_dropped++;
		return false;
	}
	r = check_signature(exchange, data, size, response, &tsig);
	if (r == 0 || ((r == -ENOKEY || r == -EKEYREJECTED) && !exchange->tcp)) {
		exchange->n_dropped++;
		if (r == 0 || exchange->hint)
			return false;
		exchange->hint = r;
		start_tcp(exchange);
		return true;
	}
	if (r > 0 && response->flags & DNS_FLAG_TC && !exchange->tcp) {
		start_tcp(exchange);
		return true;
	}
	if (r > 0) {
		response = dns_message_free(response);
		if (dns_message_parse(data, size, &response) < 0) {
			exchange->n_dropped++;
			return false;
		}
	}
	result.error = r > 0 ? 0 : r;
	result.server_time = r == -ETIME ? dns_tsig_other_time(&tsig) : 0;
	result.response = r > 0 ? response : NULL;
	finish(exchange, &result);
	return true;
}

static void on_datagram(void *userdata, int status, int events)
{
	struct dns_exchange *exchange = userdata;
	uint8_t data[4096];
	ssize_t size;

	/* A bounded number each time, so that a flood does not hold the loop. */
	for (int i = 0; i < 8; i++) {
		size = recv(exchange->fd, data, sizeof(data), MSG_DONTWAIT);
		if (size < 0) {
			/* An ICMP message; not proof of anything: the next attempt tells. */
			if (errno != EAGAIN && errno != EINTR)
				note_error(exchange, -errno);
			return;
		}
		if (take_answer(exchange, data, size))
			return;
	}
}

static int open_socket(struct dns_exchange *exchange, int type, loop_io_callback callback,
		       int events)
{
	int r;

	close_socket(exchange);
	exchange->fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (exchange->fd < 0)
		return -errno;
	detour_take(exchange->fd, exchange->server.sin_addr);
	/* Connected also for UDP: the kernel then lets only the server's answers in. */
	r = connect(exchange->fd, (struct sockaddr *)&exchange->server, sizeof(exchange->server));
	if (r < 0 && errno != EINPROGRESS) {
		r = -errno;
		exchange->fd = close_fd(exchange->fd);
		return r;
	}
	r = loop_io_new(exchange->loop, exchange->fd, events, callback, exchange, &exchange->io);
	if (r < 0)
		exchange->fd = close_fd(exchange->fd);
	return r;
}

static void send_datagram(struct dns_exchange *exchange)
{
	/* Without a route now there may be one at the next attempt. */
	if (exchange->fd < 0) {
		int r = open_socket(exchange, SOCK_DGRAM, on_datagram, UV_READABLE);

		if (r < 0)
			note_error(exchange, r);
	}
	if (exchange->fd >= 0 &&
	    send(exchange->fd, exchange->request + 2, exchange->request_size - 2, MSG_DONTWAIT) < 0)
		note_error(exchange, -errno);
	loop_timer_set_delay(exchange->timer, udp_intervals[exchange->n_sent++]);
}

static void on_stream(void *userdata, int status, int events)
{
	struct dns_exchange *exchange = userdata;
	size_t wanted;
	ssize_t size;

	if (exchange->n_written < exchange->request_size) {
		size = send(exchange->fd, exchange->request + exchange->n_written,
			    exchange->request_size - exchange->n_written,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (size > 0)
			exchange->n_written += size;
		else if (size < 0 && errno != EAGAIN)
			goto broken;
		if (exchange->n_written == exchange->request_size)
			loop_io_set(exchange->io, UV_READABLE);
		return;
	}
	wanted = exchange->n_read < 2 ? 2 : 2 + (exchange->answer[0] << 8 | exchange->answer[1]);
	size = recv(exchange->fd, exchange->answer + exchange->n_read, wanted - exchange->n_read,
		    MSG_DONTWAIT);
	if (size < 0 && errno == EAGAIN)
		return;
	if (size <= 0) {
		errno = size == 0 ? ECONNRESET : errno;
		goto broken;
	}
	exchange->n_read += size;
	if (exchange->n_read < 2 ||
	    exchange->n_read < 2u + (exchange->answer[0] << 8 | exchange->answer[1]))
		return;
	exchange->n_read = 0;
	take_answer(exchange, exchange->answer + 2, wanted - 2);
	return;
broken:
	/* Refused, or ended before the answer: there is nothing more to wait for. */
	note_error(exchange, -errno);
	fail(exchange, exchange->hint ?: exchange->last_error);
}

static void start_tcp(struct dns_exchange *exchange)
{
	int r;

	exchange->tcp = true;
	exchange->n_written = exchange->n_read = 0;
	if (!exchange->answer)
		exchange->answer = malloc(2 + DNS_MESSAGE_SIZE_MAX);
	r = exchange->answer ? open_socket(exchange, SOCK_STREAM, on_stream, UV_WRITABLE) : -ENOMEM;
	if (r < 0)
		note_error(exchange, r);
	/* The answer has to come from the loop. */
	loop_timer_set_delay(exchange->timer, r < 0 ? 0 : TCP_MSEC);
}

static void on_timer(void *userdata)
{
	struct dns_exchange *exchange = userdata;

	size_t n_attempts = exchange->brief ? N_BRIEF : ARRAY_SIZE(udp_intervals);

	if (!exchange->tcp && exchange->n_sent < n_attempts)
		send_datagram(exchange);
	else if (!exchange->tcp && !exchange->brief)
		start_tcp(exchange);
	else
		fail(exchange, exchange->hint ?: exchange->last_error ?: -ETIMEDOUT);
}

static void start_in_clear(struct dns_exchange *exchange)
{
	exchange->tcp = false;
	if (exchange->request_size - 2 > DNS_UDP_SIZE)
		start_tcp(exchange);
	else
		send_datagram(exchange);
}

/* Without an answer the channel has freed nothing: that is for us. */
static bool on_channel(void *userdata, int error, const char *words, const uint8_t *data,
		       size_t size)
{
	struct dns_exchange *exchange = userdata;
	struct dns_exchange_result result = { .error = error, .words = words };

	if (data)
		return take_answer(exchange, data, size);
	exchange->waiting = dns_request_free(exchange->waiting);
	if (exchange->server.sin_family && error != DNS_STREAM_UNTRUSTED) {
		exchange->channel = NULL;
		start_in_clear(exchange);
	} else {
		finish(exchange, &result);
	}
	return true;
}

static int start_channel(struct dns_exchange *exchange)
{
	exchange->tcp = true;
	exchange->waiting = dns_request_free(exchange->waiting);
	return dns_channel_request(exchange->channel, exchange->request + 2,
				   exchange->request_size - 2, on_channel, exchange,
				   &exchange->waiting);
}

static int start(struct dns_exchange *exchange)
{
	exchange->n_sent = 0;
	exchange->hint = 0;
	exchange->last_error = 0;
	if (exchange->channel)
		return start_channel(exchange);
	start_in_clear(exchange);
	return 0;
}

void dns_exchange_resend(struct dns_exchange *exchange)
{
	if (exchange->channel)
		return;
	close_socket(exchange);
	start(exchange);
}

/* What goes over TLS does not tell by its length what it says (RFC 7830, RFC 8467 §4.1): fills up
 * the options of OPT, where it is the last record. `tsig_size`: what is still to come. */
static void pad(struct writer *writer, size_t tsig_size)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	struct writer options;
	size_t start;

	if (dns_message_parse_outline(writer->data, writer->position, &message) < 0 ||
	    !message->options)
		return;
	start = message->options - writer->data;
	if (start + message->options_size != writer->position)
		return;
	options = writer_init(writer->data + start, writer->capacity - start - tsig_size);
	options.position = message->options_size;
	dns_option_write_padding(
		&options, writer->position + tsig_size - (tsig_size ? DNS_TSIG_OTHER_SIZE : 0),
		DNS_PADDING_QUERY, DNS_MESSAGE_SIZE_MAX);
	writer->position = start + options.position;
	writer_patch_u16(writer, start - 2, options.position);
}

/* Copies the message behind its length, gives it its ID and signs it. */
static int prepare_request(struct dns_exchange *exchange,
			   const struct dns_exchange_options *options)
{
	size_t tsig_size = options->key ? dns_tsig_size(options->key) : 0;
	size_t capacity = options->size + tsig_size + (options->channel ? PADDING_MAX : 0);
	struct writer writer;
	int r;

	if (options->size < DNS_HEADER_SIZE || capacity > DNS_MESSAGE_SIZE_MAX)
		return -EMSGSIZE;
	exchange->request = malloc(2 + capacity);
	if (!exchange->request)
		return -ENOMEM;
	writer = writer_init(exchange->request + 2, capacity);
	writer_copy(&writer, options->message, options->size);
	if (options->channel)
		pad(&writer, tsig_size);
	if (getrandom(exchange->request + 2, 2, 0) != 2)
		return -EIO;
	if (options->key) {
		r = dns_tsig_sign(&writer, options->key, NULL, realtime_usec() / 1000000,
				  &exchange->mac);
		if (r < 0)
			return r;
	}
	exchange->request[0] = writer.position >> 8;
	exchange->request[1] = writer.position;
	exchange->request_size = 2 + writer.position;
	return 0;
}

int dns_exchange_new(struct loop *loop, const struct dns_exchange_options *options,
		     dns_exchange_callback callback, void *userdata, struct dns_exchange **ret)
{
	cleanup(dns_exchange_freep) struct dns_exchange *exchange = NULL;
	int r;

	exchange = calloc(1, sizeof(*exchange));
	if (!exchange)
		return -ENOMEM;
	exchange->loop = loop;
	exchange->callback = callback;
	exchange->userdata = userdata;
	exchange->server = options->server;
	exchange->key = options->key;
	exchange->brief = options->brief;
	exchange->channel = options->channel;
	exchange->fd = -1;
	r = prepare_request(exchange, options);
	if (r < 0)
		return r;
	r = loop_timer_new(loop, on_timer, exchange, &exchange->timer);
	if (r < 0)
		return r;
	r = start(exchange);
	/* Another message that waits at the channel has this ID: one in 65536. */
	for (int i = 0; r == -EEXIST && i < 8; i++) {
		free(exchange->request);
		exchange->request = NULL;
		r = prepare_request(exchange, options);
		if (r >= 0)
			r = start(exchange);
	}
	if (r < 0)
		return r;
	*ret = steal_ptr(exchange);
	return 0;
}

struct dns_exchange *dns_exchange_free(struct dns_exchange *exchange)
{
	if (!exchange)
		return NULL;
	dns_request_free(exchange->waiting);
	close_socket(exchange);
	loop_timer_free(exchange->timer);
	free(exchange->request);
	free(exchange->answer);
	free(exchange);
	return NULL;
}

unsigned int dns_exchange_dropped(const struct dns_exchange *exchange)
{
	return exchange->n_dropped;
}
