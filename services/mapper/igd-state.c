/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/igd-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* When which search goes out, milliseconds after the first. Two copies of each, for datagrams get
 * lost; the ones to the gateway alone are for hosts whose firewall lets in only answers from where
 * something was sent to, and for Wi-Fi that loses what goes to groups. */
static const struct search_step {
	unsigned int at;
	enum ssdp_target target;
	bool unicast;
} search_steps[] = {
	{ 0, SSDP_GATEWAY_2, false },
	{ 0, SSDP_GATEWAY_1, false },
	{ 0, SSDP_GATEWAY_1, true },
	{ 150, SSDP_IP_CONNECTION_2, false },
	{ 150, SSDP_IP_CONNECTION_1, false },
	{ 150, SSDP_PPP_CONNECTION_1, false },
	{ 700, SSDP_GATEWAY_2, false },
	{ 700, SSDP_GATEWAY_1, false },
	{ 700, SSDP_IP_CONNECTION_2, false },
	{ 700, SSDP_IP_CONNECTION_1, false },
	{ 700, SSDP_PPP_CONNECTION_1, false },
	{ 700, SSDP_ROOT_DEVICE, false },
	{ 700, SSDP_ROOT_DEVICE, true },
	/* The end: MX and a second after the last copy. */
	{ 2700, SSDP_OTHER, false },
};

/* After a search in vain. Whoever is there answers each of them; and who comes says so. */
static const struct search_step few_steps[] = {
	{ 0, SSDP_GATEWAY_1, false },
	{ 0, SSDP_ROOT_DEVICE, false },
	{ 0, SSDP_GATEWAY_1, true },
	{ 2000, SSDP_OTHER, false },
};

static const struct search_step *search_step(const struct igd_state *state)
{
	return &(state->searches_briefly ? few_steps : search_steps)[state->search_step];
}

void igd_state_init(struct igd_state *state, struct in_addr gateway, struct in_addr client,
		    const char *known, uint64_t random)
{
	*state = (struct igd_state){ .gateway = gateway,
				     .client = client,
				     .random = random | 1,
				     .search_at = UINT64_MAX,
				     .deadline = UINT64_MAX,
				     .subscribe_at = UINT64_MAX };
	if (known && (igd_url_parse(known, strlen(known), &state->known) < 0 ||
		      state->known.address.s_addr != gateway.s_addr))
		state->known = (struct igd_url){};
	igd_look_init(state);
}

bool igd_is_public(struct in_addr address)
{
	uint32_t a = ntohl(address.s_addr);

	return a && a >> 24 != 10 && a >> 20 != 0xac1 && a >> 16 != 0xc0a8 && a >> 22 != 0x191 &&
	       a >> 16 != 0xa9fe && a >> 24 != 127;
}

struct igd_call *igd_call_begin(struct igd_state *state, enum igd_call_kind kind,
				enum igd_purpose purpose, size_t subject, uint64_t now)
{
	const struct igd_service *service = &state->services[state->chosen];

	if (!++state->last_call)
		++state->last_call;
	/* The octets between the fields go to another process, too. */
	memset(&state->call, 0, sizeof state->call);
	state->call.id = state->last_call;
	state->call.kind = kind;
	state->call.service = service->type;
	state->call.url = service->control;
	state->call.client = state->client;
	state->purpose = purpose;
	state->subject = subject;
	state->deadline = now + IGD_CALL_PATIENCE;
	state->counters.calls++;
	return &state->call;
}

/* Searching. */

static void begin_search(struct igd_state *state, uint64_t now)
{
	state->phase = IGD_SEARCHING;
	state->search_step = 0;
	state->search_at = now;
	state->n_candidates = state->n_described = 0;
	state->search_trouble = TROUBLE_SILENT;
	state->search_result = 0;
	state->counters.searches++;
}

static void begin(struct igd_state *state, uint64_t now)
{
	state->lost = false;
	if (!state->known.port) {
		begin_search(state, now);
		return;
	}
	state->phase = IGD_TRYING;
	state->candidates[0] = state->known;
	state->n_candidates = 1;
	state->n_described = 0;
}

