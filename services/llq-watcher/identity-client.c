/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/identity-client.h"

#include "common/base/log.h"

#define PATH      "/org/homeward/Identity1"
#define INTERFACE "org.homeward.Identity1"

int identity_client_new(sd_bus *bus, signing_identity_callback on_change,
			signing_identity_key_callback on_key, void *userdata,
			struct signing_identity **ret)
{
	static const struct signing_identity_place place = {
		.name = "org.homeward.Identity1",
		.path = PATH,
		.interface = INTERFACE,
	};

	return signing_identity_new(bus, &place, on_change, on_key, userdata, ret);
}

static int on_shown(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	if (sd_bus_message_is_method_error(reply, NULL))
		log_debug("identity did not take the revocation lists: %s",
			  sd_bus_message_get_error(reply)->message ?: "it refused");
	return 0;
}

static int append_lists(sd_bus_message *call, const struct identity_client_list *lists, size_t n)
{
	int r = sd_bus_message_open_container(call, 'a', "ay");

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = sd_bus_message_append_array(call, 'y', lists[i].data, lists[i].size);
	return r < 0 ? r : sd_bus_message_close_container(call);
}

int identity_client_show_lists(struct signing_identity *identity,
			       const struct identity_client_list *lists, size_t n)
{
	struct neighbour *neighbour = signing_identity_neighbour(identity);
	sd_bus_message *call = NULL;
	sd_bus_slot *slot = NULL;
	int r = neighbour_message_new(neighbour, PATH, INTERFACE, "TakeRevocationLists", &call);

	if (r >= 0)
		r = append_lists(call, lists, n);
	if (r >= 0)
		r = neighbour_send(neighbour, &slot, call, on_shown, NULL);
	sd_bus_message_unref(call);
	if (r < 0)
		return r;
	sd_bus_slot_set_floating(slot, true);
	sd_bus_slot_unref(slot);
	return 0;
}
