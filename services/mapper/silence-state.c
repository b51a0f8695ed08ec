/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/silence-state.h"

#include <errno.h>
#include <stdlib.h>

/* 500 ms, doubling: 7.5 s until it is silence. */
#define SENDS 4
/* So much late, and the silence was another one: the machine slept. */
#define LATE_MSEC    1000
#define SILENCE_MOST 3600

int silences_parse(const char *value, void *field)
{
	struct silences silences = {};
	unsigned long former = 0;

	for (const char *rest = value; rest[strspn(rest, " \t")];) {
		char *end;
		unsigned long number = strtoul(rest, &end, 10);

		if (end == rest || (*end && *end != ' ' && *end != '\t') || number <= former ||
		    number > SILENCE_MOST || silences.n == SILENCES_LIMIT)
			return -EINVAL;
		silences.items[silences.n++] = former = number;
		rest = end;
	}
	if (!silences.n)
		return -EINVAL;
	*(struct silences *)field = silences;
	return 0;
}

static bool is_same(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
}

static void go_to(struct silence_state *state, enum silence_step step, uint64_t due)
{
	state->step = step;
	state->due = due;
	state->n_sent = 0;
	state->has_txid = false;
}

static void end(struct silence_state *state)
{
	go_to(state, SILENCE_IDLE, UINT64_MAX);
	state->ended = true;
}

static void begin_trial(struct silence_state *state, uint64_t now)
{
	state->n_trials++;
	go_to(state, SILENCE_OPEN, now);
}

/* The middle one of those that nothing is known of. */
static void choose(struct silence_state *state, uint64_t now)
{
	state->n_vain = 0;
	if (state->low >= state->high) {
		end(state);
		return;
	}
	state->now = (state->low + state->high) / 2;
	begin_trial(state, now);
}

static void try_again(struct silence_state *state, uint64_t now)
{
	if (++state->n_vain == SILENCE_TRIALS)
		end(state);
	else
		go_to(state, SILENCE_PAUSES, now + SILENCE_PAUSE);
}

void silence_begin(struct silence_state *state, const struct silences *silences,
		   const struct sockaddr_in *server, uint16_t remembered, uint64_t now)
{
	silence_stop(state);
	state->silences = *silences;
	state->server = *server;
	state->high = silences->n;
	state->held = remembered;
	for (size_t i = 0; i < silences->n; i++) {
		if (silences->items[i] != remembered)
			continue;
		/* What held is likely to, and what is above did not. */
		state->now = i;
		state->high = i + 1;
		begin_trial(state, now);
		return;
	}
	choose(state, now);
}

void silence_stop(struct silence_state *state)
{
	*state = (struct silence_state){ .n_trials = state->n_trials,
					 .counters = state->counters,
					 .due = UINT64_MAX };
}

static void take_held(struct silence_state *state, uint64_t now)
{
	state->held = state->silences.items[state->now];
	state->low = state->now + 1;
	choose(state, now);
}

static void take_forgotten(struct silence_state *state, uint64_t now)
{
	state->high = state->now;
	state->held = state->low ? state->silences.items[state->low - 1] : 0;
	choose(state, now);
}

static bool read_seen(const struct stun_message *message, struct sockaddr_in *ret)
{
	const struct stun_address *address = stun_reflexive(message);

	if (address->family != 4 || !address->port)
		return false;
	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(address->port) };
	memcpy(&ret->sin_addr, address->octets, sizeof ret->sin_addr);
	return true;
}

static void take_answer(struct silence_state *state, enum silence_socket socket, bool is_success,
			const struct sockaddr_in *seen, uint64_t now)
{
	switch (state->step) {
	case SILENCE_OPEN:
		state->seen = *seen;
		if (is_success)
			go_to(state, SILENCE_SETTLES, now + SILENCE_SETTLE);
		else
			end(state);
		return;
	case SILENCE_REFRESH:
		/* Where it is another one each time, none can be found again. */
		if (is_success && is_same(seen, &state->seen)) {
			go_to(state, SILENCE_QUIET,
			      now + 1000 * (uint64_t)state->silences.items[state->now]);
		} else {
			end(state);
		}
		return;
	case SILENCE_ASK:
		/* To who asked: this server does not do it. */
		if (is_success && socket == SILENCE_SOCKET_FLOW)
			take_held(state, now);
		else
			end(state);
		return;
	case SILENCE_CONTROL:
		take_forgotten(state, now);
		return;
	case SILENCE_IDLE:
	case SILENCE_SETTLES:
	case SILENCE_QUIET:
	case SILENCE_PAUSES:
		return;
	}
}

