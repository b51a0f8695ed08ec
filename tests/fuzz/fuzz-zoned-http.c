/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requests for metrics: read as they arrive, the answer is the same as for the whole. */
#include "services/zoned/metrics-http.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	bool is_head, was_head;
	char header[512];
	int status;

	if (size > METRICS_HTTP_SIZE_MAX)
		size = METRICS_HTTP_SIZE_MAX;
	status = metrics_http_read(text, size, &is_head);
	for (size_t i = 0; i < size; i++) {
		int early = metrics_http_read(text, i, &was_head);

		assert(early == 0 || early == status);
		if (early)
			break;
	}
	if (status)
		assert(metrics_http_header(status, size, header, sizeof header) > 0);
	return 0;
}
