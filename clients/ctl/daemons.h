/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemons of the house as the bus knows them. */
#include <stddef.h>

#define OBJECT_ROOT "/org/homeward"

struct ctl_daemon {
	const char *name;     /* mapper */
	const char *unit;     /* homeward-mapper */
	const char *bus_name; /* org.homeward.Mapper1, also its interface */
	const char *path;     /* /org/homeward/Mapper1 */
	/* Interfaces of its other objects, and what a list of them is called; ended by NULL. */
	const char *const *kinds;
};

#define CTL_DAEMONS 6

/* In the order of the flow: who we are, where we are, what the others see, what we see of them. */
extern const struct ctl_daemon ctl_daemons[CTL_DAEMONS];

#define CTL_IDENTITY  (&ctl_daemons[0])
#define CTL_MAPPER    (&ctl_daemons[1])
#define CTL_REGISTRAR (&ctl_daemons[2])
#define CTL_WATCHER   (&ctl_daemons[3])
#define CTL_TUNNEL    (&ctl_daemons[4])
#define CTL_KEY       (&ctl_daemons[5])
