/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/replay-window.h"

bool replay_window_recover(const struct replay_window *window, uint32_t low, uint64_t *ret_sequence)
{
	uint32_t top_low = window->highest;
	uint32_t top_high = window->highest >> 32;
	uint32_t bottom = top_low - REPLAY_WINDOW_SIZE + 1;
	uint32_t high = top_high;

	if (top_low >= REPLAY_WINDOW_SIZE - 1) {
		/* The window lies within one span of low halves: smaller ones belong to the next.
		 */
		if (low < bottom) {
			if (top_high == UINT32_MAX)
				return false;
			high = top_high + 1;
		}
	} else if (low >= bottom) {
		/* The window begins in the span before this one. */
		if (!top_high)
			return false;
		high = top_high - 1;
	}
	*ret_sequence = (uint64_t)high << 32 | low;
	return true;
}

bool replay_window_is_new(const struct replay_window *window, uint64_t sequence)
{
	if (!sequence)
		return false;
	if (sequence > window->highest)
		return true;
	if (window->highest - sequence >= REPLAY_WINDOW_SIZE)
		return false;
	return !(window->words[sequence / 64 % REPLAY_WINDOW_WORDS] >> sequence % 64 & 1);
}

bool replay_window_mark(struct replay_window *window, uint64_t sequence)
{
	bool newest = sequence > window->highest;

	if (newest) {
		uint64_t word = window->highest / 64;
		uint64_t last = sequence / 64;

		if (last - word > REPLAY_WINDOW_WORDS)
			word = last - REPLAY_WINDOW_WORDS;
		while (word < last)
			window->words[++word % REPLAY_WINDOW_WORDS] = 0;
		window->highest = sequence;
	}
	window->words[sequence / 64 % REPLAY_WINDOW_WORDS] |= UINT64_C(1) << sequence % 64;
	return newest;
}
