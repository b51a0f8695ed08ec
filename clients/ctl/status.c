/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `homewardctl status`: one screen from one reading of all daemons. */
#include "clients/ctl/arguments.h"
#include "clients/ctl/live.h"
#include "clients/ctl/netcheck-words.h"
#include "clients/ctl/output.h"
#include "clients/ctl/peer-words.h"
#include "clients/ctl/shares.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"
#include "common/base/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct view {
	const struct ctl *ctl;
	json_object *identity, *mapper, *registrar, *watcher, *tunnel, *key;
	uint64_t now;
};

/* How the host's keys are kept from whoever takes its disk. */
static void show_protection(const struct view *view)
{
	static const struct {
		const char *protection, *words;
	} known[] = {
		{ "none", "not encrypted on disk; who can read the disk has them" },
		{ "host", "encrypted on disk, with a key that is on the disk too" },
		{ "tpm2", "encrypted on disk, by this machine's TPM" },
		{ "host+tpm2", "encrypted on disk, by this machine's TPM" },
	};
	const char *protection = values_text(view->identity, "key_protection");

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(protection, known[i].protection))
			output_row(view->ctl, "keys", "%s", known[i].words);
}

static void show_me(const struct view *view)
{
	char host[TEXT_SIZE], account[TEXT_SIZE], domain[TEXT_SIZE], text[TEXT_SIZE];
	bool signed_in = values_flag(view->identity, "signed_in");

	output_heading(view->ctl, "me");
	text_clean(values_text(view->identity, "host_name"), host);
	text_clean(values_text(view->identity, "account"), account);
	text_clean(values_text(view->identity, "domain"), domain);
	if (signed_in)
		output_row(view->ctl, "name", "%s.%s.%s", host, account, domain);
	else
		output_row(view->ctl, "name", "%s (not signed in)", *host ? host : "-");
	if (!signed_in && values_number(view->identity, "forgotten"))
		output_row(view->ctl, "forgotten", "%s", values_text(view->identity, "reason"));
	text_value(values_member(view->identity, "host_id"), text);
	output_row(view->ctl, "host id", "%s", text);
	text_value(values_member(view->identity, "tunnel_label"), text);
	output_row(view->ctl, "tunnel name", "%s", text);
	show_protection(view);
	text_clean(values_text(view->watcher, "names_reason"), text);
	if (signed_in && *text)
		output_row(view->ctl, "names", "%s", text);
}

/* The first one is in use. */
static void show_uplinks(const struct view *view)
{
	for (size_t i = 1; i < values_count(view->mapper, "uplinks"); i++) {
		json_object *uplink = values_element(view->mapper, "uplinks", i);
		char interface[TEXT_SIZE], address[TEXT_SIZE];

		text_clean(values_text(uplink, "interface"), interface);
		text_clean(values_text(uplink, "address"), address);
		output_row(view->ctl, i > 1 ? "" : "not used", "%s on %s", address, interface);
	}
}

static void show_outside(const struct view *view)
{
	json_object *result = values_member(view->mapper, "gateway_result");
	const char *result_protocol = values_text(result, "protocol");
	const char *verified = values_text(view->mapper, "verified");
	char external[TEXT_SIZE], kind[TEXT_SIZE], protocol[TEXT_SIZE];

	text_value(values_member(view->mapper, "external_address"), external);
	text_value(values_member(view->mapper, "nat_kind"), kind);
	text_value(values_member(view->mapper, "protocol"), protocol);
	output_row(view->ctl, "outside", "%s, %s%s%s%s%s", external, kind,
		   values_flag(view->mapper, "forwarded") ? ", forwarded by hand" : "",
		   strcmp(protocol, "none") ? " by " : "", strcmp(protocol, "none") ? protocol : "",
		   !strcmp(verified, "yes")  ? ", proven from outside"
		   : !strcmp(verified, "no") ? ", but a test from outside failed"
					     : "");
	if (!strcmp(values_text(view->mapper, "network_kind"), "captive"))
		output_row(view->ctl, "", "log in to this network in a browser first");
	if (*result_protocol)
		output_row(view->ctl, "", "%s refused: %s (result %" PRIu64 ")",
			   netcheck_protocol_name(result_protocol),
			   netcheck_result_words(result_protocol, values_number(result, "code")),
			   values_number(result, "code"));
}

