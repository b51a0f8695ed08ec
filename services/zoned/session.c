/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/session.h"

#include <string.h>

struct session *session_find(const struct session_table *table, uint64_t connection)
{
	struct session *session;

	HASH_FIND(by_connection, table->by_connection, &connection, sizeof connection, session);
	return session;
}

struct session *session_get(struct session_table *table, const struct peer *peer, uint64_t now)
{
	struct session *session = session_find(table, peer->connection);

	if (session)
		return session;
	session = calloc(1, sizeof *session);
	if (!session)
		return NULL;
	session->peer = *peer;
	dso_session_begin(&session->dso, now);
	HASH_ADD(by_connection, table->by_connection, peer.connection,
		 sizeof session->peer.connection, session);
	/* Its place in the heap, so that it can be moved there without memory. */
	if (!hash_has(&session->by_connection) ||
	    due_heap_set(&table->timers, &session->timer, DUE_NEVER - 1) < 0) {
		if (hash_has(&session->by_connection))
			HASH_DELETE(by_connection, table->by_connection, session);
		free(session);
		return NULL;
	}
	return session;
}

/* Keys
 * ------------------------------------------------------------------------------------------------
 */

static struct push_owner *take_owner(struct account *account, const char *key_name)
{
	struct push_owner *owner;
	size_t size = strlen(key_name);

	HASH_FIND(hh, account->push_owners, key_name, size, owner);
	if (!owner) {
		owner = calloc(1, sizeof *owner + size + 1);
		if (!owner)
			return NULL;
		memcpy(owner->key_name, key_name, size);
		HASH_ADD_KEYPTR(hh, account->push_owners, owner->key_name, size, owner);
		if (!hash_has(&owner->hh)) {
			free(owner);
			return NULL;
		}
	}
	owner->n_sessions++;
	return owner;
}

static void leave_owner(struct account *account, struct push_owner *owner)
{
	if (--owner->n_sessions > 0)
		return;
	HASH_DELETE(hh, account->push_owners, owner);
	free(owner);
}

static void unbind(struct session_table *table, struct session *session)
{
	struct account *account = session->account;

	while (session->subscriptions)
		push_unsubscribe(table, session, session->subscriptions->id);
	if (!account)
		return;
	if (session->previous_of_account)
		session->previous_of_account->next_of_account = session->next_of_account;
	else
		account->sessions = session->next_of_account;
	if (session->next_of_account)
		session->next_of_account->previous_of_account = session->previous_of_account;
	session->next_of_account = session->previous_of_account = NULL;
	leave_owner(account, session->owner);
	session->account = NULL;
	session->owner = NULL;
}

int session_bind(struct session_table *table, struct session *session, struct account *account,
		 const char *key_name)
{
	struct push_owner *owner;

	if (session->account == account && strcmp(session->owner->key_name, key_name) == 0)
		return 0;
	if (session->subscriptions)
		return -EBUSY;
	owner = take_owner(account, key_name);
	if (!owner)
		return -ENOMEM;
	unbind(table, session);
	session->account = account;
	session->owner = owner;
	session->next_of_account = account->sessions;
	if (account->sessions)
		account->sessions->previous_of_account = session;
	account->sessions = session;
	return 0;
}

void session_remove(struct session_table *table, struct session *session)
{
	unbind(table, session);
	due_heap_remove(&table->timers, &session->timer);
	HASH_DELETE(by_connection, table->by_connection, session);
	free(session->matched);
	free(session->llqs);
	free(session);
}

void session_note_time(struct session_table *table, struct session *session)
{
	uint64_t due = session->is_leaving ? 0 : dso_session_deadline(&session->dso);

	if (session->llqs_due && session->llqs_due < due)
		due = session->llqs_due;
	/* It is in the heap already: this does not fail. */
	(void)due_heap_set(&table->timers, &session->timer,
			   due < DUE_NEVER - 1 ? due : DUE_NEVER - 1);
}

