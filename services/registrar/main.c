/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/config.h"
#include "common/base/log.h"
#include "services/registrar/registrar.h"

#include <stdio.h>
#include <string.h>

static const struct config_key keys[] = {
	DNS_SERVER_CONFIG_KEYS(struct registrar_config, server),
	{ "registration", "startup-delay-msec", CONFIG_UNSIGNED,
	  offsetof(struct registrar_config, startup_delay_msec), 0, 3000 },
	{ "registration", "lease", CONFIG_UNSIGNED, offsetof(struct registrar_config, lease), 1800,
	  7200 },
	{ "paths", "state", CONFIG_STRING, offsetof(struct registrar_config, state_folder) },
	{ 0 },
};

struct program {
	struct registrar *registrar;
};

static void on_terminate(void *userdata)
{
	struct program *program = userdata;

	registrar_terminate(program->registrar);
}

static const struct daemon_options options = {
	.bus_name = "org.homeward.Registrar1",
	.on_terminate = on_terminate,
	.goodbye_msec = 2000,
};

int main(int argc, char **argv)
{
	struct registrar_config config = {
		.startup_delay_msec = 3000,
		.lease = REGISTRATION_LEASE,
	};
	cleanup(freep) char *complaint = NULL;
	struct program program = { 0 };
	struct daemon *daemon = NULL;
	const char *path;
	int r, status = 1;

	r = daemon_parse_arguments(argc, argv, "publishes this host's address in the members zone",
				   SYSCONFDIR "/homeward/registrar.conf", &path);
	if (r <= 0)
		return r < 0;
	config.server.path = path;
	config.state_folder = strdup(LOCALSTATEDIR "/lib/homeward/registrar");
	r = !config.state_folder ? -ENOMEM : config_read(path, keys, &config, &complaint);
	if (r < 0) {
		log_error("%s", complaint ?: strerror(-r));
		free(config.server.resolv_conf);
		free(config.state_folder);
		return 1;
	}
	r = daemon_new(&options, &program, &daemon);
	if (r >= 0)
		r = registrar_new(daemon, &config, &program.registrar);
	if (r >= 0)
		r = daemon_announce(daemon);
	if (r >= 0)
		status = daemon_run(daemon);
	else
		log_error("cannot start: %s", strerror(-r));
	registrar_free(program.registrar);
	daemon_free(daemon);
	free(config.server.resolv_conf);
	free(config.state_folder);
	return status;
}
