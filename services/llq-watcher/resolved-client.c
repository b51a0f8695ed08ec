/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/resolved-client.h"

#include <stdio.h>
#include <string.h>

#define NAME      "org.freedesktop.resolve1"
#define PATH      "/org/freedesktop/resolve1"
#define INTERFACE "org.freedesktop.resolve1.Manager"

#define TIMEOUT_USEC 5000000
#define DNS_PORT     53

enum step {
	STEP_DOMAINS,
	STEP_DEFAULT_ROUTE,
	STEP_LLMNR,
	STEP_MULTICAST,
	STEP_OVER_TLS,
	STEP_DNSSEC,
	STEP_SERVER,
	STEP_REVERT, /* alone */
};

struct resolved_client {
	sd_bus *bus;
	resolved_client_owner_callback on_owner;
	resolved_client_done_callback on_done;
	void *userdata;
	sd_bus_slot *match, *owner_call, *call;
	bool decided, present;
	uint64_t incarnation;
	enum step step;
	unsigned int link;
	const struct resolved_settings *settings;
};

static int make_call(struct resolved_client *client);

static void set_owner(struct resolved_client *client, const char *owner)
{
	client->decided = true;
	client->present = owner && owner[0];
	if (client->present)
		client->incarnation++;
	client->on_owner(client->userdata);
}

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct resolved_client *client = userdata;
	const char *name, *old, *new;

	if (sd_bus_message_read(message, "sss", &name, &old, &new) < 0)
		return 0;
	/* The answer about the time before this no longer matters. */
	client->owner_call = sd_bus_slot_unref(client->owner_call);
	set_owner(client, new);
	return 0;
}

static int on_owner_read(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct resolved_client *client = userdata;
	const char *owner = NULL;

	client->owner_call = sd_bus_slot_unref(client->owner_call);
	if (!sd_bus_message_is_method_error(message, NULL))
		sd_bus_message_read(message, "s", &owner);
	set_owner(client, owner);
	return 0;
}

int resolved_client_new(sd_bus *bus, resolved_client_owner_callback on_owner,
			resolved_client_done_callback on_done, void *userdata,
			struct resolved_client **ret)
{
	cleanup(resolved_client_freep) struct resolved_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return -ENOMEM;
	client->bus = bus;
	client->on_owner = on_owner;
	client->on_done = on_done;
	client->userdata = userdata;
	r = sd_bus_add_match_async(bus, &client->match,
				   "type='signal',sender='org.freedesktop.DBus',"
				   "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
				   "arg0='" NAME "'",
				   on_owner_changed, NULL, client);
	if (r >= 0)
		r = sd_bus_call_method_async(bus, &client->owner_call, "org.freedesktop.DBus",
					     "/org/freedesktop/DBus", "org.freedesktop.DBus",
					     "GetNameOwner", on_owner_read, client, "s", NAME);
	if (r < 0)
		return r;
	*ret = steal_ptr(client);
	return 0;
}

struct resolved_client *resolved_client_free(struct resolved_client *client)
{
	if (!client)
		return NULL;
	sd_bus_slot_unref(client->match);
	sd_bus_slot_unref(client->owner_call);
	sd_bus_slot_unref(client->call);
	free(client);
	return NULL;
}

uint64_t resolved_client_incarnation(const struct resolved_client *client)
{
	return client->present ? client->incarnation : 0;
}

bool resolved_client_decided(const struct resolved_client *client)
{
	return client->decided;
}

static void done(struct resolved_client *client, bool refused, const char *words)
{
	client->call = sd_bus_slot_unref(client->call);
	client->on_done(client->userdata, refused, words);
}

static int on_reply(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct resolved_client *client = userdata;
	const sd_bus_error *problem = sd_bus_message_get_error(message);
	int r;

	client->call = sd_bus_slot_unref(client->call);
	if (problem) {
		/* A link that it has not heard of yet will be there soon. */
		bool refused = sd_bus_error_has_name(problem, SD_BUS_ERROR_ACCESS_DENIED) ||
			       sd_bus_error_has_name(
				       problem, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED) ||
			       sd_bus_error_has_name(problem, SD_BUS_ERROR_UNKNOWN_METHOD) ||
			       sd_bus_error_has_name(problem, "org.freedesktop.resolve1.LinkBusy");

		done(client, refused, problem->message ?: problem->name);
		return 0;
	}
	if (client->step == STEP_SERVER || client->step == STEP_REVERT) {
		done(client, false, NULL);
		return 0;
	}
	client->step++;
	r = make_call(client);
	if (r < 0)
		done(client, false, strerror(-r));
	return 0;
}