void session_leave(struct session_table *table, struct session *session, uint8_t rcode)
{
	unbind(table, session);
	session->is_leaving = true;
	session->leave_rcode = rcode;
	session_note_time(table, session);
}

void session_table_leave_account(struct session_table *table, struct account *account,
				 uint8_t rcode)
{
	while (account->sessions)
		session_leave(table, account->sessions, rcode);
}

void session_table_clear(struct session_table *table)
{
	struct session *session, *next;

	HASH_ITER (by_connection, table->by_connection, session, next)
		session_remove(table, session);
	due_heap_clear(&table->timers);
	*table = (struct session_table){};
}

/* Subscriptions
 * ------------------------------------------------------------------------------------------------
 */

static bool is_name(const struct push_name *name, const struct name_key *key)
{
	return name->size == key->size && memcmp(name->octets, key->octets, key->size) == 0;
}

bool push_is_in_use(const struct session *session, uint16_t id, const struct name_key *name,
		    uint16_t type, uint16_t class)
{
	const struct push_subscription *s;

	for (s = session->subscriptions; s; s = s->next_of_session)
		if (s->id == id || (s->type == type && s->class == class && is_name(s->name, name)))
			return true;
	return false;
}

struct push_name *push_find_name(const struct account *account, const struct name_key *key)
{
	struct push_name *name;

	HASH_FIND(hh, account->push_names, key->octets, key->size, name);
	return name;
}

static struct push_name *get_name(struct account *account, const struct name_key *key)
{
	struct push_name *name = push_find_name(account, key);

	if (name)
		return name;
	name = calloc(1, sizeof *name + key->size);
	if (!name)
		return NULL;
	name->size = key->size;
	memcpy(name->octets, key->octets, key->size);
	HASH_ADD_KEYPTR(hh, account->push_names, name->octets, name->size, name);
	if (hash_has(&name->hh))
		return name;
	free(name);
	return NULL;
}

static void forget_if_unused(struct account *account, struct push_name *name)
{
	if (name->subscriptions)
		return;
	HASH_DELETE(hh, account->push_names, name);
	free(name);
}

int push_subscribe(struct session_table *table, struct session *session, uint16_t id,
		   const struct name_key *key, uint16_t type, uint16_t class)
{
	struct push_name *name = get_name(session->account, key);
	struct push_subscription *subscription;

	if (!name)
		return -ENOMEM;
	subscription = calloc(1, sizeof *subscription);
	if (!subscription) {
		forget_if_unused(session->account, name);
		return -ENOMEM;
	}
	*subscription = (struct push_subscription){ .session = session,
						    .name = name,
						    .next_of_session = session->subscriptions,
						    .next = name->subscriptions,
						    .id = id,
						    .type = type,
						    .class = class };
	if (name->subscriptions)
		name->subscriptions->previous = subscription;
	name->subscriptions = session->subscriptions = subscription;
	session->dso.n_operations++;
	session->owner->n_subscriptions++;
	table->n_subscriptions++;
	return 0;
}

void push_unsubscribe(struct session_table *table, struct session *session, uint16_t id)
{
	struct push_subscription **place = &session->subscriptions, *subscription;

	while (*place && (*place)->id != id)
		place = &(*place)->next_of_session;
	subscription = *place;
	if (!subscription)
		return;
	*place = subscription->next_of_session;
	if (subscription->previous)
		subscription->previous->next = subscription->next;
	else
		subscription->name->subscriptions = subscription->next;
	if (subscription->next)
		subscription->next->previous = subscription->previous;
	forget_if_unused(session->account, subscription->name);
	free(subscription);
	session->dso.n_operations--;
	session->owner->n_subscriptions--;
	table->n_subscriptions--;
}

bool push_matches(const struct push_subscription *subscription, uint16_t type)
{
	if (subscription->class != LDNS_RR_CLASS_IN && subscription->class != LDNS_RR_CLASS_ANY)
		return false;
	return subscription->type == type || subscription->type == LDNS_RR_TYPE_ANY ||
	       type == LDNS_RR_TYPE_CNAME;
}
