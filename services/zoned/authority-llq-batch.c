/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Long-lived queries in a transaction: setups, refreshes and cancellations are durable before they
 * are answered. Events are not written down; see struct stored_llq. */
#include "services/zoned/authority-session.h"

/* That a query has ended is not worth a transaction at once: the client has gone. */
#define UNSAVED_MSEC 1000

static const struct zone *staged_zone(const struct account *account)
{
	return account->staged ?: account->zone;
}

/* The new query that this operation set up, or NULL. */
static struct llq *find_new(const struct authority *authority, const struct dns_llq *option)
{
	struct llq *llq = option->error == DNS_LLQ_ERROR_NONE
				  ? llq_table_find(&authority->llqs, option->id)
				  : NULL;

	return llq && llq->is_new ? llq : NULL;
}

/* Setup ------------------------------------------------------------------------------------------
 */

bool authority_is_full(const struct authority *authority, const struct account *account,
		       const char *key_name)
{
	const struct llq_owner *owner = llq_table_find_owner(account, key_name);

	return authority->llqs.n + authority->llqs.n_new >= authority->options->llqs_total ||
	       (owner && owner->n_llqs >= authority->options->llqs_per_key);
}

static int make_llq(struct authority *authority, struct operation *operation, size_t i,
		    struct account *account, const struct llq_claim *claim,
		    const struct moment *moment)
{
	struct request *request = &operation->request;
	const ldns_rr *question = dns_message_rr(request->message, DNS_SECTION_QUESTION, i);
	struct llq_wish wish = {
		.id = operation->llqs[i].id,
		.name = ldns_rr_owner(question),
		.type = claim->type,
		.key_name = claim->key_name,
		.algorithm = request->tsig.algorithm,
		.peer = request->peer,
		.lease = claim->lease,
		.expires = lease_end(moment->now, claim->lease),
	};
	struct llq *llq;

	return llq_table_add(&authority->llqs, account, &wish, moment->now, &llq);
}

static enum dns_llq_error confirm(struct authority *authority, struct operation *operation,
				  size_t i, struct account *account, const struct moment *moment)
{
	struct dns_llq *option = &operation->llqs[i];
	const struct llq *same = llq_table_find(&authority->llqs, option->id);
	struct llq_claim claim;

	authority_make_claim(&operation->request, i, option->lease, &claim);
	/* The third step came twice: it gets its answer again. */
	if (same) {
		if (!llq_is_claimed_by(same, &claim) || same->lease != option->lease)
			return DNS_LLQ_ERROR_NO_SUCH_LLQ;
		option->lease = lease_left(moment->now, same->expires);
		return DNS_LLQ_ERROR_NONE;
	}
	if (!llq_challenge_is_answered(authority->options->llq_secret, &claim, option->id,
				       moment->now))
		return DNS_LLQ_ERROR_NO_SUCH_LLQ;
	if (authority_is_full(authority, account, claim.key_name))
		return DNS_LLQ_ERROR_SERV_FULL;
	if (make_llq(authority, operation, i, account, &claim, moment) < 0)
		return DNS_LLQ_ERROR_UNKNOWN_ERR;
	authority->counters.llq_setups++;
	return DNS_LLQ_ERROR_NONE;
}

/* Refresh
 * ------------------------------------------------------------------------------------------ */

static enum dns_llq_error refresh(struct authority *authority, struct operation *operation,
				  size_t i, const struct moment *moment)
{
	struct dns_llq *option = &operation->llqs[i];
	struct llq *llq = llq_table_find(&authority->llqs, option->id);
	struct llq_claim claim;

	authority_make_claim(&operation->request, i, option->lease, &claim);
	/* From another address events would still go to the old one: the client must set it up
	 * anew. */
	if (!llq || llq->is_new || llq->is_leaving || !llq_is_claimed_by(llq, &claim) ||
	    llq->expires <= moment->now)
		return DNS_LLQ_ERROR_NO_SUCH_LLQ;
	if (option->lease == 0) {
		llq->is_leaving = true;
		return DNS_LLQ_ERROR_NONE;
	}
	option->lease = lease_grant(&authority->options->llq_lease, option->lease);
	authority->counters.llq_refreshes++;
	return DNS_LLQ_ERROR_NONE;
}

