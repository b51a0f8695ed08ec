/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/udp-port.h"

#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Room for the longest burst that a TCP sender of our time has under way. */
#define SOCKET_BUFFER (4 << 20)
/* IKE messages may be larger than any packet of the tunnel. */
#define RECEIVE_SIZE 16384
/* Batches per wake-up, so that a flood does not keep the loop from everything else. */
#define RECEIVE_ROUNDS 8

union tos_control {
	char octets[CMSG_SPACE(sizeof(int))];
	struct cmsghdr header;
};

struct udp_port {
	int fd;
	struct loop_io *io;
	const struct udp_port_callbacks *callbacks;
	void *userdata;

	struct mmsghdr in[UDP_PORT_BATCH];
	struct iovec in_vector[UDP_PORT_BATCH];
	struct sockaddr_in in_source[UDP_PORT_BATCH];
	union tos_control in_control[UDP_PORT_BATCH];
	uint8_t *in_data; /* RECEIVE_SIZE each */

	struct mmsghdr out[UDP_PORT_BATCH];
	struct iovec out_vector[UDP_PORT_BATCH];
	struct sockaddr_in out_destination[UDP_PORT_BATCH];
	union tos_control out_control[UDP_PORT_BATCH];
	uint32_t out_tags[UDP_PORT_BATCH];
	uint8_t *out_data;          /* UDP_PORT_ROOM_SIZE each */
	unsigned int n_sent, n_out; /* rooms gone, rooms filled */
	bool blocked;
	bool flushing;
};

static void set_option(int fd, int level, int option, int value)
{
	/* What the kernel refuses costs speed, not function. */
	(void)setsockopt(fd, level, option, &value, sizeof value);
}

static void set_options(int fd)
{
	int size = SOCKET_BUFFER;

	/* Beyond the system's limit with CAP_NET_ADMIN. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		set_option(fd, SOL_SOCKET, SO_RCVBUF, size);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
		set_option(fd, SOL_SOCKET, SO_SNDBUF, size);
	/* The outer packet may be fragmented on a narrow path: there is no other way for an inner
	 * one of IPv6's least MTU. */
	set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
	/* RFC 3948 §2.1: the checksum should be zero; the ICV is a better one. */
	set_option(fd, SOL_SOCKET, SO_NO_CHECK, 1);
}

static void prepare_messages(struct udp_port *udp)
{
	for (unsigned int i = 0; i < UDP_PORT_BATCH; i++) {
		udp->in_vector[i].iov_base = udp->in_data + (size_t)i * RECEIVE_SIZE;
		udp->in_vector[i].iov_len = RECEIVE_SIZE;
		udp->in[i].msg_hdr.msg_iov = &udp->in_vector[i];
		udp->in[i].msg_hdr.msg_iovlen = 1;
		udp->in[i].msg_hdr.msg_name = &udp->in_source[i];
		udp->in[i].msg_hdr.msg_control = &udp->in_control[i];

		udp->out_vector[i].iov_base = udp->out_data + (size_t)i * UDP_PORT_ROOM_SIZE;
		udp->out[i].msg_hdr.msg_iov = &udp->out_vector[i];
		udp->out[i].msg_hdr.msg_iovlen = 1;
		udp->out[i].msg_hdr.msg_name = &udp->out_destination[i];
		udp->out[i].msg_hdr.msg_namelen = sizeof *udp->out_destination;
	}
}

static uint8_t read_ecn(struct msghdr *message)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
	     control = CMSG_NXTHDR(message, control))
		if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_TOS)
			return *CMSG_DATA(control) & 3;
	return 0;
}

static bool receive_batch(struct udp_port *udp)
{
	int n;

	for (unsigned int i = 0; i < UDP_PORT_BATCH; i++) {
		udp->in[i].msg_hdr.msg_namelen = sizeof *udp->in_source;
		udp->in[i].msg_hdr.msg_controllen = sizeof *udp->in_control;
	}
	n = recvmmsg(udp->fd, udp->in, UDP_PORT_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct msghdr *message = &udp->in[i].msg_hdr;
		/* A datagram that was cut is reported as empty, which is malformed. */
		size_t size = message->msg_flags & MSG_TRUNC ? 0 : udp->in[i].msg_len;

		udp->callbacks->on_datagram(udp->userdata, udp->in_vector[i].iov_base, size,
					    &udp->in_source[i], read_ecn(message));
	}
	if (n > 0)
		udp->callbacks->on_batch_end(udp->userdata);
	return n == UDP_PORT_BATCH;
}

static void on_ready(void *userdata, int status, int events)
{
	struct udp_port *udp = userdata;

	if (events & UV_WRITABLE) {
		loop_io_set(udp->io, UV_READABLE);
		udp->blocked = false;
		udp_port_flush(udp);
		if (!udp->blocked)
			udp->callbacks->on_unblocked(udp->userdata);
	}
	/* The loop stops watching a descriptor with an error; reading clears it. */
	if (status < 0)
		loop_io_set(udp->io, udp->blocked ? UV_READABLE | UV_WRITABLE : UV_READABLE);
	if (events & UV_READABLE || status < 0)
		for (unsigned int i = 0; i < RECEIVE_ROUNDS && receive_batch(udp); i++)
			;
}

