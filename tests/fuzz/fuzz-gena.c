/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What comes to where events are sent to. */
#include "services/mapper/gena-wire.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gena_notification notification;
	char answer[256];
	int status, whole;

	if (size > GENA_SIZE_MAX)
		size = GENA_SIZE_MAX;
	whole = gena_read(data, size, "/0123456789abcdef", &notification);
	assert(!whole || gena_build_answer(whole, answer, sizeof answer) > 0);
	assert(whole != 200 || igd_subscription_is_good(notification.subscription));
	/* What is not whole yet is not good or bad before it is. */
	for (size_t part = size > 64 ? size - 64 : 0; part < size; part++) {
		status = gena_read(data, part, "/0123456789abcdef", &notification);
		assert(!status || status == whole);
	}
	return 0;
}
