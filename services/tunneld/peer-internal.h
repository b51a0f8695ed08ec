/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of peer-state.h have of each other: peer-*.c. */
#include "services/tunneld/peer-state.h"

/* A packet that is no answer to a probe proves a changed path only after this long: until then it
 * may have been under way on the former one. */
#define STRAY_MSEC 1000
/* The probes of a burst: one of them may be lost. */
#define BURST_PROBES 3
/* Packets on associations that we do not have make us ask for new ones so often at most. */
#define ACQUIRE_SPI_MSEC 2000

/* peer_timer() is to be called by then. */
void peer_wake_at(struct peer *peer, uint64_t due);

/* peer-place.c: where it is. */

/* The path is another one than before, and nothing has shown yet that it works. */
unsigned int peer_change_path(struct peer *peer, uint64_t now);
/* `heard`: when something authenticated came from there; 0: never. */
void peer_set_endpoint(struct peer *peer, const struct sockaddr_in *endpoint,
		       enum endpoint_source source, uint64_t heard);
/* Another place where it may be is to be probed, if there is one. */
unsigned int peer_try_elsewhere(struct peer *peer, uint64_t now);
/* Its probe came, or an answer to one of ours: whether it hears us. */
unsigned int peer_hear_probe(struct peer *peer, uint64_t now);
/* Whether the packet moved the endpoint. */
bool peer_follow_endpoint(struct peer *peer, uint64_t now, const struct peer_arrival *arrival);

/* peer-pairs.c: its associations. */

/* From now on we send on `pair`; the others receive for a while. */
void peer_switch_to(struct peer *peer, uint64_t now, struct sa_pair *pair);
/* The newest on which we may send. */
struct sa_pair *peer_newest_pair(const struct peer *peer);
/* The first packet on a pair shows that the other side has it. */
unsigned int peer_prove_pair(struct peer *peer, uint64_t now, struct sa_pair *pair);

/* peer-acquire.c: when it has none. */

unsigned int peer_start_acquiring(struct peer *peer, uint64_t now);
/* While idle or acquiring. */
unsigned int peer_time_acquiring(struct peer *peer, uint64_t now);

/* peer-doubt.c: whether the path works. */

/* How long we may send without an answer before we doubt. */
uint64_t peer_doubt_after(const struct peer *peer);
void peer_begin_doubt(struct peer *peer, uint64_t now, uint64_t since);
void peer_end_doubt(struct peer *peer);
/* Whether we are in doubt now; notes when it began. */
bool peer_look_for_doubt(struct peer *peer, uint64_t now);
/* Smooths the time from our first unanswered packet to now. */
void peer_note_answer(struct peer *peer, uint64_t now);
/* The probe of this number was answered: how long that took on the present path. */
void peer_time_probe(struct peer *peer, uint64_t now, uint32_t number);
bool peer_is_proof(const struct peer *peer, uint64_t now, const struct peer_arrival *arrival);
/* The path works: what was sent before it did goes out again. */
unsigned int peer_accept_proof(struct peer *peer, uint64_t now, const struct peer_arrival *arrival,
			       bool moved);
/* Whether a probe is due. Where nobody answers and nobody asks, probing ends. */
unsigned int peer_probe_when_due(struct peer *peer, uint64_t now);

/* peer-hold.c: what waits. */

/* What was sent since shortly before the last sign of life may be lost: it is held now. */
void peer_recall(struct peer *peer, uint64_t now);
