/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/identity-client.h"

#include "common/keys/secret.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

#define NAME      "org.homeward.Identity1"
#define PATH      "/org/homeward/Identity1"
#define INTERFACE "org.homeward.Identity1"

struct identity_client {
	struct neighbour *neighbour;
	identity_client_callback on_change;
	identity_client_signed_callback on_signed;
	void *userdata;
	/* The account's preshared key, for the identity that is shown: asked for once. */
	sd_bus_slot *ppk_call;
	uint64_t ppk_incarnation; /* of the identity that was asked; 0: nobody yet */
	char ppk_account[IKE_NAME_LIMIT];
	bool ppk_settled;   /* the answer is there, whatever it was */
	struct secret *ppk; /* NULL: identity has none */
	char ppk_id[IKE_NAME_LIMIT];
};

/* One call under way; freed with its slot. */
struct signing {
	struct identity_client *client;
	uint64_t sa;
};

static void on_neighbour(struct neighbour *neighbour, void *userdata)
{
	struct identity_client *client = userdata;

	client->on_change(client->userdata);
}

int identity_client_new(sd_bus *bus, identity_client_callback on_change,
			identity_client_signed_callback on_signed, void *userdata,
			struct identity_client **ret)
{
	cleanup(identity_client_freep) struct identity_client *client = calloc(1, sizeof *client);
	int r;

	if (!client)
		return -ENOMEM;
	client->on_change = on_change;
	client->on_signed = on_signed;
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
	sd_bus_slot_unref(client->ppk_call);
	secret_free(client->ppk);
	neighbour_free(client->neighbour);
	free(client);
	return NULL;
}

static const char *read_text(const struct identity_client *client, const char *property)
{
	return neighbour_string(client->neighbour, PATH, INTERFACE, property) ?: "";
}

/* Names as they are compared and signed: in lower case. */
static void lower(char *text)
{
	for (; *text; text++)
		*text = tolower((unsigned char)*text);
}

static int read_local(const struct identity_client *client, struct ike_local *local)
{
	const char *account = read_text(client, "Account"), *host = read_text(client, "HostName");
	char domain[IKE_NAME_LIMIT];
	const uint8_t *certificate, *anchor;
	size_t size, anchor_size;

	certificate = neighbour_octets(client->neighbour, PATH, INTERFACE, "Certificate", &size);
	anchor = neighbour_octets(client->neighbour, PATH, INTERFACE, "AccountCertificate",
				  &anchor_size);
	if (!*account || !*host || !size || size > sizeof local->certificate || !anchor_size)
		return -ENODATA;
	if (snprintf(domain, sizeof domain, "%s.%s", account, read_text(client, "Domain")) >=
		    (int)sizeof domain ||
	    snprintf(local->name, sizeof local->name, "%s.%s", host, domain) >=
		    (int)sizeof local->name)
		return -ENAMETOOLONG;
	lower(domain);
	lower(local->name);
	if (inet_pton(AF_INET6, read_text(client, "HostId"), local->host_id) != 1)
		return -ENODATA;
	memcpy(local->certificate, certificate, size);
	local->certificate_size = size;
	local->has_ppk = client->ppk;
	if (client->ppk) {
		memcpy(local->ppk, client->ppk->data, sizeof local->ppk);
		strcpy(local->ppk_id, client->ppk_id);
	}
	return ike_trust_new(anchor, anchor_size, domain, &local->trust);
}

bool identity_client_read_revoked(struct identity_client *client, struct revocation_list *ret)
{
	const char *host;
	size_t position = 0;
	uint64_t until;

	*ret = (struct revocation_list){};
	if (!neighbour_present(client->neighbour) ||
	    !neighbour_number(client->neighbour, PATH, INTERFACE, "SignedIn"))
		return false;
	ret->number = neighbour_number(client->neighbour, PATH, INTERFACE, "RevocationNumber");
	while (neighbour_next_entry(client->neighbour, PATH, INTERFACE, "Revoked", &position, &host,
				    &until))
		(void)revocation_list_add(ret, host, until);
	return true;
}

