/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/gena-wire.h"

#include "common/wire/http-text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* No XML is parsed for it: what is found is only a reason to ask the gateway. */
static struct in_addr find_address(struct http_piece body)
{
	static const char opening[] = "<ExternalIPAddress>";
	struct in_addr address = {};
	char text[INET_ADDRSTRLEN];
	const char *start, *end;

	start = body.size ? memmem(body.text, body.size, opening, sizeof opening - 1) : NULL;
	if (!start)
		return address;
	start += sizeof opening - 1;
	end = memchr(start, '<', body.text + body.size - start);
	if (!end || (size_t)(end - start) >= sizeof text)
		return address;
	memcpy(text, start, end - start);
	text[end - start] = '\0';
	if (inet_pton(AF_INET, text, &address) != 1)
		address.s_addr = 0;
	return address;
}

static int read_header(const struct http_text *text, const char *path,
		       struct gena_notification *ret)
{
	struct http_piece method, target, version, type, kind, subscription;

	if (!http_text_request(text, &method, &target, &version))
		return 400;
	if (!http_piece_is(method, "NOTIFY"))
		return 405;
	if (!http_piece_is(target, path))
		return 404;
	if (!http_text_field(text, "NT", &type) || !http_text_field(text, "NTS", &kind))
		return 400;
	if (!http_piece_is_word(type, "upnp:event") || !http_piece_is_word(kind, "upnp:propchange"))
		return 412;
	if (!http_text_field(text, "SID", &subscription) || !subscription.size ||
	    subscription.size > IGD_SUBSCRIPTION_ID)
		return 412;
	memcpy(ret->subscription, subscription.text, subscription.size);
	return igd_subscription_is_good(ret->subscription) ? 200 : 412;
}

int gena_read(const void *data, size_t size, const char *path, struct gena_notification *ret)
{
	struct http_piece length, body;
	unsigned long number = 0;
	struct http_text text;
	int r = http_text_read(data, size, &text), status;

	*ret = (struct gena_notification){};
	if (r < 0)
		return 400;
	if (r == 0)
		return size >= GENA_SIZE_MAX ? 413 : 0;
	status = read_header(&text, path, ret);
	if (status != 200)
		return status;
	if (http_text_field(&text, "CONTENT-LENGTH", &length)) {
		if (!http_piece_number(length, INT32_MAX, &number))
			return 400;
		if (number > GENA_SIZE_MAX - text.size || text.size > GENA_SIZE_MAX)
			return 413;
		if (size - text.size < number)
			return 0;
	}
	body = (struct http_piece){ (const char *)data + text.size, number };
	ret->external = find_address(body);
	return 200;
}

size_t gena_build_answer(int status, char *ret, size_t size)
{
	const char *reason = status == 200   ? "OK"
			     : status == 404 ? "Not Found"
			     : status == 405 ? "Method Not Allowed"
			     : status == 412 ? "Precondition Failed"
			     : status == 413 ? "Content Too Large"
					     : "Bad Request";
	int n = snprintf(ret, size,
			 "HTTP/1.1 %d %s\r\nContent-Length: 0\r\n%sConnection: close\r\n\r\n",
			 status, reason, status == 405 ? "Allow: NOTIFY\r\n" : "");

	return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}
