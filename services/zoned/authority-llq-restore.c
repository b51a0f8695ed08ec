/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Long-lived queries after a restart. What their clients were told since the rows were written is
 * not known. So it is assumed that each knows everything that was removed since then and nothing of
 * what is there: the difference to the zone, its first event, then says all that the client may
 * have missed, and what it knows already does no harm. When nothing has changed since, there is
 * nothing to say.
 */
#include "services/zoned/authority-internal.h"

struct removals {
	size_t n;
	size_t capacity;
	struct {
		uint32_t serial;
		struct zone_record *record;
	} items[];
};

int authority_add_llq(struct authority *authority, int64_t id, const struct stored_llq *stored,
		      const struct moment *moment)
{
	struct account *account = accounts_find_id(&authority->accounts, id);
	struct llq_wish wish = {
		.id = stored->id,
		.type = stored->type,
		.key_name = stored->key_name,
		.algorithm = stored->algorithm,
		.peer = { .remote = stored->remote, .local = stored->local },
		.lease = stored->lease,
		.expires = lease_from_date(moment, stored->expires, stored->lease),
	};
	ldns_rdf *name = NULL;
	size_t position = 0;
	struct llq *llq;
	int r;

	if (!account)
		return -ENOENT;
	if (ldns_wire2dname(&name, stored->name.data, stored->name.size, &position) !=
	    LDNS_STATUS_OK)
		return -EINVAL;
	wish.name = name;
	r = llq_table_add(&authority->llqs, account, &wish, moment->now, &llq);
	ldns_rdf_deep_free(name);
	if (r < 0)
		return r;
	llq->serial = stored->serial;
	llq_table_take_up(&authority->llqs, llq, moment->now);
	return 0;
}

static struct removals *reserve(struct removals *removals)
{
	size_t capacity = removals ? removals->capacity * 2 : 16;
	struct removals *larger;

	if (removals && removals->n < removals->capacity)
		return removals;
	larger = realloc(removals, sizeof *removals + capacity * sizeof *removals->items);
	if (!larger)
		return NULL;
	if (!removals)
		larger->n = 0;
	larger->capacity = capacity;
	return larger;
}

int authority_add_removal(struct authority *authority, int64_t id,
			  const struct stored_removal *removal)
{
	struct account *account = accounts_find_id(&authority->accounts, id);
	struct stored_record stored = { .owner = removal->owner,
					.type = removal->type,
					.data = removal->data };
	struct zone_record *record;
	struct removals *removals;
	int r;

	if (!account)
		return -ENOENT;
	r = authority_read_record(&stored, ZONE_NEVER, &record);
	if (r < 0)
		return r;
	removals = reserve(account->removals);
	if (!removals) {
		zone_record_unref(record);
		return -ENOMEM;
	}
	removals->items[removals->n].serial = removal->serial;
	removals->items[removals->n++].record = record;
	account->removals = removals;
	account->n_removals++;
	return 0;
}

void authority_clear_removals(struct account *account)
{
	for (size_t i = 0; account->removals && i < account->removals->n; i++)
		zone_record_unref(account->removals->items[i].record);
	free(account->removals);
	account->removals = NULL;
}

/* Records whose lease ended while we were away. */
static int put_expired(struct zone *known, const struct zone *zone, const struct name_key *name,
		       uint16_t type, uint64_t now)
{
	struct zone_range range = zone_find_rrset(zone, name, type);
	int r = 0;

	for (size_t i = range.start; r >= 0 && i < range.end; i++)
		if (!zone_record_is_live(zone->records[i], now))
			r = zone_put(known, zone->records[i]);
	return r;
}

static int put_removed(struct zone *known, const struct llq *llq, const struct name_key *name,
		       uint64_t now)
{
	const struct account *account = llq->question->account;
	int r = 0;

	for (size_t i = 0; r >= 0 && account->removals && i < account->removals->n; i++) {
		struct zone_record *record = account->removals->items[i].record;
		const struct zone_record *same = zone_find_same(account->zone, record);
		int32_t age = account->removals->items[i].serial - llq->serial;

		if (age > 0 && record->type == llq->question->type &&
		    record->owner_size == name->size &&
		    memcmp(record->key, name->octets, name->size) == 0 &&
		    !(same && zone_record_is_live(same, now)))
			r = zone_put(known, record);
	}
	return r;
}

static int guess_known(const struct llq *llq, uint64_t now, struct record_set **ret)
{
	const struct llq_question *question = llq->question;
	const struct zone *zone = question->account->zone;
	cleanup(zone_freep) struct zone *known = NULL;
	bool is_unchanged = llq->serial == zone_serial(zone);
	struct name_key name;
	int r = zone_new(question->name, &known);

	llq_question_name(question, &name);
	if (r >= 0)
		r = put_expired(known, zone, &name, question->type, now);
	for (size_t i = 0; r >= 0 && is_unchanged && i < question->current->n; i++)
		r = zone_put(known, question->current->records[i]);
	if (r >= 0 && !is_unchanged)
		r = put_removed(known, llq, &name, now);
	return r < 0 ? r : record_set_new(known->records, known->n_records, ret);
}

static int restore_question(struct authority *authority, struct llq_question *question,
			    uint64_t now)
{
	const struct llq *last = NULL;
	int r = llq_table_change(&authority->llqs, question, now);

	for (struct llq *llq = question->llqs; r >= 0 && llq; llq = llq->next) {
		struct record_set *known;

		/* Many were told the same at the same time. */
		if (last && last->serial == llq->serial)
			known = record_set_ref(last->known);
		else
			r = guess_known(llq, now, &known);
		if (r < 0)
			return r;
		record_set_unref(llq->known);
		llq->known = known;
		last = llq;
	}
	return r;
}

int authority_restore_llqs(struct authority *authority, struct account *account, uint64_t now)
{
	struct llq_question *question, *next;
	int r = 0;

	HASH_ITER (hh, account->llq_questions, question, next)
		if (r >= 0)
			r = restore_question(authority, question, now);
	authority_clear_removals(account);
	return r;
}
