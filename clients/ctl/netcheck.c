/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `homewardctl netcheck`: lets mapper prove everything anew, waits for it, and tells what it found.
 */
#include "clients/ctl/netcheck-words.h"

#include "bus-interfaces/errors.h"
#include "clients/ctl/arguments.h"
#include "clients/ctl/output.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WAIT_SECONDS   15
#define WAIT_LIMIT     600
#define ANSWER_USEC    (3 * 1000 * 1000)
#define SCREEN_COLUMNS 78

static uint64_t now_usec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* Waiting. */

/* Whatever can be found out without waiting for more answers is known. */
static bool is_settled(json_object *mapper)
{
	const char *state = values_text(mapper, "state");

	if (!strcmp(state, "starting") || !strcmp(state, "probing"))
		return false;
	for (size_t i = 0; i < values_count(mapper, "mappings"); i++)
		if (*values_text(mapper, "primary_interface") &&
		    !strcmp(values_text(values_element(mapper, "mappings", i), "state"), "pending"))
			return false;
	return true;
}

/* What is waited for, besides that it is settled. */
struct goal {
	bool kind;       /* it is known which kind of network it is */
	bool checked;    /* it was proven anew */
	uint64_t former; /* what Checked was before */
};

static bool is_reached(json_object *mapper, const struct goal *goal)
{
	if (!is_settled(mapper))
		return false;
	/* Without a network there is nothing to be found out. */
	if (!*values_text(mapper, "primary_interface"))
		return true;
	return (!goal->kind || strcmp(values_text(mapper, "nat_kind"), "unknown") != 0) &&
	       (!goal->checked || values_number(mapper, "checked") != goal->former);
}

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	bool *stirred = userdata;

	*stirred = true;
	return 0;
}

/* Reads mapper's state again at each of its signals until it is as wanted, or time is over. */
static enum ctl_status wait_for(struct ctl *ctl, const struct goal *goal, uint64_t until,
				bool *stirred, json_object **state)
{
	uint64_t now;
	enum ctl_status status;

	while (!is_reached(*state, goal) && (now = now_usec()) < until) {
		int r = 0;

		while (!*stirred && (r = sd_bus_process(ctl->bus, NULL)) > 0)
			;
		if (r >= 0 && !*stirred)
			r = sd_bus_wait(ctl->bus, until - now);
		if (r < 0 && r != -EINTR)
			return ctl_complain(CTL_UNREACHABLE,
					    "the connection to the system bus ended: %s",
					    strerror(-r));
		if (!*stirred)
			continue;
		*stirred = false;
		json_object_put(*state);
		*state = NULL;
		status = snapshot_read(ctl, CTL_MAPPER, state);
		if (status == CTL_DONE)
			status = snapshot_require(*state, CTL_MAPPER);
		if (status != CTL_DONE)
			return status;
	}
	return CTL_DONE;
}

/* Asks mapper to prove everything anew. *ret_asked is false when somebody asked just now: what that
 * brings is as good. */
static enum ctl_status ask_for_proof(struct ctl *ctl, bool *ret_asked)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	enum ctl_status status = CTL_DONE;
	sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(ctl->bus, &call, CTL_MAPPER->bus_name,
					       CTL_MAPPER->path, CTL_MAPPER->bus_name, "Check");

	if (r >= 0)
		r = sd_bus_call(ctl->bus, call, ANSWER_USEC, &error, NULL);
	*ret_asked = r >= 0;
	if (r < 0 && !sd_bus_error_has_name(&error, HOMEWARD_ERROR_LIMITS_EXCEEDED))
		status = ctl_complain_call(CTL_MAPPER, &error);
	sd_bus_error_free(&error);
	sd_bus_message_unref(call);
	return status;
}

/* First what is under way comes to its end: some things are only asked for by Check(). */
static enum ctl_status wait_and_prove(struct ctl *ctl, uint64_t until, bool *stirred,
				      json_object **state)
{
	struct goal goal = {};
	enum ctl_status status = wait_for(ctl, &goal, until, stirred, state);

	if (status != CTL_DONE || !is_settled(*state))
		return status;
	goal.kind = true;
	goal.former = values_number(*state, "checked");
	status = ask_for_proof(ctl, &goal.checked);
	/* Whatever came of it before this reading is in it. */
	*stirred = true;
	return status == CTL_DONE ? wait_for(ctl, &goal, until, stirred, state) : status;
}

static enum ctl_status prove(struct ctl *ctl, uint64_t seconds, json_object **state)
{
	bool stirred = true;
	sd_bus_slot *changes = NULL, *owner = NULL;
	enum ctl_status status;
	int r = sd_bus_add_match(ctl->bus, &changes, "type='signal',sender='org.homeward.Mapper1'",
				 on_signal, &stirred);

