/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `homewardctl services`: what the account's hosts share. */
#include "clients/ctl/octets.h"
#include "clients/ctl/output.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void show_service(const struct ctl *ctl, json_object *service, uint64_t now)
{
	char name[TEXT_SIZE], type[TEXT_SIZE], target[TEXT_SIZE], since[TEXT_SIZE];
	uint64_t not_heard = values_number(service, "not_heard_since");
	char heard[TEXT_SIZE];

	text_clean(values_text(service, "name"), name);
	text_clean(values_text(service, "type"), type);
	text_clean(values_text(service, "target"), target);
	text_relative(values_number(service, "since"), now, since);
	output_padded(ctl, OUTPUT_BOLD, name, 0);
	printf("  %s\n", type);
	if (*target)
		output_row(ctl, "at", "%s port %u", target,
			   (unsigned int)values_number(service, "port"));
	else
		output_row(ctl, "at", "not in the zone now");
	if (not_heard) {
		text_relative(not_heard, now, heard);
		output_row(ctl, "as known", "%s, when the zone's server was last heard", heard);
	}
	output_row(ctl, "first seen", "%s", since);
	for (size_t i = 0; i < values_count(service, "text"); i++) {
		char text[TEXT_SIZE];

		text_value(values_element(service, "text", i), text);
		output_row(ctl, i ? "" : "says", "%s", text);
	}
}

static int compare(const void *a, const void *b)
{
	json_object *left = *(json_object *const *)a, *right = *(json_object *const *)b;
	int order = strcmp(values_text(left, "type"), values_text(right, "type"));

	return order ? order : strcmp(values_text(left, "name"), values_text(right, "name"));
}

enum ctl_status ctl_services_command(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status = ctl_no_arguments(argc, argv);
	json_object *state, *list;
	size_t n;

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = snapshot_read(ctl, CTL_WATCHER, &state);
	if (status != CTL_DONE)
		return status;
	status = snapshot_require(state, CTL_WATCHER);
	if (status != CTL_DONE) {
		json_object_put(state);
		return status;
	}
	list = values_member(state, "services");
	n = values_count(state, "services");
	for (size_t i = 0; i < n; i++)
		octets_make_readable(values_element(state, "services", i));
	if (list)
		json_object_array_sort(list, compare);
	if (ctl->json) {
		snapshot_print(json_object_get(list), false);
		json_object_put(state);
		return CTL_DONE;
	}
	for (size_t i = 0; i < n; i++)
		show_service(ctl, values_element(state, "services", i), time(NULL));
	if (n == 0)
		puts("no other host of the account shares a service");
	json_object_put(state);
	return CTL_DONE;
}
