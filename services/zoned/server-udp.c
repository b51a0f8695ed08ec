/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/server-udp.h"

#include "services/zoned/socket-address.h"

#include <netinet/in.h>

#define SOCKETS_MAX 16
/* Datagrams taken from the kernel, and given to it, at once. */
#define BURST 64
/* Bursts in a row before other descriptors get their turn. Acknowledgements of events must be taken
 * before more events go out, or there is no room for all that come. */
#define BURSTS 8
/* Asked for; the kernel gives what net.core.rmem_max and wmem_max allow, more than that only to
 * CAP_NET_ADMIN. */
#define SOCKET_BUFFER (4 << 20)

struct udp_socket {
	struct server_udp *server;
	struct endpoint bound;
	int fd;
	struct loop_io *io;
};

/* Room for either family's packet information. */
union control {
	struct cmsghdr align;
	char v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
	char v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* What surrounds one datagram in recvmmsg() and sendmmsg(). */
struct slot {
	struct sockaddr_storage remote;
	union control control;
	struct iovec data;
};

struct server_udp {
	struct loop *loop;
	const struct server_callbacks *callbacks;
	void *userdata;
	struct udp_socket *sockets[SOCKETS_MAX];
	size_t n_sockets;

	/* Waiting for server_udp_flush(): all by one socket. */
	const struct udp_socket *sending;
	size_t n_sending;
	struct slot out[BURST];
	struct mmsghdr out_headers[BURST];

	struct slot in[BURST];
	struct mmsghdr in_headers[BURST];
	/* Of each only what is written to takes memory. */
	uint8_t buffers[BURST][65536];
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

static int receive(struct udp_socket *udp)
{
	struct server_udp *server = udp->server;

	for (size_t i = 0; i < BURST; i++) {
		struct slot *slot = &server->in[i];

		slot->data = (struct iovec){ server->buffers[i], sizeof server->buffers[i] };
		server->in_headers[i].msg_hdr =
			(struct msghdr){ .msg_name = &slot->remote,
					 .msg_namelen = sizeof slot->remote,
					 .msg_iov = &slot->data,
					 .msg_iovlen = 1,
					 .msg_control = &slot->control,
					 .msg_controllen = sizeof slot->control };
	}
	return recvmmsg(udp->fd, server->in_headers, BURST, 0, NULL);
}

/* True when there may be more. */
static bool take_burst(struct udp_socket *udp)
{
	struct server_udp *server = udp->server;
	int n = receive(udp);

	/* What ICMP said about an earlier answer is no reason to stop: the loop asks again. */
	if (n <= 0)
		return false;
	server->callbacks->begin(server->userdata);
	for (int i = 0; i < n; i++) {
		struct peer peer = { .local = udp->bound };

		socket_address_to_endpoint(&server->in[i].remote, &peer.remote);
		read_local_address(&server->in_headers[i].msg_hdr, &peer.local);
		if (peer.remote.family && peer.remote.port)
			server->callbacks->receive(server->userdata, &peer, server->buffers[i],
						   server->in_headers[i].msg_len);
	}
	server->callbacks->end(server->userdata);
	return n == BURST;
}

static void on_readable(void *userdata, int status, int events)
{
	for (unsigned int i = 0; i < BURSTS && take_burst(userdata); i++)
		;
}

static void set_buffers(int fd)
{
	static const int size = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
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
	set_buffers(udp->fd);
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

void server_udp_flush(struct server_udp *server)
{
	size_t i = 0;

	while (i < server->n_sending) {
		int n = sendmmsg(server->sending->fd, server->out_headers + i,
				 server->n_sending - i, 0);

		/* One that the kernel does not take is passed over. */
		i += n > 0 ? n : 1;
	}
	server->n_sending = 0;
}

void server_udp_send(struct server_udp *server, const struct peer *peer, const uint8_t *data,
		     size_t size)
{
	const struct udp_socket *udp = find_socket(server, &peer->local);
	struct slot *slot;
	struct msghdr *header;

	if (!udp)
		return;
	if (server->n_sending == BURST || (server->n_sending && server->sending != udp))
		server_udp_flush(server);
	server->sending = udp;
	slot = &server->out[server->n_sending];
	header = &server->out_headers[server->n_sending++].msg_hdr;
	slot->data = (struct iovec){ (void *)data, size };
	*header = (struct msghdr){ .msg_name = &slot->remote,
				   .msg_iov = &slot->data,
				   .msg_iovlen = 1,
				   .msg_control = &slot->control,
				   .msg_controllen = sizeof slot->control };
	header->msg_namelen = socket_address_from_endpoint(&peer->remote, &slot->remote);
	set_source(header, &peer->local);
}
