/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/config.h"
#include "common/base/log.h"
#include "services/zoned/config-check.h"
#include "services/zoned/zoned.h"

#include <malloc.h>

#define MEMORY_KEPT (16 << 20)

static void on_terminate(void *userdata)
{
	struct zoned **zoned = userdata;

	zoned_stop(*zoned);
}

static void on_hangup(void *userdata)
{
	struct zoned **zoned = userdata;

	zoned_reload(*zoned);
}

/* Longer than clients get to go. */
#define GOODBYE_MSEC (DSO_GRACE_MSEC + 2000)

static const struct daemon_options daemon_options = { .goodbye_msec = GOODBYE_MSEC,
						      .on_terminate = on_terminate,
						      .on_hangup = on_hangup };

/* Not to ask the kernel for the memory of each burst of messages, and give it back, hundreds of
 * times a second. */
static void keep_memory(void)
{
	mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT);
	mallopt(M_TOP_PAD, MEMORY_KEPT / 16);
}

static int serve(const struct zoned_config *config)
{
	cleanup(daemon_freep) struct daemon *daemon = NULL;
	struct zoned *zoned = NULL;
	int r = daemon_new(&daemon_options, &zoned, &daemon);

	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return 1;
	}
	/* Some of the configuration is only found wrong when it is used. */
	r = zoned_new(daemon, config, &zoned);
	if (r < 0)
		return r == -EINVAL ? CONFIG_EXIT_STATUS : 1;
	daemon_announce(daemon);
	r = daemon_run(daemon) != 0;
	zoned_free(zoned);
	return r;
}

/* The file to be checked, or NULL when something else is wanted. */
static const char *file_to_check(int argc, char **argv)
{
	if (argc < 2 || argc > 3 || strcmp(argv[1], "--check-config") != 0)
		return NULL;
	return argc == 3 ? argv[2] : ZONED_DEFAULT_CONFIG;
}

int main(int argc, char **argv)
{
	cleanup(freep) char *message = NULL;
	struct zoned_config config;
	const char *path = file_to_check(argc, argv);
	int r;

	if (path)
		return zoned_check_config(path);
	r = daemon_parse_arguments(argc, argv,
				   "The name server of a members zone.\n\n"
				   "`zoned --check-config [FILE]` prints what it would do by FILE, "
				   "or what is wrong with it.",
				   ZONED_DEFAULT_CONFIG, &path);
	if (r <= 0)
		return r < 0;
	keep_memory();
	r = zoned_config_read(path, &config, &message);
	if (r < 0) {
		log_error("%s", message ?: strerror(-r));
		r = r == -ENOMEM ? 1 : CONFIG_EXIT_STATUS;
	} else {
		r = serve(&config);
	}
	zoned_config_clear(&config);
	return r;
}
