/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The client side of DNS Push (RFC 8765 over RFC 8490) on one TLS connection: a set of questions,
 * each with its subscription and the records that the server last said answer it. Pure: messages
 * and time go in, messages come out; the connection is the caller's.
 *
 * DSO messages carry no TSIG. So the first message is a query for the account's SOA, signed with
 * this host's key and naming the TLS connection (DNS_OPTION_CHANNEL_BINDING); its signed answer
 * tells us that the server knows the key, and the server who is at the other end of the connection.
 *
 * What a subscription brings in its first second is everything there is: records known from an
 * earlier connection stay until then and go when they did not come again.
 *
 * Where this differs from the RFCs, and why: a keepalive is sent each time nothing was said for the
 * interval of push_set_probe_every(), also where the server would be content with fewer, and an
 * answer to it is waited for 14 s, where RFC 8490 §6.2 has 30: a server or a way that died is to be
 * noticed as fast as with long-lived queries. A server that speaks no DSO is asked again after an
 * hour.
 */
#include "services/llq-watcher/llq-watch-state.h"

#define PUSH_BINDING_SIZE 32

struct push_set;

/* `random` as for llq_set_new(). */
int push_set_new(const struct llq_set_options *options, struct push_set **ret);
struct push_set *push_set_free(struct push_set *set);

struct push_start {
	const struct dns_tsig_key *key; /* borrowed until push_set_stop() */
	const ldns_rdf *domain;         /* of the account; copied */
	uint8_t binding[PUSH_BINDING_SIZE];
};
/* The connection is open. */
void push_set_start(struct push_set *set, const struct push_start *start,
		    const struct llq_time *time);
/* The connection is, or is about to be, closed: goes idle. Records stay. */
void push_set_stop(struct push_set *set);
/* Goes idle and forgets all questions and records. */
void push_set_clear(struct push_set *set);

/* As those of struct llq_set. */
void push_set_want_begin(struct push_set *set);
int push_set_want(struct push_set *set, const ldns_rdf *name, ldns_rr_type type);
void push_set_want_end(struct push_set *set, const struct llq_time *time);
void push_set_probe_every(struct push_set *set, uint64_t interval);
void push_set_receive(struct push_set *set, const struct llq_time *time, const uint8_t *data,
		      size_t size);
void push_set_tick(struct push_set *set, const struct llq_time *time);
uint64_t push_set_due(const struct push_set *set);
bool push_set_next_message(struct push_set *set, const uint8_t **ret_data, size_t *ret_size);

/* Never LLQ_STATUS_FULL; LLQ_STATUS_DELAYED: the server wants us to come again later. */
enum llq_status push_set_status(const struct push_set *set);
/* Milliseconds, with LLQ_STATUS_DELAYED. */
uint64_t push_set_retry_after(const struct push_set *set);
/* With LLQ_STATUS_FAILED: the server broke the protocol, and the connection is to be reset. */
bool push_set_is_broken(const struct push_set *set);
const ldns_rr_list *push_set_records(const struct push_set *set, const ldns_rdf *name,
				     ldns_rr_type type);
void push_set_each_record(const struct push_set *set,
			  void (*callback)(void *userdata, const ldns_rr *rr), void *userdata);
uint64_t push_set_changes(const struct push_set *set);
/* Raised with each message. */
uint64_t push_set_heard(const struct push_set *set);
const struct llq_counts *push_set_counts(const struct push_set *set);

DEFINE_CLEANUP(struct push_set *, push_set_free)
