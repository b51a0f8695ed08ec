/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/udp-port.h"

#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Room for the longest burst that a TCP sender of our time has under way. */
#define SOCKET_BUFFER (4 << 20)
/* A train may have 64 KiB; without UDP_GRO an IKE message is the largest, larger than any packet of
 * the tunnel. The same memory serves both. */
#define RECEIVE_TRAIN_SIZE 65536
#define RECEIVE_TRAINS     16
#define RECEIVE_PLAIN_SIZE 16384
#define RECEIVE_PLAIN      64
#define RECEIVE_MEMORY     (RECEIVE_TRAINS * RECEIVE_TRAIN_SIZE)
_Static_assert(RECEIVE_PLAIN *RECEIVE_PLAIN_SIZE <= RECEIVE_MEMORY, "plain datagrams fit");
_Static_assert(RECEIVE_MEMORY + UDP_PORT_ARENA_SIZE <= UDP_PORT_MEMORY, "memory for both ways");
/* Long trains are received a few at a time: each is copied by the kernel, decrypted and copied
 * again, and the cache nearest to a processor that still holds all has a megabyte or two. */
#define LONG_TRAIN_SIZE     (RECEIVE_TRAIN_SIZE / 4)
#define RECEIVE_LONG_TRAINS 4
/* Batches per wake-up, so that a flood does not keep the loop from everything else. */
#define RECEIVE_ROUNDS 16
/* As many as a full socket buffer may hold, and some. */
#define DRAIN_ROUNDS 4096

union control {
	char octets[2 * CMSG_SPACE(sizeof(int))];
	struct cmsghdr header;
};

struct train {
	uint8_t *data;
	size_t size, each;
	unsigned int n;      /* datagrams */
	unsigned int n_sent; /* of a train that goes in single datagrams */
	bool single, closed;
	struct sockaddr_in destination;
	uint32_t tag;
	uint8_t tos;
};

struct udp_port {
	int fd;
	struct loop_io *io;
	const struct udp_port_callbacks *callbacks;
	void *userdata;
	bool segment, gro, encap;
	uint16_t port;
	struct loop *loop;
	uint8_t tos;
	int link; /* that everything is sent over; 0: as the routes say */

	unsigned int n_in;
	bool long_trains; /* came last */
	struct mmsghdr in[RECEIVE_PLAIN];
	struct iovec in_vector[RECEIVE_PLAIN];
	struct sockaddr_in in_source[RECEIVE_PLAIN];
	union control in_control[RECEIVE_PLAIN];
	uint8_t *in_data;

	struct mmsghdr out[UDP_PORT_TRAINS];
	struct iovec out_vector[UDP_PORT_TRAINS];
	union control out_control[UDP_PORT_TRAINS];
	struct train trains[UDP_PORT_TRAINS];
	uint8_t *arena; /* the trains, one behind the other */
	size_t arena_used;
	unsigned int n_sent, n_out; /* trains gone, trains begun */
	bool blocked;
	bool flushing;
};

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value);
}

/* What the kernel refuses here costs speed, not function. */
static void set_options(int fd, uint8_t tos)
{
	/* Beyond the system's limit with CAP_NET_ADMIN. */
	if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER) < 0)
		(void)set_option(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
	if (set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER) < 0)
		(void)set_option(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
	/* The outer packet may be fragmented on a narrow path: there is no other way for an inner
	 * one of IPv6's least MTU. But not by us, because of an ICMP message that anybody may have
	 * sent. */
	(void)set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
	(void)set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
	(void)set_option(fd, IPPROTO_IP, IP_TOS, tos);
}

static void prepare_receiving(struct udp_port *udp)
{
	size_t size = udp->gro ? RECEIVE_TRAIN_SIZE : RECEIVE_PLAIN_SIZE;

	udp->n_in = udp->gro ? RECEIVE_TRAINS : RECEIVE_PLAIN;
	for (unsigned int i = 0; i < udp->n_in; i++) {
		udp->in_vector[i].iov_base = udp->in_data + i * size;
		udp->in_vector[i].iov_len = size;
		udp->in[i].msg_hdr.msg_iov = &udp->in_vector[i];
		udp->in[i].msg_hdr.msg_iovlen = 1;
		udp->in[i].msg_hdr.msg_name = &udp->in_source[i];
		udp->in[i].msg_hdr.msg_control = &udp->in_control[i];
	}
}

