/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the data path share among themselves. */
#include "services/tunneld/datapath.h"

/* A packet from the device with its header; behind it room for one of its segments. */
#define DATAPATH_TUN_BUFFER (2 * (SEGMENT_VNET_SIZE + TUN_PACKET_SIZE))

/* The time, for now and for packets that follow at once: of many small ones not each is worth a
 * look at the clock. Whoever needs the time while packets are read from the device asks here, so
 * that it does not go back for the next. */
uint64_t datapath_look_at_clock(struct tunneld *tunneld);
void datapath_set_timer(struct tunneld *tunneld, const struct peer *peer);
/* datapath_carry_out() if there is something, else only the timer. */
void datapath_carry_out_or_wait(struct tunneld *tunneld, struct peer *peer, unsigned int todo);
/* Packets of so many octets in all went over the pair, up to this sequence number. */
void datapath_note_use(struct tunneld *tunneld, struct sa_pair *pair, uint64_t sequence,
		       size_t size);
void datapath_send_dummy(struct tunneld *tunneld, struct peer *peer, enum dummy_kind kind,
			 uint32_t number);
void datapath_answer_unreachable(struct tunneld *tunneld, const uint8_t *packet, size_t size,
				 uint8_t code);

/* Seals a payload into the next room of the port, or gives it to the kernel that seals for the
 * peer. Negative: it did not go, which was counted. */
int datapath_send(struct tunneld *tunneld, struct peer *peer, uint8_t next_header,
		  const uint8_t *payload, size_t size, uint8_t tos);
/* Reads what waits at the device. */
void datapath_read_device(struct tunneld *tunneld);
/* The same when the loop found it ready. */
void datapath_on_device_ready(void *userdata, int status, int events);

/*
 * Around what is done in one turn of the loop. To sleep and to be woken takes longer than anything
 * else on the way of a single packet: tens of microseconds where the processor sleeps too. So
 * whoever sent a few packets, to which the answer may be near, looks for it for a moment before it
 * sleeps. It stops where somebody else wants the processor, and after waiting in vain it waits more
 * and more rarely.
 */
void datapath_on_wakeup_begins(void *userdata);
void datapath_on_wakeup_ends(void *userdata);

void datapath_on_train(void *userdata, uint8_t *data, size_t size, size_t each,
		       const struct sockaddr_in *source, uint8_t ecn);
void datapath_on_batch_end(void *userdata);
/* The coalescer's sink. */
void datapath_write(void *userdata, const struct iovec *parts, int n_parts);
