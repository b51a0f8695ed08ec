/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/watcher-client.h"

#include "common/loop/neighbour.h"

#include <arpa/inet.h>
#include <string.h>

#define PATH           "/org/homeward/Watcher1"
#define INTERFACE      "org.homeward.Watcher1"
#define HOST_INTERFACE "org.homeward.Watcher1.Host"

struct watcher_client {
	struct tunneld *tunneld;
	struct neighbour *neighbour;
};

static void read_host(struct watcher_client *client, const char *path)
{
	struct neighbour *neighbour = client->neighbour;
	const char *name = neighbour_string(neighbour, path, HOST_INTERFACE, "Name");
	const char *text = neighbour_string(neighbour, path, HOST_INTERFACE, "HostId");
	struct sockaddr_in endpoint;
	struct in6_addr host_id;
	bool known;

	if (!name || !text || inet_pton(AF_INET6, text, &host_id) != 1)
		return;
	known = neighbour_endpoint(neighbour, path, HOST_INTERFACE, "Endpoint", &endpoint) &&
		endpoint.sin_addr.s_addr && endpoint.sin_port;
	tunneld_hear_host(client->tunneld, name, &host_id, known ? &endpoint : NULL,
			  neighbour_number(neighbour, path, HOST_INTERFACE, "EndpointGeneration"),
			  neighbour_incarnation(neighbour));
}

void watcher_client_read(struct watcher_client *client)
{
	const char *state;
	bool whole;

	/* Without a watcher, and with one that has not seen the zone yet, hosts that were known
	 * stay. */
	if (!client || !neighbour_present(client->neighbour))
		return;
	state = neighbour_string(client->neighbour, PATH, INTERFACE, "State");
	whole = state && !strcmp(state, "watching");
	for (struct peer *peer = client->tunneld->peers.peers; whole && peer; peer = peer->next)
		peer->listed = false;
	for (const char *path = NULL;
	     (path = neighbour_next(client->neighbour, HOST_INTERFACE, path));)
		read_host(client, path);
	if (whole)
		tunneld_hear_hosts_end(client->tunneld);
}

static void on_change(struct neighbour *neighbour, void *userdata)
{
	watcher_client_read(userdata);
}

int watcher_client_new(sd_bus *bus, struct tunneld *tunneld, struct watcher_client **ret)
{
	struct watcher_client *client = calloc(1, sizeof *client);
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

struct watcher_client *watcher_client_free(struct watcher_client *client)
{
	if (!client)
		return NULL;
	neighbour_free(client->neighbour);
	free(client);
	return NULL;
}