int udp_port_new(struct loop *loop, uint16_t port, const struct udp_port_callbacks *callbacks,
		 void *userdata, struct udp_port **ret)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(port) };
	cleanup(udp_port_freep) struct udp_port *udp = calloc(1, sizeof *udp);
	int r;

	if (!udp)
		return -ENOMEM;
	udp->fd = -1;
	udp->callbacks = callbacks;
	udp->userdata = userdata;
	udp->in_data = malloc((size_t)UDP_PORT_BATCH * RECEIVE_SIZE);
	udp->out_data = malloc((size_t)UDP_PORT_BATCH * UDP_PORT_ROOM_SIZE);
	if (!udp->in_data || !udp->out_data)
		return -ENOMEM;
	prepare_messages(udp);
	udp->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (udp->fd < 0)
		return -errno;
	set_options(udp->fd);
	if (bind(udp->fd, (struct sockaddr *)&local, sizeof local) < 0)
		return -errno;
	r = loop_io_new(loop, udp->fd, UV_READABLE, on_ready, udp, &udp->io);
	if (r < 0)
		return r;
	*ret = steal_ptr(udp);
	return 0;
}

struct udp_port *udp_port_free(struct udp_port *udp)
{
	if (!udp)
		return NULL;
	loop_io_free(udp->io);
	close_fd(udp->fd);
	free(udp->in_data);
	free(udp->out_data);
	free(udp);
	return NULL;
}

uint8_t *udp_port_room(struct udp_port *udp)
{
	if (udp->n_out == UDP_PORT_BATCH)
		udp_port_flush(udp);
	if (udp->n_out == UDP_PORT_BATCH)
		return NULL;
	return udp->out_vector[udp->n_out].iov_base;
}

static void set_ecn(struct udp_port *udp, unsigned int i, uint8_t ecn)
{
	struct msghdr *message = &udp->out[i].msg_hdr;
	struct cmsghdr *control = &udp->out_control[i].header;
	int tos = ecn;

	message->msg_control = ecn ? control : NULL;
	message->msg_controllen = ecn ? CMSG_SPACE(sizeof tos) : 0;
	if (!ecn)
		return;
	control->cmsg_level = IPPROTO_IP;
	control->cmsg_type = IP_TOS;
	control->cmsg_len = CMSG_LEN(sizeof tos);
	memcpy(CMSG_DATA(control), &tos, sizeof tos);
}

void udp_port_commit(struct udp_port *udp, size_t size, const struct sockaddr_in *destination,
		     uint8_t ecn, uint32_t tag)
{
	unsigned int i = udp->n_out++;

	udp->out_vector[i].iov_len = size;
	udp->out_destination[i] = *destination;
	udp->out_tags[i] = tag;
	set_ecn(udp, i, ecn);
}

unsigned int udp_port_flush(struct udp_port *udp)
{
	unsigned int n_failed = 0;

	/* on_failed may lead back to here; the outer call goes on with what was added. */
	if (udp->flushing || udp->blocked)
		return 0;
	udp->flushing = true;
	while (udp->n_sent < udp->n_out) {
		int n = sendmmsg(udp->fd, udp->out + udp->n_sent, udp->n_out - udp->n_sent,
				 MSG_DONTWAIT);
		uint32_t tag = udp->out_tags[udp->n_sent];
		int error = errno;

		if (n > 0) {
			udp->n_sent += n;
			continue;
		}
		if (error == EINTR)
			continue;
		if (error == EAGAIN) {
			udp->blocked = true;
			loop_io_set(udp->io, UV_READABLE | UV_WRITABLE);
			break;
		}
		udp->n_sent++;
		n_failed++;
		udp->callbacks->on_failed(udp->userdata, error, tag);
	}
	if (udp->n_sent == udp->n_out)
		udp->n_sent = udp->n_out = 0;
	udp->flushing = false;
	return n_failed;
}

bool udp_port_blocked(const struct udp_port *udp)
{
	return udp->blocked;
}

int udp_port_send(struct udp_port *udp, const struct sockaddr_in *destination, const void *head,
		  size_t head_size, const void *body, size_t body_size)
{
	struct iovec parts[] = { { (void *)head, head_size }, { (void *)body, body_size } };
	struct msghdr message = {
		.msg_name = (void *)destination,
		.msg_namelen = sizeof *destination,
		.msg_iov = parts,
		.msg_iovlen = body_size ? 2 : 1,
	};

	return sendmsg(udp->fd, &message, MSG_DONTWAIT) < 0 ? -errno : 0;
}
