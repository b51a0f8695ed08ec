/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The accounts of the members zone. Each has its key and its zone, in up to two versions: `zone` is
 * durable and what queries see; `staged` is what the transaction under way will make of it.
 */
#include "common/keys/secret.h"
#include "services/zoned/replication.h"

#define ACCOUNT_DOMAIN_SIZE 256

struct account {
	int64_t id;                       /* the row in the storage */
	char domain[ACCOUNT_DOMAIN_SIZE]; /* in lower case, no final dot */
	struct name_key name;
	struct secret *key; /* the account's TSIG key */
	struct zone *zone;
	struct zone *staged;             /* NULL: no change under way */
	uint64_t next_expiry;            /* of a lease in `zone` */
	struct replication *replication; /* NULL: nobody follows the zone */
	bool is_listed;                  /* met by the walk through the storage that is going on */
};

struct accounts {
	struct account **items; /* by name */
	size_t n;
};

/* Copies the key. 0, -EINVAL for no domain name, -ENOMEM. */
int account_new(int64_t id, const char *domain, const void *key, size_t key_size,
		struct account **ret);
struct account *account_free(struct account *account);

/* Takes the account over, also on failure. 0, -EEXIST, -ENOMEM. */
int accounts_add(struct accounts *accounts, struct account *account);
void accounts_remove_at(struct accounts *accounts, size_t position);
void accounts_clear(struct accounts *accounts);
/* The account whose domain `name` is, or is below; NULL: none. */
struct account *accounts_find(const struct accounts *accounts, const struct name_key *name);
struct account *accounts_find_id(const struct accounts *accounts, int64_t id);

DEFINE_CLEANUP(struct account *, account_free)
