/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/tunnel-client.h"

#include "bus-interfaces/errors.h"
#include "common/keys/secret.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>

#define NAME           "org.homeward.Tunnel1"
#define PATH           "/org/homeward/Tunnel1"
#define INTERFACE      "org.homeward.Tunnel1"
#define PEER_INTERFACE "org.homeward.Tunnel1.Peer"

struct tunnel_client {
	struct neighbour *neighbour;
	const struct tunnel_client_callbacks *callbacks;
	void *userdata;
	sd_bus_slot *open_call;
};

/* One InstallSa under way; freed with its slot. */
struct installing {
	struct tunnel_client *client;
	uint64_t sa;
	uint32_t spi_in;
};

static void on_neighbour(struct neighbour *neighbour, void *userdata)
{
	struct tunnel_client *client = userdata;

	client->callbacks->changed(client->userdata);
}

static void on_object(struct neighbour *neighbour, const char *path, void *userdata)
{
	struct tunnel_client *client = userdata;

	if (!strcmp(path, PATH))
		client->callbacks->changed(client->userdata);
	else
		client->callbacks->peer_changed(client->userdata, path);
}

int tunnel_client_new(struct loop *loop, sd_bus *bus,
		      const struct tunnel_client_callbacks *callbacks, void *userdata,
		      struct tunnel_client **ret)
{
	cleanup(tunnel_client_freep) struct tunnel_client *client = calloc(1, sizeof *client);
	int r;

	if (!client)
		return -ENOMEM;
	client->callbacks = callbacks;
	client->userdata = userdata;
	r = neighbour_new(bus, NAME, on_neighbour, client, &client->neighbour);
	/* There is a peer for every host that we speak with: to read all at each change of one
	 * would be most of the work of a negotiation. */
	if (r >= 0)
		r = neighbour_follow(client->neighbour, loop, on_object);
	if (r < 0)
		return r;
	*ret = steal_ptr(client);
	return 0;
}

struct tunnel_client *tunnel_client_free(struct tunnel_client *client)
{
	if (!client)
		return NULL;
	sd_bus_slot_unref(client->open_call);
	neighbour_free(client->neighbour);
	free(client);
	return NULL;
}

bool tunnel_client_present(const struct tunnel_client *client)
{
	const char *state = neighbour_string(client->neighbour, PATH, INTERFACE, "State");

	return neighbour_present(client->neighbour) && state && strcmp(state, "starting");
}

uint64_t tunnel_client_incarnation(const struct tunnel_client *client)
{
	return neighbour_incarnation(client->neighbour);
}

uint64_t tunnel_client_generation(const struct tunnel_client *client)
{
	return neighbour_number(client->neighbour, PATH, INTERFACE, "Generation");
}

static enum ike_peer_state read_state(const char *state)
{
	if (state && !strcmp(state, "acquiring"))
		return IKE_PEER_ACQUIRING;
	if (state && !strcmp(state, "established"))
		return IKE_PEER_ESTABLISHED;
	return IKE_PEER_IDLE;
}

bool tunnel_client_read_peer(const struct tunnel_client *client, const char *path,
			     struct ike_tunnel_peer *ret)
{
	const struct neighbour *neighbour = client->neighbour;
	const char *name = neighbour_string(neighbour, path, PEER_INTERFACE, "Name");
	const char *host_id = neighbour_string(neighbour, path, PEER_INTERFACE, "HostId");

	memset(ret, 0, sizeof *ret);
	if (!name || !*name || strlen(name) >= sizeof ret->name || !host_id ||
	    inet_pton(AF_INET6, host_id, ret->host_id) != 1 || strlen(path) >= sizeof ret->path)
		return false;
	strcpy(ret->path, path);
	strcpy(ret->name, name);
	neighbour_endpoint(neighbour, path, PEER_INTERFACE, "Endpoint", &ret->endpoint);
	ret->silent = neighbour_number(neighbour, path, PEER_INTERFACE, "Silent");
	ret->worn = neighbour_number(neighbour, path, PEER_INTERFACE, "Worn");
	ret->state = read_state(neighbour_string(neighbour, path, PEER_INTERFACE, "State"));
	return true;
}

int tunnel_client_read_peers(const struct tunnel_client *client, struct ike_tunnel_peer **ret,
			     size_t *ret_n)
{
	struct ike_tunnel_peer *peers;
	const char *path = NULL;
	size_t n = 0;

	while ((path = neighbour_next(client->neighbour, PEER_INTERFACE, path)))
		n++;
	peers = calloc(n + 1, sizeof *peers);
	if (!peers)
		return -ENOMEM;
	n = 0;
	while ((path = neighbour_next(client->neighbour, PEER_INTERFACE, path)))
		if (tunnel_client_read_peer(client, path, &peers[n]))
			n++;
	*ret = peers;
	*ret_n = n;
	return 0;
}

