/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/igd-internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Ports tried when others have the one that was liked best. */
#define TRIES 8
/* Action failed: perhaps because of the port, perhaps not. */
#define TRIES_FAILED 2
/* WANIPConnection:2 §2.3.14: 1 to 604800 seconds. */
#define LIFETIME_MAX    604800
#define FIRST_HIGH_PORT 20000

/* UPnP Device Architecture §3.2.2 and WANIPConnection §2.4. */
enum upnp_error {
	UPNP_INVALID_ACTION = 401,
	UPNP_INVALID_ARGUMENTS = 402,
	UPNP_ACTION_FAILED = 501,
	UPNP_NOT_IMPLEMENTED = 602,
	UPNP_NOT_AUTHORIZED = 606,
	UPNP_INDEX_INVALID = 713,
	UPNP_NO_SUCH_ENTRY = 714,
	UPNP_NO_WILDCARD_SOURCE = 715,
	UPNP_NO_WILDCARD_EXTERNAL = 716,
	UPNP_CONFLICT = 718,
	UPNP_SAME_PORT_REQUIRED = 724,
	UPNP_ONLY_PERMANENT = 725,
	UPNP_ONLY_WILDCARD_REMOTE = 726,
	UPNP_ONLY_WILDCARD_EXTERNAL = 727,
	UPNP_NO_PORT_LEFT = 728,
	UPNP_OTHER_MECHANISM = 729,
	UPNP_NO_WILDCARD_INTERNAL = 732,
	UPNP_INCONSISTENT = 733,
};

enum trouble igd_trouble(unsigned int code)
{
	switch (code) {
	case UPNP_INVALID_ACTION:
	case UPNP_INVALID_ARGUMENTS:
	case UPNP_NOT_IMPLEMENTED:
	case UPNP_NO_WILDCARD_SOURCE:
	case UPNP_NO_WILDCARD_EXTERNAL:
	case UPNP_ONLY_WILDCARD_REMOTE:
	case UPNP_ONLY_WILDCARD_EXTERNAL:
	case UPNP_NO_WILDCARD_INTERNAL:
	case UPNP_INCONSISTENT:
		return TROUBLE_UNSUPPORTED_OPERATION;
	case UPNP_NOT_AUTHORIZED:
		return TROUBLE_REFUSED;
	case UPNP_CONFLICT:
	case UPNP_SAME_PORT_REQUIRED:
	case UPNP_OTHER_MECHANISM:
		return TROUBLE_CONFLICT;
	case UPNP_NO_PORT_LEFT:
		return TROUBLE_OUT_OF_RESOURCES;
	default:
		return TROUBLE_UNKNOWN_RESULT;
	}
}

void igd_task_end(struct igd_state *state, size_t index)
{
	size_t at = 0;

	while (at < state->n_tasks && state->order[at] != index)
		at++;
	if (at == state->n_tasks)
		return;
	memmove(state->order + at, state->order + at + 1,
		(--state->n_tasks - at) * sizeof state->order[0]);
	state->tasks[index] = (struct igd_task){};
}

static void answer(struct igd_state *state, size_t index, enum gateway_event_kind kind,
		   enum trouble trouble, unsigned int result)
{
	const struct igd_task *task = &state->tasks[index];
	struct gateway_event event = speaker_event_to(kind, &task->request);

	event.trouble = trouble;
	event.result = result;
	if (trouble == TROUBLE_NONE && task->request.operation == GATEWAY_MAP && !task->cancelled) {
		struct igd_mapping *held =
			igd_held_find(state, event.transport, event.internal_port);

		if (held)
			held->told = true;
	}
	if (trouble == TROUBLE_NONE && task->request.operation != GATEWAY_DELETE) {
		event.external = state->external;
		event.external_port = task->port;
		event.lifetime = task->lifetime;
	}
	if (!task->cancelled)
		speaker_events_push(&state->events, &event);
	igd_task_end(state, index);
}

void igd_task_fail_all(struct igd_state *state, enum trouble trouble, unsigned int result)
{
	while (state->n_tasks)
		answer(state, state->order[0], GATEWAY_EVENT_ABSENT, trouble, result);
}

/* XML is made of it without anything being replaced, and some routers put it on a page. */
static void copy_label(const char *label, char ret[MAPPING_LABEL_LIMIT + 1])
{
	size_t i = 0;

	for (; label[i] && i < MAPPING_LABEL_LIMIT; i++)
		ret[i] = isalnum((unsigned char)label[i]) || strchr(" ._-:", label[i]) ? label[i]
										       : '_';
	ret[i] = '\0';
	if (!i)
		snprintf(ret, MAPPING_LABEL_LIMIT + 1, "homeward");
}

