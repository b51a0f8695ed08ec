/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/captive-wire.h"
#include "services/mapper/mapper.h"

#include "common/base/config.h"
#include "common/base/log.h"

#include <stddef.h>
#include <string.h>

static const struct config_key keys[] = {
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

	if (!config->captive_check || !*config->captive_check ||
	    captive_url_read(config->captive_check, &url))
		return true;
	log_error("[network] captive_check: \"%s\" is not like http://example.org/page",
		  config->captive_check);
	return false;
}

int main(int argc, char **argv)
{
	struct mapper_config config = { .runtime_folder = strdup(RUNSTATEDIR "/homeward/mapper") };
	cleanup(freep) char *runtime_folder = NULL, *captive_check = NULL, *complaint = NULL;
	cleanup(mapper_freep) struct mapper *mapper = NULL;
	const char *path;
	int r;

	r = daemon_parse_arguments(argc, argv,
				   "Watches the network, maps ports at its gateway (NAT-PMP).",
				   SYSCONFDIR "/homeward/mapper.conf", &path);
	if (r > 0) {
		r = config_read(path, keys, &config, &complaint);
		if (r < 0)
			log_error("%s", complaint ? complaint : path);
		else
			r = 1;
	}
	runtime_folder = config.runtime_folder;
	captive_check = config.captive_check;
	if (r <= 0)
		return r < 0;
	if (!is_sensible(&config))
		return 1;
	if (!runtime_folder || mapper_new(&config, &mapper) < 0)
		return 1;
	return mapper_run(mapper);
}
