/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `homewardctl shares`: what this host shares. */
#include "clients/ctl/shares.h"

#include "clients/ctl/octets.h"
#include "clients/ctl/output.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *shares_number(json_object *service)
{
	const char *slash = strrchr(values_text(service, "path"), '/');

	return slash ? slash + 1 : "";
}

const char *shares_lan_type(json_object *lan)
{
	json_object *type = json_object_is_type(lan, json_type_array)
				    ? json_object_array_get_idx(lan, 0)
				    : values_member(lan, "type");

	return json_object_is_type(type, json_type_string) ? json_object_get_string(type) : "";
}

static int compare(const void *a, const void *b)
{
	unsigned long long x = strtoull(shares_number(*(json_object *const *)a), NULL, 10);
	unsigned long long y = strtoull(shares_number(*(json_object *const *)b), NULL, 10);

	return x < y ? -1 : x > y;
}

void shares_sort(json_object *state)
{
	json_object *services = values_member(state, "services");

	if (json_object_is_type(services, json_type_array))
		json_object_array_sort(services, compare);
}

/* As values.h has it, with readable texts and its number. */
static json_object *readable(json_object *service)
{
	json_object *copy = NULL;

	json_object_deep_copy(service, &copy, NULL);
	json_object_object_add(copy, "number",
			       json_object_new_int64(strtoll(shares_number(service), NULL, 10)));
	octets_make_readable(copy);
	return copy;
}

static void show(const struct ctl *ctl, json_object *service)
{
	char name[TEXT_SIZE], type[TEXT_SIZE], state[TEXT_SIZE], reason[TEXT_SIZE];
	json_object *copy = readable(service);

	text_clean(values_text(service, "name"), name);
	text_clean(values_text(service, "type"), type);
	text_clean(values_text(service, "state"), state);
	text_clean(values_text(service, "reason"), reason);
	output_padded(ctl, OUTPUT_PLAIN, shares_number(service), 4);
	output_padded(ctl, OUTPUT_BOLD, *name ? name : "(this host)", 20);
	printf(" %s port %" PRIu64 ", ", type, values_number(service, "port"));
	output_padded(ctl, output_tone_of(state), state, 0);
	printf(": %s\n", reason);
	for (size_t i = 0; i < values_count(copy, "text"); i++)
		printf("      %s\n", json_object_get_string(values_element(copy, "text", i)));
	for (size_t i = 0; i < values_count(copy, "subtypes"); i++) {
		char subtype[TEXT_SIZE];

		text_value(values_element(copy, "subtypes", i), subtype);
		printf("      subtype %s\n", subtype);
	}
	json_object_put(copy);
}

static void show_lan(json_object *lan)
{
	const char *trouble = values_text(lan, "trouble");

	printf("carrying %s as %s%s%s\n", shares_lan_type(lan),
	       values_flag(lan, "everyone") ? "anybody on the local network announces it"
					    : "this host announces it on the local network",
	       *trouble ? ": " : "", trouble);
}

void shares_print_one(const struct ctl *ctl, json_object *service)
{
	if (ctl->json)
		snapshot_print(readable(service), false);
	else
		show(ctl, service);
}

static void print_json(json_object *state)
{
	json_object *object = json_object_new_object(), *services = json_object_new_array();

	for (size_t i = 0; i < values_count(state, "services"); i++)
		json_object_array_add(services, readable(values_element(state, "services", i)));
	json_object_object_add(object, "services", services);
	json_object_object_add(object, "from_lan",
			       json_object_get(values_member(state, "shared_from_lan")));
	snapshot_print(object, false);
}

enum ctl_status ctl_shares_command(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status = ctl_no_arguments(argc, argv);
	json_object *state;

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = snapshot_read(ctl, CTL_REGISTRAR, &state);
	if (status != CTL_DONE)
		return status;
	status = snapshot_require(state, CTL_REGISTRAR);
	shares_sort(state);
	if (status == CTL_DONE && ctl->json) {
		print_json(state);
	} else if (status == CTL_DONE) {
		for (size_t i = 0; i < values_count(state, "services"); i++)
			show(ctl, values_element(state, "services", i));
		for (size_t i = 0; i < values_count(state, "shared_from_lan"); i++)
			show_lan(values_element(state, "shared_from_lan", i));
		if (!values_count(state, "services") && !values_count(state, "shared_from_lan"))
			puts("nothing is shared; \"homewardctl share ssh\" shares the secure "
			     "shell");
	}
	json_object_put(state);
	return status;
}