static bool speaks_version_2(const struct igd_state *state)
{
	return state->services[state->chosen].type == IGD_IP_CONNECTION_2;
}

static void call_add(struct igd_state *state, size_t index, uint64_t now)
{
	struct igd_task *task = &state->tasks[index];
	const struct gateway_request *request = &task->request;
	const struct igd_mapping *held =
		igd_held_find(state, request->transport, request->internal_port);
	struct igd_call *call;

	/* What is there is renewed where it is; else there were two for one internal port. */
	if (!task->port && held)
		task->port = held->external_port;
	if (!task->port && !state->same_port)
		task->port = request->external_port;
	if (!task->port)
		task->port = request->internal_port;
	task->renewal = held && held->external_port == task->port;
	task->lifetime = request->lifetime;
	if (!task->lifetime || task->lifetime > LIFETIME_MAX)
		task->lifetime = LIFETIME_MAX;
	if (state->permanent)
		task->lifetime = 0;
	call = igd_call_begin(state,
			      speaks_version_2(state) && !state->no_any && !task->renewal
				      ? IGD_CALL_ADD_ANY
				      : IGD_CALL_ADD,
			      IGD_FOR_TASK, index, now);
	call->transport = request->transport;
	call->internal_port = request->internal_port;
	call->external_port = task->port;
	call->lifetime = task->lifetime;
	call->undo = !task->renewal;
	copy_label(request->label, call->label);
}

static void call_on_port(struct igd_state *state, size_t index, enum igd_call_kind kind,
			 uint64_t now)
{
	const struct igd_task *task = &state->tasks[index];
	struct igd_call *call = igd_call_begin(state, kind, IGD_FOR_TASK, index, now);

	call->transport = task->request.transport;
	call->internal_port = task->request.internal_port;
	call->external_port = task->port;
}

static bool address_is_fresh(const struct igd_state *state, uint64_t now)
{
	return state->external_at && now - state->external_at < IGD_ADDRESS_FRESH;
}

/* Where a deletion begins: what we hold is ours; of anything else that is asked first, for another
 * host may have the port by now. */
static void prepare_deletion(struct igd_state *state, struct igd_task *task)
{
	const struct igd_mapping *held =
		igd_held_find(state, task->request.transport, task->request.internal_port);

	if (task->port)
		return;
	task->port = task->request.external_port;
	if (held && (!task->port || task->port == held->external_port)) {
		task->port = held->external_port;
		task->step = IGD_STEP_DELETE;
	}
}

/* False: the task has ended without a call. */
static bool call_for(struct igd_state *state, size_t index, uint64_t now)
{
	struct igd_task *task = &state->tasks[index];

	if (task->request.operation == GATEWAY_PROBE) {
		answer(state, index, GATEWAY_EVENT_ANSWER, TROUBLE_NONE, 0);
		return false;
	}
	if (task->request.operation == GATEWAY_DELETE)
		prepare_deletion(state, task);
	switch (task->step) {
	case IGD_STEP_CHECK:
		if (!task->port) {
			answer(state, index, GATEWAY_EVENT_ANSWER, TROUBLE_NONE, 0);
			return false;
		}
		call_on_port(state, index, IGD_CALL_ENTRY, now);
		return true;
	case IGD_STEP_ADD:
		call_add(state, index, now);
		return true;
	case IGD_STEP_VERIFY:
		call_on_port(state, index, IGD_CALL_ENTRY, now);
		return true;
	case IGD_STEP_ADDRESS:
		if (task->request.operation == GATEWAY_MAP && address_is_fresh(state, now)) {
			answer(state, index, GATEWAY_EVENT_ANSWER, TROUBLE_NONE, 0);
			return false;
		}
		igd_call_begin(state, IGD_CALL_ADDRESS, IGD_FOR_TASK, index, now);
		return true;
	case IGD_STEP_DELETE:
		call_on_port(state, index, IGD_CALL_DELETE, now);
		return true;
	}
	return false;
}

bool igd_task_next_call(struct igd_state *state, uint64_t now)
{
	while (state->n_tasks)
		if (call_for(state, state->order[0], now))
			return true;
	return false;
}

static void try_port(struct igd_state *state, size_t index, uint16_t port, unsigned int limit,
		     const struct igd_answer *fault)
{
	struct igd_task *task = &state->tasks[index];

	if (++task->n_tries >= limit) {
		answer(state, index, GATEWAY_EVENT_ANSWER, igd_trouble(fault->code), fault->code);
		return;
	}
	task->made = false;
	task->step = IGD_STEP_ADD;
	task->port = port;
}

static uint16_t random_port(struct igd_state *state)
{
	return FIRST_HIGH_PORT + speaker_random_below(&state->random, 65536 - FIRST_HIGH_PORT);
}

