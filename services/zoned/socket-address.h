/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between struct endpoint and what the kernel wants. */
#include "services/zoned/endpoint.h"

#include <sys/socket.h>

/* Returns the size to hand to the kernel. */
socklen_t socket_address_from_endpoint(const struct endpoint *endpoint,
				       struct sockaddr_storage *ret);
/* An endpoint without family for what is neither IPv4 nor IPv6. */
void socket_address_to_endpoint(const struct sockaddr_storage *address, struct endpoint *ret);
bool endpoint_is_wildcard(const struct endpoint *endpoint);
/* "[2001:db8::1]:53"; for people. */
#define ENDPOINT_TEXT_SIZE 64
const char *endpoint_to_text(const struct endpoint *endpoint, char text[static ENDPOINT_TEXT_SIZE]);

/* A bound non-blocking socket (SOCK_DGRAM or SOCK_STREAM), or a negative errno. */
int socket_open_bound(const struct endpoint *endpoint, int type);
