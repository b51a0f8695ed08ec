/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A datagram of SSDP, and the state that hears it: from the gateway and from somebody else, while
 * it searches and when it is ready. */
#include "services/mapper/igd-state.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct in_addr gateway = { .s_addr = 0 }, host = { .s_addr = 0 };

static void run(struct igd_state *state, uint64_t *now)
{
	struct igd_action action;

	for (int round = 0; round < 30; round++) {
		for (int n = 0; igd_state_take_action(state, *now, &action); n++) {
			assert(n < 100);
			if (action.kind != IGD_ACTION_CALL)
				continue;
			/* Nothing is ever sent elsewhere. */
			assert(action.call.url.address.s_addr == gateway.s_addr);
			assert(action.call.url.port);
			igd_state_on_answer(state,
					    &(struct igd_answer){ .id = action.call.id,
								  .outcome = IGD_UNREACHABLE },
					    *now);
		}
		if (igd_state_due(state) == UINT64_MAX)
			return;
		if (igd_state_due(state) > *now)
			*now = igd_state_due(state);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gateway_request request = { .id = 1, .operation = GATEWAY_PROBE };
	static struct igd_state state;
	struct ssdp_message message;
	uint64_t now = 1000000;

	gateway.s_addr = htonl(0xc0a80101);
	host.s_addr = htonl(0xc0a8010a);
	if (ssdp_parse(data, size, &message) < 0)
		return 0;
	assert(message.location.port || !message.location.path[0]);
	igd_state_init(&state, gateway, host, NULL, 1);
	igd_state_on_message(&state, gateway, &message, now);
	igd_state_request(&state, &request, now);
	igd_state_on_message(&state, host, &message, now);
	igd_state_on_message(&state, gateway, &message, now);
	run(&state, &now);
	assert(!state.n_tasks);
	return 0;
}
