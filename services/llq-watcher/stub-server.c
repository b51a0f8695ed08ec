/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/stub-server.h"

#include <string.h>
#include <sys/socket.h>

#define BATCH         32
#define QUESTION_MAX  4096
#define IDLE_MSEC     10000
#define LENGTH_OCTETS 2
/* A name of any length and EDNS. */
#define WAITING_QUESTION_MAX 512

struct connection {
	struct stub_server *server;
	int fd; /* -1: this place is free */
	struct loop_io *io;
	uint64_t last_heard;
	uint8_t question[LENGTH_OCTETS + QUESTION_MAX];
	size_t n_question;
	uint8_t *reply; /* what has to go out still; NULL: nothing */
	size_t reply_size, n_sent;
	uint64_t waits_until; /* for the answer to its question; 0: it does not */
};

/* A question whose answer is not there yet. */
struct waiting {
	uint64_t until; /* 0: this place is free */
	struct sockaddr_in source;
	uint8_t question[WAITING_QUESTION_MAX];
	size_t size;
};

struct stub_server {
	struct loop *loop;
	stub_server_answer answer;
	void *userdata;
	int datagrams, listener;
	struct loop_io *datagrams_io, *listener_io;
	struct loop_timer *idle, *patience;
	struct connection connections[STUB_SERVER_CONNECTIONS];
	struct waiting waiting[STUB_SERVER_WAITING];
	struct stub_server_counts counts;
};

static bool is_local(struct stub_server *server, const struct sockaddr_in *source)
{
	if (ntohl(source->sin_addr.s_addr) >> 24 == 127)
		return true;
	server->counts.strangers++;
	return false;
}

/* When the first of those that wait has waited long enough. */
static void set_patience(struct stub_server *server)
{
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; i < STUB_SERVER_WAITING; i++) {
		if (server->waiting[i].until && server->waiting[i].until < due)
			due = server->waiting[i].until;
	}
	for (size_t i = 0; i < STUB_SERVER_CONNECTIONS; i++) {
		if (server->connections[i].waits_until && server->connections[i].waits_until < due)
			due = server->connections[i].waits_until;
	}
	loop_timer_set(server->patience, due);
}

/* The one that would have to wait shortest gives way: its program asks again. */
static void let_wait(struct stub_server *server, const struct sockaddr_in *source,
		     const uint8_t *question, size_t size)
{
	struct waiting *place = &server->waiting[0];

	if (size > WAITING_QUESTION_MAX)
		return;
	for (size_t i = 1; i < STUB_SERVER_WAITING; i++) {
		if (server->waiting[i].until < place->until)
			place = &server->waiting[i];
	}
	place->until = loop_now(server->loop) + STUB_SERVER_WAIT_MSEC;
	place->source = *source;
	place->size = size;
	memcpy(place->question, question, size);
	set_patience(server);
}

/* False: the answer has to be waited for. */
static bool answer_datagram(struct stub_server *server, const struct sockaddr_in *source,
			    const uint8_t *data, size_t size, bool last)
{
	const struct stub_question question = { .data = data, .size = size, .last = last };
	uint8_t reply[STUB_UDP_MAX];
	size_t reply_size = server->answer(server->userdata, &question, reply, sizeof(reply));

	if (reply_size == STUB_LATER)
		return false;
	/* Best effort: who got none asks again. */
	if (reply_size > 0)
		(void)!sendto(server->datagrams, reply, reply_size, MSG_DONTWAIT,
			      (const struct sockaddr *)source, sizeof(*source));
	return true;
}

static void on_datagrams(void *userdata, int status, int events)
{
	struct stub_server *server = userdata;

	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_in source = { 0 };
		socklen_t source_size = sizeof(source);
		uint8_t question[QUESTION_MAX];
		ssize_t size = recvfrom(server->datagrams, question, sizeof(question), MSG_DONTWAIT,
					(struct sockaddr *)&source, &source_size);

		if (size < 0) {
			if (errno == EAGAIN)
				return;
			continue;
		}
		if (is_local(server, &source) &&
		    !answer_datagram(server, &source, question, size, false))
			let_wait(server, &source, question, size);
	}
}