/* ADD was refused. */
static void on_refused(struct igd_state *state, size_t index, const struct igd_answer *fault)
{
	struct igd_task *task = &state->tasks[index];
	bool any = state->call.kind == IGD_CALL_ADD_ANY;
	unsigned int n = state->same_port ? 1 : TRIES;

	switch (fault->code) {
	case UPNP_CONFLICT:
		try_port(state, index, random_port(state), n, fault);
		return;
	case UPNP_ACTION_FAILED:
		try_port(state, index, random_port(state), state->same_port ? 1 : TRIES_FAILED,
			 fault);
		return;
	case UPNP_SAME_PORT_REQUIRED:
		state->same_port = true;
		if (task->port != task->request.internal_port) {
			try_port(state, index, task->request.internal_port, TRIES + 1, fault);
			return;
		}
		break;
	case UPNP_INVALID_ACTION:
	case UPNP_NOT_IMPLEMENTED:
		if (any) {
			state->no_any = true;
			return;
		}
		break;
	case UPNP_ONLY_PERMANENT:
	case UPNP_INVALID_ARGUMENTS: /* as some say it */
		if (!state->permanent) {
			state->permanent = true;
			return;
		}
		break;
	default:
		break;
	}
	answer(state, index, GATEWAY_EVENT_ANSWER, igd_trouble(fault->code), fault->code);
}

static void on_added(struct igd_state *state, size_t index, const struct igd_answer *result)
{
	struct igd_task *task = &state->tasks[index];

	if (result->outcome == IGD_FAULT) {
		if (task->cancelled)
			igd_task_end(state, index);
		else
			on_refused(state, index, result);
		return;
	}
	task->made = true;
	task->unsure = result->outcome != IGD_DONE;
	if (result->outcome == IGD_DONE)
		task->port = result->external_port;
	task->step = IGD_STEP_VERIFY;
	/* Nobody wants it any more. */
	if (task->cancelled && !task->renewal)
		task->step = IGD_STEP_DELETE;
	else if (task->cancelled)
		igd_task_end(state, index);
}

/* What GetSpecificPortMappingEntry says of a mapping that we were told was made. */
static void on_verified(struct igd_state *state, size_t index, const struct igd_answer *entry,
			uint64_t now)
{
	const struct igd_answer conflict = { .outcome = IGD_FAULT, .code = UPNP_CONFLICT };
	struct igd_task *task = &state->tasks[index];

	if (entry->outcome == IGD_FAULT && entry->code == UPNP_NO_SUCH_ENTRY) {
		answer(state, index, GATEWAY_EVENT_ANSWER, TROUBLE_NOT_FORWARDED, entry->code);
		return;
	}
	if (entry->outcome == IGD_DONE &&
	    ((entry->client.s_addr && entry->client.s_addr != state->client.s_addr) ||
	     (entry->internal_port && entry->internal_port != task->request.internal_port))) {
		try_port(state, index, random_port(state), state->same_port ? 1 : TRIES, &conflict);
		return;
	}
	if (entry->outcome == IGD_DONE && !entry->enabled) {
		answer(state, index, GATEWAY_EVENT_ANSWER, TROUBLE_NOT_FORWARDED, 0);
		return;
	}
	/* Some cannot say what they have. But then they must have said clearly that they did it. */
	if (entry->outcome != IGD_DONE && task->unsure) {
		answer(state, index, GATEWAY_EVENT_ANSWER, TROUBLE_MALFORMED, 0);
		return;
	}
	if (entry->outcome == IGD_DONE && entry->lifetime && entry->lifetime < task->lifetime)
		task->lifetime = entry->lifetime;
	igd_held_set(state, task->request.transport, task->request.internal_port, task->port, now);
	task->step = IGD_STEP_ADDRESS;
}

static void on_address(struct igd_state *state, size_t index, const struct igd_answer *result,
		       uint64_t now)
{
	bool mapped = state->tasks[index].request.operation == GATEWAY_MAP;

	if (result->outcome == IGD_DONE) {
		state->external = result->external;
		state->external_at = now;
	} else if (result->outcome == IGD_FAULT) {
		/* No connection, most of the time: there is no address. */
		state->external = (struct in_addr){};
	}
	if (result->outcome == IGD_NONSENSE && !mapped)
		answer(state, index, GATEWAY_EVENT_ANSWER, TROUBLE_MALFORMED, 0);
	else if (result->outcome == IGD_FAULT || !state->external.s_addr)
		answer(state, index, GATEWAY_EVENT_ANSWER,
		       result->code && result->code != UPNP_ACTION_FAILED
			       ? igd_trouble(result->code)
			       : TROUBLE_NETWORK_FAILURE,
		       result->code);
	else
		answer(state, index, GATEWAY_EVENT_ANSWER, TROUBLE_NONE, 0);
}

