/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/silence-client.h"

#include "common/base/log.h"

#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define N_SOCKETS 2
/* Datagrams in a row before others get their turn. */
#define BATCH 16

struct silence_port {
	struct silence_client *client;
	enum silence_socket socket;
	int fd;
	struct loop_io *io;
};

struct silence_client {
	struct silence_context context;
	struct loop_timer *timer;
	struct silence_port ports[N_SOCKETS];
	struct silence_state trials;
	/* What it is about. */
	uint64_t generation;
	struct in_addr local;
	bool wanted, begun;
};

static uint64_t now_of(const struct silence_client *client)
{
	return loop_now(client->context.loop);
}

static void close_port(struct silence_port *port)
{
	port->io = loop_io_free(port->io);
	port->fd = close_fd(port->fd);
}

static void carry_out(struct silence_client *client);

static void on_readable(void *userdata, int status, int events)
{
	struct silence_port *port = userdata;
	struct silence_client *client = port->client;
	uint8_t octets[STUN_MESSAGE_LIMIT + 1];

	if (status < 0) {
		port->io = loop_io_free(port->io);
		return;
	}
	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_in from = {};
		socklen_t length = sizeof from;
		ssize_t size = recvfrom(port->fd, octets, sizeof octets, MSG_DONTWAIT,
					(struct sockaddr *)&from, &length);

		/* An error that waited, such as that nobody listens there: it is gone now. */
		if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (size >= 0)
			silence_receive(&client->trials, port->socket, &from, octets, size,
					now_of(client));
	}
	carry_out(client);
}

/* A port that was not used before. */
static int reopen(struct silence_client *client, enum silence_socket which)
{
	const struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = client->local };
	struct silence_port *port = &client->ports[which];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* The former one is closed after this one has a number. */
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
		int r = -errno;

		close_fd(fd);
		return r;
	}
	close_port(port);
	port->fd = fd;
	return loop_io_new(client->context.loop, fd, UV_READABLE, on_readable, port, &port->io);
}

static void send_packet(struct silence_client *client, const struct silence_packet *packet)
{
	int r = packet->fresh ? reopen(client, packet->socket) : 0;

	/* Where it cannot be sent it is as if it were lost, and is sent again. */
	if (r < 0 || sendto(client->ports[packet->socket].fd, packet->octets, packet->size,
			    MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&packet->to,
			    sizeof packet->to) < 0)
		log_debug("asking a STUN server: %s", strerror(r < 0 ? -r : errno));
}

static void close_ports(struct silence_client *client)
{
	for (unsigned int i = 0; i < N_SOCKETS; i++)
		close_port(&client->ports[i]);
}

static void take_findings(struct silence_client *client)
{
	struct mapper_state *state = client->context.state;
	uint16_t held = client->trials.held;

	if (client->trials.ended) {
		close_ports(client);
		if (state->network.gateway.s_addr)
			gateway_memory_note_silence(&state->memory, state->network.gateway,
						    mapper_state_mac(state), held);
	}
	if (held == state->nat_silence)
		return;
	state->nat_silence = held;
	timeline_note(client->context.timeline, state->generation,
		      "flows are remembered for %u s here", held);
	client->context.on_change(client->context.userdata);
}

static void carry_out(struct silence_client *client)
{
	uint8_t random[STUN_TXID_SIZE];
	struct silence_packet packet;

	if (!client->begun)
		return;
	/* Who guesses the number can answer for the server. */
	while (getrandom(random, sizeof random, 0) == sizeof random &&
	       silence_take_packet(&client->trials, now_of(client), random, &packet))
		send_packet(client, &packet);
	loop_timer_set(client->timer, silence_due(&client->trials));
	if (client->trials.ended)
		client->begun = client->wanted = false;
	take_findings(client);
}

static void on_timer(void *userdata)
{
	carry_out(userdata);
}

static void stop(struct silence_client *client)
{
	client->wanted = client->begun = false;
	silence_stop(&client->trials);
	close_ports(client);
	loop_timer_set(client->timer, UINT64_MAX);
}

void silence_client_want(struct silence_client *client)
{
	client->wanted = true;
	silence_client_follow(client);
}

void silence_client_follow(struct silence_client *client)
{
	struct mapper_state *state = client->context.state;
	const struct remembered_gateway *gateway;

	if (client->generation != state->generation ||
	    client->local.s_addr != state->network.address.s_addr) {
		stop(client);
		client->generation = state->generation;
		client->local = state->network.address;
		gateway = gateway_memory_find(&state->memory, state->network.gateway,
					      mapper_state_mac(state));
		state->nat_silence = gateway && client->local.s_addr ? gateway->silence : 0;
	}
	if (!client->wanted || client->begun || !client->local.s_addr ||
	    !state->stun_server.sin_addr.s_addr || state->finishing)
		return;
	client->begun = true;
	silence_begin(&client->trials, client->context.silences, &state->stun_server,
		      state->nat_silence, now_of(client));
	/* From the loop: who calls this is at the state. */
	loop_timer_set(client->timer, now_of(client));
}

const struct stun_client_counters *silence_client_counters(const struct silence_client *client)
{
	return &client->trials.counters;
}

int silence_client_new(const struct silence_context *context, struct silence_client **ret)
{
	cleanup(silence_client_freep) struct silence_client *client = calloc(1, sizeof *client);
	int r;

	if (!client)
		return -ENOMEM;
	client->context = *context;
	for (unsigned int i = 0; i < N_SOCKETS; i++)
		client->ports[i] = (struct silence_port){ .client = client, .socket = i, .fd = -1 };
	r = loop_timer_new(context->loop, on_timer, client, &client->timer);
	if (r < 0)
		return r;
	*ret = steal_ptr(client);
	return 0;
}

struct silence_client *silence_client_free(struct silence_client *client)
{
	if (!client)
		return NULL;
	close_ports(client);
	loop_timer_free(client->timer);
	free(client);
	return NULL;
}
