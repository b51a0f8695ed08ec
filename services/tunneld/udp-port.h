/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The one UDP/IPv4 socket, for ESP and IKE. Datagrams are received and sent in batches, one system
 * call for many: the sender fills rooms one after the other and flushes. When the kernel takes no
 * more, the port is blocked: what is queued waits, and on_unblocked tells when there is room again.
 *
 * A room holds one datagram. Sending runs of equal size in one (UDP_SEGMENT) changes flush alone.
 */
#include "common/loop/loop.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define UDP_PORT_BATCH     64
#define UDP_PORT_ROOM_SIZE 2048

struct udp_port;

struct udp_port_callbacks {
	/* A datagram; `data` may be changed, and is the port's again afterwards. `ecn` are the two
	 * bits of the IP header. */
	void (*on_datagram)(void *userdata, uint8_t *data, size_t size,
			    const struct sockaddr_in *source, uint8_t ecn);
	/* After each batch of datagrams. */
	void (*on_batch_end)(void *userdata);
	/* A datagram that the kernel would not send; `tag` is what udp_port_commit() got. */
	void (*on_failed)(void *userdata, int error, uint32_t tag);
	void (*on_unblocked)(void *userdata);
};

/* Binds 0.0.0.0:`port`. Keeps a pointer to `callbacks`. 0 or a negative errno. */
int udp_port_new(struct loop *loop, uint16_t port, const struct udp_port_callbacks *callbacks,
		 void *userdata, struct udp_port **ret);
struct udp_port *udp_port_free(struct udp_port *udp);

/* A room of UDP_PORT_ROOM_SIZE octets for the next datagram, flushing if there is none left; NULL
 * while blocked. */
uint8_t *udp_port_room(struct udp_port *udp);
/* The room now holds a datagram of `size` octets. */
void udp_port_commit(struct udp_port *udp, size_t size, const struct sockaddr_in *destination,
		     uint8_t ecn, uint32_t tag);
/* Sends what was committed. Returns how many failed. */
unsigned int udp_port_flush(struct udp_port *udp);
bool udp_port_blocked(const struct udp_port *udp);
/* One datagram of two parts, now, outside of the batch. 0 or a negative errno. */
int udp_port_send(struct udp_port *udp, const struct sockaddr_in *destination, const void *head,
		  size_t head_size, const void *body, size_t body_size);

DEFINE_CLEANUP(struct udp_port *, udp_port_free)
