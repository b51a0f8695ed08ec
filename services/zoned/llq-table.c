/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/llq-table.h"

#include <string.h>
#include <utlist.h>

/* Questions and owners ---------------------------------------------------------------------------
 */

/* Type and name, by which an account's questions are found. */
struct question_key {
	uint8_t octets[2 + NAME_KEY_SIZE_MAX];
	size_t size;
};

static void make_question_key(const struct name_key *name, uint16_t type, struct question_key *ret)
{
	ret->octets[0] = type >> 8;
	ret->octets[1] = type;
	memcpy(ret->octets + 2, name->octets, name->size);
	ret->size = 2 + name->size;
}

struct llq_question *llq_table_find_question(const struct account *account,
					     const struct name_key *name, uint16_t type)
{
	struct llq_question *question;
	struct question_key key;

	if (!account->llq_questions)
		return NULL;
	make_question_key(name, type, &key);
	HASH_FIND(hh, account->llq_questions, key.octets, key.size, question);
	return question;
}

void llq_question_name(const struct llq_question *question, struct name_key *ret)
{
	ret->size = question->key_size - 2;
	memcpy(ret->octets, question->key + 2, ret->size);
}

static void free_question(struct llq_question *question)
{
	HASH_DELETE(hh, question->account->llq_questions, question);
	record_set_unref(question->current);
	ldns_rdf_deep_free(question->name);
	free(question);
}

static int new_question(struct account *account, const ldns_rdf *name,
			const struct name_key *name_key, uint16_t type, uint64_t now,
			struct llq_question **ret)
{
	struct llq_question *question = calloc(1, sizeof *question + 2 + name_key->size);
	struct question_key key;
	int r = -ENOMEM;

	if (!question)
		return -ENOMEM;
	make_question_key(name_key, type, &key);
	memcpy(question->key, key.octets, key.size);
	question->key_size = key.size;
	question->account = account;
	question->type = type;
	question->name = ldns_rdf_clone(name);
	if (question->name)
		r = record_set_read(account->zone, name_key, type, now, &question->current);
	if (r >= 0) {
		HASH_ADD_KEYPTR(hh, account->llq_questions, question->key, key.size, question);
		if (!hash_has(&question->hh))
			r = -ENOMEM;
	}
	if (r < 0) {
		record_set_unref(question->current);
		ldns_rdf_deep_free(question->name);
		free(question);
		return r;
	}
	*ret = question;
	return 0;
}

static int get_question(struct account *account, const struct llq_wish *wish, uint64_t now,
			struct llq_question **ret)
{
	struct name_key name;

	name_key_from_rdf(wish->name, &name);
	*ret = llq_table_find_question(account, &name, wish->type);
	return *ret ? 0 : new_question(account, wish->name, &name, wish->type, now, ret);
}

struct llq_owner *llq_table_find_owner(const struct account *account, const char *key_name)
{
	struct llq_owner *owner;

	HASH_FIND(hh, account->llq_owners, key_name, strlen(key_name), owner);
	return owner;
}

static void free_owner(struct llq_owner *owner)
{
	HASH_DELETE(hh, owner->account->llq_owners, owner);
	free(owner);
}

static int get_owner(struct account *account, const struct llq_wish *wish, struct llq_owner **ret)
{
	size_t size = strlen(wish->key_name);
	struct llq_owner *owner = llq_table_find_owner(account, wish->key_name);

	if (!owner) {
		owner = calloc(1, sizeof *owner + size + 1);
		if (!owner)
			return -ENOMEM;
		memcpy(owner->key_name, wish->key_name, size);
		owner->account = account;
		owner->is_host = strcmp(wish->key_name, account->domain) != 0;
		HASH_ADD_KEYPTR(hh, account->llq_owners, owner->key_name, size, owner);
		if (!hash_has(&owner->hh)) {
			free(owner);
			return -ENOMEM;
		}
	}
	owner->algorithm = wish->algorithm;
	*ret = owner;
	return 0;
}

static void drop_unused(struct llq_question *question, struct llq_owner *owner)
{
	if (question && !question->llqs)
		free_question(question);
	if (owner && !owner->n_llqs)
		free_owner(owner);
}

/* Queries
 * -------------------------------------------------------------------------------------------- */

struct llq *llq_table_find(const struct llq_table *table, uint64_t id)
{
	struct llq *llq;

	HASH_FIND(by_id, table->by_id, &id, sizeof id, llq);
	return llq;
}

static void make_place(struct llq *llq)
{
	llq->place.question = llq->question;
	llq->place.owner = llq->owner;
	if (!llq->owner->is_host)
		llq->place.remote = llq->peer.remote;
}

static int insert(struct llq_table *table, struct llq *llq)
{
	HASH_ADD(by_id, table->by_id, id, sizeof llq->id, llq);
	if (!hash_has(&llq->by_id))
		return -ENOMEM;
	if (due_heap_set(&table->timers, &llq->timer, llq_next_due(llq)) < 0) {
		HASH_DELETE(by_id, table->by_id, llq);
		return -ENOMEM;
	}
	DL_APPEND2(llq->question->llqs, llq, previous, next);
	llq->owner->n_llqs++;
	table->n_new++;
	return 0;
}

static struct llq *make_llq(const struct llq_wish *wish, struct llq_question *question,
			    struct llq_owner *owner)
{
	struct llq *llq = calloc(1, sizeof *llq);

	if (!llq)
		return NULL;
	llq->id = wish->id;
	llq->question = question;
	llq->owner = owner;
	llq->peer = wish->peer;
	llq->lease = wish->lease;
	llq->expires = wish->expires;
	llq->is_new = true;
	make_place(llq);
	if (record_set_new(NULL, 0, &llq->known) < 0) {
		free(llq);
		return NULL;
	}
	return llq;
}

