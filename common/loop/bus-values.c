/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/loop/bus-values.h"

#include <arpa/inet.h>

int bus_append_counters(sd_bus_message *message, const struct counter_description *descriptions,
			const void *counting)
{
	int r = sd_bus_message_open_container(message, 'a', "{st}");

	for (; r >= 0 && descriptions->name; descriptions++)
		r = sd_bus_message_append(
			message, "{st}", descriptions->name,
			*(const uint64_t *)((const char *)counting + descriptions->offset));
	return r < 0 ? r : sd_bus_message_close_container(message);
}

int bus_append_endpoint(sd_bus_message *message, const struct sockaddr_in *endpoint)
{
	char address[INET_ADDRSTRLEN] = "";

	if (endpoint->sin_addr.s_addr)
		inet_ntop(AF_INET, &endpoint->sin_addr, address, sizeof address);
	return sd_bus_message_append(message, "(sq)", address,
				     *address ? ntohs(endpoint->sin_port) : 0);
}

int bus_property_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	return sd_bus_message_append(reply, "s", (const char *)userdata);
}

int bus_property_endpoint(sd_bus *bus, const char *path, const char *interface,
			  const char *property, sd_bus_message *reply, void *userdata,
			  sd_bus_error *ret_error)
{
	return bus_append_endpoint(reply, userdata);
}
