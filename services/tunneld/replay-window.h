/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The anti-replay window of one inbound security association (RFC 4303 §3.4.3, Appendix A2).
 * Checking and marking are separate steps: nothing is marked before the packet is authenticated.
 */
#include <stdbool.h>
#include <stdint.h>

/* Far more than one receive batch may hold in disorder: a burst that GRO made into one is 64. */
#define REPLAY_WINDOW_SIZE 8192
/* The ring is twice the window, so that the newest word never shares a place with the oldest. */
#define REPLAY_WINDOW_WORDS (2 * REPLAY_WINDOW_SIZE / 64)

struct replay_window {
	uint64_t highest; /* authenticated so far; 0: none */
	uint64_t words[REPLAY_WINDOW_WORDS];
};

/* The 64-bit sequence number of a packet that carries only the low half (Appendix A2.2): the one
 * that is in the window or else nearest above it. False when there is none (before the first
 * number). */
bool replay_window_recover(const struct replay_window *window, uint32_t low,
			   uint64_t *ret_sequence);
/* Whether the number is new: above the window, or in it and not marked. Zero never is. */
bool replay_window_is_new(const struct replay_window *window, uint64_t sequence);
/* To be called only for a number that is new. Returns whether it is the highest so far. */
bool replay_window_mark(struct replay_window *window, uint64_t sequence);
