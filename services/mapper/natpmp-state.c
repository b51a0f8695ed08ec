/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/natpmp-state.h"

#include <errno.h>
#include <string.h>

#define FIRST_WAIT         250 /* RFC 6886 §3.1: doubled each time */
#define SENDS_LIMIT        9
#define DELETE_SENDS_LIMIT 4 /* §3.1: a few suffice */
#define OWED_LIMIT         3 /* of answers; each costs one more question */

void natpmp_state_init(struct natpmp_state *state, uint64_t seed)
{
	*state = (struct natpmp_state){ .random = seed | 1, .granted_at = UINT64_MAX };
	speaker_hearsay_init(&state->hearsay);
}

enum natpmp_operation natpmp_operation_of(const struct gateway_request *request)
{
	switch (request->operation) {
	case GATEWAY_PROBE:
	case GATEWAY_ADDRESS:
		return NATPMP_ADDRESS;
	case GATEWAY_MAP:
	case GATEWAY_DELETE:
		break;
	}
	return request->transport == IPPROTO_TCP ? NATPMP_MAP_TCP : NATPMP_MAP_UDP;
}

int natpmp_state_request(struct natpmp_state *state, const struct gateway_request *request)
{
	struct gateway_request *queued = &state->queue[state->n_queued];

	if (natpmp_operation_of(request) != NATPMP_ADDRESS) {
		if (request->transport != IPPROTO_UDP && request->transport != IPPROTO_TCP)
			return -EINVAL;
		/* Internal port 0 without a lifetime deletes everybody's (§3.4). */
		if (!request->internal_port)
			return -EINVAL;
		if (request->operation == GATEWAY_MAP && !request->lifetime)
			return -EINVAL;
	}
	if (state->n_queued + state->events.n >= SPEAKER_REQUESTS_LIMIT)
		return -EBUSY;
	*queued = *request;
	if (request->operation == GATEWAY_DELETE)
		queued->lifetime = queued->external_port = 0;
	state->n_queued++;
	return 0;
}

static void drop(struct natpmp_state *state, unsigned int i)
{
	state->n_queued--;
	memmove(state->queue + i, state->queue + i + 1,
		(state->n_queued - i) * sizeof state->queue[0]);
	if (!i)
		state->n_sent = 0;
}

static void note_owed(struct natpmp_state *state, unsigned int n)
{
	if (natpmp_operation_of(&state->queue[0]) != NATPMP_ADDRESS)
		return;
	state->n_owed += n;
	if (state->n_owed > OWED_LIMIT)
		state->n_owed = OWED_LIMIT;
}

void natpmp_state_cancel(struct natpmp_state *state, uint32_t id)
{
	for (unsigned int i = 0; i < state->n_queued; i++)
		if (state->queue[i].id == id) {
			if (!i)
				note_owed(state, state->n_sent);
			drop(state, i);
			return;
		}
}

static void push_absent(struct natpmp_state *state, enum trouble trouble, unsigned int result)
{
	struct gateway_event event = speaker_event_to(GATEWAY_EVENT_ABSENT, &state->queue[0]);

	event.trouble = trouble;
	event.result = result;
	speaker_events_push(&state->events, &event);
	drop(state, 0);
}

/* What is true of the gateway, none of those who wait needs to find out for itself. */
static void fail_all(struct natpmp_state *state, enum trouble trouble, unsigned int result)
{
	state->n_owed = 0;
	while (state->n_queued)
		push_absent(state, trouble, result);
}

/* RFC 6886 §3.6, and what follows from it when it is about our mappings. */
static bool epoch_went_back(const struct natpmp_state *state, uint32_t epoch, uint64_t now)
{
	uint64_t expected = state->epoch + (now - state->epoch_at) * 7 / 8 / 1000;

	return (state->have_epoch && (uint64_t)epoch + 2 < expected) ||
	       speaker_lost_grants(state->granted_at, epoch, now);
}

static void check_epoch(struct natpmp_state *state, uint32_t epoch, uint64_t now)
{
	struct gateway_event event = { .kind = GATEWAY_EVENT_RESTARTED };

	if (epoch_went_back(state, epoch, now) ||
	    (state->told_restart && speaker_may_have_lost_grants(state->granted_at, epoch, now))) {
		speaker_hearsay_confirm(&state->hearsay);
		if (state->granted_at != UINT64_MAX)
			state->granted_at = now;
		/* One that comes while the first is not acted on yet is covered by that. */
		if (now >= state->restart_until) {
			event.delay = speaker_restart_delay(&state->restarts, &state->random,
							    SPEAKER_RECREATE_SPREAD, now);
			state->restart_until = now + event.delay;
			speaker_events_push(&state->events, &event);
		}
	}
	state->told_restart = false;
	state->have_epoch = true;
	state->epoch = epoch;
	state->epoch_at = now;
}

static enum trouble trouble_of_result(uint16_t result)
{
	switch (result) {
	case NATPMP_SUCCESS:
		return TROUBLE_NONE;
	case NATPMP_UNSUPPORTED_VERSION:
		return TROUBLE_NOT_SUPPORTED;
	case NATPMP_REFUSED:
		return TROUBLE_REFUSED;
	case NATPMP_NETWORK_FAILURE:
		return TROUBLE_NETWORK_FAILURE;
	case NATPMP_OUT_OF_RESOURCES:
		return TROUBLE_OUT_OF_RESOURCES;
	case NATPMP_UNSUPPORTED_OPERATION:
		return TROUBLE_UNSUPPORTED_OPERATION;
	default:
		return TROUBLE_UNKNOWN_RESULT;
	}
}

