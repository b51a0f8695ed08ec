/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* PCP with one server: the socket and the clock around pcp-state.c. */
#include "services/mapper/gateway-socket.h"
#include "services/mapper/pcp-state.h"

#include "common/base/log.h"

#include <string.h>
#include <sys/random.h>

struct speaker {
	struct loop *loop;
	struct gateway_socket *socket;
	struct loop_timer *timer;
	struct pcp_state state;
	speaker_callback callback;
	void *userdata;
	bool calling, freed;
};

static void destroy(struct speaker *speaker)
{
	loop_timer_free(speaker->timer);
	gateway_socket_free(speaker->socket);
	free(speaker);
}

static struct speaker *pcp_free(struct speaker *speaker)
{
	if (!speaker)
		return NULL;
	if (speaker->calling)
		speaker->freed = true;
	else
		destroy(speaker);
	return NULL;
}

static void send_request(struct speaker *speaker, const struct pcp_request *request)
{
	uint8_t octets[PCP_MESSAGE_LIMIT];
	int r = pcp_write_request(request, octets, sizeof octets);

	if (r >= 0)
		r = gateway_socket_send(speaker->socket, octets, r);
	/* When it could not be sent, it is as if it were lost on its way. */
	if (r == -ECONNREFUSED)
		pcp_state_on_unreachable(&speaker->state);
	else if (r < 0)
		log_debug("sending to the gateway by PCP: %s", strerror(-r));
}

static void send_what_is_due(struct speaker *speaker)
{
	struct pcp_request request;

	while (pcp_state_take_request(&speaker->state, loop_now(speaker->loop), &request))
		send_request(speaker, &request);
	loop_timer_set(speaker->timer, pcp_state_due(&speaker->state));
}

/* Comes from the loop alone, so that nobody is called from within what he called. */
static void carry_out(void *userdata)
{
	struct speaker *speaker = userdata;
	struct gateway_event event;

	speaker->calling = true;
	send_what_is_due(speaker);
	while (!speaker->freed && pcp_state_take_event(&speaker->state, &event))
		speaker->callback(speaker->userdata, PROTOCOL_PCP, &event);
	speaker->calling = false;
	if (speaker->freed)
		destroy(speaker);
	else
		send_what_is_due(speaker);
}

static void on_datagram(void *userdata, const uint8_t *octets, size_t size)
{
	struct speaker *speaker = userdata;
	struct pcp_response response;

	if (!octets || pcp_parse_response(octets, size, &response) < 0)
		speaker->state.counters.responses_malformed++;
	else
		pcp_state_on_response(&speaker->state, &response, loop_now(speaker->loop));
}

static void on_unreachable(void *userdata)
{
	struct speaker *speaker = userdata;

	pcp_state_on_unreachable(&speaker->state);
}

static int start(struct speaker *speaker, const struct speaker_gateway *gateway)
{
	static const struct gateway_socket_callbacks callbacks = {
		.on_datagram = on_datagram,
		.on_unreachable = on_unreachable,
		.on_done = carry_out,
	};
	struct {
		uint8_t nonce[PCP_NONCE_SIZE];
		uint64_t seed;
	} random;
	struct in_addr client = gateway->seen_as;
	int r;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
		return errno ? -errno : -EIO;
	if (!client.s_addr)
		client = gateway->local;
	pcp_state_init(&speaker->state, client, random.nonce, random.seed);
	r = gateway_socket_new(speaker->loop, gateway, &callbacks, &speaker->state.counters,
			       speaker, &speaker->socket);
	if (r < 0)
		return r;
	return loop_timer_new(speaker->loop, carry_out, speaker, &speaker->timer);
}

static int pcp_open(struct loop *loop, const struct speaker_gateway *gateway,
		    speaker_callback callback, void *userdata, struct speaker **ret)
{
	struct speaker *speaker = calloc(1, sizeof *speaker);
	int r;

	if (!speaker)
		return -ENOMEM;
	speaker->loop = loop;
	speaker->callback = callback;
	speaker->userdata = userdata;
	r = start(speaker, gateway);
	if (r < 0) {
		destroy(speaker);
		return r;
	}
	*ret = speaker;
	return 0;
}

static int pcp_request(struct speaker *speaker, const struct gateway_request *request)
{
	int r = pcp_state_request(&speaker->state, request, loop_now(speaker->loop));

	if (r >= 0)
		send_what_is_due(speaker);
	return r;
}

static void pcp_cancel(struct speaker *speaker, uint32_t id)
{
	pcp_state_cancel(&speaker->state, id);
	send_what_is_due(speaker);
}

static void pcp_announcement(struct speaker *speaker, const struct announcement *announcement)
{
	pcp_state_on_announcement(&speaker->state, announcement, loop_now(speaker->loop));
	loop_timer_set(speaker->timer, pcp_state_due(&speaker->state));
}

static const struct speaker_counters *pcp_counters(const struct speaker *speaker)
{
	return &speaker->state.counters;
}

static const char *pcp_location(const struct speaker *speaker)
{
	return NULL;
}

const struct speaker_class pcp_speaker = {
	.protocol = PROTOCOL_PCP,
	.name = "pcp",
	.open = pcp_open,
	.free = pcp_free,
	.request = pcp_request,
	.cancel = pcp_cancel,
	.announcement = pcp_announcement,
	.counters = pcp_counters,
	.location = pcp_location,
};
