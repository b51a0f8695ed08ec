/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/loop/timeline.h"

#include "common/loop/loop.h"

#include <stdarg.h>
#include <stdio.h>

void timeline_note(struct timeline *timeline, uint64_t generation, const char *format, ...)
{
	struct timeline_entry *entry = &timeline->entries[timeline->n_noted++ % TIMELINE_ENTRIES];
	va_list arguments;

	entry->generation = generation;
	entry->at = realtime_usec();
	va_start(arguments, format);
	vsnprintf(entry->text, sizeof entry->text, format, arguments);
	va_end(arguments);
	/* The bus takes valid UTF-8 only, and a cut could end within a character. */
	for (char *at = entry->text; *at; at++)
		if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
			*at = '?';
}

int timeline_property(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct timeline *timeline = userdata;
	unsigned int first =
		timeline->n_noted > TIMELINE_ENTRIES ? timeline->n_noted - TIMELINE_ENTRIES : 0;
	int r = sd_bus_message_open_container(reply, 'a', "(tts)");

	for (unsigned int i = first; r >= 0 && i < timeline->n_noted; i++) {
		const struct timeline_entry *entry = &timeline->entries[i % TIMELINE_ENTRIES];

		r = sd_bus_message_append(reply, "(tts)", entry->generation, entry->at,
					  entry->text);
	}
	return r < 0 ? r : sd_bus_message_close_container(reply);
}
