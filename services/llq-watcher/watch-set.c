/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/watch-set.h"

#include <errno.h>

/* Both know all questions; at most one is started. What the other one learnt before is shown until
 * this one has its answers, and then forgotten. */
struct watch_set {
	struct llq_set *llq;
	struct push_set *push;
	bool pushed;   /* the push set is, or was last, the one in use */
	bool complete; /* it has had all answers since it was started */
	struct llq_counts counts;
};

int watch_set_new(const struct llq_set_options *options, struct watch_set **ret)
{
	cleanup(watch_set_freep) struct watch_set *set = NULL;
	int r;

	set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	r = llq_set_new(options, &set->llq);
	if (r >= 0)
		r = push_set_new(options, &set->push);
	if (r < 0)
		return r;
	*ret = steal_ptr(set);
	return 0;
}

struct watch_set *watch_set_free(struct watch_set *set)
{
	if (!set)
		return NULL;
	llq_set_free(set->llq);
	push_set_free(set->push);
	free(set);
	return NULL;
}

/* The records of the set that is not used any more go when this one has its own. */
static void follow(struct watch_set *set)
{
	if (set->complete || watch_set_status(set) != LLQ_STATUS_WATCHING)
		return;
	set->complete = true;
	if (set->pushed)
		llq_set_clear(set->llq);
	else
		push_set_clear(set->push);
}

static void use(struct watch_set *set, bool pushed)
{
	watch_set_abandon(set);
	if (set->pushed != pushed)
		set->complete = false;
	set->pushed = pushed;
}

void watch_set_start(struct watch_set *set, const struct dns_tsig_key *key,
		     const struct llq_time *time)
{
	use(set, false);
	llq_set_use_stream(set->llq, false);
	llq_set_start(set->llq, key, time);
}

void watch_set_start_stream(struct watch_set *set, enum watch_transport transport,
			    const struct push_start *start, const struct llq_time *time)
{
	switch (transport) {
	case WATCH_TRANSPORT_NONE:
	case WATCH_TRANSPORT_LLQ_UDP:
		return;
	case WATCH_TRANSPORT_LLQ_TLS:
		use(set, false);
		llq_set_use_stream(set->llq, true);
		llq_set_start(set->llq, start->key, time);
		return;
	case WATCH_TRANSPORT_PUSH_TLS:
		use(set, true);
		push_set_start(set->push, start, time);
		return;
	}
}

void watch_set_stop(struct watch_set *set, const struct llq_time *time)
{
	llq_set_stop(set->llq, time);
	push_set_stop(set->push);
}

void watch_set_abandon(struct watch_set *set)
{
	llq_set_abandon(set->llq);
	push_set_stop(set->push);
}

void watch_set_clear(struct watch_set *set)
{
	llq_set_clear(set->llq);
	push_set_clear(set->push);
	set->complete = false;
}

void watch_set_want_begin(struct watch_set *set)
{
	llq_set_want_begin(set->llq);
	push_set_want_begin(set->push);
}

int watch_set_want(struct watch_set *set, const ldns_rdf *name, ldns_rr_type type)
{
	int r = llq_set_want(set->llq, name, type), r2 = push_set_want(set->push, name, type);

	return r < 0 ? r : r2;
}

void watch_set_want_end(struct watch_set *set, const struct llq_time *time)
{
	llq_set_want_end(set->llq, time);
	push_set_want_end(set->push, time);
}

void watch_set_probe_every(struct watch_set *set, uint64_t interval, const struct llq_time *time)
{
	llq_set_probe_every(set->llq, interval, time);
	push_set_probe_every(set->push, interval);
}

void watch_set_receive(struct watch_set *set, const struct llq_time *time, const uint8_t *data,
		       size_t size)
{
	if (set->pushed)
		push_set_receive(set->push, time, data, size);
	else
		llq_set_receive(set->llq, time, data, size);
	follow(set);
}

void watch_set_tick(struct watch_set *set, const struct llq_time *time)
{
	if (set->pushed)
		push_set_tick(set->push, time);
	else
		llq_set_tick(set->llq, time);
	follow(set);
}

uint64_t watch_set_due(const struct watch_set *set)
{
	return set->pushed ? push_set_due(set->push) : llq_set_due(set->llq);
}

bool watch_set_next_message(struct watch_set *set, const uint8_t **ret_data, size_t *ret_size)
{
	return set->pushed ? push_set_next_message(set->push, ret_data, ret_size)
			   : llq_set_next_datagram(set->llq, ret_data, ret_size);
}

enum llq_status watch_set_status(const struct watch_set *set)
{
	return set->pushed ? push_set_status(set->push) : llq_set_status(set->llq);
}

uint64_t watch_set_retry_after(const struct watch_set *set)
{
	return set->pushed ? push_set_retry_after(set->push)
			   : llq_set_retry_after(set->llq) * UINT64_C(1000);
}

bool watch_set_is_broken(const struct watch_set *set)
{
	return set->pushed && push_set_is_broken(set->push);
}

const ldns_rr_list *watch_set_records(const struct watch_set *set, const ldns_rdf *name,
				      ldns_rr_type type)
{
	const ldns_rr_list *llq = llq_set_records(set->llq, name, type),
			   *push = push_set_records(set->push, name, type);

	return set->pushed ? push ?: llq : llq ?: push;
}

void watch_set_each_record(const struct watch_set *set, watch_set_record_callback callback,
			   void *userdata)
{
	if (set->pushed == set->complete)
		push_set_each_record(set->push, callback, userdata);
	else
		llq_set_each_record(set->llq, callback, userdata);
}

uint64_t watch_set_changes(const struct watch_set *set)
{
	return llq_set_changes(set->llq) + push_set_changes(set->push);
}

uint64_t watch_set_heard(const struct watch_set *set)
{
	return llq_set_heard(set->llq) + push_set_heard(set->push);
}

const struct llq_counts *watch_set_counts(struct watch_set *set)
{
	const uint64_t *llq = (const uint64_t *)llq_set_counts(set->llq),
		       *push = (const uint64_t *)push_set_counts(set->push);
	uint64_t *sum = (uint64_t *)&set->counts;

	for (size_t i = 0; i < sizeof(set->counts) / sizeof(uint64_t); i++)
		sum[i] = llq[i] + push[i];
	return &set->counts;
}
