/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/load.h"

#include <openssl/ssl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* DNS Push subscriptions over TLS (RFC 8765), one to a connection and each connection from an
 * address of its own. The certificate is not looked at: what is measured is the server. */

#define DSO_KEEPALIVE 1
#define DSO_SUBSCRIBE 0x40
#define DSO_PUSH      0x41
#define FLAGS_DSO     (6u << 11)
/* Asked for: longer than any run. */
#define KEEPALIVE_MSEC 3600000u
#define GIVE_UP_AFTER  (60 * LOAD_SECOND)

enum push_phase {
	PUSH_NEW,
	PUSH_CONNECT,
	PUSH_BIND,      /* the signed query that says whose connection it is */
	PUSH_SUBSCRIBE, /* Keepalive and SUBSCRIBE */
	PUSH_LIVE,
	PUSH_FAILED,
};

struct load_push {
	struct load_watch watch;
	struct load_pushes *pushes;
	SSL *ssl;
	uint8_t *input; /* a message not complete yet; NULL mostly */
	uint32_t input_size;
	uint32_t change; /* the last one seen */
	uint8_t phase;
};

struct load_pushes {
	struct load_session *session;
	SSL_CTX *context;
	struct load_push *items;
	size_t n;
	size_t n_begun;
	size_t n_open;
	uint64_t begun; /* the newest connection */
	uint32_t keepalive;
};

static void fail(struct load_push *push, const char *what)
{
	struct load_pushes *pushes = push->pushes;

	if (pushes->session->n_failed++ < 5)
		fprintf(stderr, "dns-load: push %zu: %s in phase %u\n",
			(size_t)(push - pushes->items), what, push->phase);
	if (push->phase == PUSH_LIVE)
		pushes->session->n_live--;
	else
		pushes->n_open--;
	push->phase = PUSH_FAILED;
	SSL_free(push->ssl);
	push->ssl = NULL;
	push->watch.fd = close_fd(push->watch.fd);
}

static void watch_for(struct load_push *push, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = &push->watch };

	epoll_ctl(push->pushes->session->epoll, EPOLL_CTL_MOD, push->watch.fd, &event);
}

/* `message` has two octets of room for its length at the start. All of it goes at once: the socket
 * buffer of a connection that sends so little is empty. */
static bool send_message(struct load_push *push, struct writer *message)
{
	uint16_t size = message->position - 2;

	message->data[0] = size >> 8;
	message->data[1] = size;
	return !message->failed && SSL_write(push->ssl, message->data, message->position) > 0;
}

static struct load_subject subject_of(const struct load_push *push)
{
	return load_subject(push->pushes->session->options, push - push->pushes->items);
}

static bool send_binding(struct load_push *push)
{
	const struct load_key *key = subject_of(push).key;
	uint8_t data[2 + LOAD_MESSAGE_MAX], binding[DNS_CHANNEL_BINDING_SIZE];
	struct writer message = writer_init(data + 2, sizeof(data) - 2);

	if (!SSL_export_keying_material(push->ssl, binding, sizeof(binding),
					DNS_CHANNEL_BINDING_LABEL,
					strlen(DNS_CHANNEL_BINDING_LABEL), NULL, 0, 0))
		return false;
	load_build_binding(&message, key, 1, binding, load_now() / LOAD_SECOND);
	message = (struct writer){ data, sizeof(data), message.position + 2, message.failed };
	return send_message(push, &message);
}

static void write_dso(struct writer *message, uint16_t id, uint16_t type, uint16_t size)
{
	writer_u16(message, id);
	writer_u16(message, FLAGS_DSO);
	writer_u64(message, 0);
	writer_u16(message, type);
	writer_u16(message, size);
}

static bool send_keepalive(struct load_push *push)
{
	uint8_t data[64];
	struct writer message = writer_init(data, sizeof(data));

	writer_u16(&message, 0);
	write_dso(&message, 2, DSO_KEEPALIVE, 8);
	writer_u32(&message, KEEPALIVE_MSEC);
	writer_u32(&message, KEEPALIVE_MSEC);
	return send_message(push, &message);
}

static bool send_subscribe(struct load_push *push)
{
	struct load_subject subject = subject_of(push);
	uint8_t data[LOAD_MESSAGE_MAX];
	struct writer message = writer_init(data, sizeof(data));
	struct dns_name name;

	load_host_name(subject.key, subject.host, &name);
	writer_u16(&message, 0);
	write_dso(&message, 3, DSO_SUBSCRIBE, name.size + 4);
	dns_name_write(&message, &name);
	writer_u16(&message, LDNS_RR_TYPE_SRV);
	writer_u16(&message, LDNS_RR_CLASS_IN);
	return send_message(push, &message);
}

/* The interval that the server granted for all of them alike. */
static void take_keepalive(struct load_push *push, const uint8_t *data, size_t size)
{
	struct reader reader = reader_init(data, size);

	reader_take(&reader, DNS_HEADER_SIZE);
	if (reader_u16(&reader) != DSO_KEEPALIVE || reader_u16(&reader) != 8)
		return;
	reader_u32(&reader);
	push->pushes->keepalive = reader_u32(&reader);
}

static void take_pushed(struct load_push *push, uint64_t now)
{
	struct load_session *session = push->pushes->session;

	if (push->change == session->change && session->changed) {
		session->n_repeated++;
		return;
	}
	push->change = session->change;
	load_session_event(session, now);
}

