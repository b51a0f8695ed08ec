/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The one UDP/IPv4 socket, for ESP and IKE. Datagrams are sent and received in trains: several of
 * one size to or from one place, of which the last may be shorter, next to each other in memory and
 * one message for the kernel (UDP_SEGMENT, UDP_GRO); and several trains in one system call. The
 * sender fills rooms one after the other and flushes; what fits the last train joins it. When the
 * kernel takes no more, the port is blocked: what is queued waits, and on_unblocked tells when
 * there is room again.
 */
#include "common/loop/loop.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* What each kernel takes in one message (UDP_MAX_SEGMENTS, later 128), and IPv4 in one packet. */
#define UDP_PORT_TRAIN_DATAGRAMS 64
#define UDP_PORT_TRAIN_OCTETS    65507
/* Octets that wait to be sent, at most: a few full trains, so that what was just written is still
 * in the processor's cache when the kernel copies it. */
#define UDP_PORT_ARENA_SIZE (3 * UDP_PORT_TRAIN_OCTETS)
#define UDP_PORT_TRAINS     64
/* Memory for all that is sent and received. */
#define UDP_PORT_MEMORY ((1 << 20) + UDP_PORT_ARENA_SIZE)

struct udp_port;

struct udp_port_callbacks {
	/* Datagrams of `each` octets, the last one perhaps less; `data` may be changed, and is the
	 * port's again after on_batch_end. `ecn` are the two bits of the IP headers. */
	void (*on_train)(void *userdata, uint8_t *data, size_t size, size_t each,
			 const struct sockaddr_in *source, uint8_t ecn);
	/* After each batch of trains. */
	void (*on_batch_end)(void *userdata);
	/* Around all that is done when the loop found the socket ready. */
	void (*on_wakeup_begins)(void *userdata);
	void (*on_wakeup_ends)(void *userdata);
	/* A datagram that the kernel would not send; `tag` is what udp_port_commit() got. */
	void (*on_failed)(void *userdata, int error, uint32_t tag);
	void (*on_unblocked)(void *userdata);
};

/* Binds 0.0.0.0:`port`. `tos` is for what names none of its own. Keeps a pointer to `callbacks`,
 * and to `memory` of UDP_PORT_MEMORY octets. 0 or a negative errno. */
int udp_port_new(struct loop *loop, uint16_t port, uint8_t tos,
		 const struct udp_port_callbacks *callbacks, void *userdata, uint8_t *memory,
		 struct udp_port **ret);
struct udp_port *udp_port_free(struct udp_port *udp);
/* Whether trains are sent and received as one message. Either is set to what it is now. */
void udp_port_set_offloads(struct udp_port *udp, bool *segment, bool *gro);
/* Another socket for the same port, whose ESP the kernel's own IPsec gets (UDP_ENCAP, RFC 3948), or
 * not any more. What came to the former one is handed over first. Whoever calls sets the offloads
 * anew: there is no UDP_GRO with it, for the kernel would open a train as if it were one packet; a
 * socket that ever had UDP_GRO takes trains from other namespaces for ever, which is why it has to
 * be another one. 0 or a negative errno. */
int udp_port_set_encap(struct udp_port *udp, bool encap);
/* Whether they are still sent so: not any more after a device that cannot refused it. */
bool udp_port_segments(const struct udp_port *udp);

/* Sends over the interface with this index, whatever the routes say; 0: as they say. */
void udp_port_set_link(struct udp_port *udp, int link);
int udp_port_fd(const struct udp_port *udp);
/* Receives what waits, now. */
void udp_port_receive(struct udp_port *udp);

/* Room for the next datagram, of up to `size` octets, flushing if there is none left; NULL while
 * blocked. */
uint8_t *udp_port_room(struct udp_port *udp, size_t size);
/* The room now holds a datagram of `size` octets, to be sent with this octet in its IP header. What
 * differs there is no train: a message has one. */
void udp_port_commit(struct udp_port *udp, size_t size, const struct sockaddr_in *destination,
		     uint8_t tos, uint32_t tag);
/* Sends what was committed. Returns how many failed. */
unsigned int udp_port_flush(struct udp_port *udp);
bool udp_port_blocked(const struct udp_port *udp);
/* One datagram of two parts, now, outside of the batch. 0 or a negative errno. */
int udp_port_send(struct udp_port *udp, const struct sockaddr_in *destination, const void *head,
		  size_t head_size, const void *body, size_t body_size);
/* One datagram, now, that no router may cut into fragments, whatever the kernel believes to know
 * about the path. -EMSGSIZE: the device takes none so large. */
int udp_port_send_unfragmented(struct udp_port *udp, const struct sockaddr_in *destination,
			       const void *data, size_t size);

DEFINE_CLEANUP(struct udp_port *, udp_port_free)
