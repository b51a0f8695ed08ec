/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* DNS over UDP on several addresses. Answers and events leave from the address the client wrote to,
 * also when the socket is bound to all of them. */
#include "common/loop/loop.h"
#include "services/zoned/endpoint.h"

struct server_udp;

typedef void (*server_receive_callback)(void *userdata, const struct peer *peer,
					const uint8_t *data, size_t size);
/* Before a burst of datagrams is handed over, and after it. */
typedef void (*server_burst_callback)(void *userdata);

struct server_callbacks {
	server_burst_callback begin;
	server_receive_callback receive;
	server_burst_callback end;
};

/* Keeps a pointer to `callbacks`. 0 or -ENOMEM. */
int server_udp_new(struct loop *loop, const struct server_callbacks *callbacks, void *userdata,
		   struct server_udp **ret);
struct server_udp *server_udp_free(struct server_udp *server);
int server_udp_listen(struct server_udp *server, const struct endpoint *endpoint);
/* Sent at the next server_udp_flush(), until when `data` must stay. A datagram that the kernel does
 * not take then is lost, as it might be on its way. */
void server_udp_send(struct server_udp *server, const struct peer *peer, const uint8_t *data,
		     size_t size);
void server_udp_flush(struct server_udp *server);

DEFINE_CLEANUP(struct server_udp *, server_udp_free)
