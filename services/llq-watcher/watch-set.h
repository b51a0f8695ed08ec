/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The questions that the server is to answer whenever the answer changes, and the records that it
 * last said answer them, whichever way it tells: DNS Push (push-watch-state.h) or long-lived
 * queries (llq-watch-state.h), never both. Who wants to know something names its questions here and
 * reads their records; how they come is chosen by who starts the set. Pure: messages and time go
 * in, messages come out.
 */
#include "services/llq-watcher/llq-watch-state.h"
#include "services/llq-watcher/push-watch-state.h"

struct watch_set;

enum watch_transport {
	WATCH_TRANSPORT_NONE,
	WATCH_TRANSPORT_PUSH_TLS,
	WATCH_TRANSPORT_LLQ_TLS,
	WATCH_TRANSPORT_LLQ_UDP,
};

int watch_set_new(const struct llq_set_options *options, struct watch_set **ret);
struct watch_set *watch_set_free(struct watch_set *set);

/* Begins to ask all questions by long-lived queries over UDP, with this key (borrowed until
 * watch_set_stop()). Their records stay until the answers come. */
void watch_set_start(struct watch_set *set, const struct dns_tsig_key *key,
		     const struct llq_time *time);
/* The same over a TLS connection that is open, by WATCH_TRANSPORT_PUSH_TLS or _LLQ_TLS. */
void watch_set_start_stream(struct watch_set *set, enum watch_transport transport,
			    const struct push_start *start, const struct llq_time *time);
/* Tells the server goodbye and goes idle. */
void watch_set_stop(struct watch_set *set, const struct llq_time *time);
/* The same without a word to the server: the same questions follow at once (llq_set_abandon()). */
void watch_set_abandon(struct watch_set *set);
/* Goes idle and forgets all questions and records. */
void watch_set_clear(struct watch_set *set);

/* The questions wanted: begin, one call for each, end. What is not named any more is given up; what
 * is new is asked when the set is started. -ENOSPC above LLQ_SET_MAX. */
void watch_set_want_begin(struct watch_set *set);
int watch_set_want(struct watch_set *set, const ldns_rdf *name, ldns_rr_type type);
void watch_set_want_end(struct watch_set *set, const struct llq_time *time);

/* Milliseconds between the signs of life that keep the way open and tell that the server is there.
 */
void watch_set_probe_every(struct watch_set *set, uint64_t interval, const struct llq_time *time);

void watch_set_receive(struct watch_set *set, const struct llq_time *time, const uint8_t *data,
		       size_t size);
void watch_set_tick(struct watch_set *set, const struct llq_time *time);
uint64_t watch_set_due(const struct watch_set *set);
/* The next message to send to the server. False: none. The octets live until the next call. */
bool watch_set_next_message(struct watch_set *set, const uint8_t **ret_data, size_t *ret_size);

enum llq_status watch_set_status(const struct watch_set *set);
/* Whether a connection has to be ended by a reset (push_set_is_broken()). */
bool watch_set_is_broken(const struct watch_set *set);
/* Milliseconds, with LLQ_STATUS_FULL and LLQ_STATUS_DELAYED. */
uint64_t watch_set_retry_after(const struct watch_set *set);
/* What the server now says answers a question; borrowed until the next change. NULL: it was never
 * said, or the question is not in the set. */
const ldns_rr_list *watch_set_records(const struct watch_set *set, const ldns_rdf *name,
				      ldns_rr_type type);
/* Calls back for each record that the server now says there is. */
typedef void (*watch_set_record_callback)(void *userdata, const ldns_rr *rr);
void watch_set_each_record(const struct watch_set *set, watch_set_record_callback callback,
			   void *userdata);
/* Raised whenever records changed. */
uint64_t watch_set_changes(const struct watch_set *set);
/* Raised with each message that the server has proven to be its own. */
uint64_t watch_set_heard(const struct watch_set *set);
const struct llq_counts *watch_set_counts(struct watch_set *set);

DEFINE_CLEANUP(struct watch_set *, watch_set_free)