static void add_candidate(struct igd_state *state, const struct igd_url *location)
{
	for (size_t i = 0; i < state->n_candidates; i++)
		if (state->candidates[i].port == location->port &&
		    strcmp(state->candidates[i].path, location->path) == 0)
			return;
	if (state->n_candidates < IGD_CANDIDATES)
		state->candidates[state->n_candidates++] = *location;
	else
		state->counters.messages_unexpected++;
}

/* The search is over and nothing of it is left to be described. */
static void give_up(struct igd_state *state)
{
	bool had_mappings = false;

	for (size_t i = 0; i < IGD_HELD; i++) {
		had_mappings = had_mappings || state->held[i].transport;
		state->held[i] = (struct igd_mapping){};
	}
	state->phase = IGD_UNKNOWN;
	state->search_at = UINT64_MAX;
	igd_task_fail_all(state, state->search_trouble, state->search_result);
	/* Nobody waits for an answer that would say so, but there are mappings. */
	if (had_mappings)
		speaker_events_push(&state->events,
				    &(struct gateway_event){ .kind = GATEWAY_EVENT_RESTARTED });
}

void igd_state_lose(struct igd_state *state, uint64_t now)
{
	/* Its description said where to ask; so that may have changed, after a restart for
	 * instance.
	 */
	state->known = (struct igd_url){};
	state->n_services = 0;
	state->subscription[0] = '\0';
	state->subscribe_at = UINT64_MAX;
	state->restarted = true;
	if (state->lost) {
		state->search_trouble = TROUBLE_SILENT;
		state->search_result = 0;
		give_up(state);
		return;
	}
	state->lost = true;
	state->searches_briefly = false;
	begin_search(state, now);
}

static void next_step(struct igd_state *state)
{
	unsigned int former = search_step(state)->at;
	unsigned int wait;

	state->search_step++;
	wait = search_step(state)->at - former;

	state->search_at += wait;
}

