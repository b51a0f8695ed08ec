/* SPDX-License-Identifier: LGPL-2.1-or-later */
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
	{},
};

int main(int argc, char **argv)
{
	struct mapper_config config = { .runtime_folder = strdup(RUNSTATEDIR "/homeward/mapper") };
	cleanup(freep) char *runtime_folder = NULL, *complaint = NULL;
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
	if (r <= 0)
		return r < 0;
	if (!runtime_folder || mapper_new(&config, &mapper) < 0)
		return 1;
	return mapper_run(mapper);
}
