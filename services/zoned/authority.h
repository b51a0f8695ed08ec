/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The whole server without sockets, clock and disk: octets of a request in, octets of answers out,
 * and between them what has to be on the disk first.
 *
 * A query is answered at once. What changes something (UPDATE, the setup and refresh of a
 * long-lived query) waits in a queue; so do leases that ended. authority_begin() works the queue
 * off on copies and says what to write; authority_finish() tells it whether that is durable, and
 * only then do queries see it, answers go out and events follow. One transaction is under way at a
 * time, and what arrives meanwhile shares the next one.
 */
#include "common/base/counters.h"
#include "common/dns/dns-builder.h"
#include "services/zoned/change-list.h"
#include "services/zoned/dso-session-state.h"
#include "services/zoned/keyring.h"
#include "services/zoned/lease-state.h"
#include "services/zoned/notify-state.h"

/* Changes waiting for the next transaction; beyond it the answer is SERVFAIL. When half of the room
 * is taken, an account that has its share of it gets no more: the rest is for the others. */
#define AUTHORITY_QUEUE_MAX   4096
#define AUTHORITY_QUEUE_SHARE 256
/* Octets of their messages. */
#define AUTHORITY_QUEUE_OCTETS (16u << 20)

struct authority_options {
	ldns_rdf *zone;                 /* the members zone */
	ldns_rdf *server_name;          /* ns.<zone>, or a name elsewhere */
	ldns_rr_list *server_addresses; /* A and AAAA of server_name; NULL when it is elsewhere */
	uint16_t port;                  /* in the SRV records of the accounts */
	uint16_t tls_port;              /* likewise; 0: no TLS */
	uint16_t stun_port;             /* published in the members zone; 0: no STUN */
	uint8_t tls_pin[32];            /* SHA-256 of the certificate's key, for TLSA */
	uint32_t stream_idle_msec[N_TRANSPORTS];
	uint32_t serial; /* of the members zone */
	struct lease_bounds update_lease;
	struct lease_bounds key_lease; /* of records of type KEY */
	struct lease_bounds llq_lease;
	uint32_t llqs_per_key;
	uint32_t llqs_total;
	uint32_t push_per_key; /* subscriptions of one key, and of all */
	uint32_t push_total;
	struct dso_limits dso_limits;
	/* The octets by which both ends of a TLS connection know it (RFC 9266); false when it has
	 * none. NULL: there is no TLS. */
	bool (*channel_binding)(void *userdata, const struct peer *peer, uint8_t *ret);
	void *channel_userdata;
	bool is_replicated;                        /* zones keep a journal for secondaries */
	const struct transfer_keys *transfer_keys; /* who may have whole zones; NULL: nobody */
	bool is_follower; /* the records are in a primary: see authority-follow.h */
	struct endpoint primary;
	const struct transfer_key *primary_key;
	const struct notify_target_options *notify_targets;
	size_t n_notify_targets;
	uint8_t llq_secret[32]; /* random, for as long as the process lives; the decoy's key too */
};

struct authority_counters {
	uint64_t queries;
	uint64_t updates;
	uint64_t updates_refused; /* any RCODE but NOERROR */
	uint64_t refused;
	uint64_t malformed;
	uint64_t bad_key;
	uint64_t bad_signature;
	uint64_t bad_time;
	uint64_t replayed;
	uint64_t truncated;
	uint64_t overloaded;
	uint64_t transactions;
	uint64_t transactions_failed;
	uint64_t records_expired;
	uint64_t llq_setups;
	uint64_t llq_refreshes;
	uint64_t llq_rejected;
	uint64_t llq_events;
	uint64_t llq_event_retries;
	uint64_t llq_acks;
	uint64_t llq_acks_ignored;
	uint64_t llq_deaths;
	uint64_t bindings;
	uint64_t bindings_wrong;
	uint64_t subscribes;
	uint64_t subscribes_refused;
	uint64_t push_messages;
	uint64_t push_reconfirms;
	uint64_t dso_fatal;
	uint64_t dso_silent;
	uint64_t transfers_whole;
	uint64_t transfers_incremental;
	uint64_t notifies_sent;
	uint64_t notifies_answered;
	uint64_t transfers_in;
	uint64_t updates_out;
	uint64_t updates_out_failed;
};
/* Ended by a NULL name. */
extern const struct counter_description authority_counter_descriptions[];

enum reply_kind {
	REPLY_SEND,
	REPLY_KEEP,    /* of a connection, without octets: it lives as long as its client wants */
	REPLY_RELEASE, /* no longer */
	REPLY_ABORT,   /* it ends, at once */
};

/* An answer or event to be sent, or an order about a connection. */
struct reply {
	enum reply_kind kind;
	struct peer peer;
	uint8_t *data;
	size_t size;
	bool is_repeated; /* the octets are those of an item before it, which frees them */
};

struct outbox {
	struct reply *items;
	size_t n;
	size_t capacity;
};

void outbox_clear(struct outbox *outbox);

struct authority;

/* Keeps a pointer to `options`. 0 or -ENOMEM. */
int authority_new(const struct authority_options *options, struct authority **ret);
struct authority *authority_free(struct authority *authority);

/* The server's certificate changed. 0 or a negative errno. */
int authority_set_tls_pin(struct authority *authority, const uint8_t pin[static 32]);

