/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What changes at a gateway without our doing: IG-16. */
#include "services/mapper/igd-internal.h"

#include <stdio.h>
#include <string.h>

/* Mappings looked at each time; the next ones are next time's. */
#define LOOK_MAPPINGS 2
/* After a failed subscription: the gateway may restart with another mind. */
#define SUBSCRIBE_AGAIN    3600000
#define SUBSCRIPTION_LEAST 60
#define RUMOUR_WAIT        5000
#define KEPT_LONG          600000

#define UPNP_NO_SUCH_ENTRY 714

void igd_look_init(struct igd_state *state)
{
	state->look_at = UINT64_MAX;
	speaker_hearsay_init(&state->news);
	speaker_hearsay_init(&state->rumours);
}

struct igd_mapping *igd_held_find(struct igd_state *state, int transport, uint16_t internal_port)
{
	for (size_t i = 0; i < IGD_HELD; i++)
		if (state->held[i].transport == transport &&
		    state->held[i].internal_port == internal_port)
			return &state->held[i];
	return NULL;
}

void igd_held_set(struct igd_state *state, int transport, uint16_t internal_port,
		  uint16_t external_port, uint64_t now)
{
	struct igd_mapping *held = igd_held_find(state, transport, internal_port);
	uint64_t made_at = held ? held->made_at : now;

	if (!held)
		held = igd_held_find(state, 0, 0);
	/* With more than that many, the rest is found missing when it is renewed. */
	if (held)
		*held = (struct igd_mapping){ .transport = transport,
					      .internal_port = internal_port,
					      .external_port = external_port,
					      .made_at = made_at };
	/* Now there is something to hear about. */
	if (state->subscribe_at == UINT64_MAX && !state->subscription[0])
		state->subscribe_at = 0;
}

void igd_held_forget(struct igd_state *state, struct igd_mapping *held)
{
	*held = (struct igd_mapping){};
}

static size_t n_held(const struct igd_state *state)
{
	size_t n = 0;

	for (size_t i = 0; i < IGD_HELD; i++)
		n += state->held[i].transport != 0;
	return n;
}

