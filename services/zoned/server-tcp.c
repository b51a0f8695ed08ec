/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/server-tcp.h"

#include "services/zoned/socket-address.h"

#define LISTENERS_MAX 16
#define LENGTH_SIZE   2
#define INPUT_SIZE    (LENGTH_SIZE + 65535)
/* How long answers may take that a client still waits for after its last question. */
#define FINISHED_MSEC 5000
/* A client that sends questions but takes no answers is not listened to beyond this, be it what it
 * has sent already: one read can hold hundreds of questions with an answer of 64 kB each. */
#define OUTPUT_LIMIT (256 << 10)

struct listener {
	struct server_tcp *server;
	struct endpoint bound;
	int fd;
	struct loop_io *io;
};

struct connection {
	struct server_tcp *server;
	uint64_t number;
	int fd;
	struct loop_io *io;
	struct peer peer;
	uint64_t last_used;
	size_t n_in;
	uint8_t *out;
	size_t n_out;
	bool is_finished; /* the client sends no more; what it asked is still answered */
	bool is_held;     /* `in` may hold complete messages that wait for `out` to be taken */
	bool is_broken;
	uint8_t in[INPUT_SIZE];
};

struct server_tcp {
	struct loop *loop;
	const struct server_callbacks *callbacks;
	void *userdata;
	struct loop_timer *idle;
	struct listener *listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct connection *connections[SERVER_TCP_CONNECTIONS];
	uint64_t n_accepted;
};

static struct connection *connection_free(struct connection *connection)
{
	if (!connection)
		return NULL;
	loop_io_free(connection->io);
	close_fd(connection->fd);
	free(connection->out);
	free(connection);
	return NULL;
}

static void close_idle(void *userdata)
{
	struct server_tcp *server = userdata;
	uint64_t now = loop_now(server->loop);
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < SERVER_TCP_CONNECTIONS; i++) {
		struct connection *connection = server->connections[i];
		uint64_t end;

		if (!connection)
			continue;
		end = connection->last_used +
		      (connection->is_finished ? FINISHED_MSEC : SERVER_TCP_IDLE_MSEC);
		if (end <= now || connection->is_broken)
			server->connections[i] = connection_free(connection);
		else if (end < next)
			next = end;
	}
	loop_timer_set(server->idle, next);
}

int server_tcp_new(struct loop *loop, const struct server_callbacks *callbacks, void *userdata,
		   struct server_tcp **ret)
{
	struct server_tcp *server = calloc(1, sizeof *server);
	int r;

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->callbacks = callbacks;
	server->userdata = userdata;
	r = loop_timer_new(loop, close_idle, server, &server->idle);
	if (r < 0) {
		free(server);
		return r;
	}
	*ret = server;
	return 0;
}

struct server_tcp *server_tcp_free(struct server_tcp *server)
{
	if (!server)
		return NULL;
	for (size_t i = 0; i < server->n_listeners; i++) {
		loop_io_free(server->listeners[i]->io);
		close_fd(server->listeners[i]->fd);
		free(server->listeners[i]);
	}
	for (size_t i = 0; i < SERVER_TCP_CONNECTIONS; i++)
		connection_free(server->connections[i]);
	loop_timer_free(server->idle);
	free(server);
	return NULL;
}

/* At once, but not from inside one of the connections' callbacks. */
static void close_idle_later(struct server_tcp *server)
{
	loop_timer_set(server->idle, loop_now(server->loop));
}

/* Marks for close_idle(), which runs next: the connection may be in use further up the stack. */
static void break_connection(struct connection *connection)
{
	connection->is_broken = true;
	loop_io_set(connection->io, 0);
	close_idle_later(connection->server);
}

static void update_events(struct connection *connection)
{
	int events = connection->n_out || connection->is_held ? UV_WRITABLE : 0;

	if (connection->is_broken)
		return;
	if (!connection->is_finished && !connection->is_held && connection->n_out < OUTPUT_LIMIT)
		events |= UV_READABLE;
	loop_io_set(connection->io, events);
}

static void write_out(struct connection *connection)
{
	ssize_t n;

	if (!connection->n_out)
		return;
	n = send(connection->fd, connection->out, connection->n_out, MSG_NOSIGNAL);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			break_connection(connection);
		return;
	}
	connection->last_used = loop_now(connection->server->loop);
	connection->n_out -= n;
	memmove(connection->out, connection->out + n, connection->n_out);
}

