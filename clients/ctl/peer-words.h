/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a person is told about a peer of the tunnel beside its place and state. Pure. */
#include "clients/ctl/values.h"

#define PEER_WORDS_SIZE 512

/* What was dropped since tunneld knows the peer, by reason: "3 replayed, 1 too large". With a
 * reading `before` (may be NULL) also how many more these are: "3 replayed (+1)". Empty when
 * nothing was. */
void peer_words_dropped(json_object *peer, json_object *before, char ret[static PEER_WORDS_SIZE]);
/* "moved 3 times, longest stall 128 ms"; empty when it never did. */
void peer_words_moves(json_object *peer, char ret[static PEER_WORDS_SIZE]);
