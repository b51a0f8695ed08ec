/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/identity-client.h"

#include "common/loop/neighbour.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define PATH      "/org/homeward/Identity1"
#define INTERFACE "org.homeward.Identity1"

struct identity_client {
	struct tunneld *tunneld;
	struct neighbour *neighbour;
	char account[512]; /* with its domain; empty: none yet */
};

static const char *read_text(const struct identity_client *client, const char *property)
{
	return neighbour_string(client->neighbour, PATH, INTERFACE, property) ?: "";
}

/* Whether another account than before is signed in. The host id is the machine's: it alone does not
 * tell, and the sign-out in between may have been too short to be seen. */
static bool take_account(struct identity_client *client)
{
	char account[sizeof client->account];
	bool other;

	if (!*read_text(client, "Account"))
		return false;
	snprintf(account, sizeof account, "%s.%s", read_text(client, "Account"),
		 read_text(client, "Domain"));
	other = *client->account && strcmp(account, client->account);
	strcpy(client->account, account);
	return other;
}

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
	if (!strcmp(state, "signed-out")) {
		tunneld_set_host_id(client->tunneld, NULL);
	} else if (!strcmp(state, "signed-in") && text &&
		   inet_pton(AF_INET6, text, &host_id) == 1) {
		/* Nobody of the former account reaches us from here on. */
		if (take_account(client))
			tunneld_set_host_id(client->tunneld, NULL);
		tunneld_set_host_id(client->tunneld, &host_id);
	}
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
