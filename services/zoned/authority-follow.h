/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The members zone and all below it live in another server, the primary, and this is one of several
 * nodes in front of it. What the primary holds is learnt as differences and becomes the accounts'
 * zones, by transactions like all others. What clients of this node change goes to the primary
 * first, as UPDATEs with prerequisites that fail when the records there are not those we know, and
 * counts only once the primary has told it back.
 *
 * Leases are nobody's but this node's: of a record that came from elsewhere we know none. A node
 * owns the accounts whose service records name it; what it finds in an account that became its own
 * gets one full lease, and in accounts that are not its own nothing ends.
 *
 * An account's SOA and NS records exist here only: in the primary it is part of the one zone.
 */
#include "services/zoned/authority-internal.h"

/* Tries of a transaction whose UPDATE found other records at the primary. */
#define FOLLOW_ATTEMPTS_MAX 6
/* From this one on each account has an UPDATE of its own, lest one spoils it for all. */
#define FOLLOW_ATTEMPTS_SHARED 3

int follower_new(struct authority *authority, struct follower **ret);
struct follower *follower_free(struct follower *follower);

/* An account came and is as the storage has it; or it goes. */
int follow_complete_account(struct authority *authority, struct account *account);
void follow_forget_account(struct authority *authority, struct account *account);
/* Whether this record is one that clients must not change: an account's service records. */
bool follow_is_fixed(const struct authority *authority, const struct account *account,
		     const struct zone_record *record);

/* The parts of a transaction: what was learnt becomes staged zones; whether an UPDATE for this
 * account is taken here; and what is left when it is settled. */
int follow_stage(struct authority *authority, const struct moment *moment, bool may_claim);
bool follow_owns(const struct authority *authority, const struct account *account);
/* Whether the primary has all that is staged, by what was learnt. */
bool follow_has_arrived(struct authority *authority);
void follow_settle(struct authority *authority, bool durable);
/* When there is something for a transaction. */
uint64_t follow_next_work(const struct authority *authority, uint64_t now);
/* Whether changes can be had; and from when on leases may end, which is one. */
bool follow_is_ready(const struct authority *authority);
uint64_t follow_may_expire(const struct authority *authority);
/* Before the first transfer: an account of which nothing is known. */
bool follow_knows(const struct authority *authority, const struct zone *zone);

/* Whether this is the name of one of the zone's name servers, or below one. */
bool follow_is_public(const struct authority *authority, const struct name_key *name);

/* authority-publish.c: the UPDATEs for what is staged beyond what the primary has. 1: there are
 * some; 0: none; -EMSGSIZE: an account's change that no message can hold; -ENOMEM. */
int follow_plan_updates(struct authority *authority, bool one_each, struct update_batch *batch);
/* Whether there would be none. */
bool follow_is_published(const struct authority *authority);
/* NOTIFY from the primary, signed or from its address. */
void follow_receive_notify(struct authority *authority, struct request *request,
			   const struct moment *moment, struct outbox *outbox);

/* What belongs to one account and is not in the primary. */
bool follow_is_local(const struct account *account, const struct zone_record *record);

/* authority-follow.c itself */
struct follower {
	bool is_synced; /* the whole zone was learnt once */
	bool is_reachable;
	bool is_notified;
	bool wants_whole; /* what we have does not fit what we learn */
	bool has_lost;    /* records of accounts that went were forgotten */
	struct learnt {
		struct zone_delta *delta;
		struct name_key only; /* with is_only: whole, for this account */
		bool is_only;
	} * learnt; /* the oldest first */
	size_t n_learnt;
	size_t n_taken;    /* of them, by the transaction under way */
	uint64_t sequence; /* of the first */
	struct account *based;
	struct zone *upper;    /* all that is no known account's */
	struct zone *template; /* the service records of an account */
	uint64_t expire_at;    /* after a failure: no lease ends before then */
	uint64_t claim_at;     /* when accounts without service records are tried again */
	unsigned int n_attempts;
};

DEFINE_CLEANUP(struct follower *, follower_free)
