/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a network answers to the question whether it shows a page of its own, in pieces and whole;
 * and URLs of the configuration. */
#include "services/mapper/captive-wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_url(const char *text)
{
	struct captive_url url;
	char request[2048];
	size_t size;

	if (!captive_url_read(text, &url))
		return;
	size = captive_request_write(&url, request, sizeof request);
	assert(size && size == strlen(request));
	/* One request, whatever the URL. */
	assert(strstr(request, "\r\n\r\n") == request + size - 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *octets = malloc(size + 1);
	enum captive_answer answer;
	bool more;

	memcpy(octets, data, size);
	octets[size] = '\0';
	read_url(octets);
	octets = realloc(octets, size ? size : 1);
	if (size <= CAPTIVE_ANSWER_LIMIT) {
		captive_answer_read(octets, size, true, &more);
		assert(!more);
		answer = captive_answer_read(octets, size, false, &more);
		assert(!more || answer == CAPTIVE_UNKNOWN);
	}
	free(octets);
	return 0;
}
