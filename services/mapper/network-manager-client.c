/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/network-manager-client.h"

#include "common/base/log.h"

#include <stdint.h>
#include <stdlib.h>

#define NAME       "org.freedesktop.NetworkManager"
#define PATH       "/org/freedesktop/NetworkManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

#define CONNECTIVITY_PORTAL 2 /* NMConnectivityState */

struct network_manager {
	sd_bus *bus;
	network_manager_callback callback;
	void *userdata;
	sd_bus_slot *owner_match, *change_match, *call;
	bool portal;
	bool again; /* something changed while it was asked */
};

static void ask(struct network_manager *manager);

static void set_portal(struct network_manager *manager, bool portal)
{
	if (manager->portal == portal)
		return;
	manager->portal = portal;
	manager->callback(manager->userdata, portal);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct network_manager *manager = userdata;
	uint32_t connectivity = 0;

	manager->call = sd_bus_slot_unref(manager->call);
	/* An error: it is not there, or too old to know. */
	if (sd_bus_message_is_method_error(reply, NULL) ||
	    sd_bus_message_read(reply, "v", "u", &connectivity) < 0)
		connectivity = 0;
	set_portal(manager, connectivity == CONNECTIVITY_PORTAL);
	if (manager->again)
		ask(manager);
	return 0;
}

static void ask(struct network_manager *manager)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;

	manager->again = manager->call;
	if (manager->call)
		return;
	if (sd_bus_message_new_method_call(manager->bus, &call, NAME, PATH, PROPERTIES, "Get") <
		    0 ||
	    sd_bus_message_append(call, "ss", NAME, "Connectivity") < 0 ||
	    sd_bus_message_set_auto_start(call, false) < 0 ||
	    sd_bus_call_async(manager->bus, &manager->call, call, on_answer, manager, 0) < 0)
		log_debug("cannot ask NetworkManager");
}

/* Whoever sent it: what is true is asked of the name's owner. */
static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
	ask(userdata);
	return 0;
}

int network_manager_new(sd_bus *bus, network_manager_callback callback, void *userdata,
			struct network_manager **ret)
{
	cleanup(network_manager_freep) struct network_manager *manager = calloc(1, sizeof *manager);
	int r;

	if (!manager)
		return -ENOMEM;
	manager->bus = sd_bus_ref(bus);
	manager->callback = callback;
	manager->userdata = userdata;
	r = sd_bus_add_match_async(bus, &manager->owner_match,
				   "type='signal',sender='org.freedesktop.DBus',"
				   "path='/org/freedesktop/DBus',"
				   "interface='org.freedesktop.DBus',"
				   "member='NameOwnerChanged',arg0='" NAME "'",
				   on_signal, NULL, manager);
	if (r >= 0)
		r = sd_bus_add_match_async(bus, &manager->change_match,
					   "type='signal',sender='" NAME "',path='" PATH "',"
					   "interface='" PROPERTIES "',member='PropertiesChanged',"
					   "arg0='" NAME "'",
					   on_signal, NULL, manager);
	if (r < 0)
		return r;
	ask(manager);
	*ret = steal_ptr(manager);
	return 0;
}

struct network_manager *network_manager_free(struct network_manager *manager)
{
	if (!manager)
		return NULL;
	sd_bus_slot_unref(manager->owner_match);
	sd_bus_slot_unref(manager->change_match);
	sd_bus_slot_unref(manager->call);
	sd_bus_unref(manager->bus);
	free(manager);
	return NULL;
}
