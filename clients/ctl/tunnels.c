/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `homewardctl tunnels`: the security associations with the account's other hosts, as keyd has
 * them. */
#include "clients/ctl/arguments.h"
#include "clients/ctl/output.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"
#include "common/base/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ANSWER_USEC (200 * UINT64_C(1000000)) /* somebody may have to type a password */
#define IKE         "org.homeward.Key1.IkeSa"

/* "3 min ago, renewed in 50 min" */
static void describe_age(json_object *sa, uint64_t now, char text[static 2 * TEXT_SIZE])
{
	char since[TEXT_SIZE], next[TEXT_SIZE];

	text_relative(values_number(sa, "established"), now, since);
	if (!values_number(sa, "next_rekey")) {
		snprintf(text, 2 * TEXT_SIZE, "%s", since);
		return;
	}
	text_relative(values_number(sa, "next_rekey"), now, next);
	snprintf(text, 2 * TEXT_SIZE, "%s, new keys %s", since, next);
}

static void show_child(const struct ctl *ctl, json_object *child, uint64_t now)
{
	char algorithm[TEXT_SIZE], state[TEXT_SIZE], age[2 * TEXT_SIZE];

	text_clean(values_text(child, "algorithm"), algorithm);
	text_clean(values_text(child, "state"), state);
	describe_age(child, now, age);
	output_row(ctl, "traffic", "%s, %s, since %s", algorithm, state, age);
	output_row(ctl, "", "SPI %08x in, %08x out", (unsigned int)values_number(child, "spi_in"),
		   (unsigned int)values_number(child, "spi_out"));
}

/* How both sides know each other. */
static const char *describe_proof(json_object *sa)
{
	return strcmp(values_text(sa, "authentication"), "psk") ? "certificates" : "preshared key";
}

static void show_sa(const struct ctl *ctl, json_object *state, json_object *sa, uint64_t now)
{
	char peer[TEXT_SIZE], phase[TEXT_SIZE], text[TEXT_SIZE], age[2 * TEXT_SIZE];
	uint64_t repeated = values_number(sa, "retransmissions");

	text_clean(values_text(sa, "peer"), peer);
	text_clean(values_text(sa, "state"), phase);
	output_padded(ctl, OUTPUT_BOLD, *peer ? peer : "somebody", 0);
	fputs("  ", stdout);
	output_padded(ctl, output_tone_of(phase), phase, 0);
	putchar('\n');
	text_endpoint(values_member(sa, "endpoint"), "not known", text);
	output_row(ctl, "at", "%s", text);
	text_clean(values_text(sa, "proposal"), text);
	if (values_number(sa, "established")) {
		describe_age(sa, now, age);
		output_row(ctl, "keys", "%s, as %s, since %s", text, values_text(sa, "role"), age);
	} else if (*text) {
		output_row(ctl, "keys", "%s, as %s", text, values_text(sa, "role"));
	}
	if (!strcmp(phase, "established"))
		output_row(ctl, "proved by", "%s%s%s", describe_proof(sa),
			   values_flag(sa, "resumed") ? " (resumed)" : "",
			   values_flag(sa, "ppk") ? ", and the account's post-quantum key" : "");
	if (repeated)
		output_row(ctl, "sent again", "%" PRIu64 " message%s", repeated,
			   repeated == 1 ? "" : "s");
	for (size_t i = 0; i < values_count(state, "child_sas"); i++) {
		json_object *child = values_element(state, "child_sas", i);

		if (!strcmp(values_text(child, "ike_sa"), values_text(sa, "path")))
			show_child(ctl, child, now);
	}
	text_clean(values_text(sa, "last_error"), text);
	if (*text)
		output_row(ctl, "last trouble", "%s", text);
}

static int compare(const void *a, const void *b)
{
	json_object *left = *(json_object *const *)a, *right = *(json_object *const *)b;

	return strcmp(values_text(left, "peer"), values_text(right, "peer"));
}

/* "laptop" or its full name. */
static bool is_meant(json_object *sa, const char *host)
{
	char label[TEXT_SIZE];

	text_first_label(values_text(sa, "peer"), label);
	return !strcasecmp(label, host) || !strcasecmp(values_text(sa, "peer"), host);
}

/* Calls the method at each SA with the host. */
static enum ctl_status change(struct ctl *ctl, json_object *state, const char *method,
			      const char *host)
{
	unsigned int n = 0;

	for (size_t i = 0; i < values_count(state, "ike_sas"); i++) {
		cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;
		sd_bus_error error = SD_BUS_ERROR_NULL;
		json_object *sa = values_element(state, "ike_sas", i);
		int r;

		if (!is_meant(sa, host))
			continue;
		n++;
		r = sd_bus_message_new_method_call(ctl->bus, &call, CTL_KEY->bus_name,
						   values_text(sa, "path"), IKE, method);
		if (r >= 0)
			r = sd_bus_message_set_allow_interactive_authorization(call, true);
		if (r >= 0)
			r = sd_bus_call(ctl->bus, call, ANSWER_USEC, &error, NULL);
		if (r < 0) {
			enum ctl_status status = ctl_complain_call(CTL_KEY, &error);

			sd_bus_error_free(&error);
			return status;
		}
	}
	if (!n)
		return ctl_complain(CTL_FAILED, "there is no tunnel to %s", host);
	return CTL_DONE;
}

static enum ctl_status show(struct ctl *ctl, json_object *state)
{
	json_object *list = values_member(state, "ike_sas");
	size_t n = values_count(state, "ike_sas");

	if (list)
		json_object_array_sort(list, compare);
	if (ctl->json) {
		json_object *both = json_object_new_object();

		json_object_object_add(both, "ike_sas", json_object_get(list));
		json_object_object_add(both, "child_sas",
				       json_object_get(values_member(state, "child_sas")));
		snapshot_print(both, false);
		return CTL_DONE;
	}
	for (size_t i = 0; i < n; i++)
		show_sa(ctl, state, values_element(state, "ike_sas", i), time(NULL));
	if (n == 0)
		puts("there is no tunnel now; one is made when there is something to send");
	return CTL_DONE;
}

/* *ret_method is NULL to show them. */
static enum ctl_status parse(int argc, char **argv, const char **ret_method, const char **ret_host)
{
	static const struct option options[] = {
		{ "rekey", required_argument, NULL, 'r' },
		{ "end", required_argument, NULL, 'e' },
		{},
	};
	int option;

	*ret_method = NULL;
	while ((option = arguments_next(argc, argv, options)) != -1) {
		if (option != 'r' && option != 'e')
			return CTL_MISUSE;
		if (*ret_method)
			return ctl_misuse("tunnels: one --rekey or --end at a time");
		*ret_method = option == 'r' ? "Rekey" : "Terminate";
		*ret_host = optarg;
	}
	return ctl_no_arguments(argc - optind + 1, argv + optind - 1);
}

enum ctl_status ctl_tunnels_command(struct ctl *ctl, int argc, char **argv)
{
	const char *method, *host;
	enum ctl_status status = parse(argc, argv, &method, &host);
	json_object *state;

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = snapshot_read(ctl, CTL_KEY, &state);
	if (status != CTL_DONE)
		return status;
	status = snapshot_require(state, CTL_KEY);
	if (status == CTL_DONE)
		status = method ? change(ctl, state, method, host) : show(ctl, state);
	json_object_put(state);
	return status;
}