	if (r >= 0)
		r = sd_bus_add_match(ctl->bus, &owner,
				     "type='signal',sender='org.freedesktop.DBus',"
				     "member='NameOwnerChanged',arg0='org.homeward.Mapper1'",
				     on_signal, &stirred);
	if (r < 0) {
		sd_bus_slot_unref(changes);
		return ctl_complain(CTL_UNREACHABLE, "cannot listen on the system bus: %s",
				    strerror(-r));
	}
	if (ctl->interactive)
		fputs("Asking the router, and the internet ...\n", stderr);
	status = wait_and_prove(ctl, now_usec() + seconds * 1000000, &stirred, state);
	sd_bus_slot_unref(changes);
	sd_bus_slot_unref(owner);
	return status;
}

/* Printing. */

/* In lines of a screen's width; the second and further ones are indented as the first one is. */
static void print_paragraph(const char *first, const char *text)
{
	int indent = text_columns(first), column = indent;

	fputs(first, stdout);
	while (*text) {
		size_t length = strcspn(text, " ");
		char word[TEXT_SIZE];

		snprintf(word, sizeof word, "%.*s", (int)length, text);
		if (column > indent && column + 1 + text_columns(word) > SCREEN_COLUMNS) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		fputs(word, stdout);
		column += text_columns(word);
		text += length + strspn(text + length, " ");
	}
	putchar('\n');
}

static void print_verdict(const struct ctl *ctl, const struct netcheck_report *report)
{
	static const struct {
		enum output_tone tone;
		const char *words;
	} verdicts[] = {
		[NETCHECK_YES] = { OUTPUT_GOOD, "yes" },
		[NETCHECK_NO] = { OUTPUT_BAD, "no" },
		[NETCHECK_UNKNOWN] = { OUTPUT_WAITING, "not known yet" },
	};

	output_padded(ctl, OUTPUT_BOLD, "Others can reach this host from the internet: ", 0);
	output_padded(ctl, verdicts[report->reach].tone, verdicts[report->reach].words, 0);
	putchar('\n');
	print_paragraph("  ", report->summary);
	if (report->n_advice)
		output_heading(ctl, "What to do");
	for (size_t i = 0; i < report->n_advice; i++) {
		char number[16];

		snprintf(number, sizeof number, "  %zu. ", i + 1);
		print_paragraph(report->n_advice > 1 ? number : "  ", report->advice[i]);
	}
}

static void clean(json_object *object, const char *key, char ret[static TEXT_SIZE])
{
	text_clean(values_text(object, key), ret);
}

static void print_uplinks(const struct ctl *ctl, json_object *mapper)
{
	for (size_t i = 0; i < values_count(mapper, "uplinks"); i++) {
		json_object *uplink = values_element(mapper, "uplinks", i);
		char interface[TEXT_SIZE], address[TEXT_SIZE], gateway[TEXT_SIZE];

		clean(uplink, "interface", interface);
		clean(uplink, "address", address);
		clean(uplink, "gateway", gateway);
		output_row(ctl, i ? "not used" : "network", "%s on %s%s%s", address, interface,
			   *gateway ? " via " : "", gateway);
	}
}

static void print_router(const struct ctl *ctl, json_object *mapper)
{
	json_object *result = values_member(mapper, "gateway_result");
	const char *protocol = values_text(mapper, "protocol");
	char gateway[TEXT_SIZE], mac[TEXT_SIZE], external[TEXT_SIZE];

	clean(mapper, "gateway", gateway);
	clean(mapper, "gateway_hardware_address", mac);
	clean(mapper, "external_address", external);
	if (!*gateway)
		return;
	if (*protocol && strcmp(protocol, "none") != 0)
		output_row(ctl, "router", "%s%s%s%s, speaks %s%s%s", gateway, *mac ? " (" : "", mac,
			   *mac ? ")" : "", netcheck_protocol_name(protocol),
			   *external ? ", address " : "", external);
	else
		output_row(ctl, "router", "%s%s%s%s, answers to no mapping protocol", gateway,
			   *mac ? " (" : "", mac, *mac ? ")" : "");
	if (*values_text(result, "protocol"))
		output_row(ctl, "refusal", "%s result %" PRIu64 ": %s",
			   netcheck_protocol_name(values_text(result, "protocol")),
			   values_number(result, "code"),
			   netcheck_result_words(values_text(result, "protocol"),
						 values_number(result, "code")));
}

static void print_outside(const struct ctl *ctl, json_object *mapper)
{
	const char *verified = values_text(mapper, "verified");
	char reflexive[TEXT_SIZE], server[TEXT_SIZE], mapping[TEXT_SIZE], filtering[TEXT_SIZE];

	clean(mapper, "reflexive_address", reflexive);
	clean(mapper, "stun_server", server);
	clean(mapper, "nat_mapping", mapping);
	clean(mapper, "nat_filtering", filtering);
	if (*reflexive)
		output_row(ctl, "seen as", "%s by %s", reflexive, server);
	else
		output_row(ctl, "seen as", "not known: no STUN server answered");
	if ((*mapping && strcmp(mapping, "unknown") != 0) ||
	    (*filtering && strcmp(filtering, "unknown") != 0))
		output_row(ctl, "translation", "mapping %s, filtering %s", mapping, filtering);
	if (!strcmp(verified, "yes"))
		output_row(ctl, "test", "a packet from outside arrived");
	else if (!strcmp(verified, "no"))
		output_row(ctl, "test", "a packet from outside did not arrive");
	else
		output_row(ctl, "test", "no server could send a packet from outside");
}

