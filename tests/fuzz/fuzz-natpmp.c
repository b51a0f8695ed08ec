/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a gateway says by NAT-PMP: the input is one answer to each question, and then a course of
 * events, a conversation with answers in between. */
#include "services/mapper/announcement-wire.h"
#include "services/mapper/natpmp-state.h"

#include "common/wire/cursor.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct course {
	struct natpmp_state state;
	uint64_t now;
	uint32_t n_asked, n_answered;
};

static void drain(struct course *course)
{
	struct gateway_request request;
	struct gateway_event event;
	uint64_t due;

	while (natpmp_state_take_request(&course->state, course->now, &request))
		assert(request.internal_port || natpmp_operation_of(&request) == NATPMP_ADDRESS);
	while (natpmp_state_take_event(&course->state, &event)) {
		/* Each answer is to one question, asked before. */
		assert(event.id <= course->n_asked);
		if (event.id)
			course->n_answered++;
		if (event.kind == GATEWAY_EVENT_ANSWER && event.operation == GATEWAY_MAP &&
		    !event.trouble)
			assert(event.external_port && event.lifetime);
		assert(event.delay <= 606000);
	}
	assert(course->n_answered <= course->n_asked);
	due = natpmp_state_due(&course->state);
	assert(due > course->now);
}

static void ask(struct course *course, enum gateway_operation operation, int transport)
{
	struct gateway_request request = { .id = course->n_asked + 1,
					   .operation = operation,
					   .transport = transport,
					   .internal_port = 4500,
					   .external_port = 4500,
					   .lifetime = 3600 };

	if (natpmp_state_request(&course->state, &request) >= 0)
		course->n_asked++;
}

static void respond(struct course *course, const uint8_t *data, size_t size)
{
	struct natpmp_response response;

	if (natpmp_parse_response(data, size, &response) >= 0)
		natpmp_state_on_response(&course->state, &response, course->now);
}

static void announce(struct course *course, const uint8_t *data, size_t size)
{
	struct announcement announcement;

	if (announcement_parse(data, size, &announcement) >= 0)
		natpmp_state_on_announcement(&course->state, &announcement, course->now);
}

static void wait_until_due(struct course *course, uint32_t wait)
{
	uint64_t due = natpmp_state_due(&course->state);

	course->now = wait || due == UINT64_MAX ? course->now + wait : due;
}

static void do_one_thing(struct course *course, struct reader *reader)
{
	uint8_t what = reader_u8(reader);
	struct reader message;

	switch (what % 8) {
	case 0:
		wait_until_due(course, reader_u16(reader) * 10);
		break;
	case 1:
		ask(course, GATEWAY_MAP, what & 8 ? IPPROTO_TCP : IPPROTO_UDP);
		break;
	case 2:
		ask(course, what & 8 ? GATEWAY_PROBE : GATEWAY_ADDRESS, 0);
		break;
	case 3:
		ask(course, GATEWAY_DELETE, what & 8 ? IPPROTO_TCP : IPPROTO_UDP);
		break;
	case 4:
		natpmp_state_on_unreachable(&course->state);
		break;
	case 5:
		message = reader_sub(reader, what >> 3);
		if (!message.failed)
			announce(course, message.data, message.size);
		break;
	default:
		message = reader_sub(reader, what >> 3);
		if (!message.failed)
			respond(course, message.data, message.size);
		break;
	}
	drain(course);
}

static struct course *begin(void)
{
	struct course *course = calloc(1, sizeof *course);

	if (!course)
		abort();
	course->now = 1000;
	natpmp_state_init(&course->state, 1);
	return course;
}

static void answer_each_question(const uint8_t *data, size_t size)
{
	static const struct {
		enum gateway_operation operation;
		int transport;
	} questions[] = {
		{ GATEWAY_PROBE, 0 },
		{ GATEWAY_MAP, IPPROTO_UDP },
		{ GATEWAY_MAP, IPPROTO_TCP },
		{ GATEWAY_DELETE, IPPROTO_UDP },
	};
	struct course *course = begin();

	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
		ask(course, questions[i].operation, questions[i].transport);
		drain(course);
		respond(course, data, size);
		drain(course);
		announce(course, data, size);
		drain(course);
		/* Until nobody is waited for any more. */
		while (course->state.n_queued) {
			wait_until_due(course, 0);
			drain(course);
		}
	}
	assert(course->n_answered == course->n_asked);
	free(course);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_init(data, size);
	struct course *course = begin();

	answer_each_question(data, size);
	while (reader_left(&reader))
		do_one_thing(course, &reader);
	free(course);
	return 0;
}
