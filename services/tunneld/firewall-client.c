/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/firewall-client.h"

#include "common/base/log.h"

#include <string.h>

#define NAME      "org.fedoraproject.FirewallD1"
#define PATH      "/org/fedoraproject/FirewallD1"
#define INTERFACE "org.fedoraproject.FirewallD1"

struct firewall_client {
	sd_bus *bus;
	const char *zone, *interface, *second;
	void (*on_change)(void *userdata);
	void *userdata;
	sd_bus_slot *owner_match, *reload_match, *call, *second_call;
	bool set;
};

static void note(struct firewall_client *client, bool set)
{
	if (client->set == set)
		return;
	client->set = set;
	client->on_change(client->userdata);
}

/* Its errors have one name; the message begins with what it is. */
static bool is_error(sd_bus_message *message, const char *word)
{
	const sd_bus_error *error = sd_bus_message_get_error(message);

	return error && error->message && !strncmp(error->message, word, strlen(word));
}

static void complain(const struct firewall_client *client, sd_bus_message *message)
{
	const sd_bus_error *error = sd_bus_message_get_error(message);

	/* It does not run. */
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	    sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return;
	if (is_error(message, "ZONE_CONFLICT"))
		log_info("firewalld has %s in another zone than %s: so be it", client->interface,
			 client->zone);
	else if (is_error(message, "INVALID_ZONE"))
		log_warning("firewalld does not know the zone %s: firewall-cmd --reload reads the "
			    "files that came with homeward",
			    client->zone);
	else
		log_warning("firewalld does not put %s into the zone %s: %s", client->interface,
			    client->zone, error->message ?: error->name);
}

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct firewall_client *client = userdata;
	bool failed = sd_bus_message_is_method_error(message, NULL);

	client->call = sd_bus_slot_unref(client->call);
	if (failed && is_error(message, "ZONE_ALREADY_SET"))
		failed = false;
	if (failed)
		complain(client, message);
	note(client, !failed);
	return 0;
}

/* The first one's answer says what there is to say. */
static int on_second_answer(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct firewall_client *client = userdata;

	client->second_call = sd_bus_slot_unref(client->second_call);
	return 0;
}

static int ask_for(struct firewall_client *client, const char *interface, sd_bus_slot **slot,
		   sd_bus_message_handler_t callback)
{
	sd_bus_message *message = NULL;
	int r = sd_bus_message_new_method_call(client->bus, &message, NAME, PATH, INTERFACE ".zone",
					       "addInterface");

	/* Whether there is a firewall is not ours to decide. */
	if (r >= 0)
		r = sd_bus_message_set_auto_start(message, 0);
	if (r >= 0)
		r = sd_bus_message_append(message, "ss", client->zone, interface);
	*slot = sd_bus_slot_unref(*slot);
	if (r >= 0)
		r = sd_bus_call_async(client->bus, slot, message, callback, client, 0);
	sd_bus_message_unref(message);
	return r;
}

static int ask(struct firewall_client *client)
{
	int r = ask_for(client, client->interface, &client->call, on_answer);

	return r < 0 || !client->second
		       ? r
		       : ask_for(client, client->second, &client->second_call, on_second_answer);
}

/* It came, or went. */
static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct firewall_client *client = userdata;
	const char *name, *former, *owner;

	if (sd_bus_message_read(message, "sss", &name, &former, &owner) < 0)
		return 0;
	note(client, false);
	if (*owner)
		ask(client);
	return 0;
}

/* What was set at run time is gone. */
static int on_reloaded(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	ask(userdata);
	return 0;
}

int firewall_client_new(sd_bus *bus, const char *zone, const char *interface, const char *second,
			void (*on_change)(void *userdata), void *userdata,
			struct firewall_client **ret)
{
	cleanup(firewall_client_freep) struct firewall_client *client = calloc(1, sizeof *client);
	int r;

	if (!client)
		return -ENOMEM;
	client->bus = sd_bus_ref(bus);
	client->zone = zone;
	client->interface = interface;
	client->second = second;
	client->on_change = on_change;
	client->userdata = userdata;
	r = sd_bus_add_match_async(bus, &client->owner_match,
				   "type='signal',sender='org.freedesktop.DBus',"
				   "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
				   "arg0='" NAME "'",
				   on_owner, NULL, client);
	if (r >= 0)
		r = sd_bus_match_signal_async(bus, &client->reload_match, NAME, PATH, INTERFACE,
					      "Reloaded", on_reloaded, NULL, client);
	if (r >= 0)
		r = ask(client);
	if (r < 0)
		return r;
	*ret = steal_ptr(client);
	return 0;
}

struct firewall_client *firewall_client_free(struct firewall_client *client)
{
	if (!client)
		return NULL;
	sd_bus_slot_unref(client->owner_match);
	sd_bus_slot_unref(client->reload_match);
	sd_bus_slot_unref(client->call);
	sd_bus_slot_unref(client->second_call);
	sd_bus_unref(client->bus);
	free(client);
	return NULL;
}

const char *firewall_client_zone(const struct firewall_client *client)
{
	return client && client->set ? client->zone : "";
}
