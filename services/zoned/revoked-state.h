/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hosts of an account that were forgotten (docs/ARCHITECTURE.md, "Forgotten hosts"): what the
 * revocation list in its zone says of keys. Only the account's own key can write there; whether the
 * list is signed rightly is for the hosts to look at, which have the account's certificate.
 */
#include "common/keys/revocation-list.h"
#include "services/zoned/zone-state.h"

/* A list that was read before. */
struct revoked_cache {
	struct revocation_list list;
	size_t n_records;
	struct zone_record *records[]; /* what it was read from */
};

struct revoked_cache *revoked_cache_free(struct revoked_cache *cache);

/* The list's name. */
bool revoked_name(const struct zone *zone, struct name_key *ret);
/* What the zone says, or NULL: nothing. *cache is made, changed and used; borrowed from it. */
const struct revocation_list *revoked_read(const struct zone *zone, struct revoked_cache **cache);
/* Whether the key of this name, text in lower case, is one that the list says is worth nothing.
 * `account_name` is the account's domain as text. */
bool revoked_covers_key(const struct revocation_list *list, const char *key_name,
			const char *account_name);
/* When the host's key of this name was issued, seconds since 1970; 0: long ago, or no host's key.
 */
uint64_t revoked_issue_time(const char *key_name);
/* Whether the two zones say different things. */
bool revoked_differs(const struct zone *from, const struct zone *to);
/* Removes what keys have written that `zone` says are worth nothing. Returns how many records. */
size_t revoked_purge(struct zone *zone, const char *account_name);

DEFINE_CLEANUP(struct revoked_cache *, revoked_cache_free)
