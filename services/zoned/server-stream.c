/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/server-stream.h"

#include "services/zoned/socket-address.h"
#include "services/zoned/stream-address.h"
#include "services/zoned/stream-connection.h"
#include "services/zoned/stream-places.h"
#include "services/zoned/tls-context.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define LISTENERS_MAX 16
#define BACKLOG       4096
/* Connections taken in a row before other descriptors get their turn. */
#define BURST          64
#define HANDSHAKES_MAX 1024
#define HANDSHAKE_MSEC 10000
#define MESSAGE_MSEC   10000
#define OUTPUT_MSEC    30000
#define VANISHED_MSEC  60000
/* How long answers may take that a client still waits for after its last question. */
#define FINISHED_MSEC 5000
/* Octets that wait in all buffers of all connections, and of those from one address that nobody's
 * key is bound to: more than these one stranger cannot take from the others. */
#define OCTETS_MAX             (128 << 20)
#define OCTETS_PER_ADDRESS_MAX (16 << 20)
/* Not DUE_NEVER: a connection is always in the heap, so that it can be moved there without memory.
 */
#define LATER_THAN_ALL (DUE_NEVER - 1)

struct listener {
	struct server_stream *server;
	enum transport transport;
	int fd;
	struct loop_io *io;
};

struct stream_class {
	struct stream_limits limits;
	size_t n;
	struct connection_list handshaking;
	struct connection_list silent;
};

struct server_stream {
	struct loop *loop;
	const struct stream_callbacks *callbacks;
	void *userdata;
	struct listener *listeners[LISTENERS_MAX];
	size_t n_listeners;
	bool is_paused; /* out of descriptors */
	SSL_CTX *context;
	struct stream_class classes[N_TRANSPORTS];
	struct stream_counters counters;
	struct stream_address *addresses;
	struct stream_places places;
	struct due_heap due;
	struct loop_timer *timer;
	uint64_t timer_due;
	size_t n_octets;
	uint8_t input[2 * STREAM_INPUT_SIZE];
	uint8_t output[STREAM_INPUT_SIZE];
};

uint8_t *stream_input_buffer(struct server_stream *server)
{
	return server->input;
}

uint8_t *stream_output_buffer(struct server_stream *server)
{
	return server->output;
}

uint64_t stream_now(struct server_stream *server)
{
	return loop_now(server->loop);
}

const struct server_callbacks *stream_messages(struct server_stream *server, void **ret_userdata)
{
	*ret_userdata = server->userdata;
	return &server->callbacks->messages;
}

struct stream_counters *stream_counters(struct server_stream *server)
{
	return &server->counters;
}

/* Lists ------------------------------------------------------------------------------------------
 */

static struct stream_class *class_of(const struct connection *connection)
{
	return &connection->server->classes[connection->peer.transport];
}

static struct connection_list *list_of(const struct connection *connection)
{
	return connection->is_handshaking ? &class_of(connection)->handshaking
					  : &class_of(connection)->silent;
}

/* Into the lists of what may be closed to make room, at the end of who was used just now. */
static void list_connection(struct connection *connection)
{
	if (connection->is_kept)
		return;
	connection_list_append(list_of(connection), &connection->of_all);
	connection_list_append(&connection->address->silent, &connection->of_address);
}

static void unlist_connection(struct connection *connection)
{
	if (connection->is_kept)
		return;
	connection_list_remove(list_of(connection), &connection->of_all);
	connection_list_remove(&connection->address->silent, &connection->of_address);
}

/* Time -------------------------------------------------------------------------------------------
 */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t deadline(const struct connection *connection)
{
	uint64_t due = LATER_THAN_ALL;

	if (connection->is_broken)
		return 0;
	if (connection->is_handshaking)
		return connection->last_used + HANDSHAKE_MSEC;
	if (connection->stuck_since)
		due = least(due, connection->stuck_since + OUTPUT_MSEC);
	if (connection->partial_since)
		due = least(due, connection->partial_since + MESSAGE_MSEC);
	if (connection->is_finished)
		due = least(due, connection->last_used + FINISHED_MSEC);
	else if (!connection->is_kept)
		due = least(due, connection->last_used + class_of(connection)->limits.idle_msec);
	return due;
}

