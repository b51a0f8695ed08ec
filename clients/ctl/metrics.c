/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * `homewardctl metrics`: what the daemons count, as OpenMetrics text, for a textfile collector or
 * whoever runs it. The daemons themselves have no port for that: those that hold keys and
 * privileges would then answer strangers.
 */
#include "clients/ctl/ctl.h"
#include "clients/ctl/snapshot.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* llq-watcher: llq_watcher; EspIn: esp_in */
static void metric_word(const char *name, char ret[static VALUES_KEY_SIZE])
{
	values_key(name, ret);
	for (char *c = ret; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '_';
}

/* A label's value, quoted as the format wants it. */
static void print_quoted(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		if (*text == '\n')
			fputs("\\n", stdout);
		else
			putchar(*text);
	}
	putchar('"');
}

static void print_counters(const struct ctl_daemon *daemon, json_object *state)
{
	char prefix[VALUES_KEY_SIZE], word[VALUES_KEY_SIZE];
	json_object *counters = values_member(state, "counters");

	metric_word(daemon->name, prefix);
	if (!json_object_is_type(counters, json_type_object))
		return;
	json_object_object_foreach(counters, name, value)
	{
		metric_word(name, word);
		printf("# TYPE homeward_%s_%s counter\n", prefix, word);
		printf("homeward_%s_%s_total %" PRIu64 "\n", prefix, word,
		       json_object_get_uint64(value));
	}
}

static void print_peer(json_object *peer, const char *metric, const char *end, uint64_t value)
{
	printf("homeward_tunneld_peer_%s%s{peer=", metric, end);
	print_quoted(values_text(peer, "name"));
	printf("} %" PRIu64 "\n", value);
}

/* One family after the other, as the format wants it. */
static void print_peers(json_object *tunnel)
{
	json_object *first = values_element(tunnel, "peers", 0);
	json_object *counters = values_member(first, "counters");
	size_t n = values_count(tunnel, "peers");
	char word[VALUES_KEY_SIZE];

	if (!json_object_is_type(counters, json_type_object))
		return;
	json_object_object_foreach(counters, name, unused)
	{
		(void)unused;
		metric_word(name, word);
		printf("# TYPE homeward_tunneld_peer_%s counter\n", word);
		for (size_t i = 0; i < n; i++) {
			json_object *peer = values_element(tunnel, "peers", i);

			print_peer(peer, word, "_total",
				   values_number(values_member(peer, "counters"), name));
		}
	}
	puts("# TYPE homeward_tunneld_peer_path_mtu_bytes gauge\n"
	     "# UNIT homeward_tunneld_peer_path_mtu_bytes bytes");
	for (size_t i = 0; i < n; i++)
		print_peer(values_element(tunnel, "peers", i), "path_mtu_bytes", "",
			   values_number(values_element(tunnel, "peers", i), "path_mtu"));
	puts("# TYPE homeward_tunneld_peer_established gauge");
	for (size_t i = 0; i < n; i++)
		print_peer(values_element(tunnel, "peers", i), "established", "",
			   !strcmp(values_text(values_element(tunnel, "peers", i), "state"),
				   "established"));
}

static void print_offloads(json_object *tunnel)
{
	static const char *const keys[] = { "offloads", "offloads_broken" };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (!values_count(tunnel, keys[i]))
			continue;
		printf("# TYPE homeward_tunneld_%s gauge\n", keys[i]);
		for (size_t j = 0; j < values_count(tunnel, keys[i]); j++) {
			printf("homeward_tunneld_%s{name=", keys[i]);
			print_quoted(json_object_get_string(values_element(tunnel, keys[i], j)));
			puts("} 1");
		}
	}
}

enum ctl_status ctl_metrics_command(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status = ctl_no_arguments(argc, argv);
	json_object *all;

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = snapshot_read_all(ctl, &all);
	if (status != CTL_DONE)
		return status;
	puts("# TYPE homeward_running gauge");
	for (size_t i = 0; i < CTL_DAEMONS; i++)
		printf("homeward_running{daemon=\"%s\"} %d\n", ctl_daemons[i].name,
		       values_flag(values_member(all, ctl_daemons[i].name), "running"));
	for (size_t i = 0; i < CTL_DAEMONS; i++)
		print_counters(&ctl_daemons[i], values_member(all, ctl_daemons[i].name));
	print_peers(values_member(all, CTL_TUNNEL->name));
	print_offloads(values_member(all, CTL_TUNNEL->name));
	puts("# EOF");
	json_object_put(all);
	return CTL_DONE;
}
