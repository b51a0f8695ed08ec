/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/captive-wire.h"

#include "common/wire/http-text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SCHEME       "http://"
#define ONLINE_FIELD "X-NetworkManager-Status"
#define ONLINE_BODY  "NetworkManager is online"

static bool is_plain(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return true;
}

static bool read_port(const char *text, size_t size, char port[static 6])
{
	unsigned int number = 0;

	if (size < 1 || size > 5)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (text[i] - '0');
	}
	snprintf(port, 6, "%u", number & 0xffff);
	return number >= 1 && number <= 65535;
}

bool captive_url_read(const char *text, struct captive_url *ret)
{
	size_t authority, host, path;

	if (strncasecmp(text, SCHEME, strlen(SCHEME)) != 0)
		return false;
	text += strlen(SCHEME);
	authority = strcspn(text, "/?#");
	host = strcspn(text, ":/?#");
	path = strcspn(text + authority, "#");
	/* No user, no IPv6 address: it is IPv4 that is asked about. */
	if (!host || host > CAPTIVE_HOST_LIMIT || path + 1 > CAPTIVE_PATH_LIMIT ||
	    !is_plain(text, authority + path) || memchr(text, '@', authority) ||
	    memchr(text, '[', authority))
		return false;
	memcpy(ret->host, text, host);
	ret->host[host] = '\0';
	strcpy(ret->port, "80");
	if (host < authority && !read_port(text + host + 1, authority - host - 1, ret->port))
		return false;
	snprintf(ret->path, sizeof ret->path, "%s%.*s", text[authority] == '/' ? "" : "/",
		 (int)path, text + authority);
	return true;
}

size_t captive_request_write(const struct captive_url *url, char *text, size_t size)
{
	bool usual = !strcmp(url->port, "80");
	int n = snprintf(text, size,
			 "GET %s HTTP/1.1\r\nHost: %s%s%s\r\nConnection: close\r\n"
			 "Cache-Control: no-cache\r\nUser-Agent: homeward\r\n\r\n",
			 url->path, url->host, usual ? "" : ":", usual ? "" : url->port);

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* The number of "HTTP/1.x NNN", 0 when it is no such line. */
static unsigned int read_status(const char *octets, size_t size)
{
	unsigned int status = 0;

	if (size < 13 || memcmp(octets, "HTTP/1.", 7) != 0 || octets[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++) {
		if (octets[i] < '0' || octets[i] > '9')
			return 0;
		status = status * 10 + (octets[i] - '0');
	}
	return octets[12] == ' ' || octets[12] == '\r' || octets[12] == '\n' ? status : 0;
}

static bool says_online(const struct http_text *text)
{
	struct http_piece value;

	return http_text_field(text, ONLINE_FIELD, &value) && http_piece_is_word(value, "online");
}

/* 200: somebody's page. Which one it is, its header and the beginning of its body say. */
static enum captive_answer judge_page(const char *octets, size_t size, bool complete,
				      bool *ret_more)
{
	struct http_text text;
	int r = http_text_read(octets, size, &text);
	const char *body;
	size_t left;

	if (r <= 0) {
		*ret_more = r == 0 && !complete && size < CAPTIVE_ANSWER_LIMIT;
		return *ret_more ? CAPTIVE_UNKNOWN : CAPTIVE_PORTAL;
	}
	if (says_online(&text))
		return CAPTIVE_OPEN;
	body = octets + text.size;
	left = size - text.size;
	if (left >= strlen(ONLINE_BODY))
		return memcmp(body, ONLINE_BODY, strlen(ONLINE_BODY)) ? CAPTIVE_PORTAL
								      : CAPTIVE_OPEN;
	*ret_more = !complete && !memcmp(body, ONLINE_BODY, left) && size < CAPTIVE_ANSWER_LIMIT;
	return *ret_more ? CAPTIVE_UNKNOWN : CAPTIVE_PORTAL;
}

enum captive_answer captive_answer_read(const char *octets, size_t size, bool complete,
					bool *ret_more)
{
	unsigned int status = read_status(octets, size);

	*ret_more = false;
	if (!status) {
		*ret_more = size < 13 && !complete;
		return CAPTIVE_UNKNOWN;
	}
	if (status == 204)
		return CAPTIVE_OPEN;
	if (status == 511 || (status >= 300 && status < 400 && status != 304))
		return CAPTIVE_PORTAL;
	return status == 200 ? judge_page(octets, size, complete, ret_more) : CAPTIVE_UNKNOWN;
}
