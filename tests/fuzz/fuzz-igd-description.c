/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a gateway answers to GET of its description, through libminiupnpc's HTTP and XML. */
#include "services/mapper/igd-worker-calls.h"
#include "tests/fuzz/played-http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char location[] = "http://192.168.1.1:5000/rootDesc.xml";
	struct igd_call call = { .id = 1, .kind = IGD_CALL_DESCRIBE };
	struct igd_answer answer, read;

	if (size > 100000 || igd_url_parse(location, strlen(location), &call.url) < 0)
		return 0;
	played_http_set(data, size);
	igd_worker_perform(&call, &answer);
	/* Mapper takes it, or it leads to another host. */
	if (igd_answer_read(&answer, sizeof answer, call.url.address, &read) < 0) {
		bool elsewhere = false;

		for (size_t i = 0; i < IGD_SERVICES_MAX; i++)
			elsewhere = elsewhere || (answer.services[i].type &&
						  (answer.services[i].control.address.s_addr !=
							   call.url.address.s_addr ||
						   answer.services[i].events.address.s_addr !=
							   call.url.address.s_addr));
		assert(elsewhere);
	}
	return 0;
}
