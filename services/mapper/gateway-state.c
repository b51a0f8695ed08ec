/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/gateway-state.h"

#include <string.h>

#define PROVISIONAL_AFTER 2000
/* After whom, in the order of trying: a home gateway answers within some milliseconds, and is not
 * to be asked in three ways when it does. */
#define HEAD_STARTS                                                                                \
	{                                                                                          \
		0, 40, 120                                                                         \
	}
/* The same where one is known to have worked: the others are for the case that it does no more. */
#define HINT_HEAD_STARTS                                                                           \
	{                                                                                          \
		0, 250, 400                                                                        \
	}
/* Who is switched on later says so, or is found then. */
#define ABSENT_WAIT       15000
#define ABSENT_WAIT_LIMIT 600000
/* After which one that refused is asked again although others were not heard at all yet: an answer
 * ends their first try, and a search takes less. */
#define REFUSED_PATIENCE 3000
#define DELAY_LIMIT      1800000 /* RFC 6887 §7.4: errors that last are of 30 minutes */
/* A winner that has not answered for so long is doubted: it may be switched off, and another
 * protocol on. */
#define DOUBT_AFTER      8000
#define DOUBT_HEAD_START 1000 /* of the winner, who is asked whether it is there */

uint64_t gateway_back_off(unsigned int n_failures, uint64_t first, uint64_t limit)
{
	uint64_t wait = first;

	while (n_failures-- > 1 && wait < limit)
		wait *= 2;
	return wait < limit ? wait : limit;
}

static void forget_attempts(struct gateway_state *gateway)
{
	for (int i = 0; i < PROTOCOLS; i++) {
		bool open = gateway->attempts[i].open;

		gateway->attempts[i] =
			(struct protocol_attempt){ .try_at = UINT64_MAX, .open = open };
	}
}

static void schedule_race(struct gateway_state *gateway, const uint64_t *head_starts, uint64_t now)
{
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && gateway->order[i]; i++)
		gateway->attempts[gateway->order[i]].try_at = now + head_starts[i];
}

void gateway_begin(struct gateway_state *gateway, const struct gateway_place *place,
		   const enum mapping_protocol *order, enum mapping_protocol hint, uint64_t now)
{
	static const uint64_t head_starts[] = HEAD_STARTS, hint_head_starts[] = HINT_HEAD_STARTS;
	size_t n = 0;

	gateway_end(gateway);
	gateway->begun = true;
	gateway->place = *place;
	gateway->race_at = now;
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && order[i]; i++)
		if (order[i] == hint)
			gateway->order[n++] = hint;
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && order[i]; i++)
		if (order[i] != hint)
			gateway->order[n++] = order[i];
	schedule_race(gateway, hint && gateway->order[0] == hint ? hint_head_starts : head_starts,
		      now);
}

void gateway_end(struct gateway_state *gateway)
{
	uint32_t incarnation = gateway->incarnation + 1;

	*gateway = (struct gateway_state){ .incarnation = incarnation,
					   .doubt_at = UINT64_MAX,
					   .address_at = UINT64_MAX };
	forget_attempts(gateway);
}

static bool all_have_failed(const struct gateway_state *gateway)
{
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && gateway->order[i]; i++)
		if (gateway->attempts[gateway->order[i]].standing == ATTEMPT_UNTRIED)
			return false;
	return true;
}

static bool one_refused(const struct gateway_state *gateway)
{
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && gateway->order[i]; i++)
		if (gateway->attempts[gateway->order[i]].standing == ATTEMPT_REFUSED)
			return true;
	return false;
}

enum gateway_phase gateway_phase(const struct gateway_state *gateway)
{
	if (!gateway->begun)
		return GATEWAY_NOBODY;
	if (gateway->winner)
		return GATEWAY_SPEAKING;
	/* After a while a refusal stands for all who have not answered yet. */
	if (one_refused(gateway) && (all_have_failed(gateway) || gateway->provisional))
		return GATEWAY_REFUSED;
	if (gateway->spoke)
		return GATEWAY_LOST;
	return all_have_failed(gateway) ? GATEWAY_MUTE : GATEWAY_RACING;
}

void gateway_reprove(struct gateway_state *gateway, uint64_t now)
{
	static const uint64_t head_starts[] = HEAD_STARTS;

	if (!gateway->begun)
		return;
	if (gateway->winner) {
		gateway->address_at = now;
		gateway->address_id = 0;
		gateway->n_address_failures = 0;
		gateway->doubt_at = UINT64_MAX;
		return;
	}
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && gateway->order[i]; i++) {
		gateway->attempts[gateway->order[i]].n_failures = 0;
		gateway->attempts[gateway->order[i]].id = 0;
	}
	schedule_race(gateway, head_starts, now);
}

/* The first time. */
static bool one_is_being_tried(const struct gateway_state *gateway)
{
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && gateway->order[i]; i++) {
		const struct protocol_attempt *attempt = &gateway->attempts[gateway->order[i]];

		if (attempt->id && attempt->standing == ATTEMPT_UNTRIED)
			return true;
	}
	return false;
}