static void on_deleted(struct igd_state *state, size_t index, const struct igd_answer *result)
{
	struct igd_task *task = &state->tasks[index];
	struct igd_mapping *held =
		igd_held_find(state, task->request.transport, task->request.internal_port);

	if (held && held->external_port == task->port)
		igd_held_forget(state, held);
	/* A cancelled MAP that was undone has no one to tell. */
	if (task->request.operation != GATEWAY_DELETE)
		igd_task_end(state, index);
	else if (result->outcome == IGD_FAULT && result->code != UPNP_NO_SUCH_ENTRY)
		answer(state, index, GATEWAY_EVENT_ANSWER, igd_trouble(result->code), result->code);
	else
		answer(state, index, GATEWAY_EVENT_ANSWER, TROUBLE_NONE, 0);
}

static void on_checked(struct igd_state *state, size_t index, const struct igd_answer *entry)
{
	bool gone = entry->outcome == IGD_FAULT && entry->code == UPNP_NO_SUCH_ENTRY;
	bool other = entry->outcome == IGD_DONE && entry->client.s_addr &&
		     entry->client.s_addr != state->client.s_addr;

	if (gone || other)
		answer(state, index, GATEWAY_EVENT_ANSWER, TROUBLE_NONE, 0);
	else
		state->tasks[index].step = IGD_STEP_DELETE;
}

void igd_task_on_answer(struct igd_state *state, const struct igd_answer *result, uint64_t now)
{
	size_t index = state->subject;
	struct igd_task *task = &state->tasks[index];

	if (!task->used)
		return;
	if (result->outcome == IGD_UNREACHABLE && task->searched_again) {
		answer(state, index, GATEWAY_EVENT_ABSENT, TROUBLE_SILENT, 0);
		return;
	}
	if (result->outcome == IGD_UNREACHABLE) {
		task->searched_again = true;
		igd_state_lose(state, now);
		return;
	}
	/* Nobody wants it any more. */
	if (task->cancelled && task->made && !task->renewal && task->step != IGD_STEP_DELETE) {
		task->step = IGD_STEP_DELETE;
		return;
	}
	switch (task->step) {
	case IGD_STEP_CHECK:
		on_checked(state, index, result);
		break;
	case IGD_STEP_ADD:
		on_added(state, index, result);
		break;
	case IGD_STEP_VERIFY:
		on_verified(state, index, result, now);
		break;
	case IGD_STEP_ADDRESS:
		on_address(state, index, result, now);
		break;
	case IGD_STEP_DELETE:
		on_deleted(state, index, result);
		break;
	}
}

void igd_state_cancel(struct igd_state *state, uint32_t id, uint64_t now)
{
	for (size_t i = 0; i < state->n_tasks; i++) {
		size_t index = state->order[i];
		struct igd_task *task = &state->tasks[index];
		bool under_way = state->purpose == IGD_FOR_TASK && state->subject == index;

		if (task->request.id != id || task->cancelled)
			continue;
		if (task->made && !task->renewal && !under_way) {
			task->cancelled = true;
			task->step = IGD_STEP_DELETE;
		} else if (under_way) {
			task->cancelled = true;
		} else {
			igd_task_end(state, index);
		}
		return;
	}
}

size_t igd_state_farewell(struct igd_state *state, struct igd_call *calls, size_t size,
			  bool *ret_wait)
{
	bool adding = state->purpose == IGD_FOR_TASK && state->call.undo;
	size_t n = 0;

	*ret_wait = adding;
	for (size_t i = 0; i < state->n_tasks && n < size; i++) {
		const struct igd_task *task = &state->tasks[state->order[i]];

		if (!task->made || task->renewal || task->request.operation != GATEWAY_MAP)
			continue;
		call_on_port(state, state->order[i], IGD_CALL_DELETE, 0);
		calls[n++] = state->call;
	}
	/* Made, but the answer was trouble, so nobody will ask for their deletion. */
	for (size_t i = 0; i < IGD_HELD && n < size && state->phase == IGD_READY; i++) {
		const struct igd_mapping *held = &state->held[i];

		if (!held->transport || held->told)
			continue;
		igd_call_begin(state, IGD_CALL_DELETE, IGD_FOR_NOTHING, 0, 0);
		state->call.transport = held->transport;
		state->call.external_port = held->external_port;
		calls[n++] = state->call;
	}
	if (state->subscription[0] && n < size) {
		igd_call_begin(state, IGD_CALL_UNSUBSCRIBE, IGD_FOR_NOTHING, 0, 0);
		state->call.url = state->services[state->chosen].events;
		snprintf(state->call.subscription, sizeof state->call.subscription, "%s",
			 state->subscription);
		calls[n++] = state->call;
	}
	return n;
}
