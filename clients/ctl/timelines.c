/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/timelines.h"

#include "clients/ctl/daemons.h"

#include <stdio.h>

uint64_t timelines_last_generation(json_object *snapshot)
{
	json_object *mapper = values_member(snapshot, CTL_MAPPER->name);
	uint64_t last = values_number(mapper, "network_generation");

	for (size_t i = 0; !last && i < CTL_DAEMONS; i++) {
		json_object *state = values_member(snapshot, ctl_daemons[i].name);

		for (size_t j = 0; j < values_count(state, "timeline"); j++) {
			json_object *entry = values_element(state, "timeline", j);

			if (values_number(entry, "generation") > last)
				last = values_number(entry, "generation");
		}
	}
	return last;
}

static int compare(const void *left, const void *right)
{
	uint64_t a = values_number(*(json_object *const *)left, "time_us");
	uint64_t b = values_number(*(json_object *const *)right, "time_us");

	return a < b ? -1 : a > b;
}

static void collect(json_object *entries, const struct ctl_daemon *daemon, json_object *state,
		    uint64_t generation)
{
	for (size_t i = 0; i < values_count(state, "timeline"); i++) {
		json_object *entry = values_element(state, "timeline", i), *copy;

		if (generation != TIMELINES_ALL && values_number(entry, "generation") != generation)
			continue;
		copy = json_object_new_object();
		/* Its place is kept for later: members print in the order they were added. */
		json_object_object_add(copy, "ms", NULL);
		json_object_object_add(copy, "time_us",
				       json_object_get(values_member(entry, "time_us")));
		json_object_object_add(copy, "daemon", json_object_new_string(daemon->name));
		json_object_object_add(copy, "generation",
				       json_object_get(values_member(entry, "generation")));
		json_object_object_add(copy, "text", json_object_get(values_member(entry, "text")));
		json_object_array_add(entries, copy);
	}
}

json_object *timelines_merge(json_object *snapshot, uint64_t generation)
{
	json_object *merged = json_object_new_object(), *entries = json_object_new_array();
	uint64_t first = 0;

	for (size_t i = 0; i < CTL_DAEMONS; i++)
		collect(entries, &ctl_daemons[i], values_member(snapshot, ctl_daemons[i].name),
			generation);
	json_object_array_sort(entries, compare);
	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		json_object *entry = json_object_array_get_idx(entries, i);
		uint64_t at = values_number(entry, "time_us");
		char text[32];

		first = i ? first : at;
		snprintf(text, sizeof text, "%.1f", (double)(at - first) / 1000);
		json_object_object_add(entry, "ms",
				       json_object_new_double_s((double)(at - first) / 1000, text));
	}
	json_object_object_add(merged, "generation",
			       generation == TIMELINES_ALL ? NULL
							   : json_object_new_uint64(generation));
	json_object_object_add(merged, "entries", entries);
	return merged;
}