static bool is_doubted(const struct gateway_state *gateway, uint64_t now)
{
	return gateway->winner && now >= gateway->doubt_at;
}

/* When this one is to be tried: in a race when its turn comes, else only in doubt. */
static uint64_t attempt_due(const struct gateway_state *gateway, enum mapping_protocol protocol)
{
	const struct protocol_attempt *attempt = &gateway->attempts[protocol];
	uint64_t due = gateway->doubt_at;

	if (attempt->id)
		return UINT64_MAX;
	if (!gateway->winner) {
		uint64_t patience = gateway->race_at + REFUSED_PATIENCE;

		if (attempt->standing == ATTEMPT_REFUSED && attempt->try_at < patience &&
		    one_is_being_tried(gateway))
			return patience;
		return attempt->try_at;
	}
	if (due == UINT64_MAX || gateway->winner == protocol)
		return gateway->doubt_probed ? UINT64_MAX : due;
	due += DOUBT_HEAD_START;
	return attempt->try_at > due ? attempt->try_at : due;
}

enum mapping_protocol gateway_next_attempt(struct gateway_state *gateway, uint64_t now,
					   bool *ret_may_map)
{
	if (!gateway->begun || (gateway->winner && !is_doubted(gateway, now)))
		return PROTOCOL_NONE;
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && gateway->order[i]; i++) {
		enum mapping_protocol protocol = gateway->order[i];

		if (attempt_due(gateway, protocol) > now)
			continue;
		if (protocol == gateway->winner)
			gateway->doubt_probed = true;
		gateway->attempts[protocol].try_at = UINT64_MAX;
		*ret_may_map = i == 0 && !gateway->spoke;
		return protocol;
	}
	return PROTOCOL_NONE;
}

bool gateway_wants_address(const struct gateway_state *gateway, uint64_t now)
{
	return gateway->winner && !gateway->address_id && gateway->address_at <= now;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t gateway_due(const struct gateway_state *gateway)
{
	uint64_t due = UINT64_MAX;

	if (!gateway->begun)
		return UINT64_MAX;
	if (!gateway->winner && !gateway->provisional)
		due = gateway->race_at + PROVISIONAL_AFTER;
	if (gateway->winner && !gateway->address_id)
		due = earlier(due, gateway->address_at);
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && gateway->order[i]; i++)
		due = earlier(due, attempt_due(gateway, gateway->order[i]));
	return due;
}

bool gateway_pass_time(struct gateway_state *gateway, uint64_t now)
{
	if (!gateway->begun || gateway->winner || gateway->provisional ||
	    now - gateway->race_at < PROVISIONAL_AFTER)
		return false;
	gateway->provisional = true;
	return true;
}

static bool is_absent(const struct protocol_attempt *attempt)
{
	return attempt->n_failures &&
	       (attempt->standing == ATTEMPT_SILENT || attempt->standing == ATTEMPT_UNSUPPORTED);
}

/* What is under way to find out who else is there is given up. Who was not heard before is not
 * missed: it keeps its turn, and one that answers and maps nothing does not have all asked. */
static void forget_tries(struct gateway_state *gateway, uint64_t now)
{
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && gateway->order[i]; i++) {
		struct protocol_attempt *attempt = &gateway->attempts[gateway->order[i]];

		if (attempt->id || attempt->try_at == UINT64_MAX) {
			attempt->try_at = now;
			if (is_absent(attempt) && !gateway->served)
				attempt->try_at += gateway_back_off(attempt->n_failures,
								    ABSENT_WAIT, ABSENT_WAIT_LIMIT);
		}
		attempt->id = 0;
	}
}

void gateway_note_heard(struct gateway_state *gateway, uint64_t now)
{
	if (gateway->doubt_at == UINT64_MAX)
		return;
	gateway->doubt_at = UINT64_MAX;
	forget_tries(gateway, now);
}

bool gateway_note_success(struct gateway_state *gateway, enum mapping_protocol protocol,
			  bool mapped, uint64_t now)
{
	struct protocol_attempt *attempt = &gateway->attempts[protocol];

	attempt->standing = ATTEMPT_SPEAKS;
	attempt->id = 0;
	attempt->trouble = TROUBLE_NONE;
	attempt->result = 0;
	/* One that is there and maps nothing is to be asked ever more seldom. */
	if (mapped) {
		attempt->n_failures = 0;
		gateway->served = true;
	}
	if (gateway->winner == protocol) {
		gateway_note_heard(gateway, now);
		return false;
	}
	gateway->winner = protocol;
	gateway->spoke = true;
	gateway->provisional = false;
	gateway->address_id = 0;
	gateway->n_address_failures = 0;
	gateway->doubt_at = UINT64_MAX;
	forget_tries(gateway, now);
	return true;
}

/* Who comes after one that said no need not wait for its turn. */
static void let_next_go(struct gateway_state *gateway, uint64_t now)
{
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && gateway->order[i]; i++) {
		struct protocol_attempt *attempt = &gateway->attempts[gateway->order[i]];

		if (attempt->standing == ATTEMPT_UNTRIED && !attempt->id && attempt->try_at > now) {
			attempt->try_at = now;
			return;
		}
	}
}

