/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/server-udp.h"

#include "services/zoned/socket-address.h"

#include <netinet/in.h>

#define SOCKETS_MAX 16
/* Datagrams taken in a row before other descriptors get their turn. */
#define BURST 64

struct udp_socket {
	struct server_udp *server;
	struct endpoint bound;
	int fd;
	struct loop_io *io;
};

struct server_udp {
	struct loop *loop;
	const struct server_callbacks *callbacks;
	void *userdata;
	struct udp_socket *sockets[SOCKETS_MAX];
	size_t n_sockets;
	uint8_t buffer[65536];
};

int server_udp_new(struct loop *loop, const struct server_callbacks *callbacks, void *userdata,
		   struct server_udp **ret)
{
	struct server_udp *server = calloc(1, sizeof *server);

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->callbacks = callbacks;
	server->userdata = userdata;
	*ret = server;
	return 0;
}

struct server_udp *server_udp_free(struct server_udp *server)
{
	if (!server)
		return NULL;
	for (size_t i = 0; i < server->n_sockets; i++) {
		loop_io_free(server->sockets[i]->io);
		close_fd(server->sockets[i]->fd);
		free(server->sockets[i]);
	}
	free(server);
	return NULL;
}

/* Room for either family's packet information. */
union control {
	struct cmsghdr align;
	char v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
	char v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void read_local_address(struct msghdr *message, struct endpoint *local)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof info);
			memcpy(local->address, &info.ipi_addr, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof info);
			memcpy(local->address, &info.ipi6_addr, 16);
		}
	}
}

/* One datagram; false when there are no more. */
static bool receive_one(struct udp_socket *udp)
{
	struct server_udp *server = udp->server;
	struct sockaddr_storage remote;
	union control control;
	struct iovec data = { server->buffer, sizeof server->buffer };
	struct msghdr message = { .msg_name = &remote,
				  .msg_namelen = sizeof remote,
				  .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof control };
	struct peer peer = { .local = udp->bound };
	ssize_t size = recvmsg(udp->fd, &message, 0);

	if (size < 0)
		/* What ICMP said about an earlier answer is no reason to stop. */
		return errno != EAGAIN && errno != EWOULDBLOCK && errno != EBADF;
	socket_address_to_endpoint(&remote, &peer.remote);
	read_local_address(&message, &peer.local);
	if (peer.remote.family && peer.remote.port)
		server->callbacks->receive(server->userdata, &peer, server->buffer, size);
	return true;
}

static void on_readable(void *userdata, int status, int events)
{
	struct udp_socket *udp = userdata;
	struct server_udp *server = udp->server;

	server->callbacks->begin(server->userdata);
	for (unsigned int i = 0; i < BURST && receive_one(udp); i++)
		;
	server->callbacks->end(server->userdata);
}

static int open_socket(struct server_udp *server, struct udp_socket *udp)
{
	static const int on = 1;
	bool is_v4 = udp->bound.family == 4;
	int r;

	udp->fd = socket_open_bound(&udp->bound, SOCK_DGRAM);
	if (udp->fd < 0)
		return udp->fd;
	r = is_v4 ? setsockopt(udp->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on)
		  : setsockopt(udp->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
	if (r < 0)
		return -errno;
	return loop_io_new(server->loop, udp->fd, UV_READABLE, on_readable, udp, &udp->io);
}

int server_udp_listen(struct server_udp *server, const struct endpoint *endpoint)
{
	struct udp_socket *udp;
	int r;

	if (server->n_sockets == SOCKETS_MAX)
		return -ENOSPC;
	udp = calloc(1, sizeof *udp);
	if (!udp)
		return -ENOMEM;
	udp->server = server;
	udp->bound = *endpoint;
	r = open_socket(server, udp);
	if (r < 0) {
		close_fd(udp->fd);
		free(udp);
		return r;
	}
	server->sockets[server->n_sockets++] = udp;
	return 0;
}

/* The socket that got what was sent to `local`: bound to it, or to all addresses. */
static const struct udp_socket *find_socket(const struct server_udp *server,
					    const struct endpoint *local)
{
	const struct udp_socket *wide = NULL;
	/* What begins with us may go out by any of them. */
	bool is_any = local->port == 0 && endpoint_is_wildcard(local);

	for (size_t i = 0; i < server->n_sockets; i++) {
		const struct udp_socket *udp = server->sockets[i];

		if (endpoint_equal(&udp->bound, local) ||
		    (is_any && udp->bound.family == local->family))
			return udp;
		if (udp->bound.family == local->family && udp->bound.port == local->port &&
		    endpoint_is_wildcard(&udp->bound))
			wide = udp;
	}
	return wide;
}

static void set_source(struct msghdr *message, const struct endpoint *local)
{
	struct cmsghdr *c = message->msg_control;

	memset(message->msg_control, 0, message->msg_controllen);
	if (local->family == 4) {
		struct in_pktinfo info = {};

		memcpy(&info.ipi_spec_dst, local->address, 4);
		*c = (struct cmsghdr){ CMSG_LEN(sizeof info), IPPROTO_IP, IP_PKTINFO };
		memcpy(CMSG_DATA(c), &info, sizeof info);
		message->msg_controllen = CMSG_SPACE(sizeof info);
	} else {
		struct in6_pktinfo info = {};

		memcpy(&info.ipi6_addr, local->address, 16);
		*c = (struct cmsghdr){ CMSG_LEN(sizeof info), IPPROTO_IPV6, IPV6_PKTINFO };
		memcpy(CMSG_DATA(c), &info, sizeof info);
		message->msg_controllen = CMSG_SPACE(sizeof info);
	}
}

void server_udp_send(struct server_udp *server, const struct peer *peer, const uint8_t *data,
		     size_t size)
{
	const struct udp_socket *udp = find_socket(server, &peer->local);
	struct sockaddr_storage remote;
	union control control;
	struct iovec octets = { (void *)data, size };
	struct msghdr message = { .msg_name = &remote,
				  .msg_iov = &octets,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof control };

	if (!udp)
		return;
	message.msg_namelen = socket_address_from_endpoint(&peer->remote, &remote);
	set_source(&message, &peer->local);
	(void)sendmsg(udp->fd, &message, 0);
}