static bool take_search(struct igd_state *state, uint64_t now, struct igd_action *ret)
{
	const struct search_step *step = search_step(state);

	if (state->search_at == UINT64_MAX || now < state->search_at)
		return false;
	if (step->target == SSDP_OTHER) {
		state->search_at = UINT64_MAX;
		if (state->n_described == state->n_candidates &&
		    state->purpose != IGD_FOR_DESCRIPTION)
			give_up(state);
		return false;
	}
	*ret = (struct igd_action){ .kind = IGD_ACTION_SEARCH,
				    .target = step->target,
				    .unicast = step->unicast };
	next_step(state);
	return true;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A gateway came, went or restarted and says so to all. One at its known location was not searched
 * for, so the first boot id comes with an announcement: perhaps that of a restart. One that tells
 * no boot id says the same after a restart as every few minutes: nothing but looking tells, which
 * is done no more often for that than without events. */
static void on_announced(struct igd_state *state, const struct ssdp_message *message, uint64_t now)
{
	bool moved = message->location.port &&
		     (message->location.port != state->location.port ||
		      strcmp(message->location.path, state->location.path) != 0);

	if (message->target > SSDP_PPP_CONNECTION_1)
		return;
	if (state->phase == IGD_UNKNOWN && message->kind == SSDP_ALIVE && message->location.port) {
		/* Perhaps it was switched on just now: worth being asked again. */
		state->known = message->location;
		speaker_hearsay_hear(&state->news, now);
		return;
	}
	if (state->phase != IGD_READY)
		return;
	if (message->kind == SSDP_GONE || moved ||
	    (message->has_boot_id && (!state->has_boot_id || message->boot_id != state->boot_id)))
		speaker_hearsay_hear(&state->news, now);
	else if (!message->has_boot_id && state->looked_at + IGD_LOOK_EVERY < state->look_at)
		state->look_at = later(now, state->looked_at + IGD_LOOK_EVERY);
	if (message->has_boot_id) {
		state->has_boot_id = true;
		state->boot_id = message->boot_id;
	}
}

void igd_state_on_message(struct igd_state *state, struct in_addr source,
			  const struct ssdp_message *message, uint64_t now)
{
	if (source.s_addr != state->gateway.s_addr) {
		state->counters.messages_foreign++;
		return;
	}
	if (message->bad_location ||
	    (message->location.port && message->location.address.s_addr != state->gateway.s_addr)) {
		state->counters.messages_malformed++;
		return;
	}
	state->counters.messages_accepted++;
	if (state->phase == IGD_SEARCHING && message->kind != SSDP_GONE &&
	    message->target != SSDP_OTHER && message->location.port) {
		add_candidate(state, &message->location);
		if (message->has_boot_id) {
			state->has_boot_id = true;
			state->boot_id = message->boot_id;
		}
		return;
	}
	if (message->kind != SSDP_ANSWER)
		on_announced(state, message, now);
}

/* Describing and choosing. */

static void become_ready(struct igd_state *state, size_t chosen, uint64_t now)
{
	state->chosen = chosen;
	state->phase = IGD_READY;
	state->search_at = UINT64_MAX;
	state->no_any = state->permanent = state->same_port = false;
	state->known = state->location;
	state->subscribe_at = now;
	state->looked_at = now;
	state->look_at = now + IGD_LOOK_EVERY;
	if (!state->restarted)
		return;
	state->restarted = false;
	igd_look_begin(state, now);
}

static void on_description(struct igd_state *state, const struct igd_answer *answer, uint64_t now)
{
	size_t n = 0;

	state->location = state->candidates[state->n_described++];
	for (size_t i = 0; i < IGD_SERVICES_MAX && answer->outcome == IGD_DONE; i++)
		if (answer->services[i].type != IGD_NO_SERVICE)
			state->services[n++] = answer->services[i];
	state->n_services = n;
	if (n == 1) {
		become_ready(state, 0, now);
	} else if (n) {
		state->phase = IGD_CHOOSING;
		state->choosing = 0;
		state->choosing_address = false;
		memset(state->addresses, 0, sizeof state->addresses);
		state->search_at = UINT64_MAX;
	} else if (state->phase == IGD_TRYING) {
		state->known = (struct igd_url){};
		begin_search(state, now);
	} else {
		state->search_trouble =
			answer->outcome == IGD_UNREACHABLE ? TROUBLE_SILENT : TROUBLE_MALFORMED;
		state->search_result = answer->outcome == IGD_FAULT ? answer->code : 0;
		if (state->search_at == UINT64_MAX && state->n_described == state->n_candidates)
			give_up(state);
	}
}

/* IG-5: connected and with a public address, or at least connected. */
static size_t best_service(const struct igd_state *state)
{
	for (size_t i = 0; i < state->n_services; i++)
		if (state->connected[i] && igd_is_public(state->addresses[i]))
			return i;
	for (size_t i = 0; i < state->n_services; i++)
		if (state->connected[i])
			return i;
	return 0;
}

static void on_choice(struct igd_state *state, const struct igd_answer *answer, uint64_t now)
{
	if (!state->choosing_address) {
		state->connected[state->choosing] =
			answer->outcome == IGD_DONE && answer->connected;
		state->choosing_address = true;
		return;
	}
	if (answer->outcome == IGD_DONE)
		state->addresses[state->choosing] = answer->external;
	state->choosing_address = false;
	if (++state->choosing < state->n_services)
		return;
	become_ready(state, best_service(state), now);
}

static bool next_call(struct igd_state *state, uint64_t now)
{
	struct igd_call *call;

	switch (state->phase) {
	case IGD_UNKNOWN:
		return false;
	case IGD_TRYING:
	case IGD_SEARCHING:
		if (state->n_described == state->n_candidates)
			return false;
		call = igd_call_begin(state, IGD_CALL_DESCRIBE, IGD_FOR_DESCRIPTION, 0, now);
		call->url = state->candidates[state->n_described];
		if (state->phase == IGD_TRYING)
			state->deadline = now + IGD_KNOWN_PATIENCE;
		return true;
	case IGD_CHOOSING:
		call = igd_call_begin(state,
				      state->choosing_address ? IGD_CALL_ADDRESS : IGD_CALL_STATUS,
				      IGD_FOR_CHOICE, 0, now);
		call->url = state->services[state->choosing].control;
		call->service = state->services[state->choosing].type;
		return true;
	case IGD_READY:
		return igd_task_next_call(state, now) || igd_look_next_call(state, now);
	}
	return false;
}

void igd_state_on_answer(struct igd_state *state, const struct igd_answer *answer, uint64_t now)
{
	const struct igd_answer nonsense = { .id = state->call.id, .outcome = IGD_NONSENSE };
	enum igd_purpose purpose = state->purpose;

	if (!answer) {
		state->counters.answers_malformed++;
		answer = &nonsense;
	}
	if (purpose == IGD_FOR_NOTHING || answer->id != state->call.id)
		return;
	if (answer->outcome == IGD_NONSENSE && answer != &nonsense)
		state->counters.answers_malformed++;
	if (answer->outcome == IGD_DONE || answer->outcome == IGD_FAULT)
		state->counters.answers_accepted++;
	state->purpose = IGD_FOR_NOTHING;
	state->deadline = UINT64_MAX;
	switch (purpose) {
	case IGD_FOR_NOTHING:
		return;
	case IGD_FOR_DESCRIPTION:
		on_description(state, answer, now);
		return;
	case IGD_FOR_CHOICE:
		on_choice(state, answer, now);
		return;
	case IGD_FOR_TASK:
		state->lost = state->lost && answer->outcome == IGD_UNREACHABLE;
		igd_task_on_answer(state, answer, now);
		return;
	case IGD_FOR_ADDRESS:
	case IGD_FOR_MAPPING:
	case IGD_FOR_EVENTS:
		igd_look_on_answer(state, purpose, answer, now);
		return;
	}
}

void igd_state_on_worker_lost(struct igd_state *state, uint64_t now)
{
	const struct igd_answer lost = { .id = state->call.id, .outcome = IGD_UNREACHABLE };

	igd_state_on_answer(state, &lost, now);
}

/* Requests and actions. */

int igd_state_request(struct igd_state *state, const struct gateway_request *request, uint64_t now)
{
	struct igd_task *task = state->tasks;
	size_t index = 0;

	while (index < SPEAKER_REQUESTS_LIMIT && state->tasks[index].used)
		index++;
	if (index == SPEAKER_REQUESTS_LIMIT)
		return -EBUSY;
	task = &state->tasks[index];
	*task = (struct igd_task){ .used = true, .request = *request };
	switch (request->operation) {
	case GATEWAY_PROBE:
	case GATEWAY_ADDRESS:
		task->step = IGD_STEP_ADDRESS;
		break;
	case GATEWAY_MAP:
		task->step = IGD_STEP_ADD;
		break;
	case GATEWAY_DELETE:
		task->step = IGD_STEP_CHECK;
		break;
	}
	state->order[state->n_tasks++] = index;
	if (state->phase == IGD_UNKNOWN) {
		state->searches_briefly = request->again;
		begin(state, now);
	}
	return 0;
}

static bool take_event(struct igd_state *state, struct igd_action *ret)
{
	*ret = (struct igd_action){ .kind = IGD_ACTION_EVENT };
	return speaker_events_take(&state->events, &ret->event);
}

bool igd_state_take_action(struct igd_state *state, uint64_t now, struct igd_action *ret)
{
	if (take_event(state, ret))
		return true;
	if (state->purpose != IGD_FOR_NOTHING && now >= state->deadline) {
		const struct igd_answer overdue = { .id = state->call.id,
						    .outcome = IGD_UNREACHABLE };

		state->counters.calls_overdue++;
		*ret = (struct igd_action){ .kind = IGD_ACTION_ABANDON };
		igd_state_on_answer(state, &overdue, now);
		return true;
	}
	if (take_search(state, now, ret))
		return true;
	if (state->purpose == IGD_FOR_NOTHING && next_call(state, now)) {
		*ret = (struct igd_action){ .kind = IGD_ACTION_CALL };
		ret->call = state->call;
		return true;
	}
	if (state->phase == IGD_UNKNOWN && speaker_hearsay_due(&state->news, now))
		speaker_events_push(&state->events,
				    &(struct gateway_event){ .kind = GATEWAY_EVENT_RESTARTED });
	/* Some requests need no call. */
	return take_event(state, ret);
}

uint64_t igd_state_due(const struct igd_state *state)
{
	uint64_t due = state->search_at < state->deadline ? state->search_at : state->deadline;

	uint64_t other = UINT64_MAX;

	if (state->phase == IGD_READY && state->purpose == IGD_FOR_NOTHING)
		other = igd_look_due(state);
	else if (state->phase == IGD_UNKNOWN)
		other = state->news.ask_at;
	return other < due ? other : due;
}
