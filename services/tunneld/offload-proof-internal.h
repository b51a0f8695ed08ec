/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of the proof. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROOF_WAIT_MSEC 1000 /* for each packet: it is there at once or never */

/* What came of an exchange: whether the octets that we sent, and those that came, were right. */
struct proof_result {
	bool out, in;
};

/* Octets that a part that is lost, repeated or moved would not look like. */
void proof_fill(uint8_t *data, size_t size, uint8_t seed);
/* Whether there is something to read within PROOF_WAIT_MSEC. */
bool proof_wait(int fd);

/* Datagrams of one size and a shorter last one between two sockets; `segment` sends them as one,
 * `gro` takes them as they were sent. */
bool proof_datagrams(bool segment, bool gro);

struct proof_stage;
/* A TUN interface with an address and a peer; NULL when there can be none. */
struct proof_stage *proof_stage_new(void);
struct proof_stage *proof_stage_free(struct proof_stage *stage);
/* A TCP connection with the peer, whose part we play, or datagrams to and from it. With `offload`,
 * super-packets come out of the interface and go in. */
struct proof_result proof_tcp(struct proof_stage *stage, bool offload);
struct proof_result proof_udp(struct proof_stage *stage, bool offload);
