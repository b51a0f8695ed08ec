/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/captive-wire.h"
#include "services/mapper/mapper-words.h"
#include "services/mapper/mapper.h"

#include "common/base/config.h"
#include "common/base/log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Words separated by blanks; calls `add` for each. */
static int parse_words(const char *value, void *field, int (*add)(const char *word, void *field))
{
	cleanup(freep) char *copy = strdup(value);
	char *rest = NULL;
	int r = copy && copy[strspn(copy, " \t")] ? 0 : -EINVAL;

	for (char *word = copy ? strtok_r(copy, " \t,", &rest) : NULL; word && r >= 0;
	     word = strtok_r(NULL, " \t,", &rest))
		r = add(word, field);
	return r;
}

static int add_protocol(const char *word, void *field)
{
	enum mapping_protocol *protocols = field;
	size_t n = 0;

	for (int protocol = PROTOCOL_PCP; protocol < PROTOCOLS; protocol++) {
		if (strcmp(word, words_protocol(protocol)) != 0)
			continue;
		while (protocols[n] && protocols[n] != (enum mapping_protocol)protocol)
			n++;
		protocols[n] = protocol;
		return 0;
	}
	return -EINVAL;
}

static int parse_protocols(const char *value, void *field)
{
	memset(field, 0, sizeof(((struct mapper_config *)NULL)->protocols));
	return parse_words(value, field, add_protocol);
}

static int add_nested(const char *word, void *field)
{
	struct in_addr *nested = field;
	size_t n = 0;

	while (n < HOPS_LIMIT - 1 && nested[n].s_addr)
		n++;
	return n < HOPS_LIMIT - 1 ? config_parse_ipv4(word, &nested[n]) : -EINVAL;
}

static int parse_nested(const char *value, void *field)
{
	memset(field, 0, sizeof(((struct mapper_config *)NULL)->nested));
	return parse_words(value, field, add_nested);
}

static const struct config_key keys[] = {
	{ .section = "gateway",
	  .key = "protocols",
	  .type = CONFIG_CUSTOM,
	  .offset = offsetof(struct mapper_config, protocols),
	  .parse = parse_protocols,
	  .expected = "some of pcp, nat-pmp and upnp-igd" },
	{ .section = "gateway",
	  .key = "nested",
	  .type = CONFIG_CUSTOM,
	  .offset = offsetof(struct mapper_config, nested),
	  .parse = parse_nested,
	  .expected = "at most three IPv4 addresses of gateways, the nearest first" },
	{ .section = "gateway",
	  .key = "forwarded",
	  .type = CONFIG_BOOLEAN,
	  .offset = offsetof(struct mapper_config, forwarded) },
	{ .section = "stun",
	  .key = "servers",
	  .type = CONFIG_CUSTOM,
	  .offset = offsetof(struct mapper_config, stun.servers),
	  .parse = stun_servers_parse,
	  .expected = "at most four STUN servers, each HOST or HOST:PORT" },
	{ .section = "stun",
	  .key = "use",
	  .type = CONFIG_CHOICE,
	  .offset = offsetof(struct mapper_config, stun.use),
	  .choices = (const char *const[]){ "yes", "no", NULL } },
	{ .section = "stun",
	  .key = "silences",
	  .type = CONFIG_CUSTOM,
	  .offset = offsetof(struct mapper_config, silences),
	  .parse = silences_parse,
	  .expected = "at most twelve numbers of seconds from 1 to 3600, rising" },
	{ .section = "paths",
	  .key = "state",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct mapper_config, state_folder) },
	{ .section = "paths",
	  .key = "runtime",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct mapper_config, runtime_folder) },
	{ .section = "network",
	  .key = "captive_check",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct mapper_config, captive_check) },
	{},
};

static bool is_sensible(const struct mapper_config *config)
{
	struct captive_url url;

	if (config->forwarded && config->stun.use == STUN_USE_NO) {
		log_error("[gateway] forwarded: without STUN ([stun] use) the address that others "
			  "see is not known");
		return false;
	}
	if (!config->captive_check || !*config->captive_check ||
	    captive_url_read(config->captive_check, &url))
		return true;
	log_error("[network] captive_check: \"%s\" is not like http://example.org/page",
		  config->captive_check);
	return false;
}

int main(int argc, char **argv)
{
	struct mapper_config config = { .runtime_folder = strdup(RUNSTATEDIR "/homeward/mapper"),
					.state_folder =
						strdup(LOCALSTATEDIR "/lib/homeward/mapper"),
					.silences = SILENCES_USUAL };
	cleanup(freep) char *runtime_folder = NULL, *state_folder = NULL, *captive_check = NULL;
	cleanup(freep) char *complaint = NULL;
	cleanup(mapper_freep) struct mapper *mapper = NULL;
	const char *path;
	int r;

	r = daemon_parse_arguments(argc, argv, "Watches the network, maps ports at its gateway.",
				   SYSCONFDIR "/homeward/mapper.conf", &path);
	if (r > 0) {
		r = config_read(path, keys, &config, &complaint);
		if (r < 0)
			log_error("%s", complaint ? complaint : path);
		else
			r = 1;
	}
	runtime_folder = config.runtime_folder;
	state_folder = config.state_folder;
	captive_check = config.captive_check;
	if (r <= 0)
		return r < 0;
	if (!is_sensible(&config))
		return 1;
	if (!runtime_folder || !state_folder || mapper_new(&config, &mapper) < 0)
		return 1;
	return mapper_run(mapper);
}
