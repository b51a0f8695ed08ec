/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * DNS over TCP: messages with two octets of length in front, many on a connection, answered in any
 * order (RFC 7766). A connection on which nothing happens is closed; when there are too many, the
 * one that has been silent longest makes room.
 */
#include "services/zoned/server-udp.h"

#define SERVER_TCP_CONNECTIONS 128
#define SERVER_TCP_IDLE_MSEC   15000

struct server_tcp;

/* As server_udp_new(). */
int server_tcp_new(struct loop *loop, const struct server_callbacks *callbacks, void *userdata,
		   struct server_tcp **ret);
struct server_tcp *server_tcp_free(struct server_tcp *server);
int server_tcp_listen(struct server_tcp *server, const struct endpoint *endpoint);
/* Nothing happens when the connection is gone. */
void server_tcp_send(struct server_tcp *server, const struct peer *peer, const uint8_t *data,
		     size_t size);

DEFINE_CLEANUP(struct server_tcp *, server_tcp_free)
