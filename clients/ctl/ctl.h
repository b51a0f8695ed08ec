/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* homewardctl: a bus client like any other. What its commands share. */
#include <stdbool.h>
#include <systemd/sd-bus.h>

struct ctl_daemon;

/* Exit statuses; main.c prints them in its help. */
enum ctl_status {
	CTL_DONE = 0,
	CTL_FAILED = 1, /* something inside failed */
	CTL_MISUSE = 2,
	CTL_UNREACHABLE = 3, /* the bus or the daemon */
	CTL_NOT_PERMITTED = 4,
	CTL_REFUSED = 5, /* wrong password or unknown account */
	CTL_NAME_TAKEN = 6,
	CTL_UNCONFIRMED = 7, /* signed in, but no word from the zone server yet; or not forgotten */
	CTL_NOT_REACHABLE = 8, /* netcheck: others cannot reach this host from the internet; why:
				  the host is not reached */
	CTL_NOT_KNOWN = 9,     /* netcheck, why: that was not found out in time */
};

struct ctl {
	sd_bus *bus; /* the system bus, once ctl_connect() was called */
	bool json;
	bool colour;      /* standard output is a terminal that knows colours */
	bool interactive; /* standard error is a terminal: show what is going on */
};

/* A command gets its own arguments, its name first, as main() does. */
typedef enum ctl_status (*ctl_command)(struct ctl *ctl, int argc, char **argv);

enum ctl_status ctl_status_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_metrics_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_hosts_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_netcheck_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_why_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_tunnels_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_services_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_watch_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_trace_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_share_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_unshare_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_shares_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_sign_in_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_sign_out_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_forget_command(struct ctl *ctl, int argc, char **argv);
enum ctl_status ctl_set_name_command(struct ctl *ctl, int argc, char **argv);

/* Connects to the system bus; says what to do when that fails. */
enum ctl_status ctl_connect(struct ctl *ctl);
/* One line on standard error, "homewardctl: ...". Returns `status`. */
enum ctl_status ctl_complain(enum ctl_status status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Misuse of a command: what is wrong and the hint where to read how it is meant. */
enum ctl_status ctl_misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For commands without arguments. */
enum ctl_status ctl_no_arguments(int argc, char **argv);
/* Says why a call to `daemon` failed, and what to do. */
enum ctl_status ctl_complain_call(const struct ctl_daemon *daemon, const sd_bus_error *error);
/* Whether the error means that nobody owns the name. */
bool ctl_is_absent(const sd_bus_error *error);