int llq_table_add(struct llq_table *table, struct account *account, const struct llq_wish *wish,
		  uint64_t now, struct llq **ret)
{
	struct llq_question *question = NULL;
	struct llq_owner *owner = NULL;
	struct llq *llq = NULL;
	int r = llq_table_find(table, wish->id) ? -EEXIST : 0;

	if (r >= 0)
		r = get_question(account, wish, now, &question);
	if (r >= 0)
		r = get_owner(account, wish, &owner);
	if (r >= 0) {
		llq = make_llq(wish, question, owner);
		r = llq ? insert(table, llq) : -ENOMEM;
	}
	if (r < 0) {
		if (llq)
			record_set_unref(llq->known);
		free(llq);
		drop_unused(question, owner);
		return r;
	}
	*ret = llq;
	return 0;
}

void llq_table_drop(struct llq_table *table, struct llq *llq)
{
	struct llq_question *question = llq->question;
	struct llq_owner *owner = llq->owner;

	llq_table_end_wait(table, llq);
	due_heap_remove(&table->timers, &llq->timer);
	HASH_DELETE(by_id, table->by_id, llq);
	if (hash_has(&llq->by_place))
		HASH_DELETE(by_place, table->by_place, llq);
	DL_DELETE2(question->llqs, llq, previous, next);
	owner->n_llqs--;
	if (llq->is_new)
		table->n_new--;
	else
		table->n--;
	record_set_unref(llq->known);
	llq_event_free(llq->event);
	free(llq);
	drop_unused(question, owner);
}

static void note_removed(struct llq_table *table, uint64_t id, uint64_t now)
{
	if (table->n_removed == table->removed_capacity) {
		size_t capacity = table->removed_capacity ? table->removed_capacity * 2 : 16;
		uint64_t *removed = reallocarray(table->removed, capacity, sizeof *removed);

		/* Not noted without memory: the row's lease ends by itself after the next start. */
		if (!removed)
			return;
		table->removed = removed;
		table->removed_capacity = capacity;
	}
	if (table->n_removed == 0)
		table->removed_since = now;
	table->removed[table->n_removed++] = id;
}

void llq_table_remove(struct llq_table *table, struct llq *llq, uint64_t now)
{
	if (!llq->is_new && !llq->peer.connection)
		note_removed(table, llq->id, now);
	llq_table_drop(table, llq);
}

void llq_table_remove_question(struct llq_table *table, struct llq_question *question, uint64_t now)
{
	struct llq *llq, *next;

	DL_FOREACH_SAFE2 (question->llqs, llq, next, next)
		llq_table_remove(table, llq, now);
}

struct llq *llq_table_find_place(const struct llq_table *table, const struct llq *llq)
{
	struct llq *found;

	HASH_FIND(by_place, table->by_place, &llq->place, sizeof llq->place, found);
	return found;
}

void llq_table_take_up(struct llq_table *table, struct llq *llq, uint64_t now)
{
	struct llq *old = llq_table_find_place(table, llq);

	if (old)
		llq_table_remove(table, old, now);
	/* Without memory it cannot be replaced, and ends with its lease. */
	HASH_ADD(by_place, table->by_place, place, sizeof llq->place, llq);
	llq->is_new = false;
	table->n_new--;
	table->n++;
}

void llq_table_forget_account(struct llq_table *table, struct account *account)
{
	struct llq_question *question, *next;

	HASH_ITER (hh, account->llq_questions, question, next) {
		struct llq *llq, *next_llq;

		DL_FOREACH_SAFE2 (question->llqs, llq, next_llq, next)
			llq_table_drop(table, llq);
	}
}

void llq_table_note_time(struct llq_table *table, struct llq *llq)
{
	/* It is in the heap already, so that this cannot fail. */
	(void)due_heap_set(&table->timers, &llq->timer, llq_next_due(llq));
}

struct llq *llq_table_due(const struct llq_table *table, uint64_t now)
{
	struct due_entry *first = due_heap_first(&table->timers);

	return first && first->due <= now ? container_of(first, struct llq, timer) : NULL;
}

void llq_table_wait(struct llq_table *table, struct llq *llq)
{
	if (llq->is_waiting)
		return;
	llq->is_waiting = true;
	DL_APPEND2(table->waiting, llq, previous_waiting, next_waiting);
}

void llq_table_end_wait(struct llq_table *table, struct llq *llq)
{
	if (!llq->is_waiting)
		return;
	llq->is_waiting = false;
	DL_DELETE2(table->waiting, llq, previous_waiting, next_waiting);
}

int llq_table_change(struct llq_table *table, struct llq_question *question, uint64_t now)
{
	struct record_set *current;
	struct name_key name;
	struct llq *llq;
	int r;

	llq_question_name(question, &name);
	r = record_set_read(question->account->zone, &name, question->type, now, &current);
	if (r < 0)
		return r;
	record_set_unref(question->current);
	question->current = current;
	DL_FOREACH2 (question->llqs, llq, next)
		llq_table_wait(table, llq);
	return 0;
}

void llq_table_settle_removed(struct llq_table *table, bool durable)
{
	if (durable && table->n_removing) {
		table->n_removed -= table->n_removing;
		memmove(table->removed, table->removed + table->n_removing,
			table->n_removed * sizeof *table->removed);
	}
	table->n_removing = 0;
}

void llq_table_clear(struct llq_table *table, struct accounts *accounts)
{
	struct account *account, *next;

	HASH_ITER (by_id, accounts->by_id, account, next)
		llq_table_forget_account(table, account);
	due_heap_clear(&table->timers);
	free(table->removed);
	*table = (struct llq_table){};
}
