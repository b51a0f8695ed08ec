/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `homewardctl hosts`: the account's other hosts as the zone has them. */
#include "clients/ctl/output.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void show_host(const struct ctl *ctl, json_object *host, uint64_t now)
{
	char name[TEXT_SIZE], id[TEXT_SIZE], endpoint[TEXT_SIZE], since[TEXT_SIZE],
		heard[TEXT_SIZE];
	uint64_t not_heard = values_number(host, "not_heard_since");
	bool live = values_flag(host, "live");

	text_clean(values_text(host, "name"), name);
	text_value(values_member(host, "host_id"), id);
	text_endpoint(values_member(host, "endpoint"), "nowhere", endpoint);
	text_relative(values_number(host, "since"), now, since);
	output_padded(ctl, OUTPUT_BOLD, name, 0);
	putchar('\n');
	output_row(ctl, "host id", "%s", id);
	text_relative(not_heard, now, heard);
	if (not_heard)
		output_row(ctl, "reached at", "%s (the zone's server was last heard %s)", endpoint,
			   heard);
	else
		output_row(ctl, "reached at", "%s%s", endpoint,
			   live ? "" : " (not in the zone now)");
	output_row(ctl, "first seen", "%s", since);
	for (size_t i = 0; i < values_count(host, "device_info"); i++) {
		char info[TEXT_SIZE];

		text_value(values_element(host, "device_info", i), info);
		output_row(ctl, i ? "" : "device", "%s", info);
	}
}

/* Those that were forgotten, whether or not one of the name was signed in anew. */
static void show_forgotten(struct ctl *ctl)
{
	json_object *identity = NULL;
	size_t n;

	if (snapshot_read(ctl, CTL_IDENTITY, &identity) != CTL_DONE)
		return;
	n = values_count(identity, "revoked");
	for (size_t i = 0; i < n; i++) {
		json_object *entry = values_element(identity, "revoked", i);
		char host[TEXT_SIZE], when[TEXT_SIZE];

		text_clean(values_text(entry, "host"), host);
		text_relative(values_number(entry, "until"), time(NULL), when);
		output_row(ctl, i ? "" : "forgotten", "%s, %s", host, when);
	}
	json_object_put(identity);
}

enum ctl_status ctl_hosts_command(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status = ctl_no_arguments(argc, argv);
	json_object *state;
	char reason[TEXT_SIZE];
	size_t n_hosts;

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = snapshot_read(ctl, CTL_WATCHER, &state);
	if (status != CTL_DONE)
		return status;
	status = snapshot_require(state, CTL_WATCHER);
	n_hosts = values_count(state, "hosts");
	if (status != CTL_DONE) {
		json_object_put(state);
		return status;
	}
	if (ctl->json) {
		snapshot_print(json_object_get(values_member(state, "hosts")), false);
		json_object_put(state);
		return CTL_DONE;
	}
	for (size_t i = 0; i < n_hosts; i++)
		show_host(ctl, values_element(state, "hosts", i), time(NULL));
	if (!n_hosts) {
		text_clean(values_text(state, "reason"), reason);
		printf("no other host of the account is known (%s: %s)\n",
		       values_text(state, "state"), reason);
	}
	show_forgotten(ctl);
	json_object_put(state);
	return CTL_DONE;
}
