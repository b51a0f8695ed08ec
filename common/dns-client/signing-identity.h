/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who a DNS client speaks for, mirrored from the daemon that knows: this host's names, and the key
 * that its messages are signed with. Each identity has a number; another number means that whatever
 * was done was done by somebody else, and with another key. Signing in anew makes another identity,
 * also with the same names: it may have been with another password.
 */
#include "common/dns/dns-tsig.h"
#include "common/dns/host-names.h"
#include "common/keys/secret.h"
#include "common/loop/neighbour.h"

struct signing_identity;

/* Where it is on the bus; all kept. */
struct signing_identity_place {
	const char *name, *path, *interface;
};

struct signing_identity_view {
	bool present; /* the daemon is there and has made up its mind */
	bool signed_in;
	uint64_t number; /* from 1 on; 0 while signed out */
};

/* A key and whose it is. All zero: none. */
struct signing_key {
	uint64_t number; /* of the identity */
	struct host_names names;
	struct secret *secret;
	struct dns_tsig_key tsig; /* refers to `secret` */
};

/* Wipes it. */
void signing_key_deinit(struct signing_key *key);

/* Called after each change on the other side, from the loop. */
typedef void (*signing_identity_callback)(void *userdata);
/* `key` was filled, or is as it was when `words` say why there is none. */
typedef void (*signing_identity_key_callback)(void *userdata, struct signing_key *key,
					      const char *words);

int signing_identity_new(sd_bus *bus, const struct signing_identity_place *place,
			 signing_identity_callback on_change, signing_identity_key_callback on_key,
			 void *userdata, struct signing_identity **ret);
struct signing_identity *signing_identity_free(struct signing_identity *identity);
void signing_identity_read(struct signing_identity *identity, struct signing_identity_view *ret);
/* The mirror itself, for what is not about the key. Borrowed. */
struct neighbour *signing_identity_neighbour(struct signing_identity *identity);
/* Asks for the key of the identity read last; the answer comes from the loop, once. `key` has to
 * live until then. 0 or a negative errno. */
int signing_identity_get_key(struct signing_identity *identity, struct signing_key *key);

DEFINE_CLEANUP(struct signing_identity *, signing_identity_free)
