/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/live.h"

#include "clients/ctl/output.h"
#include "clients/ctl/peer-words.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define NAME_COLUMNS  14 /* at least */
#define OTHER_COLUMNS 57
#define CLEAR         "\033[H\033[J" /* cursor home, screen empty */

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

/* Columns of the terminal; 80 where there is none. */
static int screen_columns(void)
{
	struct winsize size;

	return !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : 80;
}

/* The longest name decides, as far as the screen has room for it. */
static int name_columns(json_object *tunnel)
{
	int columns = NAME_COLUMNS, most = screen_columns() - OTHER_COLUMNS;

	for (size_t i = 0; i < values_count(tunnel, "peers"); i++) {
		char name[TEXT_SIZE];

		text_first_label(values_text(values_element(tunnel, "peers", i), "name"), name);
		if (text_columns(name) > columns)
			columns = text_columns(name);
	}
	return columns > most && most > NAME_COLUMNS ? most
	       : columns > most                      ? NAME_COLUMNS
						     : columns;
}

/* Cuts `text` to so many characters of UTF-8. */
static void cut(char *text, int columns)
{
	for (; *text; text++)
		if ((*text & 0xc0) != 0x80 && !columns--) {
			*text = 0;
			return;
		}
}

/* Below its peer, in lines that fit the screen; breaks are after commas. */
static void show_words(const char *text)
{
	const int indent = 4, screen = screen_columns();
	int column = 0;

	while (*text) {
		size_t length = strcspn(text, ",");

		length += text[length] == ',';
		if (column && column + 1 + (int)length > screen) {
			putchar('\n');
			column = 0;
		}
		column += printf("%*s%.*s", column ? 1 : indent, "", (int)length, text);
		text += length + strspn(text + length, " ");
	}
	if (column)
		putchar('\n');
}

static void show_peer(const struct live *live, json_object *peer, int columns)
{
	char name[TEXT_SIZE], state[TEXT_SIZE], words[PEER_WORDS_SIZE], line[PEER_WORDS_SIZE + 16];

	text_first_label(values_text(peer, "name"), name);
	cut(name, columns);
	text_clean(values_text(peer, "state"), state);
	output_padded(live->ctl, OUTPUT_PLAIN, name, columns + 1);
	output_padded(live->ctl, output_tone_of(state), state, 12);
	printf("%9.2f %9.2f %8.0f %8.0f %6" PRIu64 "\n", rate(live, peer, "OctetsIn") * 8 / 1e6,
	       rate(live, peer, "OctetsOut") * 8 / 1e6, rate(live, peer, "PacketsIn"),
	       rate(live, peer, "PacketsOut"), values_number(peer, "path_mtu"));
	peer_words_moves(peer, words);
	show_words(words);
	peer_words_dropped(peer, find_path(live->before, values_text(peer, "path")), words);
	snprintf(line, sizeof line, "%s%s", *words ? "dropped: " : "", words);
	show_words(line);
}

static void show(const struct live *live, json_object *tunnel)
{
	int columns = name_columns(tunnel);

	if (isatty(STDOUT_FILENO))
		fputs(CLEAR, stdout);
	printf("%-*s %-12s%9s %9s %8s %8s %6s\n", columns, "peer", "state", "in Mb/s", "out Mb/s",
	       "in /s", "out /s", "size");
	for (size_t i = 0; i < values_count(tunnel, "peers"); i++)
		show_peer(live, values_element(tunnel, "peers", i), columns);
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