void igd_look_begin(struct igd_state *state, uint64_t now)
{
	state->looked_at = now;
	state->look_at =
		now + (state->subscription[0] ? IGD_LOOK_EVERY_SUBSCRIBED : IGD_LOOK_EVERY);
	state->look_at_address = true;
	state->looks_at_all = false;
	state->n_to_look = n_held(state) < LOOK_MAPPINGS ? n_held(state) : LOOK_MAPPINGS;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t igd_look_due(const struct igd_state *state)
{
	return earlier(earlier(state->subscribe_at, state->look_at),
		       earlier(state->news.ask_at, state->rumours.ask_at));
}

static void confirm(struct igd_state *state)
{
	speaker_hearsay_confirm(&state->news);
	speaker_hearsay_confirm(&state->rumours);
}

/* The next one after those looked at before, round and round. IGD_HELD: there is none. */
static size_t next_held(const struct igd_state *state)
{
	for (size_t i = 0; i < IGD_HELD; i++)
		if (state->held[(state->look_next + i) % IGD_HELD].transport)
			return (state->look_next + i) % IGD_HELD;
	return IGD_HELD;
}

static bool call_mapping(struct igd_state *state, uint64_t now)
{
	size_t index = state->n_to_look ? next_held(state) : IGD_HELD;
	struct igd_call *call;

	if (index == IGD_HELD) {
		state->n_to_look = 0;
		return false;
	}
	state->n_to_look--;
	state->look_next = (index + 1) % IGD_HELD;
	call = igd_call_begin(state, IGD_CALL_ENTRY, IGD_FOR_MAPPING, index, now);
	call->transport = state->held[index].transport;
	call->internal_port = state->held[index].internal_port;
	call->external_port = state->held[index].external_port;
	return true;
}

static bool call_subscribe(struct igd_state *state, uint64_t now)
{
	bool renew = state->subscription[0];
	struct igd_call *call;

	if (now < state->subscribe_at)
		return false;
	state->subscribe_at = UINT64_MAX;
	/* Only for somebody who has a mapping to lose. */
	if (!state->services[state->chosen].events.port || !n_held(state))
		return false;
	call = igd_call_begin(state, renew ? IGD_CALL_RENEW : IGD_CALL_SUBSCRIBE, IGD_FOR_EVENTS, 0,
			      now);
	call->url = state->services[state->chosen].events;
	snprintf(call->subscription, sizeof call->subscription, "%s", state->subscription);
	return true;
}

bool igd_look_next_call(struct igd_state *state, uint64_t now)
{
	bool heard = speaker_hearsay_due(&state->news, now);

	heard = speaker_hearsay_due(&state->rumours, now) || heard;
	if (heard || now >= state->look_at)
		igd_look_begin(state, now);
	if (state->look_at_address) {
		state->look_at_address = false;
		igd_call_begin(state, IGD_CALL_ADDRESS, IGD_FOR_ADDRESS, 0, now);
		return true;
	}
	return call_mapping(state, now) || call_subscribe(state, now);
}

static void learn_address(struct igd_state *state, struct in_addr external, uint64_t now)
{
	struct in_addr former = state->external;

	state->external = external;
	state->external_at = now;
	if (external.s_addr == former.s_addr)
		return;
	confirm(state);
	speaker_events_push(&state->events, &(struct gateway_event){ .kind = GATEWAY_EVENT_ADDRESS,
								     .external = external });
}

static void on_entry(struct igd_state *state, const struct igd_answer *answer, uint64_t now)
{
	struct igd_mapping *held = &state->held[state->subject];
	bool gone = answer->outcome == IGD_FAULT && answer->code == UPNP_NO_SUCH_ENTRY;
	bool other = answer->outcome == IGD_DONE &&
		     ((answer->client.s_addr && answer->client.s_addr != state->client.s_addr) ||
		      (answer->internal_port && answer->internal_port != held->internal_port));

	if (!held->transport || (!gone && !other))
		return;
	speaker_events_push(&state->events,
			    &(struct gateway_event){ .kind = GATEWAY_EVENT_MAPPING,
						     .transport = held->transport,
						     .internal_port = held->internal_port,
						     .external = state->external });
	/* A gateway that never keeps one for long is not looked at more often for that. */
	if (now - held->made_at >= KEPT_LONG)
		confirm(state);
	igd_held_forget(state, held);
	/* Where one is missing the others may be, too; each of them once, for at a gateway without
	 * room for all of them the next one is always missing. */
	if (state->looks_at_all)
		return;
	state->looks_at_all = true;
	state->n_to_look = n_held(state);
}

static void on_subscribed(struct igd_state *state, const struct igd_answer *answer, uint64_t now)
{
	uint32_t seconds = answer->lifetime;

	if (answer->outcome == IGD_DONE && answer->subscription[0])
		snprintf(state->subscription, sizeof state->subscription, "%s",
			 answer->subscription);
	if (answer->outcome != IGD_DONE || !state->subscription[0]) {
		/* 412: it does not know the subscription any more, which is no failure of a new
		 * one.
		 */
		bool renewed = state->subscription[0];

		/* So it was restarted, or is being restarted while we ask, and there will be no
		 * event that says so. */
		if (renewed || answer->outcome == IGD_UNREACHABLE)
			speaker_hearsay_hear(&state->news, now);
		state->subscription[0] = '\0';
		state->subscribe_at = renewed ? now : now + SUBSCRIBE_AGAIN;
		return;
	}
	if (seconds < SUBSCRIPTION_LEAST)
		seconds = SUBSCRIPTION_LEAST;
	if (seconds > 86400)
		seconds = 86400;
	state->subscribe_at = now + seconds * 500ULL;
}

void igd_look_on_answer(struct igd_state *state, enum igd_purpose purpose,
			const struct igd_answer *answer, uint64_t now)
{
	if (answer->outcome == IGD_UNREACHABLE && purpose != IGD_FOR_EVENTS) {
		igd_state_lose(state, now);
		return;
	}
	if (purpose != IGD_FOR_EVENTS)
		state->lost = false;
	if (purpose == IGD_FOR_ADDRESS && answer->outcome != IGD_NONSENSE)
		learn_address(state,
			      answer->outcome == IGD_DONE ? answer->external : (struct in_addr){},
			      now);
	else if (purpose == IGD_FOR_MAPPING)
		on_entry(state, answer, now);
	else if (purpose == IGD_FOR_EVENTS)
		on_subscribed(state, answer, now);
}

bool igd_state_on_notified(struct igd_state *state, const char *subscription,
			   struct in_addr external, uint64_t now)
{
	/* The first one may be faster than the answer that says what the subscription is called. */
	if (state->phase != IGD_READY ||
	    (state->subscription[0] ? strcmp(subscription, state->subscription) != 0
				    : state->purpose != IGD_FOR_EVENTS))
		return false;
	/* What it says is no more than a reason to ask. That there is one mapping more is our own
	 * doing most of the time, and has time. */
	if (external.s_addr && external.s_addr != state->external.s_addr)
		speaker_hearsay_hear(&state->news, now);
	else
		speaker_hearsay_hear(&state->rumours, now + RUMOUR_WAIT);
	return true;
}