static void lose_winner(struct gateway_state *gateway, enum attempt_standing standing, uint64_t now)
{
	gateway->winner = PROTOCOL_NONE;
	gateway->served |= standing != ATTEMPT_REFUSED;
	gateway->race_at = now;
	gateway->provisional = false;
	gateway->address_id = 0;
	gateway->address_at = UINT64_MAX;
	gateway->doubt_at = UINT64_MAX;
	/* One that is gone means that the gateway has changed: what was said of the others is from
	 * before that. One that refuses does not. */
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && gateway->order[i]; i++) {
		struct protocol_attempt *attempt = &gateway->attempts[gateway->order[i]];

		if (attempt->id)
			continue;
		if (attempt->standing == ATTEMPT_UNTRIED)
			attempt->try_at = now;
		else if (standing != ATTEMPT_REFUSED) {
			attempt->standing = ATTEMPT_UNTRIED;
			attempt->try_at = now;
		}
	}
}

void gateway_note_failure(struct gateway_state *gateway, enum mapping_protocol protocol,
			  enum attempt_standing standing, enum trouble trouble, unsigned int result,
			  uint64_t delay, uint64_t now)
{
	struct protocol_attempt *attempt = &gateway->attempts[protocol];
	uint64_t wait;

	attempt->id = 0;
	attempt->n_failures++;
	attempt->trouble = trouble;
	attempt->result = result;
	if (gateway->winner == protocol)
		lose_winner(gateway, standing, now);
	/* Where something was mapped, it is missed. */
	if (standing == ATTEMPT_REFUSED || gateway->served)
		wait = gateway_back_off(attempt->n_failures, GATEWAY_FAILURE_WAIT,
					ABSENT_WAIT_LIMIT);
	else
		wait = gateway_back_off(attempt->n_failures, ABSENT_WAIT, ABSENT_WAIT_LIMIT);
	if (delay > DELAY_LIMIT)
		delay = DELAY_LIMIT;
	attempt->try_at = now + (wait > delay ? wait : delay);
	attempt->standing = standing;
	if (!gateway->winner)
		let_next_go(gateway, now);
}

bool gateway_was_silent(const struct gateway_state *gateway, enum mapping_protocol protocol)
{
	const struct protocol_attempt *attempt = &gateway->attempts[protocol];

	return attempt->n_failures && attempt->standing == ATTEMPT_SILENT;
}

void gateway_note_present(struct gateway_state *gateway, enum mapping_protocol protocol,
			  uint64_t now)
{
	struct protocol_attempt *attempt = &gateway->attempts[protocol];

	if (!gateway->winner && !attempt->id && attempt->try_at > now)
		attempt->try_at = now;
}

void gateway_note_asked(struct gateway_state *gateway, uint64_t now)
{
	if (!gateway->winner || gateway->doubt_at != UINT64_MAX)
		return;
	gateway->doubt_at = now + DOUBT_AFTER;
	gateway->doubt_probed = false;
}

/* What a person can do something about comes first. */
static int weight(enum trouble trouble)
{
	switch (trouble) {
	case TROUBLE_NONE:
		return 0;
	case TROUBLE_SILENT:
		return 1;
	case TROUBLE_NOT_SUPPORTED:
		return 2;
	case TROUBLE_MALFORMED:
	case TROUBLE_UNKNOWN_RESULT:
	case TROUBLE_EXPIRED:
		return 3;
	case TROUBLE_UNSUPPORTED_OPERATION:
	case TROUBLE_CONFLICT:
		return 4;
	case TROUBLE_OUT_OF_RESOURCES:
	case TROUBLE_NOT_FORWARDED:
		return 5;
	case TROUBLE_NETWORK_FAILURE:
	case TROUBLE_ADDRESS_MISMATCH:
	case TROUBLE_DOUBLE_NAT:
		return 6;
	case TROUBLE_REFUSED:
		return 7;
	}
	return 0;
}

enum trouble gateway_complaint(const struct gateway_state *gateway,
			       enum mapping_protocol *ret_protocol, unsigned int *ret_result)
{
	enum trouble trouble = TROUBLE_NONE;

	*ret_protocol = PROTOCOL_NONE;
	*ret_result = 0;
	for (size_t i = 0; i < PROTOCOLS_SPOKEN && gateway->order[i]; i++) {
		const struct protocol_attempt *attempt = &gateway->attempts[gateway->order[i]];

		if (weight(attempt->trouble) <= weight(trouble))
			continue;
		trouble = attempt->trouble;
		*ret_protocol = gateway->order[i];
		*ret_result = attempt->result;
	}
	return trouble;
}

bool gateway_needs(const struct gateway_state *gateway, enum mapping_protocol protocol)
{
	/* With nobody to be spoken to, a gateway whose UPnP is switched on says so to everybody. */
	bool listens = !gateway->winner && protocol == PROTOCOL_IGD;

	return gateway->winner == protocol || gateway->attempts[protocol].id || listens;
}