static void set_timer(struct server_stream *server)
{
	uint64_t due = due_heap_next(&server->due);

	if (due == server->timer_due)
		return;
	server->timer_due = due;
	loop_timer_set(server->timer, due >= LATER_THAN_ALL ? UINT64_MAX : due);
}

void stream_reschedule(struct connection *connection)
{
	uint64_t due = deadline(connection);

	/* What became due later is found out when it rings. */
	if (due >= connection->due.due)
		return;
	due_heap_set(&connection->server->due, &connection->due, due);
	set_timer(connection->server);
}

void stream_touch(struct connection *connection)
{
	connection->last_used = stream_now(connection->server);
	unlist_connection(connection);
	list_connection(connection);
}

void stream_break(struct connection *connection)
{
	if (connection->is_broken)
		return;
	connection->is_broken = true;
	loop_io_set(connection->io, 0);
	stream_reschedule(connection);
}

void stream_handshake_done(struct connection *connection)
{
	unlist_connection(connection);
	connection->is_handshaking = false;
	connection->last_used = stream_now(connection->server);
	list_connection(connection);
}

/* Connections ------------------------------------------------------------------------------------
 */

static struct connection *find_connection(const struct server_stream *server, uint64_t number)
{
	struct connection *connection = stream_places_find(&server->places, number);

	return connection && connection->peer.connection == number ? connection : NULL;
}

static void resume_listening(struct server_stream *server)
{
	if (!server->is_paused)
		return;
	server->is_paused = false;
	for (size_t i = 0; i < server->n_listeners; i++)
		loop_io_set(server->listeners[i]->io, UV_READABLE);
}

static void free_connection(struct connection *connection)
{
	struct server_stream *server = connection->server;

	unlist_connection(connection);
	class_of(connection)->n--;
	due_heap_remove(&server->due, &connection->due);
	connection_close(connection);
	stream_address_leave(&server->addresses, connection->address);
	stream_places_leave(&server->places, connection->peer.connection);
	if (server->callbacks->closed)
		server->callbacks->closed(server->userdata, &connection->peer);
	free(connection);
	resume_listening(server);
}

bool stream_account(struct connection *connection, ssize_t n)
{
	struct server_stream *server = connection->server;
	struct stream_address *address = connection->address;

	if (n > 0 && (server->n_octets + n > OCTETS_MAX ||
		      (!connection->is_kept && address->n_octets + n > OCTETS_PER_ADDRESS_MAX)))
		return false;
	server->n_octets += n;
	address->n_octets += n;
	return true;
}

static void on_timer(void *userdata)
{
	struct server_stream *server = userdata;
	uint64_t now = stream_now(server);
	struct due_entry *entry;

	server->timer_due = DUE_NEVER;
	while ((entry = due_heap_first(&server->due)) && entry->due <= now) {
		struct connection *connection = container_of(entry, struct connection, due);
		uint64_t due = deadline(connection);

		if (due > now) {
			due_heap_set(&server->due, entry, due);
			continue;
		}
		if (connection->is_handshaking || connection->partial_since ||
		    connection->stuck_since)
			server->counters.timed_out += !connection->is_broken;
		/* Who does not take its answers would not take an orderly end either. */
		connection->is_aborted |= connection->stuck_since != 0;
		free_connection(connection);
	}
	set_timer(server);
}

static bool close_first(struct server_stream *server, const struct connection_link *link,
			size_t offset)
{
	if (!link)
		return false;
	server->counters.made_room++;
	free_connection((struct connection *)((char *)link - offset));
	return true;
}

