/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns-client/signing-identity.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define ALGORITHM        "hmac-sha256"
#define KEY_SIZE_MAX     64
#define CERTIFICATE_SIZE 4096 /* larger ones are cut, to be told apart by their beginning */

/* What another identity differs in. */
struct identity_marks {
	struct host_names names;
	uint8_t certificate[CERTIFICATE_SIZE]; /* a new one at each sign-in */
};

struct signing_identity {
	struct neighbour *neighbour;
	struct signing_identity_place place;
	sd_bus_slot *call;
	signing_identity_callback on_change;
	signing_identity_key_callback on_key;
	void *userdata;

	struct identity_marks newest; /* all zero: signed out */
	uint64_t number;              /* of the newest */
	struct signing_key *wanted;   /* while it is asked for */
	uint64_t asked;               /* the number it is asked for */
};

void signing_key_deinit(struct signing_key *key)
{
	secret_free(key->secret);
	memset(key, 0, sizeof(*key));
}

static void on_neighbour(struct neighbour *neighbour, void *userdata)
{
	struct signing_identity *identity = userdata;

	identity->on_change(identity->userdata);
}

int signing_identity_new(sd_bus *bus, const struct signing_identity_place *place,
			 signing_identity_callback on_change, signing_identity_key_callback on_key,
			 void *userdata, struct signing_identity **ret)
{
	cleanup(signing_identity_freep) struct signing_identity *identity = NULL;
	int r;

	identity = calloc(1, sizeof(*identity));
	if (!identity)
		return -ENOMEM;
	identity->place = *place;
	identity->on_change = on_change;
	identity->on_key = on_key;
	identity->userdata = userdata;
	r = neighbour_new(bus, place->name, on_neighbour, identity, &identity->neighbour);
	if (r < 0)
		return r;
	*ret = steal_ptr(identity);
	return 0;
}

struct signing_identity *signing_identity_free(struct signing_identity *identity)
{
	if (!identity)
		return NULL;
	sd_bus_slot_unref(identity->call);
	neighbour_free(identity->neighbour);
	free(identity);
	return NULL;
}

static const char *read_text(const struct signing_identity *identity, const char *property)
{
	return neighbour_string(identity->neighbour, identity->place.path,
				identity->place.interface, property)
		       ?: "";
}

/* False when a name is missing or too long. */
static bool read_names(const struct signing_identity *identity, struct host_names *ret)
{
	const char *account = read_text(identity, "Account"),
		   *domain = read_text(identity, "Domain");
	const struct {
		const char *property;
		char *target;
		size_t size;
	} names[] = {
		{ "HostName", ret->host_name, sizeof(ret->host_name) },
		{ "TunnelLabel", ret->tunnel_label, sizeof(ret->tunnel_label) },
		{ "Domain", ret->members_domain, sizeof(ret->members_domain) },
		{ "TsigKeyName", ret->key_name, sizeof(ret->key_name) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *text = read_text(identity, names[i].property);

		if (!*text || strlen(text) >= names[i].size)
			return false;
		strcpy(names[i].target, text);
	}
	if (!*account || snprintf(ret->account_domain, sizeof(ret->account_domain), "%s.%s",
				  account, domain) >= (int)sizeof(ret->account_domain))
		return false;
	return inet_pton(AF_INET6, read_text(identity, "HostId"), &ret->host_id) == 1;
}

static bool read_marks(const struct signing_identity *identity, struct identity_marks *ret)
{
	const uint8_t *certificate;
	size_t size;

	memset(ret, 0, sizeof(*ret));
	certificate = neighbour_octets(identity->neighbour, identity->place.path,
				       identity->place.interface, "Certificate", &size);
	if (certificate)
		memcpy(ret->certificate, certificate,
		       size < CERTIFICATE_SIZE ? size : CERTIFICATE_SIZE);
	return read_names(identity, &ret->names);
}

void signing_identity_read(struct signing_identity *identity, struct signing_identity_view *ret)
{
	const char *state = read_text(identity, "State");
	struct identity_marks marks;

	memset(ret, 0, sizeof(*ret));
	if (!neighbour_present(identity->neighbour) || !*state || strcmp(state, "starting") == 0)
		return;
	ret->present = true;
	ret->signed_in = neighbour_number(identity->neighbour, identity->place.path,
					  identity->place.interface, "SignedIn");
	if (!ret->signed_in) {
		memset(&identity->newest, 0, sizeof(identity->newest));
		return;
	}
	/* Signed in without names is between two reads: as if it were not there. */
	if (!read_marks(identity, &marks)) {
		ret->present = ret->signed_in = false;
		return;
	}
	if (memcmp(&marks, &identity->newest, sizeof(marks)) != 0) {
		identity->newest = marks;
		identity->number++;
	}
	ret->number = identity->number;
}

static int fill_key(struct signing_identity *identity, const char *name, struct secret *secret)
{
	struct signing_key *key = identity->wanted;
	struct dns_tsig_key tsig = {
		.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
		.secret = secret->data,
		.secret_size = secret->size,
	};
	int r = dns_name_from_text(name, &tsig.name);

	if (r < 0)
		return r;
	signing_key_deinit(key);
	key->number = identity->asked;
	key->names = identity->newest.names;
	key->secret = secret;
	key->tsig = tsig;
	return 0;
}

static int take_reply(struct signing_identity *identity, sd_bus_message *reply)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	const char *name, *algorithm;
	int fd, r;

	r = sd_bus_message_read(reply, "ssh", &name, &algorithm, &fd);
	if (r >= 0 && strcmp(algorithm, ALGORITHM) != 0)
		r = -EINVAL;
	if (r >= 0)
		r = secret_from_memfd(fd, KEY_SIZE_MAX, &secret);
	/* Signed out and in again meanwhile: this is the key of nobody. */
	if (r >= 0 && (identity->asked != identity->number ||
		       strcmp(name, identity->newest.names.key_name) != 0))
		r = -ESTALE;
	if (r >= 0)
		r = fill_key(identity, name, secret);
	if (r >= 0)
		steal_ptr(secret);
	return r;
}

static int on_key_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct signing_identity *identity = userdata;
	const char *words = NULL;
	int r;

	identity->call = sd_bus_slot_unref(identity->call);
	if (sd_bus_message_is_method_error(reply, NULL)) {
		words = sd_bus_message_get_error(reply)->message ?: "identity refused";
	} else {
		r = take_reply(identity, reply);
		if (r == -ESTALE)
			words = "it is another one's";
		else if (r < 0)
			words = strerror(-r);
	}
	identity->on_key(identity->userdata, identity->wanted, words);
	return 0;
}

int signing_identity_get_key(struct signing_identity *identity, struct signing_key *key)
{
	identity->wanted = key;
	identity->asked = identity->number;
	identity->call = sd_bus_slot_unref(identity->call);
	return neighbour_call(identity->neighbour, &identity->call, identity->place.path,
			      identity->place.interface, "GetTsigKey", on_key_reply, identity, "");
}

struct neighbour *signing_identity_neighbour(struct signing_identity *identity)
{
	return identity->neighbour;
}
