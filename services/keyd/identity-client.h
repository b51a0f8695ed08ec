/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The only file that talks to identity: who we are, and signatures by the host's key. */
#include "common/keys/revocation-list.h"
#include "common/loop/neighbour.h"
#include "services/keyd/ike-sa-state.h"

struct identity_client;

enum identity_view {
	IDENTITY_ABSENT, /* or not settled: what was known stays true */
	IDENTITY_SIGNED_OUT,
	IDENTITY_SIGNED_IN,
};

typedef void (*identity_client_callback)(void *userdata);
/* `signature` is NULL when there is none. */
typedef void (*identity_client_signed_callback)(void *userdata, uint64_t sa,
						const uint8_t *signature, size_t size);

int identity_client_new(sd_bus *bus, identity_client_callback on_change,
			identity_client_signed_callback on_signed, void *userdata,
			struct identity_client **ret);
struct identity_client *identity_client_free(struct identity_client *client);
/* With IDENTITY_SIGNED_IN *ret is new and the caller's. Until the account's preshared key was asked
 * for, identity is not settled. */
enum identity_view identity_client_read(struct identity_client *client, struct ike_local **ret);
/* The account's forgotten hosts as identity shows them; false: it is not there, and what was known
 * stays true. */
bool identity_client_read_revoked(struct identity_client *client, struct revocation_list *ret);
/* The answer comes to on_signed with `sa`, also when there is nobody to ask. */
void identity_client_sign(struct identity_client *client, uint64_t sa, const uint8_t *octets,
			  size_t size);

DEFINE_CLEANUP(struct identity_client *, identity_client_free)