static void close_connection(struct connection *connection)
{
	connection->io = loop_io_free(connection->io);
	connection->fd = close_fd(connection->fd);
	free(connection->reply);
	connection->reply = NULL;
	connection->n_question = 0;
	connection->waits_until = 0;
}

static void close_counted(struct connection *connection)
{
	connection->server->counts.closed++;
	close_connection(connection);
}

/* Closes the idle ones, and rings again when the next one will be. */
static void on_idle(void *userdata)
{
	struct stub_server *server = userdata;
	uint64_t now = loop_now(server->loop), next = UINT64_MAX;

	for (size_t i = 0; i < STUB_SERVER_CONNECTIONS; i++) {
		struct connection *connection = &server->connections[i];

		if (connection->fd < 0)
			continue;
		if (now >= connection->last_heard + IDLE_MSEC)
			close_counted(connection);
		else if (connection->last_heard + IDLE_MSEC < next)
			next = connection->last_heard + IDLE_MSEC;
	}
	loop_timer_set(server->idle, next);
}

/* False: the connection was closed. */
static bool send_rest(struct connection *connection)
{
	while (connection->reply) {
		ssize_t n = send(connection->fd, connection->reply + connection->n_sent,
				 connection->reply_size - connection->n_sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			close_connection(connection);
			return false;
		}
		connection->n_sent += n;
		if (connection->n_sent == connection->reply_size) {
			free(connection->reply);
			connection->reply = NULL;
		}
	}
	return true;
}

/* The first question, of `size` octets. 1: answered; 0: the answer has to be waited for; -1: the
 * connection was closed. */
static int answer_first(struct connection *connection, size_t size, bool last)
{
	struct stub_server *server = connection->server;
	const struct stub_question question = { .data = connection->question + LENGTH_OCTETS,
						.size = size,
						.stream = true,
						.last = last };
	cleanup(freep) uint8_t *reply = malloc(LENGTH_OCTETS + STUB_SERVER_REPLY_MAX);
	size_t n = reply ? server->answer(server->userdata, &question, reply + LENGTH_OCTETS,
					  STUB_SERVER_REPLY_MAX)
			 : 0;

	connection->waits_until = 0;
	if (n == STUB_LATER) {
		connection->waits_until = loop_now(server->loop) + STUB_SERVER_WAIT_MSEC;
		set_patience(server);
		return 0;
	}
	if (n == 0) {
		close_counted(connection);
		return -1;
	}
	reply[0] = n >> 8;
	reply[1] = n;
	connection->reply = steal_ptr(reply);
	connection->reply_size = LENGTH_OCTETS + n;
	connection->n_sent = 0;
	connection->n_question -= LENGTH_OCTETS + size;
	memmove(connection->question, connection->question + LENGTH_OCTETS + size,
		connection->n_question);
	return send_rest(connection) ? 1 : -1;
}

/* Answers the questions that are there whole, as long as the answers are there and go out. False:
 * closed. */
static bool answer_questions(struct connection *connection, bool last)
{
	int r = 1;

	while (r > 0 && !connection->reply && connection->n_question >= LENGTH_OCTETS) {
		size_t size = connection->question[0] << 8 | connection->question[1];

		if (size > QUESTION_MAX) {
			close_counted(connection);
			return false;
		}
		if (connection->n_question < LENGTH_OCTETS + size)
			break;
		r = answer_first(connection, size, last);
		last = false;
	}
	return r >= 0;
}

static bool read_more(struct connection *connection)
{
	size_t room = sizeof(connection->question) - connection->n_question;
	ssize_t n;

	if (connection->reply || room == 0)
		return true;
	n = recv(connection->fd, connection->question + connection->n_question, room, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0) {
		close_connection(connection);
		return false;
	}
	connection->n_question += n;
	return true;
}

static void go_on(struct connection *connection, bool last)
{
	if (!answer_questions(connection, last))
		return;
	loop_io_set(connection->io, connection->reply         ? UV_WRITABLE
				    : connection->waits_until ? 0
							      : UV_READABLE);
}

static void on_connection(void *userdata, int status, int events)
{
	struct connection *connection = userdata;

	if (status < 0) {
		close_connection(connection);
		return;
	}
	connection->last_heard = loop_now(connection->server->loop);
	if (send_rest(connection) && read_more(connection))
		go_on(connection, false);
}

