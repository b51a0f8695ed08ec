/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * connecting --writable--> handshake --done--> open      (in the clear: open at once)
 * connecting --no answer in time, or no route--> connecting, from a new socket; after all: closed
 * handshake --a certificate not accepted, no TLS, end, or time--> closed
 * open --end, reset, garbage, or nothing acknowledged for 10 s--> closed
 *
 * OpenSSL works on memory; the socket is read and written here, so that no write of its own raises
 * SIGPIPE and what is sent together stays together.
 */
#include "common/dns-client/dns-stream.h"

#include "common/dns/dns-message.h"
#include "common/net/detour.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define HANDSHAKE_MSEC  8000
#define UNANSWERED_MSEC 10000
#define OUT_MAX         (512 * 1024)
#define RECORD_SIZE     16384
#define BINDING_LABEL   "EXPORTER-Channel-Binding"

/* For each attempt to connect. */
static const uint16_t attempts_msec[] = { 500, 1000, 2000, 4000 };

enum stage {
	STAGE_CONNECTING,
	STAGE_HANDSHAKE,
	STAGE_OPEN,
	STAGE_CLOSED,
};

struct dns_stream {
	struct loop *loop;
	const struct dns_stream_events *events;
	void *userdata;
	struct sockaddr_in server;
	enum stage stage;
	int fd;
	struct loop_io *io;
	struct loop_timer *timer;
	unsigned int n_attempts;
	int error; /* for the timer to report; or the last one of connect() */
	char words[320];
	bool *gone; /* set by dns_stream_free() while a callback runs */

	SSL_CTX *context;
	SSL *ssl;                       /* NULL: in the clear */
	BIO *from_network, *to_network; /* the SSL's */
	struct dns_trust_check check;

	uint8_t *out; /* for the socket */
	size_t out_size;
	uint8_t in[2 + DNS_MESSAGE_SIZE_MAX]; /* a message and its length, as far as it has come */
	size_t in_size;
};

static void on_socket(void *userdata, int status, int events);

static void close_socket(struct dns_stream *stream)
{
	stream->io = loop_io_free(stream->io);
	stream->fd = close_fd(stream->fd);
}

/* The last callback; the stream may be gone after it. */
static void finish(struct dns_stream *stream, int error, const char *words)
{
	stream->stage = STAGE_CLOSED;
	loop_timer_set(stream->timer, UINT64_MAX);
	close_socket(stream);
	stream->events->on_closed(stream->userdata, error, words);
}

static const char *error_words(int error)
{
	switch (error) {
	case -ECONNREFUSED:
		return "the server refuses the connection";
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -EACCES:
		return "the server cannot be reached from this network";
	case -ETIMEDOUT:
		return "the server does not answer";
	case -ECONNRESET:
		return "the server closed the connection";
	default:
		return strerror(-error);
	}
}

static void finish_by_network(struct dns_stream *stream, int error)
{
	/* A route that is prohibited; to the caller -EACCES and -EPERM would be other news. */
	if (error == -EACCES || error == -EPERM)
		error = -EHOSTUNREACH;
	finish(stream, error, error_words(error));
}

static void set_socket_options(int fd)
{
	const int yes = 1, unanswered = UNANSWERED_MSEC, idle = 25, interval = 3, count = 3;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof(unanswered));
	/* Below the times after which gateways forget a flow, and so that one which forgot is
	 * noticed while nobody has anything to say. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static int open_socket(struct dns_stream *stream)
{
	int r;

	stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (stream->fd < 0)
		return -errno;
	set_socket_options(stream->fd);
	detour_take(stream->fd, stream->server.sin_addr);
	if (connect(stream->fd, (const struct sockaddr *)&stream->server, sizeof(stream->server)) <
		    0 &&
	    errno != EINPROGRESS)
		return -errno;
	r = loop_io_new(stream->loop, stream->fd, UV_WRITABLE, on_socket, stream, &stream->io);
	return r;
}

static void try_to_connect(struct dns_stream *stream)
{
	int r;

	close_socket(stream);
	stream->stage = STAGE_CONNECTING;
	r = open_socket(stream);
	if (r < 0) {
		/* Without a route now there may be one at the next attempt. */
		stream->error = r;
		close_socket(stream);
	}
	loop_timer_set_delay(stream->timer, attempts_msec[stream->n_attempts++]);
}

