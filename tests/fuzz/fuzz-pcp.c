/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a server says by PCP: the input is one answer to each question, and then a course of events,
 * a conversation with answers in between. */
#include "services/mapper/announcement-wire.h"
#include "services/mapper/pcp-state.h"

#include "common/wire/cursor.h"

#include <assert.h>
#include <stdlib.h>

#define NONCE_AT 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct course {
	struct pcp_state state;
	uint64_t now;
	uint32_t n_asked, n_answered;
};

static void look_at_request(const struct pcp_request *request)
{
	uint8_t octets[PCP_MESSAGE_LIMIT];
	int size = pcp_write_request(request, octets, sizeof octets);

	assert(size >= PCP_HEADER_SIZE && size % 4 == 0);
}

static void drain(struct course *course)
{
	struct pcp_request request;
	struct gateway_event event;

	while (pcp_state_take_request(&course->state, course->now, &request))
		look_at_request(&request);
	while (pcp_state_take_event(&course->state, &event)) {
		/* Each answer is to one question, asked before. */
		assert(event.id <= course->n_asked);
		if (event.id)
			course->n_answered++;
		if (event.kind == GATEWAY_EVENT_ANSWER && event.operation == GATEWAY_MAP &&
		    !event.trouble)
			assert(event.external_port && event.lifetime && event.external.s_addr);
		assert(event.delay <= 1800000);
	}
	assert(course->n_answered <= course->n_asked);
	assert(pcp_state_due(&course->state) > course->now);
}

static void ask(struct course *course, enum gateway_operation operation, int transport)
{
	struct gateway_request request = { .id = course->n_asked + 1,
					   .operation = operation,
					   .transport = transport,
					   .internal_port = 4500,
					   .external_port = 4500,
					   .lifetime = 3600,
					   .nonce = "of one sort" };

	if (pcp_state_request(&course->state, &request, course->now) >= 0)
		course->n_asked++;
}

/* `right` nonces are filled in, for nobody guesses them. */
static void respond(struct course *course, const uint8_t *data, size_t size, bool right)
{
	uint8_t *octets = malloc(size ? size : 1);
	struct pcp_response response;

	if (!octets)
		abort();
	if (size)
		memcpy(octets, data, size);
	if (right && size >= NONCE_AT + PCP_NONCE_SIZE)
		memcpy(octets + NONCE_AT, "of one sort", PCP_NONCE_SIZE);
	if (pcp_parse_response(octets, size, &response) >= 0)
		pcp_state_on_response(&course->state, &response, course->now);
	free(octets);
}

static void announce(struct course *course, const uint8_t *data, size_t size)
{
	struct announcement announcement;

	if (announcement_parse(data, size, &announcement) >= 0)
		pcp_state_on_announcement(&course->state, &announcement, course->now);
}

static void wait_until_due(struct course *course, uint32_t wait)
{
	uint64_t due = pcp_state_due(&course->state);

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
		pcp_state_on_unreachable(&course->state);
		break;
	case 5:
		message = reader_sub(reader, (what >> 3) * 4);
		if (!message.failed)
			announce(course, message.data, message.size);
		break;
	default:
		message = reader_sub(reader, (what >> 3) * 4);
		if (!message.failed)
			respond(course, message.data, message.size, what % 8 == 6);
		break;
	}
	drain(course);
}

static struct course *begin(void)
{
	static const uint8_t nonce[PCP_NONCE_SIZE] = "of one sort";
	struct course *course = calloc(1, sizeof *course);

	if (!course)
		abort();
	course->now = 1000;
	pcp_state_init(&course->state, (struct in_addr){ htonl(0xc0a8010a) }, nonce, 1);
	return course;
}

static void answer_each_question(const uint8_t *data, size_t size)
{
	static const struct {
		enum gateway_operation operation;
		int transport;
	} questions[] = {
		{ GATEWAY_PROBE, 0 },
		{ GATEWAY_ADDRESS, 0 },
		{ GATEWAY_MAP, IPPROTO_UDP },
		{ GATEWAY_MAP, IPPROTO_TCP },
		{ GATEWAY_DELETE, IPPROTO_UDP },
	};
	struct course *course = begin();

	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
		ask(course, questions[i].operation, questions[i].transport);
		drain(course);
		respond(course, data, size, true);
		drain(course);
		announce(course, data, size);
		drain(course);
		/* Until nobody is waited for any more. */
		while (course->state.n_exchanges) {
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
