/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How many removals are kept of an account. They end with the longest long-lived query, but who
 * changes a record all the time makes more of them than that. So now and then it is written down
 * how far each client is, and what all of them know to be gone is forgotten.
 */
#include "services/zoned/authority-internal.h"

/* Not oftener than this, and never for less than its own cost. */
#define REMOVALS_LEAST 1024

static size_t count_llqs(const struct account *account)
{
	const struct llq_owner *owner, *next;
	size_t n = 0;

	HASH_ITER (hh, account->llq_owners, owner, next)
		n += owner->n_llqs;
	return n;
}

static bool is_stored(const struct llq *llq)
{
	return !llq->is_new && !llq->peer.connection;
}

static int write_progress(const struct llq *llq, uint32_t serial, const struct moment *moment,
			  struct change_list *changes)
{
	struct change change = { .kind = CHANGE_REFRESH_LLQ,
				 .account = llq->question->account->id };

	change.refreshed_llq = (struct refreshed_llq){
		.id = llq->id,
		.lease = llq->lease,
		.expires = lease_to_date(moment, llq->expires),
		.serial = serial,
	};
	return change_list_append(changes, &change);
}

int authority_trim_removals(struct account *account, const struct moment *moment,
			    struct change_list *changes)
{
	struct change change = { .kind = CHANGE_TRIM_REMOVALS, .account = account->id };
	const struct llq_question *question, *next;
	int r = 0;

	if (account->n_removals < REMOVALS_LEAST || account->n_removals < count_llqs(account))
		return 0;
	change.serial = zone_serial(account->zone);
	HASH_ITER (hh, account->llq_questions, question, next) {
		for (const struct llq *llq = question->llqs; r >= 0 && llq; llq = llq->next) {
			uint32_t serial = authority_llq_serial(llq);

			if (!is_stored(llq))
				continue;
			if ((int32_t)(serial - change.serial) < 0)
				change.serial = serial;
			r = write_progress(llq, serial, moment, changes);
		}
	}
	account->n_removals = 0;
	return r < 0 ? r : change_list_append(changes, &change);
}