/* What the storage holds, at the start and whenever an account was added. The records of an account
 * follow it, then removals and queries; authority_complete_account() last. 0 or a negative errno:
 * -EEXIST for an account known already, -EINVAL for what makes no sense. */
int authority_add_account(struct authority *authority, int64_t id, const char *domain,
			  const void *key, size_t key_size);
int authority_add_record(struct authority *authority, int64_t account,
			 const struct stored_record *record, const struct moment *moment);
int authority_add_llq(struct authority *authority, int64_t account, const struct stored_llq *llq,
		      const struct moment *moment);
/* The oldest first. */
int authority_add_journal(struct authority *authority, int64_t account,
			  const struct stored_journal *entry);
int authority_add_removal(struct authority *authority, int64_t account,
			  const struct stored_removal *removal);
int authority_complete_account(struct authority *authority, int64_t account,
			       const struct moment *moment);
/* Takes it out of memory, without a word to the storage: it could not be read to its end. Not while
 * a transaction is under way, unless the account was added since it began. */
void authority_forget_account(struct authority *authority, int64_t account);
bool authority_has_account(const struct authority *authority, int64_t id, const char *domain);
/* What zonectl may have changed of an account in memory. A new key, and being disabled, end its
 * long-lived queries and push sessions; being purged ends the leases of its records now. 1:
 * changed; 0: it was so; -EAGAIN: not while a transaction is under way; or -ENOMEM. */
struct account_terms {
	const void *key;
	size_t key_size;
	bool is_disabled;
	bool is_purged;
	bool allows_md5;
};
int authority_change_account(struct authority *authority, int64_t id,
			     const struct account_terms *terms, const struct moment *moment);
/* Marks accounts for authority_keep_listed(): begin with none, list those that exist, and the
 * others go. Not while a transaction is under way. */
void authority_unlist_accounts(struct authority *authority);
void authority_list_account(struct authority *authority, int64_t id);
void authority_keep_listed(struct authority *authority);
/* The highest id a stored record ever had. */
void authority_set_last_record_id(struct authority *authority, int64_t id);

/* Takes one message. Answers that can be given at once are in `outbox` afterwards. */
void authority_receive(struct authority *authority, const struct moment *moment,
		       const struct peer *peer, const uint8_t *data, size_t size,
		       struct outbox *outbox);
/* A connection has gone. */
void authority_connection_closed(struct authority *authority, const struct peer *peer);
/* The server ends: sessions are told so, and have DSO_GRACE_MSEC to go, as far as
 * authority_tick() is called until then. */
void authority_say_goodbye(struct authority *authority, const struct moment *moment,
			   struct outbox *outbox);
/* To be called when authority_next_due() has come, and after anything else here: sends events
 * again, gives up long-lived queries whose client does not answer. */
void authority_tick(struct authority *authority, const struct moment *moment,
		    struct outbox *outbox);
/* When authority_tick() or authority_begin() has something to do, in the time of moment.now. */
uint64_t authority_next_due(const struct authority *authority, const struct moment *moment);

/* Starts a transaction if none is under way and there is something to do: 1, and `changes` (empty
 * before) is what to write; it may be empty. 0: nothing to do. AUTHORITY_PUBLISH: what is in
 * authority_updates() has to be accepted by the primary first, and authority_resume() goes on. */
#define AUTHORITY_PUBLISH 2
int authority_begin(struct authority *authority, const struct moment *moment,
		    struct change_list *changes);
/* The transaction is durable, or came to nothing. */
void authority_finish(struct authority *authority, const struct moment *moment, bool durable,
		      struct outbox *outbox);
bool authority_is_busy(const struct authority *authority);

/* Where the records are in a primary (with options->is_follower): UPDATEs for it, without ID and
 * signature. */
struct update_batch {
	struct octets *items;
	size_t n;
};
void update_batch_clear(struct update_batch *batch);
/* Those of the transaction under way. Borrowed. */
const struct update_batch *authority_updates(const struct authority *authority);
/* `outcome` 0: all were accepted, and what came of it has been learnt. -EAGAIN: of one of them a
 * prerequisite failed; what is there instead has been learnt. Others: the primary could not be
 * asked, or refused. Returns as authority_begin(), but not 0. */
int authority_resume(struct authority *authority, const struct moment *moment, int outcome,
		     struct change_list *changes);
/* The zone in the primary has changed. Takes `delta` over. 0 or -ENOMEM. */
struct zone_delta;
int authority_learn(struct authority *authority, struct zone_delta *delta);
/* Whether the primary can be asked. */
void authority_set_reachable(struct authority *authority, bool is_reachable);
/* Whether the primary has said that its zone changed, since this was asked last. */
bool authority_take_notified(struct authority *authority);
/* Whether only the whole zone helps. */
bool authority_wants_whole(const struct authority *authority);

const struct authority_counters *authority_counters(const struct authority *authority);
size_t authority_n_accounts(const struct authority *authority);
size_t authority_n_llqs(const struct authority *authority);
/* Walks through all accounts. */
size_t authority_n_records(const struct authority *authority);
/* Changes that wait for a transaction. */
size_t authority_n_waiting(const struct authority *authority);
/* Connections that are bound to a key or have a DSO session; what they are subscribed to. */
size_t authority_n_sessions(const struct authority *authority);
size_t authority_n_subscriptions(const struct authority *authority);

DEFINE_CLEANUP(struct authority *, authority_free)
