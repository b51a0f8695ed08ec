/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Subtypes of services (RFC 6763 §7.1), "_color._sub._printer._tcp": the one thing of an account
 * that nobody can list. So the server is asked about one when a program here asks for it, and that
 * program waits; from then on it is watched like the rest. Whoever is logged in may ask, so there
 * are few of them, the one not used for longest gives way, and new ones have to be earned. Pure.
 */
#include "services/llq-watcher/stub-zone-state.h"
#include "services/llq-watcher/watch-set.h"

#define STUB_SUBTYPES_MAX      16
#define STUB_SUBTYPES_PER_MSEC 10000 /* a new one every so often, after the first ones */

struct stub_subtype {
	ldns_rdf *name;
	bool answered; /* the server has said what there is, or that there is nothing */
	uint64_t used;
};

struct stub_subtypes {
	struct stub_subtype entries[STUB_SUBTYPES_MAX];
	size_t n;
	uint64_t uses;
	uint64_t full_at; /* milliseconds: when all may be new again */
	uint64_t changes; /* raised with each new one: its question has to be asked */
};

void stub_subtypes_clear(struct stub_subtypes *subtypes);
/* A program asks for PTR records of `name` at `now`, milliseconds. True: the server's answer has to
 * be waited for. False: it is no subtype of a type that the account has, its answer is known, or
 * there were too many. */
bool stub_subtypes_ask(struct stub_subtypes *subtypes, const struct stub_zone *zone,
		       const ldns_rdf *name, uint64_t now);
/* Names the questions to ask: between watch_set_want_begin() and watch_set_want_end(). */
void stub_subtypes_want(const struct stub_subtypes *subtypes, struct watch_set *set);
/* Sees which of them the set has the answers to. */
void stub_subtypes_update(struct stub_subtypes *subtypes, const struct watch_set *set);