static int on_opened(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct tunnel_client *client = userdata;
	int fd, r;

	client->open_call = sd_bus_slot_unref(client->open_call);
	r = sd_bus_message_get_errno(reply);
	if (r > 0) {
		client->callbacks->opened(client->userdata, -r);
		return 0;
	}
	r = sd_bus_message_read(reply, "h", &fd);
	if (r >= 0) {
		/* The message's descriptor goes with the message. */
		r = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (r < 0)
			r = -errno;
	}
	client->callbacks->opened(client->userdata, r);
	return 0;
}

int tunnel_client_open_channel(struct tunnel_client *client)
{
	client->open_call = sd_bus_slot_unref(client->open_call);
	return neighbour_call(client->neighbour, &client->open_call, PATH, INTERFACE,
			      "OpenIkeChannel", on_opened, client, "");
}

static int on_installed(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct installing *installing = userdata;
	struct tunnel_client *client = installing->client;
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	client->callbacks->installed(client->userdata, installing->sa, installing->spi_in, !error,
				     error ? error->message ?: error->name : NULL);
	return 0;
}

static int call_install(struct tunnel_client *client, const struct ike_action *action)
{
	const struct ike_child *child = &action->child;
	char host_id[INET6_ADDRSTRLEN], address[INET_ADDRSTRLEN];
	cleanup(freep) struct installing *installing = malloc(sizeof *installing);
	/* The action's, which wipes them: pages of their own would be mapped for a moment only. */
	const struct secret keys = { .size = action->size, .data = action->data };
	cleanup(close_fdp) int fd = -1;
	sd_bus_slot *slot;
	int r;

	if (!installing)
		return -ENOMEM;
	*installing = (struct installing){ client, action->sa, child->spi_in };
	inet_ntop(AF_INET6, action->host_id, host_id, sizeof host_id);
	inet_ntop(AF_INET, &action->endpoint.sin_addr, address, sizeof address);
	fd = secret_to_memfd(&keys);
	if (fd < 0)
		return fd;
	r = neighbour_call(client->neighbour, &slot, PATH, INTERFACE, "InstallSa", on_installed,
			   installing, "ss(sq)uusbbh", action->name, host_id, address,
			   ntohs(action->endpoint.sin_port), child->spi_in, child->spi_out,
			   esp_suite_name(&child->suite), (int)child->suite.esn,
			   (int)child->initiator, fd);
	if (r < 0)
		return r;
	/* Calls arrive in their order. What needs no answer has no callback: then there is none. */
	if (action->limit_octets || action->limit_packets)
		neighbour_call(client->neighbour, NULL, PATH, INTERFACE, "LimitSa", NULL, NULL,
			       "utt", child->spi_in, action->limit_octets, action->limit_packets);
	sd_bus_slot_set_destroy_callback(slot, free);
	sd_bus_slot_set_floating(slot, true);
	sd_bus_slot_unref(slot);
	steal_ptr(installing);
	return 0;
}

void tunnel_client_install(struct tunnel_client *client, const struct ike_action *action)
{
	int r = call_install(client, action);

	if (r < 0)
		client->callbacks->installed(client->userdata, action->sa, action->child.spi_in,
					     false, strerror(-r));
}

void tunnel_client_remove(struct tunnel_client *client, uint32_t spi_in)
{
	neighbour_call(client->neighbour, NULL, PATH, INTERFACE, "RemoveSa", NULL, NULL, "u",
		       spi_in);
}

void tunnel_client_remove_all(struct tunnel_client *client, const char *peer_path)
{
	neighbour_call(client->neighbour, NULL, PATH, INTERFACE, "RemovePeerSas", NULL, NULL, "o",
		       peer_path);
}

void tunnel_client_move(struct tunnel_client *client, uint32_t spi_in,
			const struct sockaddr_in *endpoint)
{
	char address[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &endpoint->sin_addr, address, sizeof address);
	neighbour_call(client->neighbour, NULL, PATH, INTERFACE, "MoveSa", NULL, NULL, "u(sq)",
		       spi_in, address, ntohs(endpoint->sin_port));
}

void tunnel_client_retire(struct tunnel_client *client, uint32_t spi_in)
{
	neighbour_call(client->neighbour, NULL, PATH, INTERFACE, "RetireSa", NULL, NULL, "u",
		       spi_in);
}

void tunnel_client_acquire_failed(struct tunnel_client *client, const char *peer_path,
				  const char *reason)
{
	neighbour_call(client->neighbour, NULL, PATH, INTERFACE, "AcquireFailed", NULL, NULL, "os",
		       peer_path, reason);
}
