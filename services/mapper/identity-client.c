/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/identity-client.h"

#define NAME "org.homeward.Identity1"
#define PATH "/org/homeward/Identity1"

struct identity_client {
	struct neighbour *neighbour;
	identity_client_callback on_change;
	void *userdata;
};

static void on_neighbour(struct neighbour *neighbour, void *userdata)
{
	struct identity_client *client = userdata;

	client->on_change(client->userdata);
}

int identity_client_new(sd_bus *bus, identity_client_callback on_change, void *userdata,
			struct identity_client **ret)
{
	cleanup(identity_client_freep) struct identity_client *client = calloc(1, sizeof *client);
	int r;

	if (!client)
		return -ENOMEM;
	client->on_change = on_change;
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
	neighbour_free(client->neighbour);
	free(client);
	return NULL;
}

const char *identity_client_zone(const struct identity_client *client)
{
	const char *zone = neighbour_string(client->neighbour, PATH, NAME, "Domain");

	return zone && *zone ? zone : NULL;
}