void udp_port_set_offloads(struct udp_port *udp, bool *segment, bool *gro)
{
	/* RFC 3948 §2.1: the checksum should be zero, and the ICV is a better one; but the kernel
	 * cuts no train without. */
	*segment = *segment && set_option(udp->fd, SOL_SOCKET, SO_NO_CHECK, 0) >= 0 &&
		   set_option(udp->fd, SOL_UDP, UDP_SEGMENT, 0) >= 0;
	if (!*segment)
		(void)set_option(udp->fd, SOL_SOCKET, SO_NO_CHECK, 1);
	*gro = *gro && !udp->encap;
	*gro = set_option(udp->fd, SOL_UDP, UDP_GRO, *gro) >= 0 && *gro;
	udp->segment = *segment;
	/* A train that waits already is cut then, which is loss. */
	udp->gro = *gro;
	prepare_receiving(udp);
}

void udp_port_set_link(struct udp_port *udp, int link)
{
	udp->link = link;
	(void)set_option(udp->fd, IPPROTO_IP, IP_UNICAST_IF, htonl(link));
}

bool udp_port_segments(const struct udp_port *udp)
{
	return udp->segment;
}

static void read_control(struct msghdr *message, uint8_t *ret_ecn, size_t *ret_each)
{
	int value;

	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
	     control = CMSG_NXTHDR(message, control)) {
		if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_TOS)
			*ret_ecn = *CMSG_DATA(control) & 3;
		if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
			memcpy(&value, CMSG_DATA(control), sizeof value);
			if (value > 0)
				*ret_each = value;
		}
	}
}

/* Whether there may be more. */
static bool receive_batch(struct udp_port *udp)
{
	unsigned int wanted = udp->long_trains ? RECEIVE_LONG_TRAINS : udp->n_in;
	size_t n_octets = 0;
	int n;

	for (unsigned int i = 0; i < wanted; i++) {
		udp->in[i].msg_hdr.msg_namelen = sizeof *udp->in_source;
		udp->in[i].msg_hdr.msg_controllen = sizeof *udp->in_control;
	}
	n = recvmmsg(udp->fd, udp->in, wanted, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct msghdr *message = &udp->in[i].msg_hdr;
		/* A datagram that was cut is reported as empty, which is malformed. */
		size_t size = message->msg_flags & MSG_TRUNC ? 0 : udp->in[i].msg_len;
		size_t each = size;
		uint8_t ecn = 0;

		n_octets += size;
		read_control(message, &ecn, &each);
		udp->callbacks->on_train(udp->userdata, udp->in_vector[i].iov_base, size, each,
					 &udp->in_source[i], ecn);
	}
	if (n <= 0)
		return false;
	udp->long_trains = n_octets >= (unsigned int)n * LONG_TRAIN_SIZE;
	udp->callbacks->on_batch_end(udp->userdata);
	return n == (int)wanted;
}

void udp_port_receive(struct udp_port *udp)
{
	for (unsigned int i = 0; i < RECEIVE_ROUNDS && receive_batch(udp); i++)
		;
}

int udp_port_fd(const struct udp_port *udp)
{
	return udp->fd;
}

static void on_ready(void *userdata, int status, int events)
{
	struct udp_port *udp = userdata;

	udp->callbacks->on_wakeup_begins(udp->userdata);
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
		udp_port_receive(udp);
	udp->callbacks->on_wakeup_ends(udp->userdata);
}

/* `shared`: for a moment there are two of them. */
static int open_socket(const struct udp_port *udp, bool encap, bool shared)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(udp->port) };
	cleanup(close_fdp) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	set_options(fd, udp->tos);
	if (udp->link)
		(void)set_option(fd, IPPROTO_IP, IP_UNICAST_IF, htonl(udp->link));
	if (encap && set_option(fd, SOL_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP) < 0)
		return -errno;
	if (shared && set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0)
		return -errno;
	(void)set_option(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	return steal_fd(&fd);
}