/* No number tells whose answer it is: operation and internal port must do (§3.5). */
static bool answers_request(const struct natpmp_state *state,
			    const struct natpmp_response *response)
{
	const struct gateway_request *request = &state->queue[0];
	enum natpmp_operation operation;

	if (!state->n_sent)
		return false;
	operation = natpmp_operation_of(request);
	if (response->has_operation && response->operation != operation)
		return false;
	if (response->has_internal_port && response->internal_port != request->internal_port)
		return false;
	if (response->result != NATPMP_SUCCESS || operation == NATPMP_ADDRESS)
		return true;
	/* An answer to a mapping that was given up meanwhile says nothing of its deletion. */
	if (request->operation == GATEWAY_DELETE)
		return !response->lifetime;
	return response->lifetime || response->external_port ||
	       operation != state->deleted_operation ||
	       response->internal_port != state->deleted_port;
}

static void note_address(struct natpmp_state *state, struct in_addr external)
{
	if (state->external.s_addr && state->external.s_addr != external.s_addr) {
		speaker_hearsay_confirm(&state->hearsay);
		speaker_restarts_believe(&state->restarts);
	}
	state->external = external;
}

static void answer(struct natpmp_state *state, const struct natpmp_response *response, uint64_t now)
{
	const struct gateway_request *request = &state->queue[0];
	struct gateway_event event = speaker_event_to(GATEWAY_EVENT_ANSWER, request);

	event.trouble = trouble_of_result(response->result);
	event.result = response->result;
	switch (request->operation) {
	case GATEWAY_PROBE:
	case GATEWAY_ADDRESS:
		event.external = response->external;
		if (!event.trouble)
			note_address(state, response->external);
		/* Perhaps the answer to a former request, of which none can be told apart (§3.2).
		 */
		if (state->n_owed) {
			state->n_owed--;
			speaker_hearsay_hear(&state->hearsay, now);
		}
		note_owed(state, state->n_sent - 1);
		break;
	case GATEWAY_MAP:
		event.external_port = response->external_port;
		event.lifetime = response->lifetime;
		/* It says that it forwards, and neither for how long nor from where. */
		if (!event.trouble && (!event.external_port || !event.lifetime))
			event.trouble = TROUBLE_MALFORMED;
		if (!event.trouble && state->granted_at == UINT64_MAX)
			state->granted_at = now;
		break;
	case GATEWAY_DELETE:
		state->deleted_operation = natpmp_operation_of(request);
		state->deleted_port = request->internal_port;
		break;
	}
	speaker_events_push(&state->events, &event);
	drop(state, 0);
}

void natpmp_state_on_response(struct natpmp_state *state, const struct natpmp_response *response,
			      uint64_t now)
{
	if (!answers_request(state, response)) {
		state->counters.responses_unexpected++;
		if (state->n_owed && response->has_operation &&
		    response->operation == NATPMP_ADDRESS)
			state->n_owed--;
		/* The gateway's, perhaps: what it says is a reason to ask. */
		if (response->has_epoch && epoch_went_back(state, response->epoch, now))
			speaker_hearsay_hear(&state->hearsay, now);
		return;
	}
	state->counters.responses_accepted++;
	if (response->has_epoch)
		check_epoch(state, response->epoch, now);
	if (response->result == NATPMP_UNSUPPORTED_VERSION)
		fail_all(state, TROUBLE_NOT_SUPPORTED, response->result);
	else
		answer(state, response, now);
}

void natpmp_state_on_unreachable(struct natpmp_state *state)
{
	if (state->n_sent)
		fail_all(state, TROUBLE_NOT_SUPPORTED, 0);
}

void natpmp_state_on_announcement(struct natpmp_state *state,
				  const struct announcement *announcement, uint64_t now)
{
	switch (announcement->kind) {
	case ANNOUNCEMENT_ADDRESS:
		if (state->have_epoch && !epoch_went_back(state, announcement->epoch, now) &&
		    announcement->external.s_addr == state->external.s_addr)
			return;
		break;
	case ANNOUNCEMENT_RESTART:
		if (speaker_announced_before(&state->announced, announcement->epoch, now))
			return;
		state->told_restart = true;
		break;
	}
	speaker_hearsay_hear(&state->hearsay, now);
}

bool natpmp_state_take_request(struct natpmp_state *state, uint64_t now,
			       struct gateway_request *ret)
{
	const struct gateway_request *request = &state->queue[0];
	uint64_t wait;

	if (speaker_hearsay_due(&state->hearsay, now))
		speaker_events_push(&state->events,
				    &(struct gateway_event){ .kind = GATEWAY_EVENT_ADDRESS });
	if (!state->n_queued || (state->n_sent && now < state->resend_at))
		return false;
	if (request->operation == GATEWAY_DELETE && state->n_sent >= DELETE_SENDS_LIMIT)
		push_absent(state, TROUBLE_SILENT, 0);
	else if (state->n_sent >= SENDS_LIMIT)
		fail_all(state, TROUBLE_SILENT, 0);
	if (!state->n_queued)
		return false;
	wait = (uint64_t)FIRST_WAIT << state->n_sent;
	/* From when it was due, so that lateness does not add up; but a machine that slept does
	 * not catch up with what it missed. */
	state->resend_at = (state->n_sent ? state->resend_at : now) + wait;
	if (state->resend_at <= now)
		state->resend_at = now + wait;
	if (state->n_sent++)
		state->counters.retransmissions++;
	state->counters.packets_sent++;
	*ret = *request;
	return true;
}

bool natpmp_state_take_event(struct natpmp_state *state, struct gateway_event *ret)
{
	return speaker_events_take(&state->events, ret);
}

uint64_t natpmp_state_due(const struct natpmp_state *state)
{
	uint64_t due = state->hearsay.ask_at;

	if (state->events.n || (state->n_queued && !state->n_sent))
		return 0;
	return state->n_queued && state->resend_at < due ? state->resend_at : due;
}
