/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/metrics-http.h"

#include <stdio.h>
#include <string.h>

static bool begins(const char **text, const char *end, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(end - *text) < size || memcmp(*text, word, size) != 0)
		return false;
	*text += size;
	return true;
}

/* The first line, without CR and LF. */
static int read_request_line(const char *line, const char *end, bool *ret_is_head)
{
	static const char *const others[] = { "POST ",    "PUT ",   "DELETE ", "OPTIONS ",
					      "CONNECT ", "TRACE ", "PATCH " };
	const char *target, *space;

	*ret_is_head = begins(&line, end, "HEAD ");
	if (!*ret_is_head && !begins(&line, end, "GET ")) {
		for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
			if (begins(&line, end, others[i]))
				return 405;
		return 400;
	}
	target = line;
	space = memchr(line, ' ', end - line);
	if (!space || space == target)
		return 400;
	line = space + 1;
	if (!begins(&line, end, "HTTP/"))
		return 400;
	if (!begins(&line, end, "1.0") && !begins(&line, end, "1.1"))
		return 505;
	if (line != end)
		return 400;
	/* With a query, as some collectors send, it is the same. */
	if (!begins(&target, space, "/metrics") || (target < space && *target != '?'))
		return 404;
	return 200;
}

int metrics_http_read(const char *data, size_t size, bool *ret_is_head)
{
	const char *end = size ? memmem(data, size, "\r\n\r\n", 4) : NULL;

	*ret_is_head = false;
	if (!end)
		return size >= METRICS_HTTP_SIZE_MAX ? 431 : 0;
	return read_request_line(data, memmem(data, size, "\r\n", 2), ret_is_head);
}

static const char *reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 431:
		return "Request Header Fields Too Large";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Bad Request";
	}
}

size_t metrics_http_header(int status, size_t body_size, char *ret, size_t size)
{
	int n = snprintf(ret, size,
			 "HTTP/1.1 %d %s\r\n"
			 "Content-Type: %s\r\n"
			 "Content-Length: %zu\r\n"
			 "%sConnection: close\r\n\r\n",
			 status, reason(status),
			 status == 200
				 ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
				 : "text/plain; charset=utf-8",
			 body_size, status == 405 ? "Allow: GET, HEAD\r\n" : "");

	return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}