/* Of a full house the place of whoever was silent longest; false when all are kept. */
static bool make_room(struct server_stream *server, struct stream_class *class)
{
	const struct connection_link *link = class->silent.first ?: class->handshaking.first;

	if (class->handshaking.n >= HANDSHAKES_MAX)
		link = class->handshaking.first;
	return close_first(server, link, offsetof(struct connection, of_all));
}

/* Whether one more may come, from this address. */
static bool admit(struct connection *connection)
{
	struct server_stream *server = connection->server;
	struct stream_class *class = class_of(connection);
	struct stream_address *address = stream_address_take(&server->addresses, &connection->peer);

	connection->address = address;
	if (!address)
		return false;
	if (address->n > class->limits.per_address &&
	    !close_first(server, address->silent.first, offsetof(struct connection, of_address))) {
		server->counters.refused_per_address++;
		return false;
	}
	if (class->n >= class->limits.connections || class->handshaking.n >= HANDSHAKES_MAX)
		return make_room(server, class);
	return true;
}

static int open_connection(struct connection *connection)
{
	struct server_stream *server = connection->server;
	int r;

	if (!admit(connection))
		return -EBUSY;
	if (connection->peer.transport == TRANSPORT_TLS) {
		r = server->context ? tls_accept(server->context, connection->fd, &connection->ssl)
				    : -EPROTO;
		if (r < 0)
			return r;
		connection->is_handshaking = true;
	}
	r = due_heap_set(&server->due, &connection->due, deadline(connection));
	if (r >= 0)
		r = loop_io_new(server->loop, connection->fd, UV_READABLE, connection_on_events,
				connection, &connection->io);
	return r < 0 ? r
		     : stream_places_take(&server->places, connection,
					  &connection->peer.connection);
}

/* Takes the descriptor over if it succeeds. */
static int add_connection(struct listener *listener, int fd, const struct sockaddr_storage *remote)
{
	struct server_stream *server = listener->server;
	struct connection *connection = calloc(1, sizeof *connection);
	struct sockaddr_storage local;
	socklen_t size = sizeof local;
	static const unsigned int vanished_msec = VANISHED_MSEC;
	static const int on = 1;
	int r;

	if (!connection)
		return -ENOMEM;
	connection->fd = fd;
	connection->server = server;
	connection->last_used = stream_now(server);
	connection->peer.transport = listener->transport;
	socket_address_to_endpoint(remote, &connection->peer.remote);
	if (getsockname(fd, (struct sockaddr *)&local, &size) == 0)
		socket_address_to_endpoint(&local, &connection->peer.local);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	/* A client that vanished is noticed by what it does not acknowledge. */
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &vanished_msec, sizeof vanished_msec);
	r = open_connection(connection);
	if (r < 0) {
		stream_address_leave(&server->addresses, connection->address);
		due_heap_remove(&server->due, &connection->due);
		loop_io_free(connection->io);
		SSL_free(connection->ssl);
		free(connection);
		return r;
	}
	class_of(connection)->n++;
	list_connection(connection);
	if (connection->ssl)
		server->counters.tls_connections++;
	else
		server->counters.tcp_connections++;
	set_timer(server);
	return 0;
}

static void on_listener(void *userdata, int status, int events)
{
	struct listener *listener = userdata;
	struct server_stream *server = listener->server;

	for (int i = 0; i < BURST; i++) {
		struct sockaddr_storage remote;
		socklen_t size = sizeof remote;
		int fd = accept4(listener->fd, (struct sockaddr *)&remote, &size,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE) &&
		    !make_room(server, &server->classes[listener->transport])) {
			/* Until somebody goes. */
			server->is_paused = true;
			loop_io_set(listener->io, 0);
			return;
		}
		if (fd < 0)
			return;
		if (add_connection(listener, fd, &remote) < 0)
			close_fd(fd);
	}
}

