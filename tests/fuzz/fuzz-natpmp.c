/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a gateway answers and announces, and the state that acts on it. */
#include "services/mapper/announcement-wire.h"
#include "services/mapper/mapper-state.h"
#include "services/mapper/mapping-state.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One wanted mapping behind a gateway, and the same datagram as the answer to each question. */
static void feed_state(const struct natpmp_response *response,
		       const struct announcement *announcement)
{
	struct mapping_wish wish = { .label = "tunnel",
				     .operation = NATPMP_MAP_UDP,
				     .internal_port = 4500,
				     .lifetime = 3600 };
	struct network_view view = { .link = 2,
				     .interface = "eth0",
				     .address.s_addr = htonl(0xc0a8010a),
				     .gateway.s_addr = htonl(0xc0a80101) };
	struct gateway_request request;
	struct mapper_state state;
	struct mapping *mapping;
	uint64_t now = 1000;

	mapper_state_init(&state, 0, 1);
	if (mapping_add(&state, &wish, now, &mapping) < 0)
		return;
	mapper_state_set_network(&state, &view, now);
	for (int i = 0; i < 20; i++) {
		uint64_t due;

		/* A gateway that answers at once does not keep us busy without end. */
		for (int n = 0; mapper_state_take_request(&state, now, &request); n++) {
			assert(n < 100);
			if (response)
				mapper_state_on_response(&state, state.conversation, response, now);
		}
		if (announcement)
			mapper_state_on_announcement(&state, view.gateway, view.link, announcement,
						     now);
		due = mapper_state_due(&state);
		if (due == UINT64_MAX)
			break;
		if (due > now)
			now = due;
	}
	mapper_state_deinit(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct natpmp_response response;
	struct announcement announcement;

	if (natpmp_parse_response(data, size, &response) >= 0)
		feed_state(&response, NULL);
	if (announcement_parse(data, size, &announcement) >= 0)
		feed_state(NULL, &announcement);
	return 0;
}
