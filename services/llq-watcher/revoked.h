/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The account's revocation lists in the zone: one more question of the set, whose answer goes to
 * identity, which alone can say what it is worth. Whoever comes back after it was forgotten itself
 * is refused by the server with every question but this one (docs/ARCHITECTURE.md, "Forgotten
 * hosts"); then it is asked alone.
 */
#include "common/dns-client/dns-exchange.h"
#include "services/llq-watcher/identity-client.h"
#include "services/llq-watcher/watch-set.h"

struct revoked;

/* Borrows `identity`. 0 or a negative errno. */
int revoked_new(struct loop *loop, struct signing_identity *identity, struct revoked **ret);
struct revoked *revoked_free(struct revoked *revoked);
/* Names the question, between watch_set_want_begin() and watch_set_want_end(). */
void revoked_want(struct revoked *revoked, const char *account_domain, struct watch_set *set);
/* Tells identity what the set says, if it does and identity has not been told yet. */
void revoked_show(struct revoked *revoked, const char *account_domain, struct watch_set *set);
/* The server does not know our key: asks it for the list. `key` must live until revoked_forget().
 */
void revoked_ask(struct revoked *revoked, const char *account_domain,
		 const struct sockaddr_in *server, const struct dns_tsig_key *key);
/* The key goes. */
void revoked_forget(struct revoked *revoked);

DEFINE_CLEANUP(struct revoked *, revoked_free)
