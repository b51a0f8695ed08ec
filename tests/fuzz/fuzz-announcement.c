/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What somebody multicasts, and what it costs: however long it goes on, few packets. The input is
 * the announcement, ten times a second for ten minutes of a gateway that is as it was. */
#include "services/mapper/announcement-wire.h"
#include "services/mapper/natpmp-state.h"
#include "services/mapper/pcp-state.h"

#include <assert.h>
#include <stdlib.h>

#define STEP        100
#define END         600000
#define ASKED_LIMIT 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tell_natpmp(const struct announcement *announcement)
{
	struct natpmp_state *state = malloc(sizeof *state);
	const struct gateway_request ask = { .id = 1, .operation = GATEWAY_ADDRESS };
	struct natpmp_response answer = { .has_operation = true,
					  .has_epoch = true,
					  .external.s_addr = htonl(0x0b000101) };
	struct gateway_request request;
	struct gateway_event event;
	unsigned int n = 0;

	if (!state)
		abort();
	natpmp_state_init(state, 1);
	assert(natpmp_state_request(state, &ask) >= 0);
	for (uint64_t now = 0; now < END; now += STEP) {
		answer.epoch = 1000 + now / 1000;
		while (natpmp_state_take_request(state, now, &request)) {
			n++;
			natpmp_state_on_response(state, &answer, now);
		}
		while (natpmp_state_take_event(state, &event))
			if (event.kind == GATEWAY_EVENT_ADDRESS)
				assert(natpmp_state_request(state, &ask) >= 0);
			else
				assert(event.kind == GATEWAY_EVENT_ANSWER);
		natpmp_state_on_announcement(state, announcement, now);
	}
	assert(n <= ASKED_LIMIT);
	free(state);
}

static void answer_pcp(struct pcp_state *state, const struct pcp_request *request, uint64_t now)
{
	struct pcp_response response = { .version = PCP_VERSION,
					 .opcode = request->opcode,
					 .lifetime = request->lifetime,
					 .epoch = 1000 + now / 1000,
					 .mapping = request->mapping };

	response.mapping.external_port = 4500;
	response.mapping.external = pcp_address_from((struct in_addr){ htonl(0x0b000101) });
	pcp_state_on_response(state, &response, now);
}

static void tell_pcp(const struct announcement *announcement)
{
	static const uint8_t nonce[PCP_NONCE_SIZE] = "of one sort";
	const struct gateway_request map = { .id = 1,
					     .operation = GATEWAY_MAP,
					     .transport = IPPROTO_UDP,
					     .internal_port = 4500,
					     .lifetime = 3600 };
	struct pcp_state *state = malloc(sizeof *state);
	struct pcp_request request;
	struct gateway_event event;
	unsigned int n = 0;

	if (!state)
		abort();
	pcp_state_init(state, (struct in_addr){ htonl(0xc0a8010a) }, nonce, 1);
	assert(pcp_state_request(state, &map, 0) >= 0);
	for (uint64_t now = 0; now < END; now += STEP) {
		while (pcp_state_take_request(state, now, &request)) {
			n++;
			answer_pcp(state, &request, now);
		}
		while (pcp_state_take_event(state, &event))
			assert(event.kind == GATEWAY_EVENT_ANSWER ||
			       event.kind == GATEWAY_EVENT_ADDRESS);
		pcp_state_on_announcement(state, announcement, now);
	}
	assert(n <= ASKED_LIMIT);
	free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct announcement announcement;

	if (announcement_parse(data, size, &announcement) < 0)
		return 0;
	tell_natpmp(&announcement);
	tell_pcp(&announcement);
	return 0;
}
