/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * All long-lived queries, found by id, by account, name and type, by who has them, and by when
 * something is due. What many of them have in common is kept once: the question with what the zone
 * holds for it, the name of the key.
 *
 * What a change costs follows from the queries about the changed name, never from how many there
 * are of others.
 */
#include "services/zoned/llq-state.h"

/* A name and type of an account that somebody asks. */
struct llq_question {
	struct account *account;
	struct llq *llqs;           /* the first; those of a transaction under way too */
	struct record_set *current; /* what the zone holds */
	ldns_rdf *name;             /* as it was first asked */
	uint16_t type;
	uint16_t key_size;
	UT_hash_handle hh; /* by `key` */
	uint8_t key[];     /* type, and the name as in struct name_key */
};
void llq_question_name(const struct llq_question *question, struct name_key *ret);

/* A key that has queries. */
struct llq_owner {
	struct account *account;
	size_t n_llqs;
	enum dns_tsig_algorithm algorithm; /* of its last setup: events are signed so */
	bool is_host;
	UT_hash_handle hh;
	char key_name[];
};

/* All zero: none. */
struct llq_table {
	struct llq *by_id;
	struct llq *by_place;
	size_t n;     /* live ones */
	size_t n_new; /* of a transaction that is not durable yet */
	struct due_heap timers;
	/* Those that may have to be told something, in the order of asking. */
	struct llq *waiting;
	/* Removed here but not yet in the storage; the first `n_removing` are in the transaction
	 * under way. */
	uint64_t *removed;
	size_t n_removed;
	size_t removed_capacity;
	size_t n_removing;
	uint64_t removed_since; /* the first of them */
};

struct llq_owner *llq_table_find_owner(const struct account *account, const char *key_name);
struct llq_question *llq_table_find_question(const struct account *account,
					     const struct name_key *name, uint16_t type);
/* Live or new. */
struct llq *llq_table_find(const struct llq_table *table, uint64_t id);

/* A new query, not live yet, which knows nothing. `now`: for what the zone holds. 0, -EEXIST or
 * -ENOMEM. */
struct llq_wish {
	uint64_t id;
	const ldns_rdf *name;
	uint16_t type;
	const char *key_name;
	enum dns_tsig_algorithm algorithm;
	struct peer peer;
	uint32_t lease;
	uint64_t expires;
};
int llq_table_add(struct llq_table *table, struct account *account, const struct llq_wish *wish,
		  uint64_t now, struct llq **ret);
/* The live one that a new one would replace, or NULL. */
struct llq *llq_table_find_place(const struct llq_table *table, const struct llq *llq);
/* The new one is live; one that was in its place is removed. */
void llq_table_take_up(struct llq_table *table, struct llq *llq, uint64_t now);
/* Frees it; the storage keeps it. */
void llq_table_drop(struct llq_table *table, struct llq *llq);
/* Frees it, and notes the id of one that was live for the storage. */
void llq_table_remove(struct llq_table *table, struct llq *llq, uint64_t now);
/* All that ask this; frees the question. */
void llq_table_remove_question(struct llq_table *table, struct llq_question *question,
			       uint64_t now);
/* Frees those of the account; the storage keeps them. */
void llq_table_forget_account(struct llq_table *table, struct account *account);
/* `lease`, `expires` or the event have changed. */
void llq_table_note_time(struct llq_table *table, struct llq *llq);
/* The one due first if that is now, or NULL. */
struct llq *llq_table_due(const struct llq_table *table, uint64_t now);

/* Puts it in the list of those that may have to be told something, or takes it out. */
void llq_table_wait(struct llq_table *table, struct llq *llq);
void llq_table_end_wait(struct llq_table *table, struct llq *llq);
/* The zone holds something else for this question: all of its queries wait. 0 or -ENOMEM. */
int llq_table_change(struct llq_table *table, struct llq_question *question, uint64_t now);

/* The transaction that removes the first ones is durable, or not. */
void llq_table_settle_removed(struct llq_table *table, bool durable);
void llq_table_clear(struct llq_table *table, struct accounts *accounts);
