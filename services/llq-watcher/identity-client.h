/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Identity1 as the watcher sees it: who we are, and the key we sign with. */
#include "common/keys/secret.h"
#include "common/loop/neighbour.h"

#include <netinet/in.h>

struct identity_client;

/* Domains without the final dot. */
struct identity_names {
	char host_name[64];       /* desktop */
	char account_domain[256]; /* alice.members.example.org */
	char members_domain[256]; /* members.example.org */
	char key_name[256];
};

struct identity_view {
	bool present; /* the daemon is there and has made up its mind */
	bool signed_in;
	struct identity_names names; /* when signed in */
};

/* Called after each change on the other side, from the loop. */
typedef void (*identity_client_callback)(void *userdata);
/* `key_name` and `secret` are borrowed; NULL when it failed, and then `words` say why. */
typedef void (*identity_client_key_callback)(void *userdata, const char *key_name,
					     const struct secret *secret, const char *words);

int identity_client_new(sd_bus *bus, identity_client_callback on_change,
			identity_client_key_callback on_key, void *userdata,
			struct identity_client **ret);
struct identity_client *identity_client_free(struct identity_client *client);
void identity_client_read(const struct identity_client *client, struct identity_view *ret);
/* Asks for the TSIG key; the answer comes from the loop. 0 or a negative errno. */
int identity_client_get_key(struct identity_client *client);

DEFINE_CLEANUP(struct identity_client *, identity_client_free)
