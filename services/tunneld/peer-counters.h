/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* What happened to the packets of one peer. */
struct peer_counters {
	uint64_t packets_in, octets_in, packets_out, octets_out; /* inner ones */
	uint64_t probes_sent, answers_sent, keepalives_sent;
	uint64_t held, held_dropped, resent;
	uint64_t endpoint_moves, acquires;
	/* Changes of a path that it was heard on afterwards, and how long it was not. */
	uint64_t handovers, stall_msec, stall_longest_msec;
	/* What was dropped. */
	uint64_t replayed, bad_icv, malformed, wrong_selector, congestion_dropped, too_big;
};