int udp_port_new(struct loop *loop, uint16_t port, uint8_t tos,
		 const struct udp_port_callbacks *callbacks, void *userdata, uint8_t *memory,
		 struct udp_port **ret)
{
	cleanup(udp_port_freep) struct udp_port *udp = calloc(1, sizeof *udp);
	bool off = false;
	int r;

	if (!udp)
		return -ENOMEM;
	udp->fd = -1;
	udp->loop = loop;
	udp->port = port;
	udp->tos = tos;
	udp->callbacks = callbacks;
	udp->userdata = userdata;
	udp->in_data = memory;
	udp->arena = memory + RECEIVE_MEMORY;
	udp->fd = open_socket(udp, false, false);
	if (udp->fd < 0)
		return udp->fd;
	udp_port_set_offloads(udp, &off, &off);
	r = loop_io_new(loop, udp->fd, UV_READABLE, on_ready, udp, &udp->io);
	if (r < 0)
		return r;
	*ret = steal_ptr(udp);
	return 0;
}

int udp_port_set_encap(struct udp_port *udp, bool encap)
{
	int events = udp->blocked ? UV_READABLE | UV_WRITABLE : UV_READABLE;
	cleanup(loop_io_freep) struct loop_io *io = NULL;
	cleanup(close_fdp) int fd = -1;
	bool off = false;
	int r;

	if (udp->encap == encap)
		return 0;
	/* Only for the moment of the bind: others could have the port as well. */
	(void)set_option(udp->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	fd = open_socket(udp, encap, true);
	(void)set_option(udp->fd, SOL_SOCKET, SO_REUSEADDR, 0);
	if (fd < 0)
		return fd;
	r = loop_io_new(udp->loop, fd, events, on_ready, udp, &io);
	if (r < 0)
		return r;
	/* The new one has all that comes from now on, so the old one ends. */
	for (unsigned int i = 0; i < DRAIN_ROUNDS && receive_batch(udp); i++)
		;
	loop_io_free(udp->io);
	close_fd(udp->fd);
	udp->io = steal_ptr(io);
	udp->fd = steal_fd(&fd);
	udp->encap = encap;
	udp_port_set_offloads(udp, &off, &off);
	return 0;
}

struct udp_port *udp_port_free(struct udp_port *udp)
{
	if (!udp)
		return NULL;
	loop_io_free(udp->io);
	close_fd(udp->fd);
	free(udp);
	return NULL;
}

static bool has_room(const struct udp_port *udp, size_t size)
{
	return udp->n_out < UDP_PORT_TRAINS && udp->arena_used + size <= UDP_PORT_ARENA_SIZE;
}

uint8_t *udp_port_room(struct udp_port *udp, size_t size)
{
	if (!has_room(udp, size))
		udp_port_flush(udp);
	return has_room(udp, size) ? udp->arena + udp->arena_used : NULL;
}

static bool joins(const struct udp_port *udp, const struct train *train, size_t size,
		  const struct sockaddr_in *destination, uint8_t tos, uint32_t tag)
{
	return udp->segment && !train->closed && size <= train->each &&
	       train->n < UDP_PORT_TRAIN_DATAGRAMS && train->size + size <= UDP_PORT_TRAIN_OCTETS &&
	       train->tag == tag && train->tos == tos &&
	       train->destination.sin_addr.s_addr == destination->sin_addr.s_addr &&
	       train->destination.sin_port == destination->sin_port;
}

void udp_port_commit(struct udp_port *udp, size_t size, const struct sockaddr_in *destination,
		     uint8_t tos, uint32_t tag)
{
	struct train *train = udp->n_out > udp->n_sent ? &udp->trains[udp->n_out - 1] : NULL;

	if (train && joins(udp, train, size, destination, tos, tag)) {
		train->closed = size < train->each;
		train->size += size;
		train->n++;
	} else {
		udp->trains[udp->n_out++] = (struct train){
			.data = udp->arena + udp->arena_used,
			.size = size,
			.each = size,
			.n = 1,
			.destination = *destination,
			.tag = tag,
			.tos = tos,
		};
	}
	udp->arena_used += size;
}

static void add_control(struct msghdr *message, union control *control, int level, int type,
			const void *value, size_t size)
{
	struct cmsghdr *header = (struct cmsghdr *)(control->octets + message->msg_controllen);

	message->msg_control = control;
	header->cmsg_level = level;
	header->cmsg_type = type;
	header->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(header), value, size);
	message->msg_controllen += CMSG_SPACE(size);
}

