/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Inner packets, whoever made them, the errors that answer them, and keyd's records. */
#include "services/tunneld/datagram-wire.h"
#include "services/tunneld/echo-wire.h"
#include "services/tunneld/inner-wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t answer[INNER_ERROR_LIMIT];
	struct inner_packet inner;
	struct sockaddr_in remote;
	uint32_t number;
	size_t n;

	dummy_read(data, size, &number);
	echo_read_answer(data, size, &number);
	ike_record_read(data, size, &remote);
	if (inner_parse(data, size, &inner) < 0)
		return 0;
	n = inner_build_unreachable(data, size, INNER_UNREACHABLE_ADDRESS, answer);
	if (n) {
		/* It is a packet itself, back to where the first came from, and nothing answers it.
		 */
		uint8_t further[INNER_ERROR_LIMIT];
		struct inner_packet back;

		if (inner_parse(answer, n, &back) < 0 || back.size != n ||
		    memcmp(&back.destination, &inner.source, sizeof inner.source) ||
		    inner_build_unreachable(answer, n, 0, further))
			abort();
	}
	return 0;
}
