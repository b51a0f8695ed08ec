/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/gateway-socket.h"

#include <string.h>
#include <sys/socket.h>

#define BATCH_LIMIT    32
#define DATAGRAM_LIMIT 1100 /* the longest PCP message (RFC 6887 §7) */

struct gateway_socket {
	int fd;
	struct loop_io *io;
	struct sockaddr_in gateway;
	const struct gateway_socket_callbacks *callbacks;
	struct speaker_counters *counters;
	void *userdata;
};

/* Whether there may be more. */
static bool receive_one(struct gateway_socket *socket)
{
	uint8_t octets[DATAGRAM_LIMIT];
	struct sockaddr_in source = {};
	socklen_t source_size = sizeof source;
	/* The length as it was on the wire, so that a longer one does not pass for one that fits.
	 */
	ssize_t size = recvfrom(socket->fd, octets, sizeof octets, MSG_DONTWAIT | MSG_TRUNC,
				(struct sockaddr *)&source, &source_size);

	if (size < 0 && errno == ECONNREFUSED) {
		socket->callbacks->on_unreachable(socket->userdata);
		return true;
	}
	if (size < 0)
		/* Host unreachable and its like: as good as no answer. */
		return errno != EAGAIN && errno != EWOULDBLOCK;
	/* The kernel has seen to this; what came between bind() and connect() it has not. */
	if (source.sin_addr.s_addr != socket->gateway.sin_addr.s_addr ||
	    source.sin_port != socket->gateway.sin_port)
		socket->counters->responses_foreign++;
	else
		socket->callbacks->on_datagram(socket->userdata,
					       size > (ssize_t)sizeof octets ? NULL : octets, size);
	return true;
}

static void on_readable(void *userdata, int status, int events)
{
	struct gateway_socket *socket = userdata;

	for (int i = 0; i < BATCH_LIMIT && receive_one(socket); i++)
		;
	socket->callbacks->on_done(socket->userdata);
}

static int open_socket(const struct speaker_gateway *gateway, struct sockaddr_in *peer, int *ret)
{
	cleanup(close_fdp) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr = gateway->local };
	const uint32_t link = htonl(gateway->link);

	if (fd < 0)
		return -errno;
	/* Two routers of one address, say: the one that is meant. */
	if (gateway->link > 0 && setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &link, sizeof link) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&local, sizeof local) < 0 ||
	    connect(fd, (struct sockaddr *)peer, sizeof *peer) < 0)
		return -errno;
	*ret = steal_fd(&fd);
	return 0;
}

int gateway_socket_new(struct loop *loop, const struct speaker_gateway *gateway,
		       const struct gateway_socket_callbacks *callbacks,
		       struct speaker_counters *counters, void *userdata,
		       struct gateway_socket **ret)
{
	cleanup(gateway_socket_freep) struct gateway_socket *socket = calloc(1, sizeof *socket);
	int r;

	if (!socket)
		return -ENOMEM;
	*socket = (struct gateway_socket){ .fd = -1,
					   .gateway = { .sin_family = AF_INET,
							.sin_port = htons(GATEWAY_PORT),
							.sin_addr = gateway->address },
					   .callbacks = callbacks,
					   .counters = counters,
					   .userdata = userdata };
	r = open_socket(gateway, &socket->gateway, &socket->fd);
	if (r < 0)
		return r;
	r = loop_io_new(loop, socket->fd, UV_READABLE, on_readable, socket, &socket->io);
	if (r < 0)
		return r;
	*ret = steal_ptr(socket);
	return 0;
}

struct gateway_socket *gateway_socket_free(struct gateway_socket *socket)
{
	if (!socket)
		return NULL;
	loop_io_free(socket->io);
	close_fd(socket->fd);
	free(socket);
	return NULL;
}

int gateway_socket_fd(const struct gateway_socket *socket)
{
	return socket->fd;
}

int gateway_socket_send(struct gateway_socket *socket, const void *octets, size_t size)
{
	if (send(socket->fd, octets, size, MSG_DONTWAIT) < 0)
		return -errno;
	return 0;
}