static void print_mappings(const struct ctl *ctl, json_object *mapper)
{
	for (size_t i = 0; i < values_count(mapper, "mappings"); i++) {
		json_object *mapping = values_element(mapper, "mappings", i);
		char label[TEXT_SIZE], internal[TEXT_SIZE], external[TEXT_SIZE], state[TEXT_SIZE];

		clean(mapping, "label", label);
		clean(mapping, "state", state);
		text_endpoint(values_member(mapping, "internal"), "nowhere", internal);
		text_endpoint(values_member(mapping, "external"), "nowhere", external);
		output_row(ctl, i ? "" : "ports", "%s: %s -> %s, %s", label, internal, external,
			   state);
	}
}

static void print_facts(const struct ctl *ctl, json_object *mapper)
{
	uint64_t checked = values_number(mapper, "checked") / 1000000;
	char when[TEXT_SIZE];

	output_heading(ctl, "Facts");
	print_uplinks(ctl, mapper);
	if (*values_text(mapper, "primary_interface")) {
		print_router(ctl, mapper);
		print_outside(ctl, mapper);
	} else {
		output_row(ctl, "network", "none");
	}
	print_mappings(ctl, mapper);
	output_row(ctl, "traffic",
		   "%" PRIu64 " packets to routers since the start, %" PRIu64 " in the last minute",
		   values_number(mapper, "gateway_packets"),
		   values_number(mapper, "gateway_packets_per_minute"));
	if (!checked)
		return;
	text_relative(checked, time(NULL), when);
	output_row(ctl, "asked", "%s", when);
}

static void print_json(json_object *mapper, const struct netcheck_report *report)
{
	json_object *object = json_object_new_object(), *advice = json_object_new_array();

	for (size_t i = 0; i < report->n_advice; i++)
		json_object_array_add(advice, json_object_new_string(report->advice[i]));
	json_object_object_add(object, "reachable",
			       report->reach == NETCHECK_UNKNOWN
				       ? NULL
				       : json_object_new_boolean(report->reach == NETCHECK_YES));
	json_object_object_add(object, "kind", json_object_new_string(report->kind));
	json_object_object_add(object, "summary", json_object_new_string(report->summary));
	json_object_object_add(object, "advice", advice);
	json_object_object_del(mapper, "timeline");
	json_object_object_add(object, "mapper", json_object_get(mapper));
	snapshot_print(object, false);
}

static enum ctl_status status_of(enum netcheck_reach reach)
{
	switch (reach) {
	case NETCHECK_YES:
		return CTL_DONE;
	case NETCHECK_NO:
		return CTL_NOT_REACHABLE;
	case NETCHECK_UNKNOWN:
		return CTL_NOT_KNOWN;
	}
	return CTL_NOT_KNOWN;
}

static enum ctl_status read_options(int argc, char **argv, bool *check, uint64_t *seconds)
{
	static const struct option options[] = {
		{ "no-check", no_argument, NULL, 'n' },
		{ "wait", required_argument, NULL, 'w' },
		{},
	};
	int option;

	while ((option = arguments_next(argc, argv, options)) != -1) {
		if (option == '?')
			return CTL_MISUSE;
		if (option == 'n')
			*check = false;
		else if (!arguments_number(optarg, WAIT_LIMIT, seconds))
			return ctl_misuse("%s: --wait takes 0 to %d seconds", argv[0], WAIT_LIMIT);
	}
	if (optind < argc)
		return ctl_misuse("%s: \"%s\" is one argument too many", argv[0], argv[optind]);
	return CTL_DONE;
}

enum ctl_status ctl_netcheck_command(struct ctl *ctl, int argc, char **argv)
{
	json_object *mapper = NULL;
	struct netcheck_report report;
	uint64_t seconds = WAIT_SECONDS;
	bool check = true;
	enum ctl_status status = read_options(argc, argv, &check, &seconds);

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = snapshot_read(ctl, CTL_MAPPER, &mapper);
	if (status == CTL_DONE)
		status = snapshot_require(mapper, CTL_MAPPER);
	if (status == CTL_DONE && check)
		status = prove(ctl, seconds, &mapper);
	if (status == CTL_DONE) {
		netcheck_judge(mapper, &report);
		status = status_of(report.reach);
		if (ctl->json) {
			print_json(mapper, &report);
		} else {
			print_verdict(ctl, &report);
			print_facts(ctl, mapper);
		}
	}
	json_object_put(mapper);
	return status;
}