/* The server -------------------------------------------------------------------------------------
 */

int server_stream_new(struct loop *loop, const struct stream_callbacks *callbacks, void *userdata,
		      struct server_stream **ret)
{
	struct server_stream *server = calloc(1, sizeof *server);
	int r;

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->callbacks = callbacks;
	server->userdata = userdata;
	server->timer_due = DUE_NEVER;
	r = loop_timer_new(loop, on_timer, server, &server->timer);
	if (r < 0) {
		free(server);
		return r;
	}
	*ret = server;
	return 0;
}

void server_stream_stop_listening(struct server_stream *server)
{
	for (size_t i = 0; i < server->n_listeners; i++) {
		loop_io_free(server->listeners[i]->io);
		close_fd(server->listeners[i]->fd);
		free(server->listeners[i]);
	}
	server->n_listeners = 0;
}

struct server_stream *server_stream_free(struct server_stream *server)
{
	struct due_entry *entry;

	if (!server)
		return NULL;
	server_stream_stop_listening(server);
	while ((entry = due_heap_first(&server->due)))
		free_connection(container_of(entry, struct connection, due));
	due_heap_clear(&server->due);
	loop_timer_free(server->timer);
	SSL_CTX_free(server->context);
	stream_places_clear(&server->places);
	free(server);
	return NULL;
}

void server_stream_set_limits(struct server_stream *server, enum transport transport,
			      const struct stream_limits *limits)
{
	server->classes[transport].limits = *limits;
}

void server_stream_set_tls(struct server_stream *server, SSL_CTX *context)
{
	SSL_CTX_free(server->context);
	server->context = context;
}

int server_stream_listen(struct server_stream *server, const struct endpoint *endpoint,
			 enum transport transport)
{
	struct listener *listener;
	int r;

	if (server->n_listeners == LISTENERS_MAX)
		return -ENOSPC;
	listener = calloc(1, sizeof *listener);
	if (!listener)
		return -ENOMEM;
	listener->server = server;
	listener->transport = transport;
	listener->fd = r = socket_open_bound(endpoint, SOCK_STREAM);
	if (r >= 0)
		r = listen(listener->fd, BACKLOG) < 0 ? -errno : 0;
	if (r >= 0)
		r = loop_io_new(server->loop, listener->fd, UV_READABLE, on_listener, listener,
				&listener->io);
	if (r < 0) {
		close_fd(listener->fd);
		free(listener);
		return r;
	}
	server->listeners[server->n_listeners++] = listener;
	return 0;
}

void server_stream_send(struct server_stream *server, const struct peer *peer, const uint8_t *data,
			size_t size)
{
	struct connection *connection = find_connection(server, peer->connection);

	if (connection && size <= UINT16_MAX)
		connection_send(connection, data, size);
}

void server_stream_abort(struct server_stream *server, const struct peer *peer)
{
	struct connection *connection = find_connection(server, peer->connection);

	if (!connection)
		return;
	connection->is_aborted = true;
	stream_break(connection);
}

void server_stream_keep(struct server_stream *server, const struct peer *peer, bool is_kept)
{
	struct connection *connection = find_connection(server, peer->connection);

	if (!connection || connection->is_kept == is_kept)
		return;
	unlist_connection(connection);
	connection->is_kept = is_kept;
	connection->last_used = stream_now(server);
	list_connection(connection);
	stream_reschedule(connection);
}

bool server_stream_binding(struct server_stream *server, const struct peer *peer, uint8_t *ret,
			   size_t size, const char *label)
{
	struct connection *connection = find_connection(server, peer->connection);

	return connection && connection->ssl &&
	       tls_export_binding(connection->ssl, ret, size, label);
}

const struct stream_counters *server_stream_counters(const struct server_stream *server)
{
	return &server->counters;
}

size_t server_stream_n_connections(const struct server_stream *server, enum transport transport)
{
	return server->classes[transport].n;
}
