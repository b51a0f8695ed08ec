/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a gateway answers to a call, through libminiupnpc's HTTP and XML, and the state it is told
 * to. The first octet chooses the call. */
#include "services/mapper/igd-state.h"
#include "services/mapper/igd-worker-calls.h"
#include "tests/fuzz/played-http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes what is to be done until there is nothing; the answer to each call is the same. */
static void run(struct igd_state *state, const struct igd_answer *answer, uint64_t now)
{
	struct igd_action action;
	struct igd_answer copy;

	for (int n = 0; igd_state_take_action(state, now, &action); n++) {
		assert(n < 200);
		if (action.kind != IGD_ACTION_CALL)
			continue;
		assert(action.call.url.address.s_addr == state->gateway.s_addr);
		copy = *answer;
		copy.id = action.call.id;
		if (action.call.kind == IGD_CALL_DESCRIBE) {
			copy.outcome = IGD_DONE;
			copy.services[0].type = IGD_IP_CONNECTION_2;
			copy.services[0].control = copy.services[0].events = action.call.url;
		}
		igd_state_on_answer(state, &copy, now);
	}
}

static void feed_state(const struct igd_answer *answer, struct in_addr gateway)
{
	static const char known[] = "http://192.168.1.1:5000/rootDesc.xml";
	struct gateway_request request = { .id = 1,
					   .operation = GATEWAY_MAP,
					   .transport = IPPROTO_UDP,
					   .internal_port = 4500,
					   .lifetime = 3600 };
	const struct in_addr host = { htonl(0xc0a8010a) };
	static struct igd_state state;
	uint64_t now = 1000000;

	igd_state_init(&state, gateway, host, known, 1);
	igd_state_request(&state, &request, now);
	run(&state, answer, now);
	request.id = 2;
	request.operation = GATEWAY_ADDRESS;
	igd_state_request(&state, &request, now);
	request.id = 3;
	request.operation = GATEWAY_DELETE;
	request.external_port = 4600;
	igd_state_request(&state, &request, now);
	for (int i = 0; i < 5; i++) {
		run(&state, answer, now);
		if (igd_state_due(&state) != UINT64_MAX && igd_state_due(&state) > now)
			now = igd_state_due(&state);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char control[] = "http://192.168.1.1:5000/ctl";
	struct igd_call call = { .id = 1,
				 .service = IGD_IP_CONNECTION_2,
				 .transport = IPPROTO_UDP,
				 .external_port = 4500,
				 .internal_port = 4500,
				 .lifetime = 3600,
				 .label = "tunnel" };
	struct igd_answer answer, read;

	if (!size || size > 100000 || igd_url_parse(control, strlen(control), &call.url) < 0)
		return 0;
	call.kind = IGD_CALL_STATUS + data[0] % (IGD_CALL_DELETE - IGD_CALL_STATUS + 1);
	call.client.s_addr = htonl(0xc0a8010a);
	played_http_set(data + 1, size - 1);
	igd_worker_perform(&call, &answer);
	if (igd_answer_read(&answer, sizeof answer, call.url.address, &read) == 0)
		feed_state(&read, call.url.address);
	return 0;
}