static void show_network(const struct view *view)
{
	const char *kind = values_text(view->mapper, "network_kind");
	char interface[TEXT_SIZE], local[TEXT_SIZE], gateway[TEXT_SIZE];

	output_heading(view->ctl, "network");
	text_clean(values_text(view->mapper, "primary_interface"), interface);
	text_clean(values_text(view->mapper, "gateway"), gateway);
	text_value(values_member(view->mapper, "local_address"), local);
	if (!*interface) {
		output_row(view->ctl, "inside", "none%s",
			   !strcmp(kind, "link-local") ? " (no address was given to this host)"
			   : !strcmp(kind, "no-route") ? " (an address, but no default route)"
						       : "");
		return;
	}
	output_row(view->ctl, "inside", "%s on %s%s%s", local, interface, *gateway ? " via " : "",
		   gateway);
	show_outside(view);
	show_uplinks(view);
	output_row(view->ctl, "change", "number %" PRIu64,
		   values_number(view->mapper, "network_generation"));
}

/* The words of a list, with commas between. */
static void join_words(json_object *state, const char *key, char ret[static TEXT_SIZE])
{
	*ret = '\0';
	for (size_t i = 0; i < values_count(state, key); i++) {
		char word[TEXT_SIZE];
		size_t used = strlen(ret);

		text_clean(json_object_get_string(values_element(state, key, i)), word);
		snprintf(ret + used, TEXT_SIZE - used, "%s%s", used ? ", " : "", word);
	}
}

/* To how many hosts the NAT's memory has to be kept alive, and how often. */
static void show_keepalives(const struct view *view)
{
	uint64_t shortest = 0;
	size_t n = 0, n_peers = values_count(view->tunnel, "peers");

	for (size_t i = 0; i < n_peers; i++) {
		uint64_t every =
			values_number(values_element(view->tunnel, "peers", i), "keepalive");

		n += every > 0;
		if (every && (!shortest || every < shortest))
			shortest = every;
	}
	if (n)
		output_row(view->ctl, "keepalives", "every %" PRIu64 " s to %zu of %zu hosts",
			   shortest, n, n_peers);
}

/* What makes the data path fast here; the last word is the library that seals. */
static void show_tunnel(const struct view *view)
{
	char words[TEXT_SIZE], reason[TEXT_SIZE];

	join_words(view->tunnel, "offloads", words);
	text_clean(values_text(view->tunnel, "datapath_reason"), reason);
	if (!*words && !*reason)
		return;
	output_heading(view->ctl, "tunnel");
	if (*reason)
		output_row(view->ctl, "data path", "%s", reason);
	if (*words)
		output_row(view->ctl, "offloads", "%s", words);
	join_words(view->tunnel, "offloads_broken", words);
	if (*words)
		output_row(view->ctl, "not used", "%s: wrong packets when tried on this kernel",
			   words);
	show_keepalives(view);
	text_clean(values_text(view->tunnel, "firewall_zone"), words);
	if (*words)
		output_row(view->ctl, "firewalld", "zone %s", words);
}

static void show_mappings(const struct view *view)
{
	output_heading(view->ctl, "mapping");
	for (size_t i = 0; i < values_count(view->mapper, "mappings"); i++) {
		json_object *mapping = values_element(view->mapper, "mappings", i);
		char label[TEXT_SIZE], internal[TEXT_SIZE], external[TEXT_SIZE], state[TEXT_SIZE];
		char rest[TEXT_SIZE] = "", problem[TEXT_SIZE];
		uint64_t expires = values_number(mapping, "expires");

		text_clean(values_text(mapping, "label"), label);
		text_clean(values_text(mapping, "state"), state);
		text_clean(values_text(mapping, "last_error"), problem);
		text_endpoint(values_member(mapping, "internal"), "nowhere", internal);
		text_endpoint(values_member(mapping, "external"), "nowhere", external);
		if (expires)
			text_relative(expires, view->now, rest);
		output_row(view->ctl, label, "%s -> %s, %s%s%s%s%s", internal, external, state,
			   *rest ? ", ends " : "", rest, *problem ? ": " : "", problem);
	}
	if (!values_count(view->mapper, "mappings"))
		output_row(view->ctl, "none", "nobody asks for one");
}

static void show_lease(const struct view *view)
{
	json_object *published = values_member(view->registrar, "published");
	char server[TEXT_SIZE], ends[TEXT_SIZE], lease[TEXT_SIZE];

	output_heading(view->ctl, "lease");
	if (!published) {
		output_row(view->ctl, "published", "nothing");
		return;
	}
	text_clean(values_text(published, "server"), server);
	text_relative(values_number(published, "expires"), view->now, ends);
	text_duration(values_number(published, "lease"), lease);
	output_row(view->ctl, "published",
		   "change %" PRIu64 " at %s, for %s, ends %s unless renewed",
		   values_number(published, "generation"), server, lease, ends);
}

