/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/metrics-http.h"

#include "common/wire/http-text.h"

#include <stdio.h>
#include <string.h>

static bool is_metrics(struct http_piece target)
{
	static const char path[] = "/metrics";

	/* With a query, as some collectors send, it is the same. */
	return target.size >= sizeof path - 1 && memcmp(target.text, path, sizeof path - 1) == 0 &&
	       (target.size == sizeof path - 1 || target.text[sizeof path - 1] == '?');
}

static int read_request_line(const struct http_text *text, bool *ret_is_head)
{
	static const char *const others[] = { "POST",    "PUT",   "DELETE", "OPTIONS",
					      "CONNECT", "TRACE", "PATCH" };
	struct http_piece method, target, version;

	if (!http_text_request(text, &method, &target, &version))
		return 400;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (http_piece_is(method, others[i]))
			return 405;
	*ret_is_head = http_piece_is(method, "HEAD");
	if (!*ret_is_head && !http_piece_is(method, "GET"))
		return 400;
	if (!http_piece_is(version, "1.0") && !http_piece_is(version, "1.1"))
		return 505;
	return is_metrics(target) ? 200 : 404;
}

int metrics_http_read(const char *data, size_t size, bool *ret_is_head)
{
	struct http_text text;
	int r = http_text_read(data, size, &text);

	*ret_is_head = false;
	if (r < 0)
		return 400;
	if (r == 0)
		return size >= METRICS_HTTP_SIZE_MAX ? 431 : 0;
	return read_request_line(&text, ret_is_head);
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
