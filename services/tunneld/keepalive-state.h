/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keeping a NAT's memory of the flow to a peer alive (RFC 3948 §4), or that of a firewall that only
 * lets answers in: when it has to be done, and how seldom it may.
 *
 * None are needed where the peer reaches us at a port that a gateway maps for us, and a packet from
 * outside was seen to arrive so: whether it does, the peer says in its answers to our probes.
 * Otherwise one goes when nothing else was sent for nine tenths of the silence that mapper found
 * the NAT to hold, or for 20 s while that is not known. The first one on a path comes after 20 s in
 * any case: NATs remember a flow for less until it has lasted. A seldom one is sent twice, a second
 * apart, since a lost one would cost us the flow.
 *
 * Times are due on a grid that all peers share, an eighth of the interval, so that many peers wake
 * the machine no more often than one.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* RFC 3948 §4 */
#define KEEPALIVE_MSEC 20000
/* The second of a pair follows so late. */
#define KEEPALIVE_AGAIN_MSEC 1000

/* What is known of our side; the same for all peers. */
struct nat_view {
	bool forgets;              /* who is silent is not reached */
	bool proven;               /* what gateways map is reached from outside */
	struct sockaddr_in mapped; /* where our port is mapped to; 0.0.0.0: nowhere */
	uint64_t silence;          /* ms that it holds; 0: not known */
};

/* To one peer. All zero: a new path. */
struct keepalive {
	struct sockaddr_in seen; /* where the peer reaches us, as it says; 0.0.0.0: not yet */
	bool lasted;             /* one was sent on this path */
	bool distrusted;         /* the NAT forgot before it should have */
	uint64_t again_at;       /* 0: no second one follows */
};

enum keepalive_verdict {
	KEEPALIVE_NONE,
	KEEPALIVE_OCTET,
	KEEPALIVE_PROBE, /* a packet that the peer answers, and says where it reaches us */
};

bool keepalive_is_needed(const struct keepalive *keepalive, const struct nat_view *nat);
/* The time between two, ms. */
uint64_t keepalive_interval(const struct keepalive *keepalive, const struct nat_view *nat);
/* When the next one is due, if nothing else is sent; UINT64_MAX: none. */
uint64_t keepalive_due(const struct keepalive *keepalive, const struct nat_view *nat,
		       uint64_t last_sent);
/* Which one is to be sent now. */
enum keepalive_verdict keepalive_timer(struct keepalive *keepalive, const struct nat_view *nat,
				       uint64_t last_sent, uint64_t now);
/* Anything is sent, `last_sent` being when something was before. True when keepalive_due() is
 * sooner now. */
bool keepalive_note_sent(struct keepalive *keepalive, const struct nat_view *nat,
			 uint64_t last_sent, uint64_t now);
/* The peer says where it reaches us. True when that is news. */
bool keepalive_hear_seen(struct keepalive *keepalive, const struct sockaddr_in *seen);
