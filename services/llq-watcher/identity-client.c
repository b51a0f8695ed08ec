/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/identity-client.h"

#include <stdio.h>
#include <string.h>

#define NAME         "org.homeward.Identity1"
#define PATH         "/org/homeward/Identity1"
#define INTERFACE    "org.homeward.Identity1"
#define ALGORITHM    "hmac-sha256"
#define KEY_SIZE_MAX 64

struct identity_client {
	struct neighbour *neighbour;
	sd_bus_slot *call;
	identity_client_callback on_change;
	identity_client_key_callback on_key;
	void *userdata;
};

static void on_neighbour(struct neighbour *neighbour, void *userdata)
{
	struct identity_client *client = userdata;

	client->on_change(client->userdata);
}

int identity_client_new(sd_bus *bus, identity_client_callback on_change,
			identity_client_key_callback on_key, void *userdata,
			struct identity_client **ret)
{
	cleanup(identity_client_freep) struct identity_client *client = NULL;
	int r;

	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->on_change = on_change;
	client->on_key = on_key;
	client->userdata = userdata;
	r = neighbour_new(bus, NAME, on_neighbour, client, &client->neighbour);
	if (r < 0)
		return r;
	*ret = steal_ptr(client);
	return 0;
}

struct identity_client *identity_client_free(struct identity_client *client)
{
	if (!client)
		return NULL;
	sd_bus_slot_unref(client->call);
	neighbour_free(client->neighbour);
	free(client);
	return NULL;
}

static const char *read_text(const struct identity_client *client, const char *property)
{
	return neighbour_string(client->neighbour, PATH, INTERFACE, property) ?: "";
}

/* False when a name is missing or too long. */
static bool read_names(const struct identity_client *client, struct identity_names *ret)
{
	const char *account = read_text(client, "Account"), *domain = read_text(client, "Domain");
	const struct {
		const char *property;
		char *target;
		size_t size;
	} names[] = {
		{ "HostName", ret->host_name, sizeof(ret->host_name) },
		{ "Domain", ret->members_domain, sizeof(ret->members_domain) },
		{ "TsigKeyName", ret->key_name, sizeof(ret->key_name) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *text = read_text(client, names[i].property);

		if (!*text || strlen(text) >= names[i].size)
			return false;
		strcpy(names[i].target, text);
	}
	return *account && snprintf(ret->account_domain, sizeof(ret->account_domain), "%s.%s",
				    account, domain) < (int)sizeof(ret->account_domain);
}

void identity_client_read(const struct identity_client *client, struct identity_view *ret)
{
	const char *state = read_text(client, "State");

	memset(ret, 0, sizeof(*ret));
	if (!neighbour_present(client->neighbour) || !*state || strcmp(state, "starting") == 0)
		return;
	ret->present = true;
	ret->signed_in = neighbour_number(client->neighbour, PATH, INTERFACE, "SignedIn");
	/* Signed in without names is between two reads: as if it were not there. */
	if (ret->signed_in && !read_names(client, &ret->names))
		ret->present = ret->signed_in = false;
}

static int on_key_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct identity_client *client = userdata;
	cleanup(secret_freep) struct secret *secret = NULL;
	const char *name, *algorithm;
	int fd, r;

	client->call = sd_bus_slot_unref(client->call);
	if (sd_bus_message_is_method_error(reply, NULL)) {
		client->on_key(client->userdata, NULL, NULL,
			       sd_bus_message_get_error(reply)->message ?: "identity refused");
		return 0;
	}
	r = sd_bus_message_read(reply, "ssh", &name, &algorithm, &fd);
	if (r >= 0 && strcmp(algorithm, ALGORITHM) != 0)
		r = -EINVAL;
	if (r >= 0)
		r = secret_from_memfd(fd, KEY_SIZE_MAX, &secret);
	if (r < 0)
		client->on_key(client->userdata, NULL, NULL, strerror(-r));
	else
		client->on_key(client->userdata, name, secret, NULL);
	return 0;
}

int identity_client_get_key(struct identity_client *client)
{
	client->call = sd_bus_slot_unref(client->call);
	return neighbour_call(client->neighbour, &client->call, PATH, INTERFACE, "GetTsigKey",
			      on_key_reply, client, "");
}
