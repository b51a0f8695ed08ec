/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/speakers.h"

#include <errno.h>
#include <stdlib.h>

struct slot {
	struct speakers *speakers;
	unsigned int hop;
	uint32_t incarnation;
	const struct speaker_class *class;
	struct speaker *speaker; /* NULL: not open */
};

struct speakers {
	struct loop *loop;
	speakers_callback callback;
	void *userdata;
	struct slot slots[HOPS_LIMIT][PROTOCOLS];
	struct speaker_counters former; /* of those that were closed */
};

static const struct speaker_class *const classes[PROTOCOLS] = {
	[PROTOCOL_PCP] = &pcp_speaker,
	[PROTOCOL_NATPMP] = &natpmp_speaker,
	[PROTOCOL_IGD] = &igd_speaker,
};

int speakers_new(struct loop *loop, speakers_callback callback, void *userdata,
		 struct speakers **ret)
{
	struct speakers *speakers = calloc(1, sizeof *speakers);

	if (!speakers)
		return -ENOMEM;
	speakers->loop = loop;
	speakers->callback = callback;
	speakers->userdata = userdata;
	*ret = speakers;
	return 0;
}

static void add_counters(struct speaker_counters *sum, const struct speaker_counters *counters)
{
	sum->packets_sent += counters->packets_sent;
	sum->retransmissions += counters->retransmissions;
	sum->responses_accepted += counters->responses_accepted;
	sum->responses_malformed += counters->responses_malformed;
	sum->responses_foreign += counters->responses_foreign;
	sum->responses_unexpected += counters->responses_unexpected;
}

static void close_slot(struct slot *slot)
{
	if (!slot->speaker)
		return;
	add_counters(&slot->speakers->former, slot->class->counters(slot->speaker));
	slot->speaker = slot->class->free(slot->speaker);
}

struct speakers *speakers_free(struct speakers *speakers)
{
	if (!speakers)
		return NULL;
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++)
		for (unsigned int i = 0; i < PROTOCOLS; i++)
			close_slot(&speakers->slots[hop][i]);
	free(speakers);
	return NULL;
}

void speakers_follow(struct speakers *speakers, const struct mapper_state *state)
{
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++)
		for (unsigned int i = 0; i < PROTOCOLS; i++)
			if (speakers->slots[hop][i].incarnation != state->gateways[hop].incarnation)
				close_slot(&speakers->slots[hop][i]);
}

static void on_event(void *userdata, enum mapping_protocol protocol,
		     const struct gateway_event *event)
{
	struct slot *slot = userdata;

	slot->speakers->callback(slot->speakers->userdata, slot->hop, slot->incarnation, protocol,
				 event);
}

static int open_slot(struct slot *slot, struct mapper_state *state,
		     const struct mapper_action *action)
{
	const struct gateway_state *gateway = &state->gateways[action->hop];
	struct speaker_gateway place = { .address = gateway->place.address,
					 .local = gateway->place.local,
					 .seen_as = gateway->place.seen_as,
					 .link = gateway->place.link };
	const struct remembered_gateway *remembered;

	if (!classes[action->protocol])
		return -EPROTONOSUPPORT;
	remembered = gateway_memory_find(&state->memory, place.address, mapper_state_mac(state));
	if (!action->hop && remembered && *remembered->location)
		place.known_location = remembered->location;
	slot->hop = action->hop;
	slot->incarnation = gateway->incarnation;
	slot->class = classes[action->protocol];
	return slot->class->open(slot->speakers->loop, &place, on_event, slot, &slot->speaker);
}

int speakers_act(struct speakers *speakers, struct mapper_state *state,
		 const struct mapper_action *action)
{
	struct slot *slot = &speakers->slots[action->hop][action->protocol];
	int r = 0;

	switch (action->kind) {
	case MAPPER_REQUEST:
		slot->speakers = speakers;
		if (!slot->speaker)
			r = open_slot(slot, state, action);
		return r < 0 ? r : slot->class->request(slot->speaker, &action->request);
	case MAPPER_CANCEL:
		if (slot->speaker)
			slot->class->cancel(slot->speaker, action->request.id);
		return 0;
	case MAPPER_CLOSE:
		close_slot(slot);
		return 0;
	}
	return 0;
}

void speakers_hear(struct speakers *speakers, const struct announcement *announcement)
{
	for (unsigned int i = 0; i < PROTOCOLS; i++) {
		struct slot *slot = &speakers->slots[0][i];

		if (slot->speaker && slot->class->announcement)
			slot->class->announcement(slot->speaker, announcement);
	}
}

const char *speakers_location(const struct speakers *speakers)
{
	const struct slot *slot = &speakers->slots[0][PROTOCOL_IGD];

	return slot->speaker && slot->class->location ? slot->class->location(slot->speaker) : NULL;
}

void speakers_count(const struct speakers *speakers, struct speaker_counters *ret)
{
	*ret = speakers->former;
	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++)
		for (unsigned int i = 0; i < PROTOCOLS; i++) {
			const struct slot *slot = &speakers->slots[hop][i];

			if (slot->speaker)
				add_counters(ret, slot->class->counters(slot->speaker));
		}
}