static enum silence_socket socket_of(enum silence_step step)
{
	return step == SILENCE_ASK || step == SILENCE_CONTROL ? SILENCE_SOCKET_OTHER
							      : SILENCE_SOCKET_FLOW;
}

void silence_receive(struct silence_state *state, enum silence_socket socket,
		     const struct sockaddr_in *from, const void *octets, size_t size, uint64_t now)
{
	struct stun_message message;
	struct sockaddr_in seen = {};
	bool is_success;

	if (size > STUN_MESSAGE_LIMIT || stun_parse(octets, size, &message) < 0) {
		state->counters.answers_malformed++;
		return;
	}
	if (!state->has_txid || memcmp(message.txid, state->txid, STUN_TXID_SIZE) != 0 ||
	    (message.type != STUN_SUCCESS && message.type != STUN_ERROR) ||
	    (socket != socket_of(state->step) && state->step != SILENCE_ASK)) {
		state->counters.answers_unexpected++;
		return;
	}
	if (!is_same(from, &state->server)) {
		state->counters.answers_foreign++;
		return;
	}
	is_success = message.type == STUN_SUCCESS;
	if (message.n_unknown || (is_success && !read_seen(&message, &seen))) {
		state->counters.answers_malformed++;
		return;
	}
	state->counters.answers_accepted++;
	take_answer(state, socket, is_success, &seen, now);
}

/* A wait is over, or a question has had its time. */
static void time_out(struct silence_state *state, uint64_t now)
{
	bool is_late = now - state->due > LATE_MSEC;

	switch (state->step) {
	case SILENCE_SETTLES:
		go_to(state, SILENCE_REFRESH, now);
		return;
	case SILENCE_QUIET:
		if (is_late)
			begin_trial(state, now);
		else
			go_to(state, SILENCE_ASK, now);
		return;
	case SILENCE_ASK:
		go_to(state, SILENCE_CONTROL, now);
		return;
	case SILENCE_PAUSES:
		begin_trial(state, now);
		return;
	case SILENCE_OPEN:
	case SILENCE_REFRESH:
	case SILENCE_CONTROL:
		try_again(state, now);
		return;
	case SILENCE_IDLE:
		return;
	}
}

static bool is_question(enum silence_step step)
{
	return step == SILENCE_OPEN || step == SILENCE_REFRESH || step == SILENCE_ASK ||
	       step == SILENCE_CONTROL;
}

static void write_packet(struct silence_state *state, const uint8_t random[STUN_TXID_SIZE],
			 struct silence_packet *packet)
{
	struct writer writer = writer_init(packet->octets, sizeof packet->octets);

	packet->socket = socket_of(state->step);
	packet->fresh =
		!state->has_txid && (state->step == SILENCE_OPEN || state->step == SILENCE_ASK);
	packet->to = state->server;
	if (!state->has_txid) {
		memcpy(state->txid, random, STUN_TXID_SIZE);
		state->has_txid = true;
	}
	stun_begin(&writer, STUN_REQUEST, state->txid);
	if (state->step == SILENCE_ASK)
		stun_put_response_port(&writer, ntohs(state->seen.sin_port));
	stun_put_fingerprint(&writer);
	packet->size = stun_end(&writer);
}

bool silence_take_packet(struct silence_state *state, uint64_t now,
			 const uint8_t random[STUN_TXID_SIZE], struct silence_packet *ret)
{
	while (state->step && state->due <= now) {
		if (!is_question(state->step) || state->n_sent == SENDS) {
			time_out(state, now);
			continue;
		}
		write_packet(state, random, ret);
		state->due = now + ((uint64_t)STUN_RTO << state->n_sent++);
		state->counters.requests_sent++;
		return true;
	}
	return false;
}

uint64_t silence_due(const struct silence_state *state)
{
	return state->step ? state->due : UINT64_MAX;
}