static void on_timer(void *userdata)
{
	struct dns_stream *stream = userdata;

	switch (stream->stage) {
	case STAGE_CONNECTING:
		if (stream->n_attempts < ARRAY_SIZE(attempts_msec))
			try_to_connect(stream);
		else
			finish_by_network(stream, stream->error ?: -ETIMEDOUT);
		return;
	case STAGE_HANDSHAKE:
		finish_by_network(stream, -ETIMEDOUT);
		return;
	case STAGE_OPEN:
		finish_by_network(stream, stream->error);
		return;
	case STAGE_CLOSED:
		return;
	}
}

/* Something failed where no callback may come from: it comes from the loop. */
static void fail_later(struct dns_stream *stream, int error)
{
	stream->error = error;
	loop_timer_set_delay(stream->timer, 0);
}

static void watch(struct dns_stream *stream)
{
	loop_io_set(stream->io, UV_READABLE | (stream->out_size > 0 ? UV_WRITABLE : 0));
}

static int queue(struct dns_stream *stream, const uint8_t *data, size_t size)
{
	uint8_t *out;

	if (size > OUT_MAX - stream->out_size)
		return -ENOBUFS;
	out = realloc(stream->out, stream->out_size + size);
	if (!out)
		return -ENOMEM;
	memcpy(out + stream->out_size, data, size);
	stream->out = out;
	stream->out_size += size;
	return 0;
}

/* What OpenSSL has for the other side. */
static int collect(struct dns_stream *stream)
{
	uint8_t data[RECORD_SIZE];
	int size, r = 0;

	while (stream->ssl && r == 0 &&
	       (size = BIO_read(stream->to_network, data, sizeof(data))) > 0)
		r = queue(stream, data, size);
	return r;
}

/* Sends what can be sent. 0 or the network's error. */
static int flush(struct dns_stream *stream)
{
	int r = collect(stream);
	ssize_t size;

	if (r < 0)
		return r;
	while (stream->out_size > 0) {
		size = send(stream->fd, stream->out, stream->out_size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && errno != EAGAIN)
			return -errno;
		if (size < 0)
			break;
		stream->out_size -= size;
		memmove(stream->out, stream->out + size, stream->out_size);
	}
	watch(stream);
	return 0;
}

/* Why the handshake or a record failed. Returns the error to report; words for it go into the
 * stream's. */
static int explain_tls(struct dns_stream *stream)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	const struct dns_trust_check *check = &stream->check;
	bool untrusted = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED;

	ERR_clear_error();
	if (untrusted) {
		dns_trust_explain(&check->trust, &check->finding, stream->words,
				  sizeof(stream->words));
		return DNS_STREAM_UNTRUSTED;
	}
	snprintf(stream->words, sizeof(stream->words), "no TLS with the server %.100s: %.80s",
		 check->trust.name, reason ?: "it ended the handshake");
	return DNS_STREAM_NO_TLS;
}

/* Hands over the messages that are whole. Returns false when the stream is gone. */
static bool deliver(struct dns_stream *stream)
{
	bool gone = false, *former = stream->gone;
	size_t start = 0, size;

	stream->gone = &gone;
	while (stream->in_size - start >= 2) {
		size = stream->in[start] << 8 | stream->in[start + 1];
		if (stream->in_size - start < 2 + size)
			break;
		stream->events->on_message(stream->userdata, stream->in + start + 2, size);
		if (gone)
			return false;
		start += 2 + size;
	}
	stream->gone = former;
	stream->in_size -= start;
	memmove(stream->in, stream->in + start, stream->in_size);
	return true;
}

