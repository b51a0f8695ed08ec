/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/mapper-client.h"

#include "common/base/log.h"
#include "common/loop/neighbour.h"

#include <arpa/inet.h>
#include <string.h>

#define PATH       "/org/homeward/Mapper1"
#define INTERFACE  "org.homeward.Mapper1"
#define MAPPING    "org.homeward.Mapper1.Mapping"
#define RETRY_MSEC 3000

struct mapper_client {
	struct tunneld *tunneld;
	struct neighbour *neighbour;
	uint64_t asked; /* the incarnation that has our wish; 0: none */
	sd_bus_slot *call;
	char *mapping; /* of our port; NULL: none yet */
	/* Which mapper was asked to measure, and about which network; 0: none. */
	uint64_t measured_incarnation, measured_generation;
	struct loop_timer *retry;
};

void mapper_client_keeps_alive(struct mapper_client *client)
{
	uint64_t incarnation = neighbour_incarnation(client->neighbour);
	uint64_t generation = client->tunneld->generation;

	if (!neighbour_present(client->neighbour) || (client->measured_incarnation == incarnation &&
						      client->measured_generation == generation))
		return;
	client->measured_incarnation = incarnation;
	client->measured_generation = generation;
	neighbour_call(client->neighbour, NULL, PATH, INTERFACE, "MeasureSilence", NULL, NULL, "");
}

static bool says(const char *text, const char *word)
{
	return text && !strcmp(text, word);
}

/* What it knows of the way to us. */
static void read_nat(struct mapper_client *client)
{
	struct neighbour *neighbour = client->neighbour;
	const char *verified = neighbour_string(neighbour, PATH, INTERFACE, "Verified");
	struct nat_view nat = {
		/* Also with an address that is ours alone: a firewall that lets answers in. */
		.forgets = says(verified, "no"),
		.proven = says(verified, "yes"),
		.silence = 1000 * neighbour_number(neighbour, PATH, INTERFACE, "NatSilence"),
	};

	if (client->mapping &&
	    says(neighbour_string(neighbour, client->mapping, MAPPING, "State"), "mapped"))
		(void)neighbour_endpoint(neighbour, client->mapping, MAPPING, "External",
					 &nat.mapped);
	tunneld_set_nat(client->tunneld, &nat);
}

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct mapper_client *client = userdata;
	const char *path;

	client->call = sd_bus_slot_unref(client->call);
	if (sd_bus_message_is_method_error(message, NULL)) {
		log_warning("the mapper refused the mapping: %s",
			    sd_bus_message_get_error(message)->message);
		client->asked = 0;
		loop_timer_set_delay(client->retry, RETRY_MSEC);
		return 0;
	}
	if (sd_bus_message_read(message, "o", &path) < 0)
		return 0;
	free(client->mapping);
	client->mapping = strdup(path);
	read_nat(client);
	return 0;
}

static void ask_for_mapping(struct mapper_client *client)
{
	uint16_t port = client->tunneld->settings.port;
	uint64_t incarnation = neighbour_incarnation(client->neighbour);

	if (!neighbour_present(client->neighbour) || client->asked == incarnation)
		return;
	client->call = sd_bus_slot_unref(client->call);
	if (neighbour_call(client->neighbour, &client->call, PATH, INTERFACE, "AddMapping",
			   on_answer, client, "ssqqu", "tunnel", "udp", port, port, 0) >= 0)
		client->asked = incarnation;
}

static void on_retry(void *userdata)
{
	ask_for_mapping(userdata);
}

static void on_change(struct neighbour *neighbour, void *userdata)
{
	struct mapper_client *client = userdata;
	struct in_addr address = {};
	const char *state, *text;

	/* While it is away, what it said last stays true. */
	if (!neighbour_present(neighbour))
		return;
	state = neighbour_string(neighbour, PATH, INTERFACE, "State");
	text = neighbour_string(neighbour, PATH, INTERFACE, "LocalAddress");
	ask_for_mapping(client);
	if (!state || !text || (*text && inet_pton(AF_INET, text, &address) != 1))
		return;
	/* A mapper that has just started does not know yet. */
	if (!*text && !strcmp(state, "starting"))
		return;
	tunneld_set_network(client->tunneld,
			    neighbour_number(neighbour, PATH, INTERFACE, "NetworkGeneration"),
			    address);
	read_nat(client);
}

int mapper_client_new(sd_bus *bus, struct tunneld *tunneld, struct mapper_client **ret)
{
	struct mapper_client *client = calloc(1, sizeof *client);
	int r;

	if (!client)
		return -ENOMEM;
	client->tunneld = tunneld;
	r = loop_timer_new(tunneld->loop, on_retry, client, &client->retry);
	if (r >= 0)
		r = neighbour_new(bus, INTERFACE, on_change, client, &client->neighbour);
	if (r < 0) {
		mapper_client_free(client);
		return r;
	}
	*ret = client;
	return 0;
}

struct mapper_client *mapper_client_free(struct mapper_client *client)
{
	if (!client)
		return NULL;
	sd_bus_slot_unref(client->call);
	neighbour_free(client->neighbour);
	loop_timer_free(client->retry);
	free(client->mapping);
	free(client);
	return NULL;
}
