/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/stun-client.h"

#include "common/base/log.h"

#include <linux/errqueue.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define N_SOCKETS 3
/* Datagrams in a row before others get their turn. */
#define BATCH 16

struct stun_port {
	struct stun_client *client;
	enum stun_socket socket;
	int fd;
	struct loop_io *io;
};

struct stun_client {
	struct loop *loop;
	stun_client_callback on_findings;
	void *userdata;
	struct loop_timer *timer;
	struct stun_port ports[N_SOCKETS];
	bool is_open;
	struct stun_state state;
};

static void carry_out(struct stun_client *client);

static void send_packet(struct stun_client *client, const struct stun_packet *packet)
{
	const struct stun_port *port = &client->ports[packet->socket];

	/* Where it cannot be sent it is as if it were lost, and is sent again. */
	if (sendto(port->fd, packet->octets, packet->size, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&packet->to, sizeof packet->to) < 0)
		log_debug("asking a STUN server: %s", strerror(errno));
}

static void set_timer(struct stun_client *client)
{
	loop_timer_set(client->timer, stun_state_due(&client->state));
}

static void carry_out(struct stun_client *client)
{
	struct stun_findings before = client->state.findings;
	bool was_over = stun_state_proof_is_over(&client->state);
	uint8_t random[STUN_TXID_SIZE];
	struct stun_packet packet;

	/* Who guesses the number can answer for the server. */
	while (getrandom(random, sizeof random, 0) == sizeof random &&
	       stun_state_take_packet(&client->state, loop_now(client->loop), random, &packet))
		send_packet(client, &packet);
	set_timer(client);
	if (memcmp(&before, &client->state.findings, sizeof before) != 0 ||
	    was_over != stun_state_proof_is_over(&client->state))
		client->on_findings(client->userdata);
}

static void on_timer(void *userdata)
{
	carry_out(userdata);
}

static bool receive_one(struct stun_port *port, bool *changed)
{
	uint8_t octets[STUN_MESSAGE_LIMIT + 1];
	struct sockaddr_in from = {};
	socklen_t length = sizeof from;
	ssize_t size = recvfrom(port->fd, octets, sizeof octets, MSG_DONTWAIT,
				(struct sockaddr *)&from, &length);

	if (size < 0)
		return errno != EAGAIN && errno != EWOULDBLOCK;
	*changed |= stun_state_receive(&port->client->state, port->socket, &from, octets, size,
				       loop_now(port->client->loop));
	return true;
}

/* The router at which a packet's time to live ended says so (RFC 792). */
static bool read_error(struct stun_port *port, bool *changed)
{
	char control[512] __attribute__((aligned(_Alignof(struct cmsghdr))));
	uint8_t octets[STUN_MESSAGE_LIMIT];
	struct iovec piece = { octets, sizeof octets };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof control };

	if (recvmsg(port->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		struct {
			struct sock_extended_err error;
			struct sockaddr_in offender;
		} what;

		if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR ||
		    c->cmsg_len < CMSG_LEN(sizeof what))
			continue;
		memcpy(&what, CMSG_DATA(c), sizeof what);
		if (what.error.ee_origin == SO_EE_ORIGIN_ICMP &&
		    what.error.ee_type == ICMP_TIME_EXCEEDED &&
		    what.error.ee_code == ICMP_EXC_TTL && what.offender.sin_family == AF_INET)
			*changed |=
				stun_state_ended_at(&port->client->state, what.offender.sin_addr);
	}
	return true;
}

static void on_readable(void *userdata, int status, int events)
{
	struct stun_port *port = userdata;
	struct stun_client *client = port->client;
	bool changed = false;

	if (status < 0) {
		port->io = loop_io_free(port->io);
		return;
	}
	if (port->socket == STUN_SOCKET_HOP)
		for (int i = 0; i < BATCH && read_error(port, &changed); i++)
			;
	for (int i = 0; i < BATCH && receive_one(port, &changed); i++)
		;
	if (!changed)
		return;
	client->on_findings(client->userdata);
	/* Unless that stopped it all. */
	if (client->is_open)
		carry_out(client);
}

static int open_port(struct stun_client *client, enum stun_socket socket_kind, struct in_addr local)
{
	const struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = local };
	struct stun_port *port = &client->ports[socket_kind];
	const int on = 1, ttl = 2;

	port->client = client;
	port->socket = socket_kind;
	port->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port->fd < 0)
		return -errno;
	if (socket_kind == STUN_SOCKET_HOP &&
	    (setsockopt(port->fd, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl) < 0 ||
	     setsockopt(port->fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on) < 0))
		return -errno;
	if (bind(port->fd, (const struct sockaddr *)&address, sizeof address) < 0)
		return -errno;
	return loop_io_new(client->loop, port->fd, UV_READABLE, on_readable, port, &port->io);
}

static void close_ports(struct stun_client *client)
{
	for (int i = 0; i < N_SOCKETS; i++) {
		client->ports[i].io = loop_io_free(client->ports[i].io);
		client->ports[i].fd = close_fd(client->ports[i].fd);
	}
	client->is_open = false;
}

void stun_client_stop(struct stun_client *client)
{
	close_ports(client);
	stun_state_stop(&client->state);
	set_timer(client);
}

int stun_client_begin(struct stun_client *client, struct in_addr local,
		      const struct sockaddr_in *servers, size_t n)
{
	int r = 0;

	stun_client_stop(client);
	for (int i = 0; r >= 0 && i < N_SOCKETS; i++)
		r = open_port(client, i, local);
	if (r < 0) {
		close_ports(client);
		return r;
	}
	client->is_open = true;
	stun_state_begin(&client->state, local, servers, n, loop_now(client->loop));
	set_timer(client);
	return 0;
}

uint16_t stun_client_port(const struct stun_client *client)
{
	struct sockaddr_in address;
	socklen_t length = sizeof address;

	if (!client->is_open || getsockname(client->ports[STUN_SOCKET_MAPPED].fd,
					    (struct sockaddr *)&address, &length) < 0)
		return 0;
	return ntohs(address.sin_port);
}

void stun_client_prove(struct stun_client *client, uint16_t external_port)
{
	stun_state_prove(&client->state, external_port, loop_now(client->loop));
	set_timer(client);
}

void stun_client_stop_proof(struct stun_client *client)
{
	stun_state_stop_proof(&client->state);
	set_timer(client);
}

bool stun_client_is_busy(const struct stun_client *client)
{
	return stun_state_due(&client->state) != UINT64_MAX;
}

bool stun_client_proof_is_over(const struct stun_client *client)
{
	return stun_state_proof_is_over(&client->state);
}

const struct stun_findings *stun_client_findings(const struct stun_client *client)
{
	return &client->state.findings;
}

const struct stun_client_counters *stun_client_counters(const struct stun_client *client)
{
	return &client->state.counters;
}

int stun_client_new(struct loop *loop, stun_client_callback on_findings, void *userdata,
		    struct stun_client **ret)
{
	cleanup(stun_client_freep) struct stun_client *client = calloc(1, sizeof *client);
	int r;

	if (!client)
		return -ENOMEM;
	client->loop = loop;
	client->on_findings = on_findings;
	client->userdata = userdata;
	for (int i = 0; i < N_SOCKETS; i++)
		client->ports[i].fd = -1;
	r = loop_timer_new(loop, on_timer, client, &client->timer);
	if (r < 0)
		return r;
	*ret = steal_ptr(client);
	return 0;
}

struct stun_client *stun_client_free(struct stun_client *client)
{
	if (!client)
		return NULL;
	close_ports(client);
	loop_timer_free(client->timer);
	free(client);
	return NULL;
}
