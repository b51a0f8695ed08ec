/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the authority share among themselves. */
#include "common/dns/dns-options.h"
#include "services/zoned/authority.h"
#include "services/zoned/llq-wire.h"
#include "services/zoned/replay-state.h"
#include "services/zoned/session.h"
#include "services/zoned/update-state.h"

/* When to ask again after SERV-FULL, in seconds. */
#define LLQ_FULL_RETRY 300

/* One message while it is being worked on: on the stack for a query, in the queue for a change. */
struct request {
	struct peer peer;
	uint8_t *octets; /* owned; `message` points into it */
	size_t size;
	struct dns_message *message;
	bool is_signed;  /* the signature has been verified */
	bool is_revoked; /* by a forgotten host, which may ask for the list and nothing else */
	struct dns_tsig tsig;
	struct identity identity; /* with is_signed; the key's secret and the account are looked up
				   * again after any wait */
	int64_t account_id;
};

enum operation_kind {
	OPERATION_UPDATE,
	OPERATION_LLQ_CONFIRM,
	OPERATION_LLQ_REFRESH,
};

/* A change that waits for its transaction to become durable. */
struct operation {
	struct operation *next;
	enum operation_kind kind;
	struct request request;
	uint16_t rcode;
	bool is_accepted;            /* UPDATE: known not to be a replay; it may be tried again */
	enum replay_verdict verdict; /* UPDATE: only a new one is done */
	struct lease_grant granted;  /* UPDATE */
	uint64_t begun;              /* LLQ: when the transaction began, from where leases count */
	/* LLQ: the options, first of the request, then of the answer. */
	struct dns_llq llqs[DNS_LLQ_MAX];
	size_t n_llqs;
};

struct operation_queue {
	struct operation *first;
	struct operation **last;
	size_t n;
	size_t n_octets;
};

struct follower;

struct authority {
	const struct authority_options *options;
	struct name_key zone_name;
	struct name_key server_name;
	struct name_key tlsa_name; /* empty: no TLS */
	struct name_key stun_name; /* of the SRV record; empty: no STUN */
	struct zone *public_zone;
	struct zone *server_zone; /* TLSA of a server whose name is not in ours; may be NULL */
	struct accounts accounts;
	struct keyring keyring;
	struct secret *decoy; /* the key of accounts that are not there */
	struct replay_guard replays;
	struct llq_table llqs;
	struct session_table sessions;
	struct operation_queue waiting;
	struct operation_queue under_way;
	struct notifier notifier;
	struct notify_zone public_notify;
	uint64_t n_notifies;
	struct follower *follower; /* NULL: the records are here */
	struct update_batch updates;
	uint64_t round;         /* raised when a transaction takes what is waiting */
	struct account *staged; /* the first of those that the transaction under way changes */
	bool is_busy;
	uint64_t retry_at; /* after a failure: no transaction before then */
	int64_t last_record_id;
	uint16_t event_ids[LLQ_EVENT_IDS]; /* made together */
	uint64_t n_event_ids;              /* given out */
	bool has_clock;
	int64_t clock_lead;          /* what stored dates are ahead of moment.now by */
	int64_t clock_step;          /* and how much more after the transaction under way */
	uint64_t removals_forgotten; /* when old ones were last removed from the storage */
	struct authority_counters counters;
};

/* authority-revoked.c: forgotten hosts -----------------------------------------------------------
 */

/* Whether this key is worth nothing any more by what `zone`, a version of the account's, says. */
bool authority_is_revoked(struct account *account, const struct zone *zone,
			  const struct identity *identity, const struct moment *moment);
/* Whether it is a question for the list itself: the one thing that a forgotten host may ask, to
 * know what happened to it. */
bool authority_may_ask_revoked(const struct account *account, const struct request *request);
/* The account's zone has another list: ends sessions and queries of those who are on it. */
void authority_end_revoked(struct authority *authority, struct account *account,
			   const struct moment *moment);

/* authority-reply.c: answers ---------------------------------------------------------------------
 */

/* For the options that any answer may have: padding is the largest. */
#define ANSWER_OPTIONS_ROOM 512

/* An answer in the making. Room for OPT and TSIG is set aside. */
struct answer {
	struct dns_builder builder;
	size_t limit; /* of the whole message */
	uint8_t options[DNS_LLQ_MAX * DNS_OPTION_LLQ_SIZE + ANSWER_OPTIONS_ROOM];
	struct writer options_writer;
	uint8_t octets[DNS_MESSAGE_SIZE_MAX];
};

/* Header and question of the answer to `request`; `options_size`: room for that many octets of
 * options. */
void answer_begin(struct answer *answer, const struct request *request, uint16_t flags,
		  size_t options_size);
/* OPT (if the request has one, or there are options), TSIG (if it was signed), and into the outbox.
 * An answer that does not fit goes out as question with TC. */
void answer_send(struct authority *authority, struct answer *answer, const struct request *request,
		 const struct moment *moment, struct outbox *outbox);
/* An answer without records. */
void answer_rcode(struct authority *authority, const struct request *request, uint16_t rcode,
		  const struct moment *moment, struct outbox *outbox);
/* FORMERR to what could not be taken apart: from its first twelve octets. */
void answer_malformed(const struct peer *peer, const uint8_t *data, size_t size,
		      struct outbox *outbox);
