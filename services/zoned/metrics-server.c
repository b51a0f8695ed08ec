/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/metrics-server.h"

#include "services/zoned/metrics-http.h"
#include "services/zoned/socket-address.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define LISTENERS 2
#define CLIENTS   16
/* The others are kept for the socket: it is the administrator who asks there. */
#define HTTP_CLIENTS  12
#define PATIENCE_MSEC 5000
#define HEADER_SIZE   512

struct client {
	struct metrics_server *server;
	int fd;
	struct loop_io *io;
	struct loop_timer *timer;
	char request[METRICS_HTTP_SIZE_MAX];
	size_t n_request;
	char header[HEADER_SIZE];
	size_t header_size;
	struct metrics_text body;
	size_t sent; /* of header and body */
};

struct listener {
	struct metrics_server *server;
	int fd;
	struct loop_io *io;
	char *path; /* of a UNIX socket, or NULL */
};

struct metrics_server {
	struct loop *loop;
	metrics_callback callback;
	void *userdata;
	struct listener listeners[LISTENERS];
	size_t n_listeners;
	struct client *clients[CLIENTS];
};

static void drop(struct client *client)
{
	struct metrics_server *server = client->server;

	for (size_t i = 0; i < CLIENTS; i++)
		if (server->clients[i] == client)
			server->clients[i] = NULL;
	loop_io_free(client->io);
	loop_timer_free(client->timer);
	close_fd(client->fd);
	metrics_text_clear(&client->body);
	free(client);
}

static void on_timeout(void *userdata)
{
	drop(userdata);
}

/* The client may be gone afterwards. */
static void send_some(struct client *client)
{
	size_t whole = client->header_size + client->body.size;

	while (client->sent < whole) {
		bool in_header = client->sent < client->header_size;
		const char *data = in_header
					   ? client->header + client->sent
					   : client->body.data + client->sent - client->header_size;
		size_t size = (in_header ? client->header_size : whole) - client->sent;
		ssize_t n = send(client->fd, data, size, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			loop_io_set(client->io, UV_WRITABLE);
			return;
		}
		if (n < 0)
			break;
		client->sent += n;
	}
	drop(client);
}

static void answer(struct client *client, int status, bool is_head)
{
	struct metrics_server *server = client->server;

	if (status == 200)
		server->callback(server->userdata, &client->body);
	client->header_size = metrics_http_header(status, client->body.size, client->header,
						  sizeof client->header);
	if (is_head)
		metrics_text_clear(&client->body);
	send_some(client);
}

static void on_client(void *userdata, int error, int events)
{
	struct client *client = userdata;
	bool is_head;
	ssize_t n;
	int status;

	if (error < 0) {
		drop(client);
		return;
	}
	if (client->header_size + client->body.size) {
		send_some(client);
		return;
	}
	n = recv(client->fd, client->request + client->n_request,
		 sizeof client->request - client->n_request, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(client);
		return;
	}
	client->n_request += n;
	status = metrics_http_read(client->request, client->n_request, &is_head);
	if (status)
		answer(client, status, is_head);
}

static int add_client(struct listener *listener, int fd, struct client **ret)
{
	struct metrics_server *server = listener->server;
	size_t n_places = listener->path ? CLIENTS : HTTP_CLIENTS;
	struct client **place = NULL, *client;
	int r;

	for (size_t i = 0; i < n_places; i++)
		if (!server->clients[i])
			place = &server->clients[i];
	client = place ? calloc(1, sizeof *client) : NULL;
	if (!client) {
		close_fd(fd);
		return -EBUSY;
	}
	client->server = server;
	client->fd = fd;
	r = loop_io_new(server->loop, fd, UV_READABLE, on_client, client, &client->io);
	if (r >= 0)
		r = loop_timer_new(server->loop, on_timeout, client, &client->timer);
	if (r < 0) {
		drop(client);
		return r;
	}
	loop_timer_set_delay(client->timer, PATIENCE_MSEC);
	*place = client;
	*ret = client;
	return 0;
}

static void on_connection(void *userdata, int error, int events)
{
	struct listener *listener = userdata;
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *client;

	if (fd < 0 || add_client(listener, fd, &client) < 0 || !listener->path)
		return;
	listener->server->callback(listener->server->userdata, &client->body);
	send_some(client);
}

int metrics_server_new(struct loop *loop, metrics_callback callback, void *userdata,
		       struct metrics_server **ret)
{
	struct metrics_server *server = calloc(1, sizeof *server);

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->callback = callback;
	server->userdata = userdata;
	*ret = server;
	return 0;
}

struct metrics_server *metrics_server_free(struct metrics_server *server)
{
	if (!server)
		return NULL;
	for (size_t i = 0; i < CLIENTS; i++)
		if (server->clients[i])
			drop(server->clients[i]);
	for (size_t i = 0; i < server->n_listeners; i++) {
		struct listener *listener = &server->listeners[i];

		loop_io_free(listener->io);
		if (listener->path)
			unlink(listener->path);
		close_fd(listener->fd);
		free(listener->path);
	}
	free(server);
	return NULL;
}

/* Takes `fd` and `path` over, also on failure. */
static int add_listener(struct metrics_server *server, int fd, char *path)
{
	struct listener *listener = &server->listeners[server->n_listeners];
	int r = listen(fd, CLIENTS) < 0 ? -errno : 0;

	*listener = (struct listener){ server, fd, NULL, path };
	if (r >= 0)
		r = loop_io_new(server->loop, fd, UV_READABLE, on_connection, listener,
				&listener->io);
	if (r < 0) {
		close_fd(fd);
		free(path);
		return r;
	}
	server->n_listeners++;
	return 0;
}

int metrics_server_listen_local(struct metrics_server *server, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup(close_fdp) int fd = -1;
	cleanup(freep) char *copy = strdup(path);
	struct stat status;
	mode_t mask;
	int r;

	if (!copy)
		return -ENOMEM;
	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	/* A wrong word in the configuration is no reason to lose a file. */
	if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
		return -EEXIST;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof address);
	umask(mask);
	return r < 0 ? -errno : add_listener(server, steal_fd(&fd), steal_ptr(copy));
}

int metrics_server_listen(struct metrics_server *server, const struct endpoint *endpoint)
{
	int fd = socket_open_bound(endpoint, SOCK_STREAM);

	return fd < 0 ? fd : add_listener(server, fd, NULL);
}
