/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/gena-listener.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define CLIENTS       4
#define PATIENCE_MSEC 5000
#define ANSWER_SIZE   256

struct client {
	struct gena_listener *listener; /* NULL: the place is free */
	int fd;
	struct loop_io *io;
	struct loop_timer *timer;
	size_t size;
	char data[GENA_SIZE_MAX];
};

struct gena_listener {
	struct loop *loop;
	struct in_addr gateway;
	struct igd_url url;
	gena_listener_callback callback;
	void *userdata;
	int fd;
	struct loop_io *io;
	struct client *clients[CLIENTS];
};

static void drop(struct client *client)
{
	struct gena_listener *listener = client->listener;

	for (size_t i = 0; i < CLIENTS; i++)
		if (listener->clients[i] == client)
			listener->clients[i] = NULL;
	loop_io_free(client->io);
	loop_timer_free(client->timer);
	close_fd(client->fd);
	free(client);
}

static void on_timeout(void *userdata)
{
	drop(userdata);
}

static void on_client(void *userdata, int error, int events)
{
	struct client *client = userdata;
	struct gena_listener *listener = client->listener;
	struct gena_notification notification;
	char answer[ANSWER_SIZE];
	ssize_t n = recv(client->fd, client->data + client->size,
			 sizeof client->data - client->size, MSG_DONTWAIT);
	int status;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(client);
		return;
	}
	client->size += n;
	status = gena_read(client->data, client->size, listener->url.path, &notification);
	if (!status && client->size == sizeof client->data)
		status = 413;
	if (!status)
		return;
	/* It fits the socket's buffer, or the gateway does without. Then the connection ends, and
	 * only then is told what came: whoever hears of it may free us. */
	if (status == 200) {
		gena_listener_callback callback = listener->callback;
		void *callback_data = listener->userdata;
		int fd = client->fd;

		client->fd = -1;
		drop(client);
		if (!callback(callback_data, &notification))
			status = 412;
		send(fd, answer, gena_build_answer(status, answer, sizeof answer),
		     MSG_DONTWAIT | MSG_NOSIGNAL);
		close_fd(fd);
		return;
	}
	send(client->fd, answer, gena_build_answer(status, answer, sizeof answer),
	     MSG_DONTWAIT | MSG_NOSIGNAL);
	drop(client);
}

static void add_client(struct gena_listener *listener, int fd)
{
	struct client **place = NULL, *client;

	for (size_t i = 0; i < CLIENTS; i++)
		if (!listener->clients[i])
			place = &listener->clients[i];
	client = place ? calloc(1, sizeof *client) : NULL;
	if (!client) {
		close_fd(fd);
		return;
	}
	client->listener = listener;
	client->fd = fd;
	if (loop_io_new(listener->loop, fd, UV_READABLE, on_client, client, &client->io) < 0 ||
	    loop_timer_new(listener->loop, on_timeout, client, &client->timer) < 0) {
		drop(client);
		return;
	}
	loop_timer_set_delay(client->timer, PATIENCE_MSEC);
	*place = client;
}

static void on_connection(void *userdata, int error, int events)
{
	struct gena_listener *listener = userdata;
	struct sockaddr_in source = {};
	socklen_t size = sizeof source;
	int fd = accept4(listener->fd, (struct sockaddr *)&source, &size,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (source.sin_addr.s_addr == listener->gateway.s_addr)
		add_client(listener, fd);
	else
		close_fd(fd);
}

static int open_listener(struct gena_listener *listener, struct in_addr local)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = local };
	socklen_t size = sizeof address;

	listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0 ||
	    bind(listener->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(listener->fd, CLIENTS) < 0 ||
	    getsockname(listener->fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	listener->url.address = local;
	listener->url.port = ntohs(address.sin_port);
	return 0;
}

int gena_listener_new(struct loop *loop, struct in_addr local, struct in_addr gateway,
		      gena_listener_callback callback, void *userdata, struct gena_listener **ret)
{
	cleanup(gena_listener_freep) struct gena_listener *listener = calloc(1, sizeof *listener);
	uint64_t token;
	int r;

	if (!listener)
		return -ENOMEM;
	listener->loop = loop;
	listener->gateway = gateway;
	listener->callback = callback;
	listener->userdata = userdata;
	listener->fd = -1;
	if (getrandom(&token, sizeof token, GRND_NONBLOCK) != sizeof token)
		return -errno;
	snprintf(listener->url.path, sizeof listener->url.path, "/%016" PRIx64, token);
	r = open_listener(listener, local);
	if (r >= 0)
		r = loop_io_new(loop, listener->fd, UV_READABLE, on_connection, listener,
				&listener->io);
	if (r < 0)
		return r;
	*ret = steal_ptr(listener);
	return 0;
}

struct gena_listener *gena_listener_free(struct gena_listener *listener)
{
	if (!listener)
		return NULL;
	for (size_t i = 0; i < CLIENTS; i++)
		if (listener->clients[i])
			drop(listener->clients[i]);
	loop_io_free(listener->io);
	close_fd(listener->fd);
	free(listener);
	return NULL;
}

void gena_listener_url(const struct gena_listener *listener, struct igd_url *ret)
{
	*ret = listener->url;
}