/* NOTAUTH with the error in a TSIG record. */
void answer_tsig_error(struct authority *authority, const struct request *request,
		       const struct dns_tsig_key *key, enum dns_tsig_error error,
		       const struct moment *moment, struct outbox *outbox);
int outbox_append(struct outbox *outbox, const struct peer *peer, const void *data, size_t size);
/* The octets of the i-th item for somebody else as well. */
int outbox_repeat(struct outbox *outbox, size_t i, const struct peer *peer);
/* Any kind but REPLY_SEND. */
void outbox_append_order(struct outbox *outbox, const struct peer *peer, enum reply_kind kind);

/* authority.c ------------------------------------------------------------------------------------
 */

/* The service records of the account whose zone it is, naming this server. */
int authority_put_services(const struct authority_options *options, struct zone *zone);
/* The members zone as the configuration has it. */
int authority_make_public_zone(struct authority *authority, struct zone **ret);

/* authority-receive.c ----------------------------------------------------------------------------
 */

/* Answers from the zone that may answer this client. */
void authority_answer_question(struct authority *authority, const struct request *request,
			       const ldns_rr *question, const struct moment *moment,
			       struct outbox *outbox);

/* authority-batch.c: the queue -------------------------------------------------------------------
 */

/* Puts the request into the queue and leaves `request` empty. Borrowed; NULL when the queue is
 * full. */
struct operation *authority_enqueue(struct authority *authority, struct request *request,
				    enum operation_kind kind);
/* Puts a new version of the account's zone in the place of the staged one; drops all of them. */
void authority_set_staged(struct authority *authority, struct account *account, struct zone *next);
void authority_drop_staged(struct authority *authority);
/* When a transaction has something to do. */
uint64_t authority_next_work(const struct authority *authority, const struct moment *moment);
void operation_queue_init(struct operation_queue *queue);
void operation_queue_clear(struct operation_queue *queue);
void request_clear(struct request *request);

/* authority-clock.c: what becomes of stored dates when the clock is set ---------------------------
 */

/* What was loaded is by the clock of this moment. */
void authority_begin_clock(struct authority *authority, const struct moment *moment);
bool authority_clock_has_stepped(const struct authority *authority, const struct moment *moment);
/* Before anything else is written with a date. 0 or -ENOMEM. */
int authority_write_clock(struct authority *authority, const struct moment *moment,
			  struct change_list *changes);
void authority_settle_clock(struct authority *authority, bool durable);

/* authority-llq.c: messages of long-lived queries ------------------------------------------------
 */

/* A signed query with LLQ options. May put it into the queue. */
void authority_receive_llq(struct authority *authority, const struct moment *moment,
			   struct request *request, const struct dns_llq *llqs, size_t n,
			   struct outbox *outbox);
/* A response: the acknowledgement of an event, or nothing of ours. */
void authority_receive_ack(struct authority *authority, const struct moment *moment,
			   const struct peer *peer, const uint8_t *data, size_t size);
/* The i-th question as a claim by this client. False for what no query can be about. */
bool authority_make_claim(const struct request *request, size_t i, uint32_t lease,
			  struct llq_claim *ret);

/* authority-llq-batch.c: long-lived queries in a transaction
 * --------------------------------------- */

/* Whether no query is taken any more, by anybody or by this key. */
bool authority_is_full(const struct authority *authority, const struct account *account,
		       const char *key_name);
/* Setups and refreshes of the transaction, after all UPDATEs. */
void authority_apply_llq(struct authority *authority, struct operation *operation,
			 const struct moment *moment);
/* What the new queries' clients will know, and everything to be written. 0 or -ENOMEM. */
int authority_stage_llqs(struct authority *authority, const struct moment *moment,
			 struct change_list *changes);
/* Takes over or drops what was staged. */
void authority_settle_llqs(struct authority *authority, const struct moment *moment, bool durable);
void authority_answer_llq(struct authority *authority, struct operation *operation,
			  const struct moment *moment, struct outbox *outbox);
/* When staging has something to do of its own. */
uint64_t authority_next_llq_work(const struct authority *authority);

/* Up to which version of its zone the client knows what is gone: the present one, unless it has
 * still to be told. */
uint32_t authority_llq_serial(const struct llq *llq);

/* authority-llq-removals.c -----------------------------------------------------------------------
 */

/* When there are many removals of this account: forgets those that no client needs. Before changes
 * to its queries are written. 0 or -ENOMEM. */
int authority_trim_removals(struct account *account, const struct moment *moment,
			    struct change_list *changes);

/* authority-llq-events.c: telling
 * ------------------------------------------------------------------ */

/* A record of the account's zone has come, gone, or changed its TTL; the zone is in its new
 * version. `told`, NULL before the first: the question it was about. Events follow in
 * authority_tick(). */
void authority_tell_llqs(struct authority *authority, const struct account *account,
			 const struct zone_record *record, struct llq_question **told,
			 uint64_t now);
/* Whether this one has to be told something. */
void authority_check_llq(struct authority *authority, struct llq *llq);

/* authority-llq-restore.c: after a restart
 * --------------------------------------------------------- */

/* All of the account has been read: what the clients of its queries may know. 0 or -ENOMEM. */
int authority_restore_llqs(struct authority *authority, struct account *account, uint64_t now);
void authority_clear_removals(struct account *account);
/* Without writer and id. 0, -ENOMEM or -EINVAL. */
int authority_read_record(const struct stored_record *stored, uint64_t expires,
			  struct zone_record **ret);