/* Hands over the messages that are complete, as long as their answers are taken. */
static void take_messages(struct connection *connection)
{
	struct server_tcp *server = connection->server;
	size_t position = 0;

	connection->is_held = false;
	server->callbacks->begin(server->userdata);
	while (connection->n_in - position >= LENGTH_SIZE && !connection->is_broken) {
		const uint8_t *start = connection->in + position;
		size_t size = (size_t)start[0] << 8 | start[1];

		connection->is_held = connection->n_out >= OUTPUT_LIMIT;
		if (connection->is_held || connection->n_in - position - LENGTH_SIZE < size)
			break;
		server->callbacks->receive(server->userdata, &connection->peer, start + LENGTH_SIZE,
					   size);
		position += LENGTH_SIZE + size;
	}
	connection->n_in -= position;
	memmove(connection->in, connection->in + position, connection->n_in);
	server->callbacks->end(server->userdata);
}

static void read_in(struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->in + connection->n_in,
			 sizeof connection->in - connection->n_in, 0);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			break_connection(connection);
		return;
	}
	/* Answers that wait for the disk still go out; the idle timer closes then. */
	if (n == 0) {
		connection->is_finished = true;
		close_idle_later(connection->server);
		return;
	}
	connection->last_used = loop_now(connection->server->loop);
	connection->n_in += n;
	take_messages(connection);
}

static void on_connection(void *userdata, int status, int events)
{
	struct connection *connection = userdata;

	if (events & UV_WRITABLE)
		write_out(connection);
	if (connection->is_held && !connection->is_broken)
		take_messages(connection);
	else if (events & UV_READABLE && !connection->is_broken)
		read_in(connection);
	update_events(connection);
}

/* A free place; of a full house the place of whoever was silent longest. */
static struct connection **find_place(struct server_tcp *server)
{
	struct connection **oldest = NULL;

	for (size_t i = 0; i < SERVER_TCP_CONNECTIONS; i++) {
		struct connection **place = &server->connections[i];

		if (!*place)
			return place;
		if (!oldest || (*place)->last_used < (*oldest)->last_used)
			oldest = place;
	}
	*oldest = connection_free(*oldest);
	return oldest;
}

static int add_connection(struct listener *listener, int fd, const struct sockaddr_storage *remote)
{
	struct server_tcp *server = listener->server;
	struct connection *connection = calloc(1, sizeof *connection);
	struct sockaddr_storage local;
	socklen_t size = sizeof local;
	int r;

	if (!connection)
		return -ENOMEM;
	connection->fd = fd;
	connection->server = server;
	connection->number = ++server->n_accepted;
	connection->last_used = loop_now(server->loop);
	connection->peer.connection = connection->number;
	socket_address_to_endpoint(remote, &connection->peer.remote);
	if (getsockname(fd, (struct sockaddr *)&local, &size) == 0)
		socket_address_to_endpoint(&local, &connection->peer.local);
	r = loop_io_new(server->loop, fd, UV_READABLE, on_connection, connection, &connection->io);
	if (r < 0) {
		free(connection);
		return r;
	}
	*find_place(server) = connection;
	close_idle(server);
	return 0;
}

static void on_listener(void *userdata, int status, int events)
{
	struct listener *listener = userdata;
	struct sockaddr_storage remote;
	socklen_t size = sizeof remote;
	int fd = accept4(listener->fd, (struct sockaddr *)&remote, &size,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0 && add_connection(listener, fd, &remote) < 0)
		close_fd(fd);
}

int server_tcp_listen(struct server_tcp *server, const struct endpoint *endpoint)
{
	struct listener *listener;
	int r;

	if (server->n_listeners == LISTENERS_MAX)
		return -ENOSPC;
	listener = calloc(1, sizeof *listener);
	if (!listener)
		return -ENOMEM;
	listener->server = server;
	listener->bound = *endpoint;
	listener->fd = r = socket_open_bound(endpoint, SOCK_STREAM);
	if (r >= 0)
		r = listen(listener->fd, SERVER_TCP_CONNECTIONS) < 0 ? -errno : 0;
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

static struct connection *find_connection(struct server_tcp *server, uint64_t number)
{
	for (size_t i = 0; i < SERVER_TCP_CONNECTIONS; i++)
		if (server->connections[i] && server->connections[i]->number == number)
			return server->connections[i];
	return NULL;
}

void server_tcp_send(struct server_tcp *server, const struct peer *peer, const uint8_t *data,
		     size_t size)
{
	struct connection *connection = find_connection(server, peer->connection);
	uint8_t *out;

	if (!connection || connection->is_broken)
		return;
	out = realloc(connection->out, connection->n_out + LENGTH_SIZE + size);
	if (!out) {
		break_connection(connection);
		return;
	}
	out[connection->n_out] = size >> 8;
	out[connection->n_out + 1] = size;
	memcpy(out + connection->n_out + LENGTH_SIZE, data, size);
	connection->out = out;
	connection->n_out += LENGTH_SIZE + size;
	write_out(connection);
	update_events(connection);
}