static const char *member_of(const struct resolved_client *client)
{
	switch (client->step) {
	case STEP_DOMAINS:
		return "SetLinkDomains";
	case STEP_DEFAULT_ROUTE:
		return "SetLinkDefaultRoute";
	case STEP_LLMNR:
		return "SetLinkLLMNR";
	case STEP_MULTICAST:
		return "SetLinkMulticastDNS";
	case STEP_OVER_TLS:
		return "SetLinkDNSOverTLS";
	case STEP_DNSSEC:
		return "SetLinkDNSSEC";
	case STEP_SERVER:
		/* The one that takes a port is younger. */
		return ntohs(client->settings->server.sin_port) == DNS_PORT ? "SetLinkDNS"
									    : "SetLinkDNSEx";
	case STEP_REVERT:
		return "RevertLink";
	}
	return NULL;
}

static int append_domains(const struct resolved_client *client, sd_bus_message *message)
{
	int r = sd_bus_message_open_container(message, 'a', "(sb)");

	for (size_t i = 0; r >= 0 && client->settings->domains[i]; i++)
		r = sd_bus_message_append(message, "(sb)", client->settings->domains[i],
					  (int)!(i == 0 && client->settings->search));
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_server(const struct resolved_client *client, sd_bus_message *message)
{
	const struct sockaddr_in *server = &client->settings->server;
	bool with_port = ntohs(server->sin_port) != DNS_PORT;
	const char *contents = with_port ? "iayqs" : "iay";
	int r = sd_bus_message_open_container(message, 'a', with_port ? "(iayqs)" : "(iay)");

	if (r >= 0)
		r = sd_bus_message_open_container(message, 'r', contents);
	if (r >= 0)
		r = sd_bus_message_append(message, "i", AF_INET);
	if (r >= 0)
		r = sd_bus_message_append_array(message, 'y', &server->sin_addr,
						sizeof(server->sin_addr));
	if (r >= 0 && with_port)
		r = sd_bus_message_append(message, "qs", ntohs(server->sin_port), "");
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_arguments(const struct resolved_client *client, sd_bus_message *message)
{
	int r = sd_bus_message_append(message, "i", (int)client->link);

	if (r < 0)
		return r;
	switch (client->step) {
	case STEP_DOMAINS:
		return append_domains(client, message);
	case STEP_DEFAULT_ROUTE:
		return sd_bus_message_append(message, "b", 0);
	case STEP_LLMNR:
	case STEP_MULTICAST:
	case STEP_OVER_TLS:
	case STEP_DNSSEC:
		/* The way to us is inside this machine, and nobody signs the account's names. */
		return sd_bus_message_append(message, "s", "no");
	case STEP_SERVER:
		return append_server(client, message);
	case STEP_REVERT:
		return 0;
	}
	return -EINVAL;
}

static int make_call(struct resolved_client *client)
{
	sd_bus_message *message = NULL;
	int r;

	r = sd_bus_message_new_method_call(client->bus, &message, NAME, PATH, INTERFACE,
					   member_of(client));
	if (r < 0)
		return r;
	/* Who has it installed but does not run it does not want it. */
	r = sd_bus_message_set_auto_start(message, 0);
	if (r >= 0)
		r = append_arguments(client, message);
	if (r >= 0)
		r = sd_bus_call_async(client->bus, &client->call, message, on_reply, client,
				      TIMEOUT_USEC);
	sd_bus_message_unref(message);
	return r < 0 ? r : 0;
}

int resolved_client_tell(struct resolved_client *client, unsigned int link,
			 const struct resolved_settings *settings)
{
	client->link = link;
	client->settings = settings;
	client->step = STEP_DOMAINS;
	return make_call(client);
}

int resolved_client_revert(struct resolved_client *client, unsigned int link)
{
	client->link = link;
	client->step = STEP_REVERT;
	return make_call(client);
}
