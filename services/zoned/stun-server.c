/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/stun-server.h"

#include <sys/random.h>

/* As many as server_udp hands over at once. */
#define ANSWERS 64

struct stun_server {
	struct loop *loop;
	struct server_udp *udp;
	struct stun_responder responder;
	/* Until they are flushed. */
	uint8_t answers[ANSWERS][STUN_ANSWER_LIMIT];
	size_t n_answers;
};

static void flush(void *userdata)
{
	struct stun_server *server = userdata;

	server_udp_flush(server->udp);
	server->n_answers = 0;
}

static void on_begin(void *userdata)
{
}

static void on_receive(void *userdata, const struct peer *peer, const uint8_t *data, size_t size)
{
	struct stun_server *server = userdata;
	uint8_t *answer;
	struct peer way;

	if (server->n_answers == ANSWERS)
		flush(server);
	answer = server->answers[server->n_answers];
	size = stun_responder_answer(&server->responder, peer, data, size, loop_now(server->loop),
				     answer, &way);
	if (size == 0)
		return;
	server_udp_send(server->udp, &way, answer, size);
	server->n_answers++;
}

static const struct server_callbacks callbacks = { on_begin, on_receive, flush };

int stun_server_new(struct loop *loop, struct stun_server **ret)
{
	struct stun_server *server = calloc(1, sizeof *server);
	int r;

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	r = getrandom(&server->responder.seed, sizeof server->responder.seed, 0) < 0 ? -errno : 0;
	if (r >= 0)
		r = server_udp_new(loop, &callbacks, server, &server->udp);
	if (r < 0) {
		free(server);
		return r;
	}
	*ret = server;
	return 0;
}

struct stun_server *stun_server_free(struct stun_server *server)
{
	if (!server)
		return NULL;
	server_udp_free(server->udp);
	free(server);
	return NULL;
}

int stun_server_listen(struct stun_server *server, const struct endpoint *endpoint)
{
	return server_udp_listen(server->udp, endpoint);
}

void stun_server_set_alternate(struct stun_server *server, const struct endpoint *primary,
			       const struct endpoint *alternate)
{
	server->responder.primary = *primary;
	server->responder.alternate = *alternate;
}

const struct stun_counters *stun_server_counters(const struct stun_server *server)
{
	return &server->responder.counters;
}