/* Asks again for all that waits; for what has waited until `now` for the last time. */
static void ask_again(struct stub_server *server, uint64_t now)
{
	for (size_t i = 0; i < STUB_SERVER_WAITING; i++) {
		struct waiting *waiting = &server->waiting[i];

		if (waiting->until && answer_datagram(server, &waiting->source, waiting->question,
						      waiting->size, now >= waiting->until))
			waiting->until = 0;
	}
	for (size_t i = 0; i < STUB_SERVER_CONNECTIONS; i++) {
		struct connection *connection = &server->connections[i];
		uint64_t until = connection->waits_until;

		if (!until)
			continue;
		go_on(connection, now >= until);
		/* It does not wait for longer because it was asked for again. */
		if (connection->waits_until)
			connection->waits_until = until;
	}
	set_patience(server);
}

void stub_server_again(struct stub_server *server)
{
	ask_again(server, 0);
}

static void on_patience(void *userdata)
{
	struct stub_server *server = userdata;

	ask_again(server, loop_now(server->loop));
}

/* A free place, or that of whoever was silent longest. */
static struct connection *find_place(struct stub_server *server)
{
	struct connection *oldest = &server->connections[0];

	for (size_t i = 0; i < STUB_SERVER_CONNECTIONS; i++) {
		struct connection *connection = &server->connections[i];

		if (connection->fd < 0)
			return connection;
		if (connection->last_heard < oldest->last_heard)
			oldest = connection;
	}
	close_counted(oldest);
	return oldest;
}

static void on_listener(void *userdata, int status, int events)
{
	struct stub_server *server = userdata;

	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_in source = { 0 };
		socklen_t size = sizeof(source);
		cleanup(close_fdp) int fd = accept4(server->listener, (struct sockaddr *)&source,
						    &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct connection *connection;

		if (fd < 0)
			return;
		if (!is_local(server, &source))
			continue;
		connection = find_place(server);
		if (loop_io_new(server->loop, fd, UV_READABLE, on_connection, connection,
				&connection->io) < 0)
			continue;
		connection->fd = steal_fd(&fd);
		connection->last_heard = loop_now(server->loop);
		on_idle(server);
	}
}

static int open_sockets(struct stub_server *server, const struct sockaddr_in *address)
{
	const int yes = 1;

	server->datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->datagrams < 0 || server->listener < 0)
		return -errno;
	/* Connections of a former watcher may still be closing. */
	if (setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(server->datagrams, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
	    bind(server->listener, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
	    listen(server->listener, STUB_SERVER_CONNECTIONS) < 0)
		return -errno;
	return 0;
}

int stub_server_new(struct loop *loop, const struct sockaddr_in *address, stub_server_answer answer,
		    void *userdata, struct stub_server **ret)
{
	cleanup(stub_server_freep) struct stub_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->answer = answer;
	server->userdata = userdata;
	for (size_t i = 0; i < STUB_SERVER_CONNECTIONS; i++) {
		server->connections[i].server = server;
		server->connections[i].fd = -1;
	}
	server->datagrams = server->listener = -1;
	r = open_sockets(server, address);
	if (r >= 0)
		r = loop_timer_new(loop, on_idle, server, &server->idle);
	if (r >= 0)
		r = loop_timer_new(loop, on_patience, server, &server->patience);
	if (r >= 0)
		r = loop_io_new(loop, server->datagrams, UV_READABLE, on_datagrams, server,
				&server->datagrams_io);
	if (r >= 0)
		r = loop_io_new(loop, server->listener, UV_READABLE, on_listener, server,
				&server->listener_io);
	if (r < 0)
		return r;
	*ret = steal_ptr(server);
	return 0;
}

struct stub_server *stub_server_free(struct stub_server *server)
{
	if (!server)
		return NULL;
	for (size_t i = 0; i < STUB_SERVER_CONNECTIONS; i++)
		close_connection(&server->connections[i]);
	loop_timer_free(server->idle);
	loop_timer_free(server->patience);
	loop_io_free(server->datagrams_io);
	loop_io_free(server->listener_io);
	close_fd(server->datagrams);
	close_fd(server->listener);
	free(server);
	return NULL;
}

const struct stub_server_counts *stub_server_counts(const struct stub_server *server)
{
	return &server->counts;
}
