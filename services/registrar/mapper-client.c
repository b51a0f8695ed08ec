/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/mapper-client.h"

#include <string.h>

#define NAME              "org.homeward.Mapper1"
#define PATH              "/org/homeward/Mapper1"
#define INTERFACE         "org.homeward.Mapper1"
#define MAPPING_INTERFACE "org.homeward.Mapper1.Mapping"
#define LABEL             "tunnel"

struct mapper_client {
	struct neighbour *neighbour;
	mapper_client_callback on_change;
	void *userdata;
};

static void on_neighbour(struct neighbour *neighbour, void *userdata)
{
	struct mapper_client *client = userdata;

	client->on_change(client->userdata);
}

int mapper_client_new(sd_bus *bus, mapper_client_callback on_change, void *userdata,
		      struct mapper_client **ret)
{
	cleanup(mapper_client_freep) struct mapper_client *client = NULL;
	int r;

	client = calloc(1, sizeof(*client));
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

struct mapper_client *mapper_client_free(struct mapper_client *client)
{
	if (!client)
		return NULL;
	neighbour_free(client->neighbour);
	free(client);
	return NULL;
}

static bool is_usable(const struct neighbour *neighbour, const char *path)
{
	const char *state = neighbour_string(neighbour, path, MAPPING_INTERFACE, "State") ?: "";

	return strcmp(state, "mapped") == 0 || strcmp(state, "public") == 0;
}

static void read_mapping(const struct neighbour *neighbour, const char *path,
			 struct registrar_place *ret)
{
	struct sockaddr_in external;

	ret->generation = neighbour_number(neighbour, path, MAPPING_INTERFACE, "Generation");
	if (is_usable(neighbour, path) &&
	    neighbour_endpoint(neighbour, path, MAPPING_INTERFACE, "External", &external) &&
	    external.sin_port)
		ret->endpoint = external;
}

void mapper_client_read(const struct mapper_client *client, struct mapper_view *ret)
{
	const struct neighbour *neighbour = client->neighbour;
	const char *path = NULL, *local;

	memset(ret, 0, sizeof(*ret));
	ret->present = neighbour_present(neighbour);
	ret->incarnation = neighbour_incarnation(neighbour);
	if (!ret->present)
		return;
	local = neighbour_string(neighbour, PATH, INTERFACE, "LocalAddress");
	ret->network = local && *local;
	ret->place.generation = neighbour_number(neighbour, PATH, INTERFACE, "NetworkGeneration");
	while ((path = neighbour_next(neighbour, MAPPING_INTERFACE, path))) {
		const char *label = neighbour_string(neighbour, path, MAPPING_INTERFACE, "Label");

		if (label && strcmp(label, LABEL) == 0) {
			read_mapping(neighbour, path, &ret->place);
			return;
		}
	}
}
