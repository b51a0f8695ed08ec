/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Subscriptions to events, which libminiupnpc does not know. */
#include "services/mapper/igd-worker-calls.h"

#include "common/base/cleanup.h"
#include "common/wire/http-text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>

#define HEADER_MAX 4096
/* Seconds asked for. Devices give what they like; half an hour is what most give. */
#define SUBSCRIPTION_SECONDS 1800
/* Seconds of patience with each step. */
#define PATIENCE 5

static int connect_to(const struct igd_url *url)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_addr = url->address,
					     .sin_port = htons(url->port) };
	const struct timeval patience = { .tv_sec = PATIENCE };
	cleanup(close_fdp) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
		return -errno;
	return steal_fd(&fd);
}

static int build_request(const struct igd_call *call, char *text, size_t size)
{
	char address[INET_ADDRSTRLEN], callback[IGD_URL_SIZE];
	int n, m;

	inet_ntop(AF_INET, &call->url.address, address, sizeof address);
	n = snprintf(text, size, "%s %s HTTP/1.1\r\nHOST: %s:%" PRIu16 "\r\nConnection: close\r\n",
		     call->kind == IGD_CALL_UNSUBSCRIBE ? "UNSUBSCRIBE" : "SUBSCRIBE",
		     call->url.path, address, call->url.port);
	if (n < 0 || (size_t)n >= size)
		return -EMSGSIZE;
	igd_url_format(&call->callback, callback);
	if (call->kind == IGD_CALL_SUBSCRIBE)
		m = snprintf(text + n, size - n,
			     "CALLBACK: <%s>\r\nNT: upnp:event\r\nTIMEOUT: Second-%d\r\n\r\n",
			     callback, SUBSCRIPTION_SECONDS);
	else if (call->kind == IGD_CALL_RENEW)
		m = snprintf(text + n, size - n, "SID: %s\r\nTIMEOUT: Second-%d\r\n\r\n",
			     call->subscription, SUBSCRIPTION_SECONDS);
	else
		m = snprintf(text + n, size - n, "SID: %s\r\n\r\n", call->subscription);
	return m < 0 || (size_t)m >= size - n ? -EMSGSIZE : n + m;
}

static void read_answer(const struct http_text *text, struct igd_answer *ret)
{
	static const char seconds[] = "Second-";
	struct http_piece value;
	unsigned long number = 0;
	int status = http_text_status(text);

	if (status != 200) {
		ret->outcome = status ? IGD_FAULT : IGD_NONSENSE;
		ret->code = status;
		return;
	}
	ret->outcome = IGD_DONE;
	if (http_text_field(text, "SID", &value) && value.size <= IGD_SUBSCRIPTION_ID)
		memcpy(ret->subscription, value.text, value.size);
	if (http_text_field(text, "TIMEOUT", &value) && value.size > sizeof seconds - 1 &&
	    strncasecmp(value.text, seconds, sizeof seconds - 1) == 0) {
		value.text += sizeof seconds - 1;
		value.size -= sizeof seconds - 1;
		/* "infinite" is renewed like any other. */
		if (http_piece_number(value, UINT32_MAX, &number))
			ret->lifetime = number;
	}
	if (ret->subscription[0] && !igd_subscription_is_good(ret->subscription))
		ret->outcome = IGD_NONSENSE;
}

void igd_worker_subscribe(const struct igd_call *call, struct igd_answer *ret)
{
	cleanup(close_fdp) int fd = connect_to(&call->url);
	char data[HEADER_MAX];
	struct http_text text;
	size_t size = 0;
	int n = build_request(call, data, sizeof data), r = 0;

	ret->outcome = IGD_UNREACHABLE;
	if (fd < 0 || n < 0 || send(fd, data, n, MSG_NOSIGNAL) != n)
		return;
	while (r == 0 && size < sizeof data) {
		ssize_t got = recv(fd, data + size, sizeof data - size, 0);

		if (got <= 0)
			return;
		size += got;
		r = http_text_read(data, size, &text);
	}
	if (r <= 0)
		ret->outcome = IGD_NONSENSE;
	else
		read_answer(&text, ret);
}
