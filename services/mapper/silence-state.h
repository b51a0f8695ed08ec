/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long the NAT, or a firewall that only lets answers in, remembers a flow of UDP in which
 * nobody speaks (RFC 5780 §4.6), so that those who must keep one alive know how seldom they may.
 * The flow that is tried is one of its own: no tunnel is ever at stake.
 *
 * A trial: a socket of its own asks the server and, when the flow is old enough to be taken for a
 * conversation, once more (Linux remembers those longer, from the third second on, as do others).
 * After the silence another socket asks the server to answer to where the first one was seen
 * (RESPONSE-PORT), from where the first one knows it. What arrives was let in by what is
 * remembered. When nothing does and the server is there, it was forgotten.
 *
 * The silences are searched by halves, from the middle. One that held is known from then on; a
 * network where one held before needs one trial that says it still does. A trial that went wrong
 * otherwise, because the machine slept or the server went away, says nothing. Pure; times are ms,
 * silences s.
 */
#include "services/mapper/stun-state.h"

#define SILENCES_LIMIT 12
/* A conversation by then. */
#define SILENCE_SETTLE 3000
#define SILENCE_PAUSE  30000
#define SILENCE_TRIALS 3 /* of one silence that say nothing, before all is given up */

struct silences {
	uint16_t items[SILENCES_LIMIT]; /* rising */
	size_t n;
};
/* Just below what NATs are made to remember. */
#define SILENCES_USUAL ((struct silences){ { 10, 18, 28, 55, 115, 170, 285, 570 }, 8 })

/* Numbers from 1 to 3600 that rise, separated by blanks; CONFIG_CUSTOM. 0 or -EINVAL. */
int silences_parse(const char *value, void *silences);

enum silence_socket {
	SILENCE_SOCKET_FLOW,
	SILENCE_SOCKET_OTHER,
};

enum silence_step {
	SILENCE_IDLE,
	SILENCE_OPEN,    /* first question */
	SILENCE_SETTLES, /* waits */
	SILENCE_REFRESH, /* second question */
	SILENCE_QUIET,   /* waits */
	SILENCE_ASK,     /* has the server answer into the flow */
	SILENCE_CONTROL, /* is the server there? */
	SILENCE_PAUSES,  /* before the same again */
};

/* All zero: nothing is tried. */
struct silence_state {
	struct silences silences;
	size_t low, high, now; /* below low they held, from high on they did not */
	unsigned int n_vain;   /* of this silence */
	struct sockaddr_in server, seen;
	enum silence_step step;
	bool has_txid;
	uint8_t txid[STUN_TXID_SIZE];
	unsigned int n_sent;
	uint64_t due;
	uint16_t held; /* s; 0: not known */
	bool ended;    /* there is no more to be found here */
	uint64_t n_trials;
	struct stun_client_counters counters;
};

struct silence_packet {
	enum silence_socket socket;
	bool fresh; /* from a port that was not used before */
	struct sockaddr_in to;
	uint8_t octets[STUN_PACKET_SIZE];
	size_t size;
};

/* `remembered` of former times here, or 0. */
void silence_begin(struct silence_state *state, const struct silences *silences,
		   const struct sockaddr_in *server, uint16_t remembered, uint64_t now);
/* Counts stay. */
void silence_stop(struct silence_state *state);
void silence_receive(struct silence_state *state, enum silence_socket socket,
		     const struct sockaddr_in *from, const void *octets, size_t size, uint64_t now);
/* The next packet to be sent now, if any; `random` is fresh from the kernel's generator. */
bool silence_take_packet(struct silence_state *state, uint64_t now,
			 const uint8_t random[STUN_TXID_SIZE], struct silence_packet *ret);
/* When to call it again; UINT64_MAX: nothing is under way. */
uint64_t silence_due(const struct silence_state *state);
