/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * NAT-PMP with one gateway. libnatpmp makes the requests. It is not asked to repeat or to read: it
 * counts its timeouts on the wall clock, which is often set right after a network came up, and it
 * takes an answer of any length. When to repeat is natpmp-state.c's, what an answer says
 * natpmp-wire.c's. And its socket is replaced by one that is bound to the right address.
 */
#include "services/mapper/gateway-socket.h"
#include "services/mapper/natpmp-state.h"

#include "common/base/log.h"

#include <fcntl.h>
#include <natpmp.h>
#include <string.h>
#include <sys/random.h>

struct speaker {
	struct loop *loop;
	natpmp_t library;
	struct gateway_socket *socket;
	struct loop_timer *timer;
	struct natpmp_state state;
	speaker_callback callback;
	void *userdata;
	bool calling, freed;
};

static void destroy(struct speaker *speaker)
{
	loop_timer_free(speaker->timer);
	gateway_socket_free(speaker->socket);
	closenatpmp(&speaker->library);
	free(speaker);
}

static struct speaker *natpmp_free(struct speaker *speaker)
{
	if (!speaker)
		return NULL;
	if (speaker->calling)
		speaker->freed = true;
	else
		destroy(speaker);
	return NULL;
}

static int send_request(struct speaker *speaker, const struct gateway_request *request)
{
	enum natpmp_operation operation = natpmp_operation_of(request);
	int r;

	errno = 0;
	if (operation == NATPMP_ADDRESS)
		r = sendpublicaddressrequest(&speaker->library);
	else
		r = sendnewportmappingrequest(&speaker->library, operation, request->internal_port,
					      request->external_port, request->lifetime);
	if (r >= 0)
		return 0;
	return errno ? -errno : -EIO;
}

static void send_what_is_due(struct speaker *speaker)
{
	struct gateway_request request;

	while (natpmp_state_take_request(&speaker->state, loop_now(speaker->loop), &request)) {
		int r = send_request(speaker, &request);

		/* When it could not be sent, it is as if it were lost on its way. */
		if (r == -ECONNREFUSED)
			natpmp_state_on_unreachable(&speaker->state);
		else if (r < 0)
			log_debug("sending to the gateway by NAT-PMP: %s", strerror(-r));
	}
	loop_timer_set(speaker->timer, natpmp_state_due(&speaker->state));
}

/* Comes from the loop alone, so that nobody is called from within what he called. */
static void carry_out(void *userdata)
{
	struct speaker *speaker = userdata;
	struct gateway_event event;

	speaker->calling = true;
	send_what_is_due(speaker);
	while (!speaker->freed && natpmp_state_take_event(&speaker->state, &event))
		speaker->callback(speaker->userdata, PROTOCOL_NATPMP, &event);
	speaker->calling = false;
	if (speaker->freed)
		destroy(speaker);
	else
		send_what_is_due(speaker);
}

static void on_datagram(void *userdata, const uint8_t *octets, size_t size)
{
	struct speaker *speaker = userdata;
	struct natpmp_response response;

	if (!octets || natpmp_parse_response(octets, size, &response) < 0)
		speaker->state.counters.responses_malformed++;
	else
		natpmp_state_on_response(&speaker->state, &response, loop_now(speaker->loop));
}

static void on_unreachable(void *userdata)
{
	struct speaker *speaker = userdata;

	natpmp_state_on_unreachable(&speaker->state);
}

static int start(struct speaker *speaker, const struct speaker_gateway *gateway)
{
	static const struct gateway_socket_callbacks callbacks = {
		.on_datagram = on_datagram,
		.on_unreachable = on_unreachable,
		.on_done = carry_out,
	};
	uint64_t seed = 0;
	int r;

	errno = 0;
	if (initnatpmp(&speaker->library, 1, gateway->address.s_addr) < 0)
		return errno ? -errno : -EIO;
	r = gateway_socket_new(speaker->loop, gateway, &callbacks, &speaker->state.counters,
			       speaker, &speaker->socket);
	if (r < 0)
		return r;
	if (dup3(gateway_socket_fd(speaker->socket), speaker->library.s, O_CLOEXEC) < 0)
		return -errno;
	if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
		seed = realtime_usec();
	natpmp_state_init(&speaker->state, seed);
	return loop_timer_new(speaker->loop, carry_out, speaker, &speaker->timer);
}

static int natpmp_open(struct loop *loop, const struct speaker_gateway *gateway,
		       speaker_callback callback, void *userdata, struct speaker **ret)
{
	struct speaker *speaker = calloc(1, sizeof *speaker);
	int r;

	if (!speaker)
		return -ENOMEM;
	speaker->loop = loop;
	speaker->callback = callback;
	speaker->userdata = userdata;
	speaker->library.s = -1;
	r = start(speaker, gateway);
	if (r < 0) {
		destroy(speaker);
		return r;
	}
	*ret = speaker;
	return 0;
}

static int natpmp_request(struct speaker *speaker, const struct gateway_request *request)
{
	int r = natpmp_state_request(&speaker->state, request);

	if (r >= 0)
		send_what_is_due(speaker);
	return r;
}

static void natpmp_cancel(struct speaker *speaker, uint32_t id)
{
	natpmp_state_cancel(&speaker->state, id);
	send_what_is_due(speaker);
}

static void natpmp_announcement(struct speaker *speaker, const struct announcement *announcement)
{
	natpmp_state_on_announcement(&speaker->state, announcement, loop_now(speaker->loop));
	loop_timer_set(speaker->timer, natpmp_state_due(&speaker->state));
}

static const struct speaker_counters *natpmp_counters(const struct speaker *speaker)
{
	return &speaker->state.counters;
}

static const char *natpmp_location(const struct speaker *speaker)
{
	return NULL;
}

const struct speaker_class natpmp_speaker = {
	.protocol = PROTOCOL_NATPMP,
	.name = "nat-pmp",
	.open = natpmp_open,
	.free = natpmp_free,
	.request = natpmp_request,
	.cancel = natpmp_cancel,
	.announcement = natpmp_announcement,
	.counters = natpmp_counters,
	.location = natpmp_location,
};
