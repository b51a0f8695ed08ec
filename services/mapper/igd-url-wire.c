/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/igd-url-wire.h"

#include "common/wire/http-text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int read_address(struct http_piece piece, struct in_addr *ret)
{
	char text[INET_ADDRSTRLEN];

	if (!piece.size || piece.size >= sizeof text)
		return -EBADMSG;
	memcpy(text, piece.text, piece.size);
	text[piece.size] = '\0';
	return inet_pton(AF_INET, text, ret) == 1 ? 0 : -EBADMSG;
}

static int read_path(struct http_piece piece, char *ret)
{
	if (piece.size > IGD_PATH_LIMIT)
		return -EBADMSG;
	for (size_t i = 0; i < piece.size; i++)
		/* Neither what ends a line of HTTP nor what XML or a shell of some router reads. */
		if (piece.text[i] <= ' ' || piece.text[i] > '~' || strchr("\"<>\\`", piece.text[i]))
			return -EBADMSG;
	if (piece.size)
		memcpy(ret, piece.text, piece.size);
	else
		ret[piece.size++] = '/';
	ret[piece.size] = '\0';
	return 0;
}

int igd_url_parse(const char *text, size_t size, struct igd_url *ret)
{
	static const char scheme[] = "http://";
	struct http_piece host, port = {}, path;
	unsigned long number = 80;
	const char *colon;

	*ret = (struct igd_url){};
	if (size < sizeof scheme - 1 || strncasecmp(text, scheme, sizeof scheme - 1) != 0)
		return -EBADMSG;
	host = (struct http_piece){ text + sizeof scheme - 1, size - (sizeof scheme - 1) };
	path.text = host.size ? memchr(host.text, '/', host.size) : NULL;
	if (!path.text)
		path.text = host.text + host.size;
	path.size = host.text + host.size - path.text;
	host.size -= path.size;
	colon = host.size ? memchr(host.text, ':', host.size) : NULL;
	if (colon) {
		port = (struct http_piece){ colon + 1, host.text + host.size - colon - 1 };
		host.size = colon - host.text;
		if (!http_piece_number(port, 65535, &number) || !number)
			return -EBADMSG;
	}
	if (read_address(host, &ret->address) < 0 || read_path(path, ret->path) < 0)
		return -EBADMSG;
	ret->port = number;
	return 0;
}

void igd_url_format(const struct igd_url *url, char ret[IGD_URL_SIZE])
{
	char address[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &url->address, address, sizeof address);
	snprintf(ret, IGD_URL_SIZE, "http://%s:%" PRIu16 "%s", address, url->port, url->path);
}
