/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The stub: octets of a question in, octets of an answer out. It answers for the domains of a
 * struct stub_zone and refuses the rest; it never asks anybody. Pure.
 */
#include "services/llq-watcher/stub-subtypes-state.h"
#include "services/llq-watcher/stub-zone-state.h"

/* Longest datagram we send; it never leaves the machine. Without EDNS 512. */
#define STUB_UDP_MAX 4096

struct stub_counts {
	uint64_t queries;
	uint64_t malformed; /* dropped, or answered FORMERR */
	uint64_t refused;   /* not ours, or nobody is signed in */
	uint64_t not_ready; /* asked before the first view */
};

struct stub_view {
	const struct stub_zone *zone; /* NULL: nobody is signed in */
	/* The zone has all that the server knows. Before that a name that is not there may be
	 * about to come, and is answered SERVFAIL, which nobody remembers. */
	bool complete;
	/* The server was not heard lately. What it said is told on: a name means a host id, which
	 * no network change touches, and the tunnel may well work while the zone's server is out of
	 * reach. The answer says so by an extended error (RFC 8914). */
	bool stale;
	/* What the server is asked about only now; NULL: nothing. */
	struct stub_subtypes *subtypes;
};

/* No answer yet: ask again once the view changed. */
#define STUB_LATER SIZE_MAX

struct stub_question {
	const uint8_t *data;
	size_t size;
	bool stream; /* it came over TCP: the answer may be as long as there is room */
	bool last;   /* it cannot wait any longer */
};

/* The size of the answer in `reply`, STUB_LATER, or 0: there is none to give. `capacity` is at
 * least 512, `now` in milliseconds. */
size_t stub_answer(const struct stub_view *view, const struct stub_question *question, uint64_t now,
		   uint8_t *reply, size_t capacity, struct stub_counts *counts);
