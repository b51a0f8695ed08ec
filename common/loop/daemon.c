/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common/loop/daemon.h"

#include "common/base/log.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

struct daemon {
	const struct daemon_options *options;
	void *userdata;
	struct loop *loop;
	sd_bus *bus;
	sd_bus_slot *name_slot;
	struct loop_timer *goodbye;
	bool terminating;
};

static void on_goodbye_late(void *userdata)
{
	struct daemon *daemon = userdata;

	log_warning("the goodbye took too long; stopping without it");
	daemon_stop(daemon, 0);
}

static void on_terminate(void *userdata, int signal_number)
{
	struct daemon *daemon = userdata;

	if (daemon->terminating) {
		daemon_stop(daemon, 0);
		return;
	}
	daemon->terminating = true;
	sd_notify(0, "STOPPING=1");
	log_info("stopping on %s", strsignal(signal_number));
	loop_timer_set_delay(daemon->goodbye, daemon->options->goodbye_msec ?: 5000);
	if (daemon->options->on_terminate)
		daemon->options->on_terminate(daemon->userdata);
	else
		daemon_stop(daemon, 0);
}

static void on_hangup(void *userdata, int signal_number)
{
	struct daemon *daemon = userdata;

	if (daemon->options->on_hangup)
		daemon->options->on_hangup(daemon->userdata);
}

static void on_bus_lost(void *userdata, int error)
{
	struct daemon *daemon = userdata;

	log_error("the connection to the system bus ended: %s", strerror(-error));
	daemon_stop(daemon, 1);
}

static int connect_bus(struct daemon *daemon)
{
	int r = sd_bus_open_system(&daemon->bus);

	if (r < 0) {
		log_error("cannot connect to the system bus: %s", strerror(-r));
		return r;
	}
	/* A neighbour that does not answer within this is as good as absent; its client tries
	 * again. */
	sd_bus_set_method_call_timeout(daemon->bus, 10 * 1000 * 1000);
	r = sd_bus_add_object_manager(daemon->bus, NULL, HOMEWARD_OBJECT_ROOT);
	if (r < 0)
		return r;
	return loop_attach_bus(daemon->loop, daemon->bus, on_bus_lost, daemon);
}

int daemon_new(const struct daemon_options *options, void *userdata, struct daemon **ret)
{
	cleanup(daemon_freep) struct daemon *daemon = calloc(1, sizeof *daemon);
	int r;

	if (!daemon)
		return -ENOMEM;
	daemon->options = options;
	daemon->userdata = userdata;
	signal(SIGPIPE, SIG_IGN);
	r = loop_new(&daemon->loop);
	if (r >= 0)
		r = loop_timer_new(daemon->loop, on_goodbye_late, daemon, &daemon->goodbye);
	if (r >= 0)
		r = loop_add_signal(daemon->loop, SIGTERM, on_terminate, daemon);
	if (r >= 0)
		r = loop_add_signal(daemon->loop, SIGINT, on_terminate, daemon);
	if (r >= 0)
		r = loop_add_signal(daemon->loop, SIGHUP, on_hangup, daemon);
	if (r >= 0 && options->bus_name)
		r = connect_bus(daemon);
	if (r < 0)
		return r;
	*ret = steal_ptr(daemon);
	return 0;
}

struct daemon *daemon_free(struct daemon *daemon)
{
	if (!daemon)
		return NULL;
	sd_bus_slot_unref(daemon->name_slot);
	loop_timer_free(daemon->goodbye);
	loop_free(daemon->loop);
	sd_bus_unref(daemon->bus);
	free(daemon);
	return NULL;
}

struct loop *daemon_loop(struct daemon *daemon)
{
	return daemon->loop;
}

sd_bus *daemon_bus(struct daemon *daemon)
{
	return daemon->bus;
}

static int on_name(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct daemon *daemon = userdata;
	const sd_bus_error *error = sd_bus_message_get_error(message);
	uint32_t answer = 0;

	/* 1: we are the primary owner; 3 (exists) and 4 (already owner) are no way to start. */
	if (!error && sd_bus_message_read(message, "u", &answer) >= 0 && answer == 1) {
		log_info("ready as %s", daemon->options->bus_name);
		sd_notify(0, "READY=1");
		return 0;
	}
	log_error("cannot have the name %s: %s", daemon->options->bus_name,
		  error ? error->message : "another process has it");
	daemon_stop(daemon, 1);
	return 0;
}

int daemon_announce(struct daemon *daemon)
{
	if (!daemon->bus) {
		sd_notify(0, "READY=1");
		return 0;
	}
	/* SD_BUS_NAME_* has no "do not queue": not asking for the queue is that. */
	return sd_bus_request_name_async(daemon->bus, &daemon->name_slot, daemon->options->bus_name,
					 0, on_name, daemon);
}

int daemon_run(struct daemon *daemon)
{
	return loop_run(daemon->loop);
}

void daemon_stop(struct daemon *daemon, int status)
{
	loop_stop(daemon->loop, status);
}

static void print_help(const char *program, const char *summary, const char *default_config)
{
	printf("Usage: %s [OPTION...]\n\n%s\n\n"
	       "  --config FILE  read FILE instead of %s\n"
	       "  --debug        say more on standard error\n"
	       "  --help         print this\n"
	       "  --version      print the version\n",
	       program, summary, default_config);
}

int daemon_parse_arguments(int argc, char **argv, const char *summary, const char *default_config,
			   const char **ret_config)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{},
	};
	static const struct rlimit no_core = { 0, 0 };
	int option;

	setrlimit(RLIMIT_CORE, &no_core);
#ifndef __SANITIZE_ADDRESS__
	/* The limit does not hold where cores go to a pipe. This also keeps processes of the same
	 * user from reading our memory. (The leak checker has to.) */
	prctl(PR_SET_DUMPABLE, 0);
#endif
	*ret_config = default_config;
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			*ret_config = optarg;
			if (access(optarg, R_OK) < 0) {
				fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name,
					optarg, strerror(errno));
				return -EINVAL;
			}
			break;
		case 'd':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'h':
			print_help(program_invocation_short_name, summary, default_config);
			return 0;
		case 'v':
			puts(PACKAGE_STRING);
			return 0;
		default:
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: \"%s\" is not an option; see --help\n",
			program_invocation_short_name, argv[optind]);
		return -EINVAL;
	}
	return 1;
}
