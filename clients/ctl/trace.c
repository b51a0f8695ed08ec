/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `homewardctl trace`: one network change as it passed through the daemons. */
#include "clients/ctl/arguments.h"
#include "clients/ctl/output.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"
#include "clients/ctl/timelines.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static enum ctl_status parse(int argc, char **argv, bool *ret_given, uint64_t *ret_generation)
{
	static const struct option options[] = {
		{ "generation", required_argument, NULL, 'g' },
		{ "all", no_argument, NULL, 'a' },
		{},
	};
	int option;

	*ret_given = false;
	while ((option = arguments_next(argc, argv, options)) != -1) {
		switch (option) {
		case 'g':
			*ret_given = true;
			if (!arguments_number(optarg, TIMELINES_ALL - 1, ret_generation))
				return ctl_misuse("trace: \"%s\" is not a generation", optarg);
			break;
		case 'a':
			*ret_given = true;
			*ret_generation = TIMELINES_ALL;
			break;
		default:
			return CTL_MISUSE;
		}
	}
	return ctl_no_arguments(argc - optind + 1, argv + optind - 1);
}

static void show_start(uint64_t time_us)
{
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm parts;
	char text[64];

	localtime_r(&seconds, &parts);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
	printf("%s.%03u", text, (unsigned int)(time_us / 1000 % 1000));
}

static void show(const struct ctl *ctl, json_object *merged, uint64_t generation)
{
	size_t n_entries = values_count(merged, "entries");

	if (!n_entries && generation == TIMELINES_ALL) {
		puts("the daemons remember nothing");
		return;
	}
	if (!n_entries && !generation) {
		puts("no network change is known yet");
		return;
	}
	if (!n_entries) {
		printf("the daemons remember nothing of network change %" PRIu64 "\n", generation);
		return;
	}
	if (generation != TIMELINES_ALL)
		printf("network change %" PRIu64 ", ", generation);
	show_start(values_number(values_element(merged, "entries", 0), "time_us"));
	putchar('\n');
	for (size_t i = 0; i < n_entries; i++) {
		json_object *entry = values_element(merged, "entries", i);
		char text[TEXT_SIZE];

		text_clean(values_text(entry, "text"), text);
		printf("%10s ms  ", json_object_get_string(values_member(entry, "ms")));
		output_padded(ctl, OUTPUT_FAINT, values_text(entry, "daemon"), 12);
		if (generation == TIMELINES_ALL)
			printf("%4" PRIu64 "  ", values_number(entry, "generation"));
		puts(text);
	}
}

enum ctl_status ctl_trace_command(struct ctl *ctl, int argc, char **argv)
{
	json_object *all, *merged;
	uint64_t generation;
	bool given;
	enum ctl_status status = parse(argc, argv, &given, &generation);

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = snapshot_read_all(ctl, &all);
	if (status != CTL_DONE)
		return status;
	if (!snapshot_any_running(all)) {
		json_object_put(all);
		return ctl_complain(CTL_UNREACHABLE, "no daemon is running, so nobody remembers; "
						     "see \"homewardctl status\"");
	}
	if (!given)
		generation = timelines_last_generation(all);
	merged = timelines_merge(all, generation);
	json_object_put(all);
	if (ctl->json) {
		snapshot_print(merged, false);
	} else {
		show(ctl, merged, generation);
		json_object_put(merged);
	}
	return CTL_DONE;
}