/* One message: the train, or one of its datagrams. */
static void prepare_message(struct udp_port *udp, unsigned int i, struct train *train, bool whole,
			    unsigned int which)
{
	struct msghdr *message = &udp->out[i].msg_hdr;
	size_t offset = whole ? 0 : which * train->each;
	size_t left = train->size - offset;
	uint16_t each = train->each;
	int tos = train->tos;

	udp->out_vector[i].iov_base = train->data + offset;
	udp->out_vector[i].iov_len = whole || left < train->each ? left : train->each;
	*message = (struct msghdr){
		.msg_name = &train->destination,
		.msg_namelen = sizeof train->destination,
		.msg_iov = &udp->out_vector[i],
		.msg_iovlen = 1,
	};
	if (tos)
		add_control(message, &udp->out_control[i], IPPROTO_IP, IP_TOS, &tos, sizeof tos);
	if (whole && train->n > 1)
		add_control(message, &udp->out_control[i], SOL_UDP, UDP_SEGMENT, &each,
			    sizeof each);
}

static int send_messages(struct udp_port *udp, unsigned int n)
{
	int sent;

	do {
		sent = sendmmsg(udp->fd, udp->out, n, MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* What the kernel would not cut. 0 when it is all gone, -EAGAIN when it has to wait. */
static int send_singly(struct udp_port *udp, struct train *train, unsigned int *n_failed)
{
	while (train->n_sent < train->n) {
		unsigned int n = train->n - train->n_sent;
		int r;

		for (unsigned int i = 0; i < n; i++)
			prepare_message(udp, i, train, false, train->n_sent + i);
		r = send_messages(udp, n);
		if (r == -EAGAIN)
			return r;
		if (r > 0) {
			train->n_sent += r;
			continue;
		}
		train->n_sent++;
		++*n_failed;
		udp->callbacks->on_failed(udp->userdata, -r, train->tag);
	}
	return 0;
}

/* A device that cannot finish checksums, or a path for smaller packets, refuses trains but takes
 * what is in them. */
static bool was_refused_as_train(struct udp_port *udp, struct train *train, int error)
{
	if (train->n == 1 || (error != EIO && error != EINVAL && error != EMSGSIZE))
		return false;
	if (error == EIO)
		udp->segment = false;
	train->single = true;
	return true;
}

/* Sends trains from the first that is left on. 0, or -EAGAIN. */
static int send_trains(struct udp_port *udp, unsigned int *n_failed)
{
	struct train *first = &udp->trains[udp->n_sent];
	unsigned int n = 0;
	int r;

	if (first->single) {
		r = send_singly(udp, first, n_failed);
		udp->n_sent += r == 0;
		return r;
	}
	for (; udp->n_sent + n < udp->n_out && !first[n].single; n++)
		prepare_message(udp, n, &first[n], true, 0);
	r = send_messages(udp, n);
	if (r == -EAGAIN)
		return r;
	if (r > 0) {
		udp->n_sent += r;
	} else if (!was_refused_as_train(udp, first, -r)) {
		udp->n_sent++;
		*n_failed += first->n;
		udp->callbacks->on_failed(udp->userdata, -r, first->tag);
	}
	return 0;
}

unsigned int udp_port_flush(struct udp_port *udp)
{
	unsigned int n_failed = 0;

	/* on_failed may lead back to here; the outer call goes on with what was added. */
	if (udp->flushing || udp->blocked)
		return 0;
	udp->flushing = true;
	while (udp->n_sent < udp->n_out) {
		if (send_trains(udp, &n_failed) == -EAGAIN) {
			udp->blocked = true;
			loop_io_set(udp->io, UV_READABLE | UV_WRITABLE);
			break;
		}
	}
	if (udp->n_sent == udp->n_out)
		udp->n_sent = udp->n_out = udp->arena_used = 0;
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

int udp_port_send_unfragmented(struct udp_port *udp, const struct sockaddr_in *destination,
			       const void *data, size_t size)
{
	int r;

	set_option(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	r = udp_port_send(udp, destination, data, size, NULL, 0);
	set_option(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
	return r;
}