void authority_apply_llq(struct authority *authority, struct operation *operation,
			 const struct moment *moment)
{
	struct account *account =
		accounts_find_id(&authority->accounts, operation->request.account_id);

	/* Removed or disabled while this waited. There is nothing to be looked at: the options are
	 * still the client's words. */
	if (!account || account->is_disabled ||
	    authority_is_revoked(account, account->staged ?: account->zone,
				 &operation->request.identity, moment)) {
		operation->rcode = LDNS_RCODE_REFUSED;
		operation->n_llqs = 0;
		return;
	}
	operation->begun = moment->now;
	for (size_t i = 0; i < operation->n_llqs; i++) {
		struct dns_llq *option = &operation->llqs[i];
		enum dns_llq_error error =
			operation->kind == OPERATION_LLQ_CONFIRM
				? confirm(authority, operation, i, account, moment)
				: refresh(authority, operation, i, moment);

		option->error = error;
		if (error == DNS_LLQ_ERROR_NONE)
			continue;
		authority->counters.llq_rejected++;
		option->lease = error == DNS_LLQ_ERROR_SERV_FULL ? LLQ_FULL_RETRY : 0;
		if (error != DNS_LLQ_ERROR_NO_SUCH_LLQ)
			option->id = 0;
	}
}

/* The answer: of the third step with what there is now, as far as it fits; the rest comes as
 * events. */

static void begin_llq_answer(struct answer *answer, const struct operation *operation)
{
	answer_begin(answer, &operation->request, DNS_FLAG_AA | operation->rcode,
		     operation->n_llqs * DNS_OPTION_LLQ_SIZE);
}

/* Adds those of the records that are still in the zone, until one does not fit; returns how many
 * were gone through. What the client was told of and has gone is for an event to say. */
static size_t add_records(struct answer *answer, const struct record_set *set,
			  const struct zone *zone, uint64_t now)
{
	for (size_t i = 0; i < set->n; i++) {
		struct dns_builder_mark mark = dns_builder_mark(&answer->builder);
		const struct zone_record *same = zone_find_same(zone, set->records[i]);

		if (!same || !zone_record_is_live(same, now))
			continue;
		dns_builder_add_rr(&answer->builder, DNS_SECTION_ANSWER, set->records[i]->rr);
		if (answer->builder.writer.failed) {
			dns_builder_rewind(&answer->builder, &mark);
			return i;
		}
	}
	return set->n;
}

/* What the client of a new query will know. */
static int stage_known(struct llq *llq, struct answer *answer, const struct moment *moment)
{
	const struct account *account = llq->question->account;
	const struct zone *zone = staged_zone(account);
	cleanup(record_set_unrefp) struct record_set *current = NULL;
	struct record_set *known;
	struct name_key name;
	size_t n;
	int r = 0;

	llq_question_name(llq->question, &name);
	if (account->staged)
		r = record_set_read(zone, &name, llq->question->type, moment->now, &current);
	else
		current = record_set_ref(llq->question->current);
	if (r < 0)
		return r;
	n = add_records(answer, current, zone, moment->now);
	/* What did not fit would be missing if nothing had changed since this serial. */
	llq->serial = zone_serial(zone) - (n < current->n);
	if (n == current->n)
		known = steal_ptr(current);
	else
		r = record_set_new(current->records, n, &known);
	if (r < 0)
		return r;
	record_set_unref(llq->known);
	llq->known = known;
	return 0;
}

/* Worked out by writing the answer once before it is sent. */
static int stage_answers(struct authority *authority, struct operation *operation,
			 const struct moment *moment)
{
	struct answer answer;
	int r = 0;

	begin_llq_answer(&answer, operation);
	for (size_t i = 0; r >= 0 && i < operation->n_llqs; i++) {
		struct llq *llq = find_new(authority, &operation->llqs[i]);

		if (llq)
			r = stage_known(llq, &answer, moment);
	}
	return r;
}

void authority_answer_llq(struct authority *authority, struct operation *operation,
			  const struct moment *moment, struct outbox *outbox)
{
	struct answer answer;

	begin_llq_answer(&answer, operation);
	for (size_t i = 0; operation->rcode == LDNS_RCODE_NOERROR && i < operation->n_llqs; i++) {
		struct dns_llq *option = &operation->llqs[i];
		const struct llq *llq = option->error == DNS_LLQ_ERROR_NONE
						? llq_table_find(&authority->llqs, option->id)
						: NULL;

		/* It ended while the disk was waited for. Its client must set it up anew. */
		if (!llq && option->error == DNS_LLQ_ERROR_NONE && option->lease)
			*option = (struct dns_llq){ option->version, option->opcode,
						    DNS_LLQ_ERROR_NO_SUCH_LLQ, option->id, 0 };
		if (llq && operation->kind == OPERATION_LLQ_CONFIRM)
			add_records(&answer, llq->known, llq->question->account->zone,
				    operation->begun);
		dns_option_write_llq(&answer.options_writer, option);
	}
	answer_send(authority, &answer, &operation->request, moment, outbox);
}

/* What to write
 * ------------------------------------------------------------------------------------ */

static int write_removed(struct llq_table *table, struct change_list *changes)
{
	int r = 0;

	table->n_removing = table->n_removed;
	for (size_t i = 0; r >= 0 && i < table->n_removing; i++) {
		struct change change = { .kind = CHANGE_DELETE_LLQ };

		change.llq_id = table->removed[i];
		r = change_list_append(changes, &change);
	}
	return r;
}

