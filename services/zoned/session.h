/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the authority knows of connections that are more than a way for questions: whose they are,
 * their DSO session, their subscriptions. A connection that only asks has nothing here. Found by
 * connection, by when something is due, and subscriptions by account and name, so that a change
 * costs what those cost that are about the changed name.
 */
#include "common/base/due-heap.h"
#include "services/zoned/account.h"
#include "services/zoned/dso-session-state.h"
#include "services/zoned/endpoint.h"

struct push_name;
struct push_owner;

struct push_subscription {
	struct session *session;
	struct push_name *name;
	struct push_subscription *next_of_session;
	struct push_subscription *next, *previous; /* of the name */
	uint16_t id;                               /* of the SUBSCRIBE */
	uint16_t type, class;
};

struct session {
	struct peer peer;
	struct account *account;  /* to whose key it is bound; NULL: to none */
	struct push_owner *owner; /* with `account` */
	struct session *next_of_account, *previous_of_account;
	struct dso_session dso;
	struct push_subscription *subscriptions;
	uint64_t *llqs; /* ids of long-lived queries set up here; some may have gone */
	uint32_t n_llqs;
	uint64_t llqs_due;   /* when to look whether any is left; 0: it has none */
	uint8_t leave_rcode; /* with is_leaving: why */
	bool is_leaving;     /* Retry Delay is to be sent */
	bool is_kept;        /* the stream server was told to keep it */
	bool is_padded;      /* the client pads */
	struct due_entry timer;
	UT_hash_handle by_connection;

	/* While a change is being told. */
	struct session *next_touched;
	uint32_t *matched; /* which parts of the change are for it */
	uint32_t n_matched;
};

/* A name of an account that somebody subscribed to. */
struct push_name {
	struct push_subscription *subscriptions;
	UT_hash_handle hh;
	uint8_t size;
	uint8_t octets[]; /* as in struct name_key */
};

/* A key that has sessions. */
struct push_owner {
	uint32_t n_sessions;
	uint32_t n_subscriptions;
	UT_hash_handle hh;
	char key_name[];
};

/* All zero: none. */
struct session_table {
	struct session *by_connection;
	struct due_heap timers;
	size_t n_subscriptions;
};

struct session *session_find(const struct session_table *table, uint64_t connection);
/* The session of this connection, made if there is none. NULL without memory. */
struct session *session_get(struct session_table *table, const struct peer *peer, uint64_t now);
/* Frees it and its subscriptions. */
void session_remove(struct session_table *table, struct session *session);
/* Whose it is from now on. 0, -ENOMEM, or -EBUSY: it has subscriptions as somebody else. */
int session_bind(struct session_table *table, struct session *session, struct account *account,
		 const char *key_name);
/* To be called whenever its times may have changed. */
void session_note_time(struct session_table *table, struct session *session);
/* It is nobody's, without subscriptions, and will be told to leave. */
void session_leave(struct session_table *table, struct session *session, uint8_t rcode);
/* The account goes: its sessions are nobody's, without subscriptions, and will be told to leave. */
void session_table_leave_account(struct session_table *table, struct account *account,
				 uint8_t rcode);
void session_table_clear(struct session_table *table);

/* Whether the session has one with this id, or of this question. */
bool push_is_in_use(const struct session *session, uint16_t id, const struct name_key *name,
		    uint16_t type, uint16_t class);
/* Of a bound session. 0 or -ENOMEM. */
int push_subscribe(struct session_table *table, struct session *session, uint16_t id,
		   const struct name_key *name, uint16_t type, uint16_t class);
/* Nothing happens when there is none with this id. */
void push_unsubscribe(struct session_table *table, struct session *session, uint16_t id);
struct push_name *push_find_name(const struct account *account, const struct name_key *name);
/* Whether it is about records of this type in class IN. An alias concerns all types of its name. */
bool push_matches(const struct push_subscription *subscription, uint16_t type);
