/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/socket-address.h"

#include "common/base/cleanup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

socklen_t socket_address_from_endpoint(const struct endpoint *endpoint,
				       struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof *ret);
	if (endpoint->family == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(endpoint->port);
		memcpy(&v4->sin_addr, endpoint->address, 4);
		return sizeof *v4;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(endpoint->port);
	memcpy(&v6->sin6_addr, endpoint->address, 16);
	return sizeof *v6;
}

void socket_address_to_endpoint(const struct sockaddr_storage *address, struct endpoint *ret)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	*ret = (struct endpoint){};
	if (address->ss_family == AF_INET) {
		ret->family = 4;
		ret->port = ntohs(v4->sin_port);
		memcpy(ret->address, &v4->sin_addr, 4);
	} else if (address->ss_family == AF_INET6) {
		ret->family = 6;
		ret->port = ntohs(v6->sin6_port);
		memcpy(ret->address, &v6->sin6_addr, 16);
	}
}

bool endpoint_is_wildcard(const struct endpoint *endpoint)
{
	static const uint8_t none[16];

	return memcmp(endpoint->address, none, sizeof none) == 0;
}

const char *endpoint_to_text(const struct endpoint *endpoint, char text[static ENDPOINT_TEXT_SIZE])
{
	char address[INET6_ADDRSTRLEN] = "?";

	inet_ntop(endpoint->family == 4 ? AF_INET : AF_INET6, endpoint->address, address,
		  sizeof address);
	snprintf(text, ENDPOINT_TEXT_SIZE, endpoint->family == 4 ? "%s:%u" : "[%s]:%u", address,
		 endpoint->port);
	return text;
}

int socket_open_bound(const struct endpoint *endpoint, int type)
{
	struct sockaddr_storage address;
	socklen_t size = socket_address_from_endpoint(endpoint, &address);
	cleanup(close_fdp) int fd =
		socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	static const int on = 1;

	if (fd < 0)
		return -errno;
	/* IPv4 has its own socket; a restart must not wait for old TCP connections to time out. */
	if (endpoint->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
		return -errno;
	if (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, size) < 0)
		return -errno;
	return steal_fd(&fd);
}