/* What this host shares, one a line. */
static void show_shares(const struct view *view)
{
	size_t n = values_count(view->registrar, "services");

	if (!n)
		return;
	shares_sort(view->registrar);
	output_heading(view->ctl, "shares");
	for (size_t i = 0; i < n; i++) {
		json_object *service = values_element(view->registrar, "services", i);
		char name[TEXT_SIZE], type[TEXT_SIZE], state[TEXT_SIZE], reason[TEXT_SIZE];

		text_clean(values_text(service, "name"), name);
		text_clean(values_text(service, "type"), type);
		text_clean(values_text(service, "state"), state);
		text_clean(values_text(service, "reason"), reason);
		fputs("  ", stdout);
		output_padded(view->ctl, OUTPUT_FAINT, type, 12);
		output_padded(view->ctl, output_tone_of(state), state, 12);
		printf(" \"%s\" port %" PRIu64 ": %s\n", name, values_number(service, "port"),
		       reason);
	}
}

/* The element of `list` whose `key` is `wanted`. */
static json_object *find(json_object *state, const char *list, const char *key, const char *wanted)
{
	for (size_t i = 0; *wanted && i < values_count(state, list); i++) {
		json_object *element = values_element(state, list, i);

		if (!strcmp(values_text(element, key), wanted))
			return element;
	}
	return NULL;
}

/* Below its peer: the largest packets, its moves, what was dropped. */
static void show_path(const struct view *view, json_object *peer)
{
	uint64_t octets = values_number(peer, "path_mtu");
	char words[PEER_WORDS_SIZE];

	peer_words_moves(peer, words);
	if (octets)
		output_row(view->ctl, "", "packets of up to %" PRIu64 " octets%s%s", octets,
			   *words ? ", " : "", words);
	peer_words_dropped(peer, NULL, words);
	if (*words)
		output_row(view->ctl, "", "dropped: %s", words);
}

/* How packets reach it: by the tunnel's knowledge, or else by what the zone says. */
static void show_peer(const struct view *view, json_object *host, json_object *peer)
{
	char name[TEXT_SIZE], id[TEXT_SIZE], endpoint[TEXT_SIZE], times[2][TEXT_SIZE];
	char state[TEXT_SIZE] = "no tunnel", source[TEXT_SIZE] = "zone", problem[TEXT_SIZE] = "";
	json_object *either = peer ? peer : host;
	uint64_t handshake = values_number(peer, "last_handshake");
	uint64_t received = values_number(peer, "last_received");

	text_first_label(values_text(either, "name"), name);
	text_value(values_member(either, "host_id"), id);
	text_endpoint(values_member(either, "endpoint"), "nowhere", endpoint);
	if (peer) {
		text_clean(values_text(peer, "state"), state);
		text_clean(values_text(peer, "endpoint_source"), source);
		text_clean(values_text(peer, "last_error"), problem);
	}
	fputs("  ", stdout);
	output_padded(view->ctl, OUTPUT_PLAIN, name, 12);
	output_padded(view->ctl, output_tone_of(state), state, 12);
	printf(" %s at %s", id, endpoint);
	if (strcmp(source, "none") != 0)
		printf(" (%s)", source);
	if (handshake) {
		text_relative(handshake, view->now, times[0]);
		printf(", keys %s", times[0]);
	}
	if (received) {
		text_relative(received, view->now, times[1]);
		printf(", heard %s", times[1]);
	}
	if (host && values_number(host, "not_heard_since"))
		fputs(", not heard of in the zone now", stdout);
	else if (host && !values_flag(host, "live"))
		fputs(", gone from the zone", stdout);
	if (*problem)
		printf(": %s", problem);
	putchar('\n');
	if (!strcmp(state, "established"))
		show_path(view, peer);
}

static void show_peers(const struct view *view)
{
	size_t n_hosts = values_count(view->watcher, "hosts");
	size_t n_peers = values_count(view->tunnel, "peers");

	output_heading(view->ctl, "peers");
	for (size_t i = 0; i < n_hosts; i++) {
		json_object *host = values_element(view->watcher, "hosts", i);

		show_peer(view, host,
			  find(view->tunnel, "peers", "host_id", values_text(host, "host_id")));
	}
	/* A tunnel may know a peer that the zone does not have any more. */
	for (size_t i = 0; i < n_peers; i++) {
		json_object *peer = values_element(view->tunnel, "peers", i);

		if (!find(view->watcher, "hosts", "host_id", values_text(peer, "host_id")))
			show_peer(view, NULL, peer);
	}
	if (!n_hosts && !n_peers)
		output_row(view->ctl, "none", "no other host of the account is known");
}

