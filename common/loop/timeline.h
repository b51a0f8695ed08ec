/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a daemon did and when, for the network generation it did it for: a ring of the last entries,
 * shown as the property Timeline a(tts) (generation, microseconds of CLOCK_REALTIME, words). People
 * read it with `homewardctl trace`, which merges those of all daemons.
 */
#include <stdint.h>
#include <systemd/sd-bus.h>

#define TIMELINE_ENTRIES 64

struct timeline {
	struct timeline_entry {
		uint64_t generation;
		uint64_t at; /* µs, CLOCK_REALTIME */
		char text[120];
	} entries[TIMELINE_ENTRIES];
	unsigned int n_noted; /* since start; the ring holds the last ones */
};

/* Notes what happened now. Too long a text is cut. */
void timeline_note(struct timeline *timeline, uint64_t generation, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A property getter for a vtable whose userdata plus offset is the struct timeline. */
int timeline_property(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *ret_error);