/* What has come, decrypted, into `in`. Octets read; 0: none now; -ECONNRESET: the end; others. */
static int read_some(struct dns_stream *stream)
{
	uint8_t *target = stream->in + stream->in_size;
	size_t room = sizeof(stream->in) - stream->in_size;
	ssize_t size;
	int r;

	if (!stream->ssl) {
		size = recv(stream->fd, target, room, MSG_DONTWAIT);
		if (size < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		return size == 0 ? -ECONNRESET : size;
	}
	ERR_clear_error();
	r = SSL_read(stream->ssl, target, room);
	if (r > 0)
		return r;
	switch (SSL_get_error(stream->ssl, r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return -ECONNRESET;
	default:
		return explain_tls(stream);
	}
}

/* Octets of the socket for OpenSSL. As read_some(). */
static int feed(struct dns_stream *stream)
{
	uint8_t data[RECORD_SIZE];
	ssize_t size = recv(stream->fd, data, sizeof(data), MSG_DONTWAIT);

	if (size < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (size == 0)
		return -ECONNRESET;
	return BIO_write(stream->from_network, data, size) == size ? (int)size : -ENOMEM;
}

static void end(struct dns_stream *stream, int error)
{
	if (error == DNS_STREAM_UNTRUSTED || error == DNS_STREAM_NO_TLS)
		finish(stream, error, stream->words);
	else
		finish_by_network(stream, error);
}

/* Whether to go on with this stream. */
static bool continue_handshake(struct dns_stream *stream)
{
	bool gone = false, *former = stream->gone;
	int r, error = 0;

	ERR_clear_error();
	r = stream->ssl ? SSL_do_handshake(stream->ssl) : 1;
	if (r != 1) {
		int reason = SSL_get_error(stream->ssl, r);

		if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
			error = explain_tls(stream);
	}
	/* An alert is sent also where it failed. */
	if (flush(stream) < 0 && error == 0)
		error = -ECONNRESET;
	if (error < 0) {
		end(stream, error);
		return false;
	}
	if (r != 1)
		return true;
	loop_timer_set(stream->timer, UINT64_MAX);
	stream->stage = STAGE_OPEN;
	stream->gone = &gone;
	stream->events->on_open(stream->userdata);
	if (!gone)
		stream->gone = former;
	return !gone;
}

static void on_readable(struct dns_stream *stream)
{
	int fed = stream->ssl ? feed(stream) : 1, r;

	if (fed == 0)
		return;
	if (stream->stage == STAGE_HANDSHAKE && fed > 0 && !continue_handshake(stream))
		return;
	if (stream->stage == STAGE_HANDSHAKE) {
		if (fed < 0)
			end(stream, fed);
		return;
	}
	do {
		r = read_some(stream);
		if (r > 0) {
			stream->in_size += r;
			if (!deliver(stream))
				return;
		}
	} while (r > 0 && stream->ssl && stream->stage == STAGE_OPEN);
	if (r == 0 && fed > 0)
		/* OpenSSL answers some records by itself. */
		r = flush(stream);
	if (r < 0 || fed < 0)
		end(stream, r < 0 ? r : fed);
}

static void on_connected(struct dns_stream *stream)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error == ECONNREFUSED) {
		finish_by_network(stream, -error);
		return;
	}
	if (error) {
		/* The timer tries again. */
		stream->error = -error;
		close_socket(stream);
		return;
	}
	stream->stage = STAGE_HANDSHAKE;
	loop_timer_set_delay(stream->timer, HANDSHAKE_MSEC);
	continue_handshake(stream);
}

static void on_socket(void *userdata, int status, int events)
{
	struct dns_stream *stream = userdata;
	int r;

	if (stream->stage == STAGE_CONNECTING) {
		on_connected(stream);
		return;
	}
	if (events & UV_WRITABLE && stream->out_size > 0) {
		r = flush(stream);
		if (r < 0) {
			end(stream, r);
			return;
		}
	}
	if (events & UV_READABLE || status < 0)
		on_readable(stream);
}

static int start_tls(struct dns_stream *stream)
{
	static const unsigned char alpn[] = "\3dot";
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	stream->context = context;
	if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
		return -EIO;
	SSL_CTX_set_options(context,
			    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	stream->ssl = SSL_new(context);
	stream->from_network = BIO_new(BIO_s_mem());
	stream->to_network = BIO_new(BIO_s_mem());
	if (!stream->ssl || !stream->from_network || !stream->to_network) {
		BIO_free(stream->from_network);
		BIO_free(stream->to_network);
		return -ENOMEM;
	}
	SSL_set_bio(stream->ssl, stream->from_network, stream->to_network);
	SSL_set_connect_state(stream->ssl);
	if (SSL_set_alpn_protos(stream->ssl, alpn, sizeof(alpn) - 1) != 0)
		return -EIO;
	return dns_trust_apply(&stream->check, context, stream->ssl);
}

int dns_stream_new(struct loop *loop, const struct dns_stream_options *options,
		   const struct dns_stream_events *events, void *userdata, struct dns_stream **ret)
{
	cleanup(dns_stream_freep) struct dns_stream *stream = NULL;
	int r;

	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->loop = loop;
	stream->events = events;
	stream->userdata = userdata;
	stream->server = options->server;
	stream->fd = -1;
	if (options->trust) {
		stream->check.trust = *options->trust;
		r = start_tls(stream);
		ERR_clear_error();
		if (r < 0)
			return r;
	}
	r = loop_timer_new(loop, on_timer, stream, &stream->timer);
	if (r < 0)
		return r;
	try_to_connect(stream);
	*ret = steal_ptr(stream);
	return 0;
}

struct dns_stream *dns_stream_free(struct dns_stream *stream)
{
	if (!stream)
		return NULL;
	if (stream->gone)
		*stream->gone = true;
	if (stream->stage == STAGE_OPEN && stream->ssl) {
		SSL_shutdown(stream->ssl);
		flush(stream);
	}
	close_socket(stream);
	loop_timer_free(stream->timer);
	SSL_free(stream->ssl);
	SSL_CTX_free(stream->context);
	ERR_clear_error();
	free(stream->out);
	free(stream);
	return NULL;
}

struct dns_stream *dns_stream_abort(struct dns_stream *stream)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (!stream)
		return NULL;
	if (stream->fd >= 0)
		setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (stream->stage == STAGE_OPEN)
		stream->stage = STAGE_CLOSED;
	return dns_stream_free(stream);
}

int dns_stream_send(struct dns_stream *stream, const uint8_t *data, size_t size)
{
	uint8_t framed[2 + DNS_MESSAGE_SIZE_MAX];
	int r;

	if (stream->stage != STAGE_OPEN)
		return -ENOTCONN;
	if (size > DNS_MESSAGE_SIZE_MAX)
		return -EMSGSIZE;
	framed[0] = size >> 8;
	framed[1] = size;
	memcpy(framed + 2, data, size);
	if (stream->ssl) {
		r = collect(stream);
		if (r == 0 && stream->out_size + size + 1024 > OUT_MAX)
			r = -ENOBUFS;
		if (r == 0 && SSL_write(stream->ssl, framed, 2 + size) != (int)(2 + size))
			r = -EIO;
	} else {
		r = queue(stream, framed, 2 + size);
	}
	if (r < 0)
		return r;
	r = flush(stream);
	if (r < 0)
		fail_later(stream, r);
	return 0;
}

bool dns_stream_is_open(const struct dns_stream *stream)
{
	return stream && stream->stage == STAGE_OPEN;
}

int dns_stream_channel_binding(const struct dns_stream *stream, uint8_t *ret_octets, size_t size)
{
	if (!dns_stream_is_open(stream) || !stream->ssl)
		return -ENOTCONN;
	if (SSL_export_keying_material(stream->ssl, ret_octets, size, BINDING_LABEL,
				       strlen(BINDING_LABEL), (const uint8_t *)"", 0, 1) != 1)
		return -EIO;
	return 0;
}
