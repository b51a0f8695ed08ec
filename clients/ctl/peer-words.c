/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/peer-words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *counter, *words;
} reasons[] = {
	{ "Replayed", "replayed" },
	{ "BadIcv", "forged or damaged" },
	{ "Malformed", "malformed" },
	{ "WrongSelector", "with foreign addresses" },
	{ "CongestionDropped", "marked for congestion" },
	{ "TooBig", "too large" },
	{ "HeldDropped", "held in vain" },
};

void peer_words_dropped(json_object *peer, json_object *before, char ret[static PEER_WORDS_SIZE])
{
	json_object *last = values_member(peer, "counters");
	json_object *first = values_member(before, "counters");
	size_t used = 0;

	*ret = 0;
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons && used < PEER_WORDS_SIZE; i++) {
		uint64_t n = values_number(last, reasons[i].counter);
		uint64_t n_before = first ? values_number(first, reasons[i].counter) : n;

		if (!n)
			continue;
		used += (size_t)snprintf(ret + used, PEER_WORDS_SIZE - used, "%s%" PRIu64 " %s",
					 used ? ", " : "", n, reasons[i].words);
		if (n > n_before && used < PEER_WORDS_SIZE)
			used += (size_t)snprintf(ret + used, PEER_WORDS_SIZE - used,
						 " (+%" PRIu64 ")", n - n_before);
	}
}

void peer_words_moves(json_object *peer, char ret[static PEER_WORDS_SIZE])
{
	json_object *counters = values_member(peer, "counters");
	uint64_t n = values_number(counters, "Handovers");

	*ret = 0;
	if (n)
		snprintf(ret, PEER_WORDS_SIZE,
			 "moved %" PRIu64 " time%s, longest stall %" PRIu64 " ms", n,
			 n == 1 ? "" : "s", values_number(counters, "StallLongestMsec"));
}
