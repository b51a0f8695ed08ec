/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Long-lived queries (RFC 8764). For each this keeps what its client knows: the records it was told
 * of and has acknowledged. An event is the way from there to what the zone holds now; while one is
 * under way, the set it leads to is `offered`, and whatever changes meanwhile is part of the next.
 * So a record that came and went unseen is never mentioned, and two changes cannot overtake each
 * other.
 *
 * The challenge of the setup's first step is not remembered: the id is a keyed digest over who
 * asked what and when, and the second step proves by it that the client receives what is sent to
 * its address.
 */
#include "common/dns/dns-tsig.h"
#include "services/zoned/lease-state.h"
#include "services/zoned/zone-state.h"

/* Transmissions of an event at 0, 2 and 6 s; no answer until 14 s ends the query (RFC 8764 §6). */
#define LLQ_TRANSMISSIONS      3
#define LLQ_SECOND_AFTER_MSEC  2000
#define LLQ_THIRD_AFTER_MSEC   4000
#define LLQ_GIVE_UP_AFTER_MSEC 8000
/* How long a challenge may be answered: this much at least, twice as much at most. */
#define LLQ_CHALLENGE_SLOT_MSEC 30000

/* Who asks for what. */
struct llq_claim {
	struct endpoint remote;
	const char *key_name; /* borrowed */
	struct name_key name;
	uint16_t type;
	uint32_t lease;
};

/* Never 0. */
uint64_t llq_challenge(const uint8_t secret[static 32], const struct llq_claim *claim,
		       uint64_t now);
bool llq_challenge_is_answered(const uint8_t secret[static 32], const struct llq_claim *claim,
			       uint64_t id, uint64_t now);

/* A record set is a zone whose apex is the question's name. */
struct llq {
	uint64_t id;
	int64_t account;
	ldns_rdf *name; /* as it was asked */
	struct name_key name_key;
	uint16_t type;
	char *key_name;
	struct peer peer;
	uint32_t lease;
	uint64_t expires;
	uint32_t n_events;
	struct zone *known;

	/* The event under way; without `octets` it has still to be sent (after a restart). */
	struct zone *offered; /* NULL: none */
	struct octets event;
	uint16_t event_id;
	struct dns_tsig_mac event_mac;
	unsigned int n_sent;
	uint64_t due; /* of the next transmission, or of giving up */

	bool wants_event;       /* the zone may differ from `known` */
	uint64_t unsaved_since; /* an acknowledgement the storage does not know; 0: none */

	/* What the transaction under way makes of it. */
	bool is_staged;
	bool is_staged_cancel;
	uint32_t staged_lease;
	uint64_t staged_expires;
	struct zone *staged_offered;
};

/* Copies everything. `known` is empty. 0 or -ENOMEM. */
int llq_new(uint64_t id, int64_t account, const ldns_rdf *name, uint16_t type, const char *key_name,
	    const struct peer *peer, struct llq **ret);
struct llq *llq_free(struct llq *llq);
bool llq_is_claimed_by(const struct llq *llq, const struct llq_claim *claim);

/* The live records of the zone that answer the query. 0 or -ENOMEM. */
int llq_read_zone(const struct llq *llq, const struct zone *zone, uint64_t now, struct zone **ret);

/* The event was given to the network for the first time; `octets` are taken over. */
void llq_event_sent(struct llq *llq, const struct octets *octets, uint16_t event_id,
		    const struct dns_tsig_mac *mac, uint64_t now);
/* The client acknowledged the event under way. */
void llq_event_acknowledged(struct llq *llq, uint64_t now);

enum llq_timer {
	LLQ_TIMER_NOTHING,
	LLQ_TIMER_SEND_FIRST, /* there is an event that was never built */
	LLQ_TIMER_SEND_AGAIN, /* llq->event, as it was */
	LLQ_TIMER_UNANSWERED, /* to be removed */
	LLQ_TIMER_EXPIRED,    /* to be removed */
};
enum llq_timer llq_on_time(struct llq *llq, uint64_t now);
uint64_t llq_next_due(const struct llq *llq);

struct llq_table {
	struct llq **items; /* by id */
	size_t n;
	size_t capacity;
	/* Removed here but not yet in the storage; the first `n_removing` are in the transaction
	 * under way. */
	uint64_t *removed;
	size_t n_removed;
	size_t n_removing;
	uint64_t removed_since; /* the first of them */
};

/* Takes the query over, also on failure. 0, -EEXIST or -ENOMEM. */
int llq_table_add(struct llq_table *table, struct llq *llq);
struct llq *llq_table_find(const struct llq_table *table, uint64_t id);
size_t llq_table_count_key(const struct llq_table *table, const char *key_name);
/* Frees it and notes the id for the storage. */
void llq_table_remove(struct llq_table *table, struct llq *llq, uint64_t now);
/* Frees those of the account; the storage keeps them. */
void llq_table_forget_account(struct llq_table *table, int64_t account);
/* The transaction that removes the first ones is durable, or not. */
void llq_table_settle_removed(struct llq_table *table, bool durable);
void llq_table_clear(struct llq_table *table);

DEFINE_CLEANUP(struct llq *, llq_free)
