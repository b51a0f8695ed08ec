/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The client side of long-lived queries (RFC 8764) to one server: a set of questions, each with its
 * four-way handshake, its refreshes, and the records that the server last said answer it. Pure:
 * datagrams and time go in, datagrams come out.
 *
 * Where this differs from the RFC, and why:
 *  - Setup and challenge response are sent at 0, 0.5, 2 and 6 s and given up at 14 s; §5.1 has
 *    them at 0, 2 and 6. A datagram lost just after a change of network must not cost two seconds.
 *  - After giving up, the caller tries again within half a minute, where §5.1 has an hour: nobody
 *    waits an hour for a machine to be reachable.
 *  - Each query is refreshed at short intervals: to notice that the server forgot it, because it
 *    restarted or because an event could not be delivered, and to keep a NAT's mapping alive where
 *    there is no port mapping. A query answered NO-SUCH-LLQ is set up anew. When a refresh goes
 *    unanswered for 14 s and nothing else is heard either, the server is gone.
 */
#include "services/llq-watcher/llq-wire.h"

#define LLQ_SET_MAX 256  /* questions */
#define LLQ_LEASE   7200 /* seconds asked for */

struct llq_set;

struct llq_time {
	uint64_t now;      /* milliseconds of loop_now() */
	uint64_t realtime; /* seconds since 1970, for TSIG */
};

enum llq_status {
	LLQ_STATUS_IDLE,
	LLQ_STATUS_CONNECTING,
	LLQ_STATUS_WATCHING, /* each question has its answer */
	LLQ_STATUS_FAILED,   /* the server does not answer */
	LLQ_STATUS_FULL,     /* it has no room; see llq_set_retry_after() */
	LLQ_STATUS_REFUSED,  /* it does not want to */
	/* Only of DNS Push: */
	LLQ_STATUS_DELAYED,     /* it wants us to come again later */
	LLQ_STATUS_UNSUPPORTED, /* it does not know how to */
};

struct llq_counts {
	uint64_t setups, refreshes, events, duplicate_events, removals;
	uint64_t malformed, unsigned_messages, unverified, unexpected;
};

/* `random` gives message IDs; it must not be guessable. */
struct llq_set_options {
	uint32_t (*random)(void *userdata);
	void *userdata;
};
int llq_set_new(const struct llq_set_options *options, struct llq_set **ret);
struct llq_set *llq_set_free(struct llq_set *set);

/* Begins to set up all questions, with this key (borrowed until llq_set_stop()). Their records stay
 * until the answers come. */
void llq_set_start(struct llq_set *set, const struct dns_tsig_key *key,
		   const struct llq_time *time);
/* Tells the server that no more events are wanted (lease 0) where there is a query, and goes idle.
 */
void llq_set_stop(struct llq_set *set, const struct llq_time *time);
/* The same without a word to the server: the same questions follow at once. A server may give them
 * the ids of the former ones (ours makes an id of question and address), so that a goodbye which
 * arrives late would end the new ones. */
void llq_set_abandon(struct llq_set *set);
/* Goes idle and forgets all questions and records. */
void llq_set_clear(struct llq_set *set);

/* Whether messages go over a connection, where what is sent arrives or the connection ends: then
 * nothing is sent twice. To be said before llq_set_start(). */
void llq_set_use_stream(struct llq_set *set, bool stream);

/* The questions wanted: begin, one call for each, end. What is not named any more is given up; what
 * is new is set up when the set is started. -ENOSPC above LLQ_SET_MAX. */
void llq_set_want_begin(struct llq_set *set);
int llq_set_want(struct llq_set *set, const ldns_rdf *name, ldns_rr_type type);
void llq_set_want_end(struct llq_set *set, const struct llq_time *time);

/* Milliseconds between the short refreshes. */
void llq_set_probe_every(struct llq_set *set, uint64_t interval, const struct llq_time *time);

void llq_set_receive(struct llq_set *set, const struct llq_time *time, const uint8_t *data,
		     size_t size);
void llq_set_tick(struct llq_set *set, const struct llq_time *time);
uint64_t llq_set_due(const struct llq_set *set);

/* The next datagram to send to the server. False: none. The octets live until the next call. */
bool llq_set_next_datagram(struct llq_set *set, const uint8_t **ret_data, size_t *ret_size);

enum llq_status llq_set_status(const struct llq_set *set);
/* Seconds, with LLQ_STATUS_FULL. */
uint32_t llq_set_retry_after(const struct llq_set *set);
/* What the server now says answers a question; borrowed until the next change. NULL: it was never
 * said, or the question is not in the set. */
const ldns_rr_list *llq_set_records(const struct llq_set *set, const ldns_rdf *name,
				    ldns_rr_type type);
/* Calls back for each record of each question. */
void llq_set_each_record(const struct llq_set *set,
			 void (*callback)(void *userdata, const ldns_rr *rr), void *userdata);
/* Raised whenever records changed. */
uint64_t llq_set_changes(const struct llq_set *set);
/* Raised with each authenticated message. */
uint64_t llq_set_heard(const struct llq_set *set);
const struct llq_counts *llq_set_counts(const struct llq_set *set);

DEFINE_CLEANUP(struct llq_set *, llq_set_free)
