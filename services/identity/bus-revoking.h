/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of org.homeward.Identity1 about forgotten hosts, for the table in bus.c. */
#include <systemd/sd-bus.h>

int bus_revoking_get(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *userdata, sd_bus_error *ret_error);
int bus_revoking_get_hosts(sd_bus *bus, const char *path, const char *interface,
			   const char *property, sd_bus_message *reply, void *userdata,
			   sd_bus_error *ret_error);
int bus_revoking_on_forget(sd_bus_message *call, void *userdata, sd_bus_error *ret_error);
int bus_revoking_on_take_lists(sd_bus_message *call, void *userdata, sd_bus_error *ret_error);
int bus_revoking_on_get_submission(sd_bus_message *call, void *userdata, sd_bus_error *ret_error);
int bus_revoking_on_finish_submission(sd_bus_message *call, void *userdata,
				      sd_bus_error *ret_error);
