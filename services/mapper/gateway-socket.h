/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A datagram socket to port 5351 of one gateway: bound to our address on its network, from a port
 * the kernel chooses at random, and connected, so that the kernel drops what comes from elsewhere
 * and tells what ICMP says.
 */
#include "services/mapper/announcement-wire.h"
#include "services/mapper/speaker.h"

struct gateway_socket;

struct gateway_socket_callbacks {
	/* `octets` is NULL for one that is longer than any message may be. Must not free the
	 * socket. */
	void (*on_datagram)(void *userdata, const uint8_t *octets, size_t size);
	/* Port unreachable. Must not free the socket. */
	void (*on_unreachable)(void *userdata);
	/* After all that had come; may free the socket. */
	void (*on_done)(void *userdata);
};

/* `counters` gets those from elsewhere. Keeps pointers to `callbacks` and `counters`. 0 or a
 * negative errno. */
int gateway_socket_new(struct loop *loop, const struct speaker_gateway *gateway,
		       const struct gateway_socket_callbacks *callbacks,
		       struct speaker_counters *counters, void *userdata,
		       struct gateway_socket **ret);
struct gateway_socket *gateway_socket_free(struct gateway_socket *socket);
int gateway_socket_fd(const struct gateway_socket *socket);
/* 0, -ECONNREFUSED when ICMP said so, or another negative errno. */
int gateway_socket_send(struct gateway_socket *socket, const void *octets, size_t size);

DEFINE_CLEANUP(struct gateway_socket *, gateway_socket_free)
