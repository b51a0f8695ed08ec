/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/identity-client.h"

#include "common/loop/neighbour.h"

#include <arpa/inet.h>
#include <string.h>

#define PATH      "/org/homeward/Identity1"
#define INTERFACE "org.homeward.Identity1"

struct identity_client {
	struct tunneld *tunneld;
	struct neighbour *neighbour;
};

static void on_change(struct neighbour *neighbour, void *userdata)
{
	struct identity_client *client = userdata;
	const char *state, *text;
	struct in6_addr host_id;

	/* While it is away, what it said last stays true. */
	if (!neighbour_present(neighbour))
		return;
	state = neighbour_string(neighbour, PATH, INTERFACE, "State");
	text = neighbour_string(neighbour, PATH, INTERFACE, "HostId");
	if (!state)
		return;
	if (!strcmp(state, "signed-out"))
		tunneld_set_host_id(client->tunneld, NULL);
	else if (!strcmp(state, "signed-in") && text && inet_pton(AF_INET6, text, &host_id) == 1)
		tunneld_set_host_id(client->tunneld, &host_id);
}

int identity_client_new(sd_bus *bus, struct tunneld *tunneld, struct identity_client **ret)
{
	struct identity_client *client = calloc(1, sizeof *client);
	int r;

	if (!client)
		return -ENOMEM;
	client->tunneld = tunneld;
	r = neighbour_new(bus, INTERFACE, on_change, client, &client->neighbour);
	if (r < 0) {
		free(client);
		return r;
	}
	*ret = client;
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
