/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/mapper-client.h"

#include <arpa/inet.h>
#include <string.h>

#define NAME              "org.homeward.Mapper1"
#define PATH              "/org/homeward/Mapper1"
#define INTERFACE         "org.homeward.Mapper1"
#define MAPPING_INTERFACE "org.homeward.Mapper1.Mapping"
#define LABEL             "llq"

struct mapper_client {
	struct neighbour *neighbour;
	sd_bus_slot *call;
	mapper_client_callback on_change;
	void *userdata;
	uint16_t port;  /* wanted */
	uint64_t asked; /* the mapper that was asked for `asked_port`; 0: none */
	uint16_t asked_port;
	char mapping[128]; /* its path; empty: none yet */
};

static void ask(struct mapper_client *client);

static void release(struct mapper_client *client, const char *path)
{
	neighbour_call(client->neighbour, NULL, path, MAPPING_INTERFACE, "Release", NULL, NULL, "");
}

/* The path of our mapping, or an error; without one there is the short keep-alive. */
static int on_mapping(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct mapper_client *client = userdata;
	const char *path;

	client->call = sd_bus_slot_unref(client->call);
	if (!sd_bus_message_is_method_error(reply, NULL) &&
	    sd_bus_message_read(reply, "o", &path) >= 0 && strlen(path) < sizeof(client->mapping)) {
		if (client->asked_port == client->port)
			strcpy(client->mapping, path);
		else
			release(client, path);
	}
	/* Another one was wanted meanwhile. */
	if (client->asked_port != client->port) {
		client->asked = 0;
		ask(client);
	}
	client->on_change(client->userdata);
	return 0;
}

static void ask(struct mapper_client *client)
{
	if (!client->port || !neighbour_present(client->neighbour) ||
	    client->asked == neighbour_incarnation(client->neighbour))
		return;
	client->mapping[0] = 0;
	client->call = sd_bus_slot_unref(client->call);
	if (neighbour_call(client->neighbour, &client->call, PATH, INTERFACE, "AddMapping",
			   on_mapping, client, "ssqqu", LABEL, "udp", client->port, client->port,
			   0) >= 0) {
		client->asked = neighbour_incarnation(client->neighbour);
		client->asked_port = client->port;
	}
}

static void on_neighbour(struct neighbour *neighbour, void *userdata)
{
	struct mapper_client *client = userdata;

	ask(client);
	client->on_change(client->userdata);
}

void mapper_client_want_port(struct mapper_client *client, uint16_t port)
{
	if (client->port == port)
		return;
	client->port = port;
	/* What is asked for now would never be released: its answer says what to release. */
	if (client->call)
		return;
	if (client->mapping[0])
		release(client, client->mapping);
	client->mapping[0] = 0;
	client->asked = 0;
	ask(client);
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
	sd_bus_slot_unref(client->call);
	neighbour_free(client->neighbour);
	free(client);
	return NULL;
}

static bool is_reachable(const struct mapper_client *client)
{
	const struct neighbour *neighbour = client->neighbour;
	const char *state;
	struct sockaddr_in external;

	if (!client->mapping[0])
		return false;
	state = neighbour_string(neighbour, client->mapping, MAPPING_INTERFACE, "State") ?: "";
	if (strcmp(state, "mapped") != 0 && strcmp(state, "public") != 0)
		return false;
	return neighbour_endpoint(neighbour, client->mapping, MAPPING_INTERFACE, "External",
				  &external) &&
	       ntohs(external.sin_port) == client->port;
}

void mapper_client_read(const struct mapper_client *client, struct mapper_view *ret)
{
	const struct neighbour *neighbour = client->neighbour;
	const char *local, *external;

	memset(ret, 0, sizeof(*ret));
	ret->present = neighbour_present(neighbour);
	if (!ret->present)
		return;
	local = neighbour_string(neighbour, PATH, INTERFACE, "LocalAddress");
	external = neighbour_string(neighbour, PATH, INTERFACE, "ExternalAddress");
	ret->network = local && *local;
	ret->generation = neighbour_number(neighbour, PATH, INTERFACE, "NetworkGeneration");
	if (external && *external)
		inet_pton(AF_INET, external, &ret->external);
	ret->reachable = is_reachable(client);
}