static void show_keys(const struct view *view)
{
	output_heading(view->ctl, "keys");
	for (size_t i = 0; i < values_count(view->key, "ike_sas"); i++) {
		json_object *sa = values_element(view->key, "ike_sas", i);
		char name[TEXT_SIZE], state[TEXT_SIZE], proposal[TEXT_SIZE], since[TEXT_SIZE];
		uint64_t established = values_number(sa, "established");

		text_first_label(values_text(sa, "peer"), name);
		text_clean(values_text(sa, "state"), state);
		text_clean(values_text(sa, "proposal"), proposal);
		fputs("  ", stdout);
		output_padded(view->ctl, OUTPUT_PLAIN, *name ? name : "?", 12);
		output_padded(view->ctl, output_tone_of(state), state, 12);
		printf(" IKE %s, %s", values_text(sa, "role"), *proposal ? proposal : "-");
		if (established) {
			text_relative(established, view->now, since);
			printf(", %s", since);
		}
		for (size_t j = 0; j < values_count(view->key, "child_sas"); j++) {
			json_object *child = values_element(view->key, "child_sas", j);

			if (strcmp(values_text(child, "ike_sa"), values_text(sa, "path")) != 0)
				continue;
			text_clean(values_text(child, "algorithm"), proposal);
			printf("; ESP %s %08" PRIx64 " in %08" PRIx64 " out", proposal,
			       values_number(child, "spi_in"), values_number(child, "spi_out"));
		}
		putchar('\n');
	}
	if (!values_count(view->key, "ike_sas"))
		output_row(view->ctl, "none", "no conversation with a peer");
}

static void show_daemons(const struct view *view, json_object *all)
{
	output_heading(view->ctl, "daemons");
	for (size_t i = 0; i < CTL_DAEMONS; i++) {
		const struct ctl_daemon *daemon = &ctl_daemons[i];
		json_object *state = values_member(all, daemon->name);
		char word[TEXT_SIZE], reason[TEXT_SIZE];

		text_clean(values_text(state, "state"), word);
		text_clean(values_text(state, "reason"), reason);
		if (!values_flag(state, "running")) {
			strcpy(word, "not running");
			snprintf(reason, sizeof reason, "start it with \"systemctl start %s\"",
				 daemon->unit);
		} else if (*values_text(state, "error")) {
			strcpy(word, "failed");
			text_clean(values_text(state, "error"), reason);
		}
		fputs("  ", stdout);
		output_padded(view->ctl, OUTPUT_FAINT, daemon->name, 12);
		output_padded(view->ctl, output_tone_of(word), word, 16);
		printf(" %s\n", reason);
	}
}

static void show(const struct ctl *ctl, json_object *all)
{
	struct view view = {
		.ctl = ctl,
		.identity = values_member(all, CTL_IDENTITY->name),
		.mapper = values_member(all, CTL_MAPPER->name),
		.registrar = values_member(all, CTL_REGISTRAR->name),
		.watcher = values_member(all, CTL_WATCHER->name),
		.tunnel = values_member(all, CTL_TUNNEL->name),
		.key = values_member(all, CTL_KEY->name),
		.now = time(NULL),
	};

	if (values_flag(view.identity, "running"))
		show_me(&view);
	if (values_flag(view.mapper, "running")) {
		show_network(&view);
		show_tunnel(&view);
		show_mappings(&view);
	}
	if (values_flag(view.registrar, "running")) {
		show_lease(&view);
		show_shares(&view);
	}
	if (values_flag(view.watcher, "running") || values_flag(view.tunnel, "running"))
		show_peers(&view);
	if (values_flag(view.key, "running"))
		show_keys(&view);
	show_daemons(&view, all);
}

/* *ret_live: a table each second, *ret_times of them, 0 being no end. */
static enum ctl_status parse(int argc, char **argv, bool *ret_live, uint64_t *ret_times)
{
	static const struct option options[] = {
		{ "live", no_argument, NULL, 'l' },
		{ "times", required_argument, NULL, 't' },
		{},
	};
	int option;

	*ret_live = false;
	*ret_times = 0;
	while ((option = arguments_next(argc, argv, options)) != -1) {
		if (option == 'l')
			*ret_live = true;
		else if (option != 't')
			return CTL_MISUSE;
		else if (!arguments_number(optarg, UINT32_MAX, ret_times) || !*ret_times)
			return ctl_misuse("status: --times \"%s\" is no number of tables", optarg);
	}
	if (*ret_times && !*ret_live)
		return ctl_misuse("status: --times is for --live");
	return ctl_no_arguments(argc - optind + 1, argv + optind - 1);
}

enum ctl_status ctl_status_command(struct ctl *ctl, int argc, char **argv)
{
	bool live;
	uint64_t times;
	enum ctl_status status = parse(argc, argv, &live, &times);
	json_object *all;

	if (status == CTL_DONE && live)
		return live_show(ctl, times);
	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = snapshot_read_all(ctl, &all);
	if (status != CTL_DONE)
		return status;
	if (!snapshot_any_running(all))
		status = CTL_UNREACHABLE;
	if (ctl->json) {
		snapshot_drop_timelines(all);
		snapshot_print(all, false);
	} else {
		show(ctl, all);
		json_object_put(all);
	}
	return status;
}