/* False: it does not belong here, or says no. */
static bool take_message(struct load_push *push, const uint8_t *data, size_t size, uint64_t now)
{
	uint16_t id = data[0] << 8 | data[1];

	if (id == 0) {
		if (size > DNS_HEADER_SIZE + 1 && data[DNS_HEADER_SIZE + 1] == DSO_PUSH)
			take_pushed(push, now);
		return true;
	}
	if (data[3] & 15)
		return false;
	if (push->phase == PUSH_BIND && id == 1) {
		push->phase = PUSH_SUBSCRIBE;
		return send_keepalive(push) && send_subscribe(push);
	}
	if (id == 2)
		take_keepalive(push, data, size);
	if (push->phase == PUSH_SUBSCRIBE && id == 3) {
		push->phase = PUSH_LIVE;
		push->pushes->session->n_live++;
		push->pushes->n_open--;
	}
	return true;
}

/* The messages in `data`; an incomplete one at the end is kept. */
static bool take_octets(struct load_push *push, const uint8_t *data, size_t size, uint64_t now)
{
	while (size >= 2 && size >= 2u + (data[0] << 8 | data[1])) {
		size_t message = data[0] << 8 | data[1];

		if (message < DNS_HEADER_SIZE || !take_message(push, data + 2, message, now))
			return false;
		data += 2 + message;
		size -= 2 + message;
	}
	free(push->input);
	push->input = NULL;
	push->input_size = size;
	if (size > 0) {
		push->input = malloc(size);
		memcpy(push->input, data, size);
	}
	return true;
}

static void read_all(struct load_push *push)
{
	static uint8_t data[2 * 65536];
	uint64_t now = load_now();

	while (push->phase != PUSH_FAILED) {
		int n;

		if (push->input_size > 0)
			memcpy(data, push->input, push->input_size);
		n = SSL_read(push->ssl, data + push->input_size, 65536);
		if (n <= 0) {
			if (SSL_get_error(push->ssl, n) != SSL_ERROR_WANT_READ)
				fail(push, "the connection ended");
			return;
		}
		if (!take_octets(push, data, push->input_size + n, now))
			fail(push, "refused");
	}
}

static void go_on_connecting(struct load_push *push)
{
	int r = SSL_connect(push->ssl), error;

	if (r == 1) {
		push->phase = PUSH_BIND;
		watch_for(push, EPOLLIN);
		if (!send_binding(push))
			fail(push, "cannot send");
		return;
	}
	error = SSL_get_error(push->ssl, r);
	if (error == SSL_ERROR_WANT_READ)
		watch_for(push, EPOLLIN);
	else if (error == SSL_ERROR_WANT_WRITE)
		watch_for(push, EPOLLOUT);
	else
		fail(push, "no TLS");
}

static void on_ready(struct load_watch *watch, uint32_t events)
{
	struct load_push *push = container_of(watch, struct load_push, watch);

	if (push->phase == PUSH_CONNECT)
		go_on_connecting(push);
	else if (push->phase != PUSH_FAILED)
		read_all(push);
}

static void start(struct load_pushes *pushes, struct load_push *push)
{
	const struct load_options *options = pushes->session->options;
	struct sockaddr_in from = {
		.sin_family = AF_INET,
		.sin_addr.s_addr =
			htonl(ntohl(options->from) + 0x00800000 + (push - pushes->items) / 250),
	};
	static const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	push->watch = (struct load_watch){ fd, on_ready };
	push->pushes = pushes;
	push->phase = PUSH_CONNECT;
	pushes->n_open++;
	push->ssl = SSL_new(pushes->context);
	if (fd < 0 || !push->ssl ||
	    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    (connect(fd, (const struct sockaddr *)&options->tls, sizeof(options->tls)) &&
	     errno != EINPROGRESS) ||
	    !SSL_set_fd(push->ssl, fd)) {
		fail(push, "no connection");
		return;
	}
	load_session_watch(pushes->session, &push->watch, EPOLLOUT);
}

struct load_pushes *load_pushes_new(struct load_session *session)
{
	static const uint8_t dot[] = "\003dot";
	struct load_pushes *pushes = calloc(1, sizeof(*pushes));

	if (!pushes)
		load_die("no memory");
	pushes->session = session;
	pushes->n = session->options->pushes;
	pushes->items = calloc(pushes->n + 1, sizeof(*pushes->items));
	pushes->context = SSL_CTX_new(TLS_client_method());
	if (!pushes->items || !pushes->context)
		load_die("no memory");
	SSL_CTX_set_mode(pushes->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(pushes->context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_min_proto_version(pushes->context, TLS1_2_VERSION);
	SSL_CTX_set_alpn_protos(pushes->context, dot, sizeof(dot) - 1);
	return pushes;
}

struct load_pushes *load_pushes_free(struct load_pushes *pushes)
{
	if (!pushes)
		return NULL;
	for (size_t i = 0; i < pushes->n; i++) {
		if (!pushes->items[i].ssl)
			continue;
		SSL_free(pushes->items[i].ssl);
		close_fd(pushes->items[i].watch.fd);
		free(pushes->items[i].input);
	}
	SSL_CTX_free(pushes->context);
	free(pushes->items);
	free(pushes);
	return NULL;
}

bool load_pushes_step(struct load_pushes *pushes)
{
	uint64_t now = load_now();

	while (pushes->n_begun < pushes->n && pushes->n_open < pushes->session->options->window) {
		start(pushes, &pushes->items[pushes->n_begun++]);
		pushes->begun = now;
	}
	if (pushes->n_open > 0 && now > pushes->begun + GIVE_UP_AFTER)
		load_die("%zu connections do not come up", pushes->n_open);
	return pushes->n_begun == pushes->n && pushes->n_open == 0;
}

uint32_t load_pushes_keepalive(const struct load_pushes *pushes)
{
	return pushes->keepalive;
}
