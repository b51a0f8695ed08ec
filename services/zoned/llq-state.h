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
#include "services/zoned/account.h"
#include "services/zoned/lease-state.h"
#include "services/zoned/record-set.h"

/* Transmissions of an event at 0, 2 and 6 s; no answer until 14 s ends the query (RFC 8764 §6). */
#define LLQ_TRANSMISSIONS      3
#define LLQ_SECOND_AFTER_MSEC  2000
#define LLQ_THIRD_AFTER_MSEC   4000
#define LLQ_GIVE_UP_AFTER_MSEC 8000
/* Over a stream events are sent once; this long the client may take to acknowledge. */
#define LLQ_STREAM_GIVE_UP_MSEC 30000
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

/* See llq-table.h. */
struct llq_question;
struct llq_owner;

/* An event under way. */
struct llq_event {
	struct record_set *offered; /* what it makes of `known` */
	uint32_t serial;            /* as in struct llq, once it is acknowledged */
	uint64_t due;               /* the next transmission, or giving up */
	struct dns_tsig_mac mac;
	uint16_t id;
	uint16_t n_sent;
	uint16_t size;
	uint8_t octets[];
};

/* What tells one query of a question from another: there is at most one of each. */
struct llq_place {
	struct llq_question *question;
	struct llq_owner *owner;
	struct endpoint remote; /* a host's key is one machine's, wherever it is: then all zero */
	uint32_t unused;
};

struct llq {
	uint64_t id;
	struct llq_question *question;
	struct llq_owner *owner;
	struct llq_place place;
	struct peer peer; /* with a connection: it ends with that, and is not in the storage */
	uint32_t lease;
	/* Of the account's zone: what was removed up to here the client knows to be gone. */
	uint32_t serial;
	uint64_t expires;
	bool is_new;     /* in a transaction that is not durable yet */
	bool is_leaving; /* the transaction under way cancels it */
	bool is_waiting; /* in the table's list of those that may have to be told something */
	struct record_set *known;
	struct llq_event *event; /* NULL: none under way */
	struct due_entry timer;

	struct llq *next, *previous; /* of the same question */
	struct llq *next_waiting, *previous_waiting;
	UT_hash_handle by_id, by_place;
};

bool llq_is_claimed_by(const struct llq *llq, const struct llq_claim *claim);

/* The event was given to the network for the first time; it is taken over. */
void llq_event_sent(struct llq *llq, struct llq_event *event, uint64_t now);
/* The client acknowledged the event under way. */
void llq_event_acknowledged(struct llq *llq);
struct llq_event *llq_event_free(struct llq_event *event);

enum llq_timer {
	LLQ_TIMER_NOTHING,
	LLQ_TIMER_SEND_AGAIN, /* the event, as it was */
	LLQ_TIMER_UNANSWERED, /* to be removed */
	LLQ_TIMER_EXPIRED,    /* to be removed */
};
enum llq_timer llq_on_time(struct llq *llq, uint64_t now);
uint64_t llq_next_due(const struct llq *llq);
