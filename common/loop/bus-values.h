/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values of our own types in bus messages. */
#include "common/base/counters.h"

#include <netinet/in.h>
#include <systemd/sd-bus.h>

/* a{st}: the counters of `counting` by `descriptions`, which a NULL name ends. */
int bus_append_counters(sd_bus_message *message, const struct counter_description *descriptions,
			const void *counting);

/* (sq): a dotted address and a port in host order; ("", 0) when the address is 0.0.0.0. Address and
 * port of the argument are in network order. */
int bus_append_endpoint(sd_bus_message *message, const struct sockaddr_in *endpoint);

/* Property getters for a vtable whose userdata plus offset is a char array (s), and a struct
 * sockaddr_in (as bus_append_endpoint() writes it). */
int bus_property_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *ret_error);
int bus_property_endpoint(sd_bus *bus, const char *path, const char *interface,
			  const char *property, sd_bus_message *reply, void *userdata,
			  sd_bus_error *ret_error);
