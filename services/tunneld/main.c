/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/tunneld.h"

static void on_terminate(void *userdata)
{
	struct tunneld *tunneld = userdata;

	daemon_stop(tunneld->daemon, 0);
}

static const struct daemon_options options = {
	.bus_name = "org.homeward.Tunnel1",
	.on_terminate = on_terminate,
};

int main(int argc, char **argv)
{
	struct tunneld tunneld = {};
	const char *config;
	int r, status = 1;

	r = daemon_parse_arguments(argc, argv, "The encrypted tunnels to the other hosts.",
				   SYSCONFDIR "/homeward/tunneld.conf", &config);
	if (r <= 0)
		return r < 0;
	if (settings_read(&tunneld.settings, config) < 0 ||
	    daemon_new(&options, &tunneld, &tunneld.daemon) < 0) {
		settings_clear(&tunneld.settings);
		return 1;
	}
	if (tunneld_start(&tunneld) >= 0 && daemon_announce(tunneld.daemon) >= 0)
		status = daemon_run(tunneld.daemon);
	/* On our way out in good order the interface goes too. When the bus is gone, the next of us
	 * is about to be started: connections outlive that. */
	tunneld_end(&tunneld, !status);
	daemon_free(tunneld.daemon);
	settings_clear(&tunneld.settings);
	return status;
}
