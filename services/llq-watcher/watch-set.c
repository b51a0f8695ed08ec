/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/watch-set.h"

#include <errno.h>

struct watch_set {
	struct llq_set *llq;
};

int watch_set_new(const struct llq_set_options *options, struct watch_set **ret)
{
	cleanup(watch_set_freep) struct watch_set *set = NULL;
	int r;

	set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	r = llq_set_new(options, &set->llq);
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
	free(set);
	return NULL;
}

void watch_set_start(struct watch_set *set, const struct dns_tsig_key *key,
		     const struct llq_time *time)
{
	llq_set_start(set->llq, key, time);
}

void watch_set_stop(struct watch_set *set, const struct llq_time *time)
{
	llq_set_stop(set->llq, time);
}

void watch_set_abandon(struct watch_set *set)
{
	llq_set_abandon(set->llq);
}

void watch_set_clear(struct watch_set *set)
{
	llq_set_clear(set->llq);
}

void watch_set_want_begin(struct watch_set *set)
{
	llq_set_want_begin(set->llq);
}

int watch_set_want(struct watch_set *set, const ldns_rdf *name, ldns_rr_type type)
{
	return llq_set_want(set->llq, name, type);
}

void watch_set_want_end(struct watch_set *set, const struct llq_time *time)
{
	llq_set_want_end(set->llq, time);
}

void watch_set_probe_every(struct watch_set *set, uint64_t interval, const struct llq_time *time)
{
	llq_set_probe_every(set->llq, interval, time);
}

void watch_set_receive(struct watch_set *set, const struct llq_time *time, const uint8_t *data,
		       size_t size)
{
	llq_set_receive(set->llq, time, data, size);
}

void watch_set_tick(struct watch_set *set, const struct llq_time *time)
{
	llq_set_tick(set->llq, time);
}

uint64_t watch_set_due(const struct watch_set *set)
{
	return llq_set_due(set->llq);
}

bool watch_set_next_message(struct watch_set *set, const uint8_t **ret_data, size_t *ret_size)
{
	return llq_set_next_datagram(set->llq, ret_data, ret_size);
}

enum llq_status watch_set_status(const struct watch_set *set)
{
	return llq_set_status(set->llq);
}

uint32_t watch_set_retry_after(const struct watch_set *set)
{
	return llq_set_retry_after(set->llq);
}

const ldns_rr_list *watch_set_records(const struct watch_set *set, const ldns_rdf *name,
				      ldns_rr_type type)
{
	return llq_set_records(set->llq, name, type);
}

void watch_set_each_record(const struct watch_set *set, watch_set_record_callback callback,
			   void *userdata)
{
	llq_set_each_record(set->llq, callback, userdata);
}

uint64_t watch_set_changes(const struct watch_set *set)
{
	return llq_set_changes(set->llq);
}

uint64_t watch_set_heard(const struct watch_set *set)
{
	return llq_set_heard(set->llq);
}

const struct llq_counts *watch_set_counts(const struct watch_set *set)
{
	return llq_set_counts(set->llq);
}