/* The one in its place goes with the same transaction: of two rows a restart would have to guess
 * which is the newer. */
static int write_replaced(const struct llq_table *table, const struct llq *llq,
			  struct change_list *changes)
{
	const struct llq *old = llq_table_find_place(table, llq);
	struct change change = { .kind = CHANGE_DELETE_LLQ };

	if (!old || old->peer.connection)
		return 0;
	change.llq_id = old->id;
	return change_list_append(changes, &change);
}

static int write_confirmed(struct authority *authority, struct operation *operation,
			   const struct moment *moment, struct change_list *changes)
{
	int r = stage_answers(authority, operation, moment);

	for (size_t i = 0; r >= 0 && i < operation->n_llqs; i++) {
		const struct llq *llq = find_new(authority, &operation->llqs[i]);
		struct change change;

		if (!llq || llq->peer.connection)
			continue;
		r = write_replaced(&authority->llqs, llq, changes);
		if (r < 0)
			return r;
		r = llq_wire_to_storage(llq, moment, &change);
		if (r >= 0)
			r = change_list_append(changes, &change);
	}
	return r;
}

uint32_t authority_llq_serial(const struct llq *llq)
{
	return llq->known == llq->question->current && !llq->event
		       ? zone_serial(llq->question->account->zone)
		       : llq->serial;
}

static int write_refreshed(struct authority *authority, struct operation *operation,
			   const struct moment *moment, struct change_list *changes)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < operation->n_llqs; i++) {
		const struct dns_llq *option = &operation->llqs[i];
		struct change change = { .kind = CHANGE_DELETE_LLQ, .llq_id = option->id };

		if (option->error != DNS_LLQ_ERROR_NONE || operation->request.peer.connection)
			continue;
		if (option->lease) {
			const struct llq *llq = llq_table_find(&authority->llqs, option->id);

			change.kind = CHANGE_REFRESH_LLQ;
			change.refreshed_llq = (struct refreshed_llq){
				.id = option->id,
				.lease = option->lease,
				.expires = lease_to_date(moment,
							 lease_end(moment->now, option->lease)),
				.serial = authority_llq_serial(llq),
			};
		}
		r = change_list_append(changes, &change);
	}
	return r;
}

int authority_stage_llqs(struct authority *authority, const struct moment *moment,
			 struct change_list *changes)
{
	struct operation *operation;
	int r = write_removed(&authority->llqs, changes);

	for (operation = authority->under_way.first; r >= 0 && operation;
	     operation = operation->next) {
		switch (operation->kind) {
		case OPERATION_UPDATE:
			break;
		case OPERATION_LLQ_CONFIRM:
			r = write_confirmed(authority, operation, moment, changes);
			break;
		case OPERATION_LLQ_REFRESH:
			r = write_refreshed(authority, operation, moment, changes);
			break;
		}
	}
	return r;
}

/* Afterwards
 * ----------------------------------------------------------------------------------------- */

static void settle_confirmed(struct authority *authority, const struct dns_llq *option,
			     bool durable, uint64_t now)
{
	struct llq *llq = find_new(authority, option);

	if (!llq)
		return;
	/* Its connection may have ended meanwhile. */
	if (!durable || (llq->peer.connection && !authority_attach_llq(authority, llq))) {
		llq_table_drop(&authority->llqs, llq);
		return;
	}
	llq_table_take_up(&authority->llqs, llq, now);
	authority_check_llq(authority, llq);
}

static void settle_refreshed(struct authority *authority, const struct operation *operation,
			     const struct dns_llq *option, bool durable)
{
	struct llq *llq = option->error == DNS_LLQ_ERROR_NONE
				  ? llq_table_find(&authority->llqs, option->id)
				  : NULL;

	if (!llq)
		return;
	if (!durable) {
		llq->is_leaving = false;
	} else if (option->lease == 0) {
		llq_table_drop(&authority->llqs, llq);
	} else {
		llq->lease = option->lease;
		llq->expires = lease_end(operation->begun, option->lease);
		llq_table_note_time(&authority->llqs, llq);
	}
}

void authority_settle_llqs(struct authority *authority, const struct moment *moment, bool durable)
{
	struct operation *operation;

	llq_table_settle_removed(&authority->llqs, durable);
	for (operation = authority->under_way.first; operation; operation = operation->next) {
		for (size_t i = 0; i < operation->n_llqs; i++) {
			const struct dns_llq *option = &operation->llqs[i];

			if (operation->kind == OPERATION_LLQ_CONFIRM)
				settle_confirmed(authority, option, durable, moment->now);
			else
				settle_refreshed(authority, operation, option, durable);
		}
	}
}

uint64_t authority_next_llq_work(const struct authority *authority)
{
	return authority->llqs.n_removed ? authority->llqs.removed_since + UNSAVED_MSEC
					 : ZONE_NEVER;
}
