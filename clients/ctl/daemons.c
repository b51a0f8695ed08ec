/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/daemons.h"

#define DAEMON(the_name, the_unit, number, ...)                                                    \
	{                                                                                          \
		.name = the_name, .unit = "homeward-" the_unit,                                    \
		.bus_name = "org.homeward." number, .path = OBJECT_ROOT "/" number,                \
		.kinds = (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL },                 \
	}

const struct ctl_daemon ctl_daemons[CTL_DAEMONS] = {
	DAEMON("identity", "identity", "Identity1"),
	DAEMON("mapper", "mapper", "Mapper1", "org.homeward.Mapper1.Mapping"),
	DAEMON("registrar", "registrar", "Registrar1", "org.homeward.Registrar1.Service"),
	DAEMON("llq-watcher", "watcher", "Watcher1", "org.homeward.Watcher1.Host",
	       "org.homeward.Watcher1.Service"),
	DAEMON("tunneld", "tunnel", "Tunnel1", "org.homeward.Tunnel1.Peer"),
	DAEMON("keyd", "key", "Key1", "org.homeward.Key1.IkeSa", "org.homeward.Key1.ChildSa"),
};
