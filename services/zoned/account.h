/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The accounts of the members zone. Each has its key and its zone, in up to two versions: `zone` is
 * durable and what queries see; `staged` is what the transaction under way will make of it.
 */
#include "common/base/due-heap.h"
#include "common/base/hash.h"
#include "common/keys/secret.h"
#include "services/zoned/replication.h"
#include "services/zoned/revoked-state.h"

#define ACCOUNT_DOMAIN_SIZE 256

struct account {
	int64_t id;                       /* the row in the storage */
	char domain[ACCOUNT_DOMAIN_SIZE]; /* in lower case, no final dot */
	struct name_key name;
	struct secret *key; /* the account's TSIG key */
	bool is_disabled;   /* its keys are refused */
	bool allows_md5;    /* and SHA-1 */
	struct zone *zone;
	struct zone *staged;             /* NULL: no change under way */
	size_t n_waiting;                /* changes that wait since `waiting_round` */
	uint64_t waiting_round;          /* see struct authority */
	struct account *next_staged;     /* in the list of those that have one */
	struct due_entry lease_end;      /* the first lease to end in `zone` */
	struct replication *replication; /* NULL: nobody follows the zone */
	struct revoked_cache *revoked;   /* what a zone said of forgotten hosts */

	/* What is in the primary, where there is one: see authority-follow.h. */
	struct zone *base;          /* with what was learnt, while a transaction is under way */
	struct account *next_based; /* in the list of those that have one */
	bool is_unclaimed;          /* it has no records there at all */
	uint64_t learnt_from;       /* older differences are in what it began with */

	bool is_listed; /* met by the walk through the storage that is going on */

	/* Long-lived queries about it: see llq-table.h. */
	struct llq_question *llq_questions;
	struct llq_owner *llq_owners;
	struct removals *removals; /* while it is read from the storage */
	size_t n_removals;         /* written since they were last trimmed */

	/* Connections that are bound to one of its keys, and what they are subscribed to: see
	 * session.h. */
	struct session *sessions;
	struct push_owner *push_owners;
	struct push_name *push_names;

	UT_hash_handle by_name, by_id;
};

/* All zero: none. */
struct accounts {
	struct account *by_name; /* hashes, and lists in the order of coming */
	struct account *by_id;
	size_t n;
	size_t shortest; /* of the names' keys, 0 when there are none */
	struct due_heap lease_ends;
	struct secret_pool *keys;
};

/* To be added to these accounts, or freed before them. Copies the key. 0, -EINVAL for no domain
 * name or no key, -ENOMEM. */
int account_new(struct accounts *accounts, int64_t id, const char *domain, const void *key,
		size_t key_size, struct account **ret);
struct account *account_free(struct account *account);

/* Takes the account over, also on failure. 0, -EEXIST, -ENOMEM. */
int accounts_add(struct accounts *accounts, struct account *account);
/* Takes it out and frees it. */
void accounts_remove(struct accounts *accounts, struct account *account);
void accounts_clear(struct accounts *accounts);
/* The account whose domain `name` is, or is below; NULL: none. */
struct account *accounts_find(const struct accounts *accounts, const struct name_key *name);
struct account *accounts_find_id(const struct accounts *accounts, int64_t id);
/* `zone` has changed: looks when its next lease ends. */
void accounts_note_leases(struct accounts *accounts, struct account *account);

DEFINE_CLEANUP(struct account *, account_free)
