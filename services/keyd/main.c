/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/keyd.h"

#include "common/base/config.h"
#include "common/base/log.h"

/* There is nothing to set yet; a file that sets something is told so. */
static const struct config_key keys[] = {
	{},
};

int main(int argc, char **argv)
{
	cleanup(keyd_freep) struct keyd *keyd = NULL;
	cleanup(freep) char *complaint = NULL;
	const char *path;
	int r = daemon_parse_arguments(argc, argv,
				       "Negotiates keys with the account's other hosts "
				       "(IKEv2).",
				       SYSCONFDIR "/homeward/keyd.conf", &path);

	if (r <= 0)
		return r < 0;
	r = config_read(path, keys, NULL, &complaint);
	if (r < 0) {
		log_error("%s", complaint ? complaint : "out of memory");
		return 1;
	}
	if (keyd_new(&keyd) < 0)
		return 1;
	return keyd_run(keyd);
}
