/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/llq-socket.h"

#include "common/net/detour.h"

#include <sys/socket.h>

#define BATCH 16

struct llq_socket {
	struct loop *loop;
	llq_socket_callback callback;
	void *userdata;
	int fd;
	struct loop_io *io;
	uint16_t port; /* host order */
	struct sockaddr_in server;
	uint64_t strangers;
};

static void on_readable(void *userdata, int status, int events)
{
	struct llq_socket *socket = userdata;

	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_in source = { 0 };
		socklen_t source_size = sizeof(source);
		uint8_t data[4096];
		ssize_t size = recvfrom(socket->fd, data, sizeof(data), MSG_DONTWAIT,
					(struct sockaddr *)&source, &source_size);

		if (size < 0)
			return;
		/* Who guesses the address still needs the key; this only keeps noise away. */
		if (source.sin_addr.s_addr != socket->server.sin_addr.s_addr ||
		    source.sin_port != socket->server.sin_port) {
			socket->strangers++;
			continue;
		}
		socket->callback(socket->userdata, data, size);
		if (socket->fd < 0)
			return;
	}
}

static int open_socket(struct llq_socket *object)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(object->port) };
	socklen_t size = sizeof(local);
	int r;

	object->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (object->fd < 0)
		return -errno;
	if (object->server.sin_port)
		detour_take(object->fd, object->server.sin_addr);
	if (bind(object->fd, (struct sockaddr *)&local, sizeof(local)) < 0 ||
	    getsockname(object->fd, (struct sockaddr *)&local, &size) < 0) {
		r = -errno;
		object->fd = close_fd(object->fd);
		return r;
	}
	object->port = ntohs(local.sin_port);
	r = loop_io_new(object->loop, object->fd, UV_READABLE, on_readable, object, &object->io);
	if (r < 0)
		object->fd = close_fd(object->fd);
	return r;
}

static void close_socket(struct llq_socket *socket)
{
	socket->io = loop_io_free(socket->io);
	socket->fd = close_fd(socket->fd);
}

int llq_socket_new(struct loop *loop, uint16_t port, llq_socket_callback callback, void *userdata,
		   struct llq_socket **ret)
{
	cleanup(llq_socket_freep) struct llq_socket *object = NULL;
	int r;

	object = calloc(1, sizeof(*object));
	if (!object)
		return -ENOMEM;
	object->loop = loop;
	object->callback = callback;
	object->userdata = userdata;
	object->port = port;
	object->fd = -1;
	r = open_socket(object);
	if (r < 0)
		return r;
	*ret = steal_ptr(object);
	return 0;
}

struct llq_socket *llq_socket_free(struct llq_socket *socket)
{
	if (!socket)
		return NULL;
	close_socket(socket);
	free(socket);
	return NULL;
}

int llq_socket_renew(struct llq_socket *socket, const struct sockaddr_in *server)
{
	close_socket(socket);
	socket->server = *server;
	return open_socket(socket);
}

void llq_socket_send(struct llq_socket *socket, const uint8_t *data, size_t size)
{
	ssize_t sent = sendto(socket->fd, data, size, MSG_DONTWAIT,
			      (struct sockaddr *)&socket->server, sizeof(socket->server));

	/* An ICMP message about an earlier one is reported here and only here: then this one was
	 * not sent. */
	if (sent < 0 && errno != EAGAIN)
		(void)!sendto(socket->fd, data, size, MSG_DONTWAIT,
			      (struct sockaddr *)&socket->server, sizeof(socket->server));
}

uint16_t llq_socket_port(const struct llq_socket *socket)
{
	return socket->port;
}

uint64_t llq_socket_strangers(const struct llq_socket *socket)
{
	return socket->strangers;
}
