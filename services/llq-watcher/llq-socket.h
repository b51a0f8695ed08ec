/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The UDP socket of the queries. Its local port stays the same over its renewals, so that a port
 * mapping asked for once stays right. */
#include "common/loop/loop.h"

#include <netinet/in.h>

struct llq_socket;

/* A datagram from the server; others are dropped and counted. */
typedef void (*llq_socket_callback)(void *userdata, const uint8_t *data, size_t size);

/* `port` in host order, 0: any. 0 or a negative errno. */
int llq_socket_new(struct loop *loop, uint16_t port, llq_socket_callback callback, void *userdata,
		   struct llq_socket **ret);
struct llq_socket *llq_socket_free(struct llq_socket *socket);
/* Another socket with the same port, for this server: what was on its way to the old one is gone.
 */
int llq_socket_renew(struct llq_socket *socket, const struct sockaddr_in *server);
/* Best effort: a datagram that cannot be sent is as good as lost. */
void llq_socket_send(struct llq_socket *socket, const uint8_t *data, size_t size);
uint16_t llq_socket_port(const struct llq_socket *socket);
uint64_t llq_socket_strangers(const struct llq_socket *socket);

DEFINE_CLEANUP(struct llq_socket *, llq_socket_free)