static int on_ppk(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct identity_client *client = userdata;
	const char *id;
	int fd;

	client->ppk_call = sd_bus_slot_unref(client->ppk_call);
	client->ppk = secret_free(client->ppk);
	/* One that has none says so, and that is all there is to do about it. */
	if (!sd_bus_message_is_method_error(reply, NULL) &&
	    sd_bus_message_read(reply, "sh", &id, &fd) >= 0 &&
	    secret_from_memfd(fd, IKE_PPK_SIZE, &client->ppk) >= 0) {
		if (client->ppk->size != IKE_PPK_SIZE || strlen(id) >= sizeof client->ppk_id)
			client->ppk = secret_free(client->ppk);
		else
			strcpy(client->ppk_id, id);
	}
	client->ppk_settled = true;
	client->on_change(client->userdata);
	return 0;
}

/* Whether it is known what preshared key goes with what identity shows. */
static bool settle_ppk(struct identity_client *client)
{
	uint64_t incarnation = neighbour_incarnation(client->neighbour);
	char account[IKE_NAME_LIMIT];

	snprintf(account, sizeof account, "%s.%s", read_text(client, "Account"),
		 read_text(client, "Domain"));
	if (client->ppk_incarnation == incarnation && !strcmp(client->ppk_account, account))
		return client->ppk_settled;
	client->ppk_incarnation = incarnation;
	strcpy(client->ppk_account, account);
	client->ppk_settled = false;
	client->ppk_call = sd_bus_slot_unref(client->ppk_call);
	/* Who cannot be asked has none. */
	if (neighbour_call(client->neighbour, &client->ppk_call, PATH, INTERFACE, "GetPpk", on_ppk,
			   client, "") < 0)
		client->ppk_settled = true;
	return client->ppk_settled;
}

static void forget_ppk(struct identity_client *client)
{
	client->ppk_incarnation = 0;
	client->ppk_call = sd_bus_slot_unref(client->ppk_call);
	client->ppk = secret_free(client->ppk);
}

enum identity_view identity_client_read(struct identity_client *client, struct ike_local **ret)
{
	const char *state = read_text(client, "State");
	struct ike_local *local;

	if (!neighbour_present(client->neighbour) || !*state || !strcmp(state, "starting"))
		return IDENTITY_ABSENT;
	if (!neighbour_number(client->neighbour, PATH, INTERFACE, "SignedIn")) {
		forget_ppk(client);
		return IDENTITY_SIGNED_OUT;
	}
	if (!settle_ppk(client))
		return IDENTITY_ABSENT;
	local = calloc(1, sizeof *local);
	/* Signed in without all that belongs to it is between two reads. */
	if (!local || read_local(client, local) < 0) {
		if (local)
			explicit_bzero(local, sizeof *local);
		free(local);
		return IDENTITY_ABSENT;
	}
	*ret = local;
	return IDENTITY_SIGNED_IN;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct signing *signing = userdata;
	const void *signature = NULL;
	size_t size = 0;

	if (sd_bus_message_is_method_error(reply, NULL) ||
	    sd_bus_message_read_array(reply, 'y', &signature, &size) < 0 || !size)
		signature = NULL;
	signing->client->on_signed(signing->client->userdata, signing->sa, signature, size);
	return 0;
}

static int call_sign(struct identity_client *client, uint64_t sa, const uint8_t *octets,
		     size_t size)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	cleanup(freep) struct signing *signing = malloc(sizeof *signing);
	sd_bus_slot *slot;
	int r;

	if (!signing)
		return -ENOMEM;
	*signing = (struct signing){ client, sa };
	r = neighbour_message_new(client->neighbour, PATH, INTERFACE, "Sign", &call);
	if (r >= 0)
		r = sd_bus_message_append_array(call, 'y', octets, size);
	if (r >= 0)
		r = neighbour_send(client->neighbour, &slot, call, on_reply, signing);
	if (r < 0)
		return r;
	sd_bus_slot_set_destroy_callback(slot, free);
	sd_bus_slot_set_floating(slot, true);
	sd_bus_slot_unref(slot);
	steal_ptr(signing);
	return 0;
}

void identity_client_sign(struct identity_client *client, uint64_t sa, const uint8_t *octets,
			  size_t size)
{
	if (call_sign(client, sa, octets, size) < 0)
		client->on_signed(client->userdata, sa, NULL, 0);
}
