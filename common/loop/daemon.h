/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What every daemon of the house does alike: a loop, the system bus, its name, readiness to the
 * service manager, and an orderly end.
 *
 *   daemon_new()        loop, signals, connection to the system bus (nothing blocks)
 *   ... the daemon registers its objects on daemon_bus() and its neighbours ...
 *   daemon_announce()   asks for the name; once it is ours, tells the service manager READY=1
 *   daemon_run()        until daemon_stop(); SIGTERM and SIGINT call on_terminate first, which says
 *                       goodbye outside (deletes a mapping, a record) and calls daemon_stop() when
 * done
 */
#include "common/loop/loop.h"

struct daemon;

struct daemon_options {
	const char *bus_name;                 /* NULL: no bus at all (zoned) */
	void (*on_terminate)(void *userdata); /* NULL: there is no goodbye to say */
	void (*on_hangup)(void *userdata);    /* SIGHUP; may be NULL: ignored */
	unsigned int goodbye_msec; /* longest wait for daemon_stop() after a signal; 0: 5000 */
};

/* The object path under which all objects of all daemons live; each daemon has an ObjectManager
 * there, so one GetManagedObjects reads a daemon's whole state. */
#define HOMEWARD_OBJECT_ROOT "/org/homeward"

/* Keeps a pointer to `options`. 0 or a negative errno. */
int daemon_new(const struct daemon_options *options, void *userdata, struct daemon **ret);
struct daemon *daemon_free(struct daemon *daemon);
struct loop *daemon_loop(struct daemon *daemon);
/* NULL without a bus. Borrowed. */
sd_bus *daemon_bus(struct daemon *daemon);
int daemon_announce(struct daemon *daemon);
/* The status for exit(): 0, or 1 after a failure that was logged. */
int daemon_run(struct daemon *daemon);
void daemon_stop(struct daemon *daemon, int status);

/* What every main() begins with: --help, --version, --config FILE, --debug. Sets *ret_config
 * (borrowed from argv; `default_config` without the option). Returns 1 to go on, 0 to exit with
 * success (help was printed), -EINVAL after a complaint on standard error. Also turns core dumps
 * off. */
int daemon_parse_arguments(int argc, char **argv, const char *summary, const char *default_config,
			   const char **ret_config);

DEFINE_CLEANUP(struct daemon *, daemon_free)
