/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/config.h"
#include "common/base/log.h"
#include "services/llq-watcher/watcher.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* Nobody outside this machine may ask the stub. */
static int parse_loopback(const char *value, void *field)
{
	struct in_addr address;
	int r = config_parse_ipv4(value, &address);

	if (r < 0 || ntohl(address.s_addr) >> 24 != 127)
		return -EINVAL;
	*(struct in_addr *)field = address;
	return 0;
}

static int parse_interface(const char *value, void *field)
{
	char **interface = field, *copy;

	if (!*value || strlen(value) >= IF_NAMESIZE)
		return -EINVAL;
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	free(*interface);
	*interface = copy;
	return 0;
}

/* In the order of enum watch_transport. */
static const char *const transports[] = { "auto", "push-tls", "llq-tls", "llq-udp", NULL };

static const struct config_key keys[] = {
	DNS_SERVER_CONFIG_KEYS(struct watcher_config, server),
	{ "server", "transport", CONFIG_CHOICE, offsetof(struct watcher_config, transport),
	  .choices = transports },
	{ "queries", "port", CONFIG_UNSIGNED, offsetof(struct watcher_config, port), 0, 65535 },
	{ "queries", "probe-msec", CONFIG_UNSIGNED, offsetof(struct watcher_config, probe_msec),
	  1000, 3600000 },
	{ "queries", "keepalive-msec", CONFIG_UNSIGNED,
	  offsetof(struct watcher_config, keepalive_msec), 1000, 3600000 },
	{ "stub", "enable", CONFIG_BOOLEAN, offsetof(struct watcher_config, names.enable) },
	{ "stub", "address", CONFIG_CUSTOM, offsetof(struct watcher_config, names.address),
	  .parse = parse_loopback, .expected = "an IPv4 address that begins with 127" },
	{ "stub", "port", CONFIG_UNSIGNED, offsetof(struct watcher_config, names.port), 1, 65535 },
	{ "stub", "interface", CONFIG_CUSTOM, offsetof(struct watcher_config, names.interface),
	  .parse = parse_interface,
	  .expected = "a name for a network interface, at most 15 characters" },
	{ "stub", "search", CONFIG_BOOLEAN, offsetof(struct watcher_config, names.search) },
	{ 0 },
};

struct program {
	struct watcher *watcher;
};

static void on_terminate(void *userdata)
{
	struct program *program = userdata;

	watcher_terminate(program->watcher);
}

static const struct daemon_options options = {
	.bus_name = "org.homeward.Watcher1",
	.on_terminate = on_terminate,
};

int main(int argc, char **argv)
{
	/* 25 s is below the 30 s after which the meanest of today's gateways forget a UDP flow.
	 * Half a minute is how long it may stay unnoticed that the server forgot a query. */
	struct watcher_config config = {
		.probe_msec = 30000,
		.keepalive_msec = 25000,
		/* A port that needs no privilege, on an address of its own: see
		 * docs/ARCHITECTURE.md. */
		.names = { .enable = true,
			   .address = { htonl(INADDR_LOOPBACK + 61) },
			   .port = 6281,
			   .interface = strdup("homeward0") },
	};
	cleanup(freep) char *complaint = NULL;
	struct program program = { 0 };
	struct daemon *daemon = NULL;
	const char *path;
	int r, status = 1;

	r = daemon_parse_arguments(argc, argv, "watches the account's other hosts",
				   SYSCONFDIR "/homeward/llq-watcher.conf", &path);
	if (r <= 0)
		return r < 0;
	if (!config.names.interface)
		return 1;
	config.server.path = path;
	r = config_read(path, keys, &config, &complaint);
	if (r >= 0 && config.transport == WATCH_TRANSPORT_LLQ_UDP &&
	    config.server.encryption == DNS_ENCRYPTION_TLS) {
		if (asprintf(&complaint,
			     "%s: transport = llq-udp is in the clear; it needs encryption = none",
			     path) < 0)
			complaint = NULL;
		r = -EINVAL;
	}
	if (r < 0) {
		log_error("%s", complaint ?: strerror(-r));
		free(config.server.resolv_conf);
		free(config.names.interface);
		return 1;
	}
	r = daemon_new(&options, &program, &daemon);
	if (r >= 0)
		r = watcher_new(daemon, &config, &program.watcher);
	if (r >= 0)
		r = daemon_announce(daemon);
	if (r >= 0)
		status = daemon_run(daemon);
	else
		log_error("cannot start: %s", strerror(-r));
	watcher_free(program.watcher);
	daemon_free(daemon);
	free(config.server.resolv_conf);
	free(config.names.interface);
	return status;
}
