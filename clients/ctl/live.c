/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/live.h"

#include "clients/ctl/output.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLEAR "\033[H\033[J" /* cursor home, screen empty */

struct live {
	struct ctl *ctl;
	json_object *before; /* tunneld as it was; NULL: nothing yet */
	double then, now;    /* seconds */
};

static double monotonic_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static uint64_t counter(json_object *peer, const char *name)
{
	return values_number(values_member(peer, "counters"), name);
}

static json_object *find_path(json_object *tunnel, const char *path)
{
	for (size_t i = 0; i < values_count(tunnel, "peers"); i++)
		if (!strcmp(values_text(values_element(tunnel, "peers", i), "path"), path))
			return values_element(tunnel, "peers", i);
	return NULL;
}

/* Per second since the reading before; 0 for a peer that was not there. */
static double rate(const struct live *live, json_object *peer, const char *name)
{
	json_object *before = find_path(live->before, values_text(peer, "path"));
	uint64_t first = counter(before, name), last = counter(peer, name);

	return before && last > first && live->now > live->then
		       ? (double)(last - first) / (live->now - live->then)
		       : 0;
}

static void show_peer(const struct live *live, json_object *peer)
{
	static const char *const drops[] = { "Replayed",          "BadIcv",
					     "Malformed",         "WrongSelector",
					     "CongestionDropped", "TooBig",
					     "HeldDropped" };
	char name[TEXT_SIZE], state[TEXT_SIZE];
	uint64_t n_dropped = 0;

	for (size_t i = 0; i < sizeof drops / sizeof *drops; i++)
		n_dropped += counter(peer, drops[i]);
	text_first_label(values_text(peer, "name"), name);
	text_clean(values_text(peer, "state"), state);
	output_padded(live->ctl, OUTPUT_PLAIN, name, 14);
	output_padded(live->ctl, output_tone_of(state), state, 12);
	printf(" %9.2f %9.2f %9.0f %9.0f %6" PRIu64 " %8" PRIu64 " %6" PRIu64 " %8" PRIu64 "\n",
	       rate(live, peer, "OctetsIn") * 8 / 1e6, rate(live, peer, "OctetsOut") * 8 / 1e6,
	       rate(live, peer, "PacketsIn"), rate(live, peer, "PacketsOut"),
	       values_number(peer, "path_mtu"), n_dropped, counter(peer, "Handovers"),
	       counter(peer, "StallLongestMsec"));
}

static void show(const struct live *live, json_object *tunnel)
{
	if (isatty(STDOUT_FILENO))
		fputs(CLEAR, stdout);
	printf("%-14s%-12s %9s %9s %9s %9s %6s %8s %6s %8s\n", "peer", "state", "in Mb/s",
	       "out Mb/s", "in /s", "out /s", "size", "dropped", "moves", "stall ms");
	for (size_t i = 0; i < values_count(tunnel, "peers"); i++)
		show_peer(live, values_element(tunnel, "peers", i));
	fflush(stdout);
}

enum ctl_status live_show(struct ctl *ctl, uint64_t times)
{
	struct live live = { .ctl = ctl };
	enum ctl_status status = ctl_connect(ctl);
	json_object *tunnel;

	for (uint64_t i = 0; status == CTL_DONE && (!times || i < times); i++) {
		if (i)
			sleep(1);
		status = snapshot_read(ctl, CTL_TUNNEL, &tunnel);
		if (status != CTL_DONE)
			break;
		live.now = monotonic_seconds();
		status = snapshot_require(tunnel, CTL_TUNNEL);
		if (status == CTL_DONE && ctl->json) {
			json_object_object_del(tunnel, "timeline");
			puts(json_object_to_json_string_ext(tunnel, JSON_C_TO_STRING_PLAIN));
			fflush(stdout);
		} else if (status == CTL_DONE) {
			show(&live, tunnel);
		}
		json_object_put(live.before);
		live.before = tunnel;
		live.then = live.now;
	}
	json_object_put(live.before);
	return status;
}
