/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.homeward.Watcher1.Service: translates, decides nothing. */
#include "common/loop/bus-values.h"
#include "services/llq-watcher/watcher.h"

#include <stdio.h>

#define PATH      "/org/homeward/Watcher1/service/%llu"
#define INTERFACE "org.homeward.Watcher1.Service"

static int get_port(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	return sd_bus_message_append(reply, "q", ((struct service *)userdata)->port);
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct service *service = userdata;
	int r = sd_bus_message_open_container(reply, 'a', "ay");

	for (size_t i = 0; r >= 0 && i < service->text_size; i += service->text[i] + 1u)
		r = sd_bus_message_append_array(reply, 'y', service->text + i + 1,
						service->text[i]);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_since(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	return sd_bus_message_append(reply, "t", ((struct service *)userdata)->since);
}

static int get_not_heard_since(sd_bus *bus, const char *path, const char *interface,
			       const char *property, sd_bus_message *reply, void *userdata,
			       sd_bus_error *ret_error)
{
	return sd_bus_message_append(reply, "t", ((struct service *)userdata)->not_heard_since);
}

static int get_live(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct service *service = userdata;

	return sd_bus_message_append(reply, "b", service->live && !service->not_heard_since);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Name", "s", bus_property_text, offsetof(struct service, name),
			SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Type", "s", bus_property_text, offsetof(struct service, type),
			SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Domain", "s", bus_property_text, offsetof(struct service, domain),
			SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Host", "s", bus_property_text, offsetof(struct service, host),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Target", "s", bus_property_text, offsetof(struct service, target),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Port", "q", get_port, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Text", "aay", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Since", "t", get_since, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Live", "b", get_live, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("NotHeardSince", "t", get_not_heard_since, 0,
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_VTABLE_END,
};

void watcher_bus_emit_service(struct watcher *watcher, struct service *service)
{
	sd_bus *bus = daemon_bus(watcher->daemon);
	sd_bus_slot *slot = NULL;
	char path[64];

	snprintf(path, sizeof(path), PATH, (unsigned long long)service->number);
	if (service->changes & SERVICE_CHANGE_REMOVED) {
		if (service->userdata)
			sd_bus_emit_object_removed(bus, path);
		service->userdata = sd_bus_slot_unref(service->userdata);
	} else if (service->changes & SERVICE_CHANGE_ADDED) {
		if (sd_bus_add_object_vtable(bus, &slot, path, INTERFACE, vtable, service) < 0)
			return;
		service->userdata = slot;
		sd_bus_emit_object_added(bus, path);
	} else {
		if (service->changes & SERVICE_CHANGE_TARGET)
			sd_bus_emit_properties_changed(bus, path, INTERFACE, "Host", "Target",
						       "Port", "Live", NULL);
		if (service->changes & SERVICE_CHANGE_HEARD)
			sd_bus_emit_properties_changed(bus, path, INTERFACE, "Live",
						       "NotHeardSince", NULL);
		if (service->changes & SERVICE_CHANGE_TEXT)
			sd_bus_emit_properties_changed(bus, path, INTERFACE, "Text", NULL);
	}
}
