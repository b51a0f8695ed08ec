/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Long-lived queries in a transaction. An event is written down together with the change that
 * causes it, before it is sent: whatever the client may have seen of it, after a crash the storage
 * knows. */
#include "services/zoned/authority-internal.h"

#include "services/zoned/authority-transfer.h"

/* An acknowledgement alone is not worth a transaction at once: lost, the event is only sent again.
 */
#define UNSAVED_MSEC 1000

static const struct zone *staged_zone(const struct account *account)
{
	return account->staged ?: account->zone;
}

/* Setup ------------------------------------------------------------------------------------------
 */

/* Those of this transaction count as well. */
static bool is_full(const struct authority *authority, const char *key_name)
{
	size_t n_total = authority->llqs.n;
	size_t n_of_key = llq_table_count_key(&authority->llqs, key_name);
	const struct operation *operation;

	for (operation = authority->under_way.first; operation; operation = operation->next)
		for (size_t i = 0; i < operation->n_llqs; i++) {
			if (!operation->confirmed[i])
				continue;
			n_total++;
			n_of_key += strcmp(operation->confirmed[i]->key_name, key_name) == 0;
		}
	return n_total >= authority->options->llqs_total ||
	       n_of_key >= authority->options->llqs_per_key;
}

static int make_llq(struct authority *authority, struct operation *operation, size_t i,
		    const struct llq_claim *claim, const struct moment *moment, struct llq **ret)
{
	struct request *request = &operation->request;
	const ldns_rr *question = dns_message_rr(request->message, DNS_SECTION_QUESTION, i);
	struct llq *llq;
	int r;

	r = llq_new(operation->llqs[i].id, request->account_id, ldns_rr_owner(question),
		    claim->type, claim->key_name, &request->peer, &llq);
	if (r < 0)
		return r;
	llq->lease = claim->lease;
	llq->expires = lease_end(moment->now, claim->lease);
	*ret = llq;
	return 0;
}

static enum dns_llq_error confirm(struct authority *authority, struct operation *operation,
				  size_t i, const struct moment *moment)
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
	if (is_full(authority, claim.key_name))
		return DNS_LLQ_ERROR_SERV_FULL;
	if (make_llq(authority, operation, i, &claim, moment, &operation->confirmed[i]) < 0)
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
	if (!llq || !llq_is_claimed_by(llq, &claim) || llq->expires <= moment->now)
		return DNS_LLQ_ERROR_NO_SUCH_LLQ;
	llq->is_staged = true;
	if (option->lease == 0) {
		llq->is_staged_cancel = true;
		return DNS_LLQ_ERROR_NONE;
	}
	option->lease = lease_grant(&authority->options->llq_lease, option->lease);
	llq->staged_lease = option->lease;
	llq->staged_expires = lease_end(moment->now, option->lease);
	authority->counters.llq_refreshes++;
	return DNS_LLQ_ERROR_NONE;
}

void authority_apply_llq(struct authority *authority, struct operation *operation,
			 const struct moment *moment)
{
	/* Removed while this waited. There is nobody to answer, and nothing to be looked at. */
	if (!accounts_find_id(&authority->accounts, operation->request.account_id)) {
		operation->rcode = LDNS_RCODE_REFUSED;
		return;
	}
	for (size_t i = 0; i < operation->n_llqs; i++) {
		struct dns_llq *option = &operation->llqs[i];
		enum dns_llq_error error = operation->kind == OPERATION_LLQ_CONFIRM
						   ? confirm(authority, operation, i, moment)
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

/* Adds the records of `set`, and to `ret_fitting` (if not NULL) those that fit. */
static int add_known(struct answer *answer, const struct zone *set, struct zone *ret_fitting)
{
	for (size_t i = 0; i < set->n_records; i++) {
		struct dns_builder_mark mark = dns_builder_mark(&answer->builder);
		int r;

		dns_builder_add_rr(&answer->builder, DNS_SECTION_ANSWER, set->records[i]->rr);
		if (answer->builder.writer.failed) {
			dns_builder_rewind(&answer->builder, &mark);
			return 0;
		}
		r = ret_fitting ? zone_put(ret_fitting, set->records[i]) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* What the clients of new queries will know: worked out by writing the answer once before it is
 * sent. */
static int stage_answers(struct authority *authority, struct operation *operation,
			 const struct moment *moment)
{
	const struct account *account =
		accounts_find_id(&authority->accounts, operation->request.account_id);
	struct answer answer;
	int r = 0;

	if (!account)
		return 0;
	begin_llq_answer(&answer, operation);
	for (size_t i = 0; r >= 0 && i < operation->n_llqs; i++) {
		const struct llq *same = llq_table_find(&authority->llqs, operation->llqs[i].id);
		struct llq *llq = operation->confirmed[i];
		cleanup(zone_freep) struct zone *current = NULL;

		if (!llq) {
			r = same ? add_known(&answer, same->known, NULL) : 0;
			continue;
		}
		r = llq_read_zone(llq, staged_zone(account), moment->now, &current);
		if (r >= 0)
			r = add_known(&answer, current, llq->known);
		llq->wants_event = true;
	}
	return r;
}

void authority_answer_llq(struct authority *authority, struct operation *operation,
			  const struct moment *moment, struct outbox *outbox)
{
	struct answer answer;

	begin_llq_answer(&answer, operation);
	for (size_t i = 0; operation->rcode == LDNS_RCODE_NOERROR && i < operation->n_llqs; i++) {
		const struct llq *llq =
			operation->confirmed[i]
				?: llq_table_find(&authority->llqs, operation->llqs[i].id);

		if (llq && operation->kind == OPERATION_LLQ_CONFIRM)
			add_known(&answer, llq->known, NULL);
		dns_option_write_llq(&answer.options_writer, &operation->llqs[i]);
	}
	answer_send(authority, &answer, &operation->request, moment, outbox);
}

/* Events and what to write
 * --------------------------------------------------------------------------- */

/* Looks whether the zone has moved away from what the client knows. */
static int stage_event(struct authority *authority, struct llq *llq, const struct account *account,
		       const struct moment *moment)
{
	cleanup(zone_freep) struct zone *current = NULL;
	struct identity identity;
	int r;

	r = llq_read_zone(llq, staged_zone(account), moment->now, &current);
	if (r < 0)
		return r;
	llq->wants_event = false;
	if (!zone_differs(llq->known, current))
		return 0;
	r = keyring_find_text(&authority->keyring, &authority->accounts, llq->key_name, &identity);
	if (r <= 0)
		return r;
	r = llq_wire_plan(llq, current, &identity.key, &llq->staged_offered);
	if (r < 0)
		return r == -EMSGSIZE ? 0 : r;
	llq->is_staged = true;
	llq->n_events++;
	return 0;
}

static int write_llq(const struct llq *llq, const struct moment *moment,
		     struct change_list *changes)
{
	const struct zone *offered = llq->staged_offered ?: llq->offered;
	struct change change = { .kind = CHANGE_DELETE_LLQ, .account = llq->account };
	int r = 0;

	change.llq_id = llq->id;
	if (!llq->is_staged_cancel)
		r = llq_wire_to_storage(llq, offered, llq->staged_lease ?: llq->lease,
					llq->staged_expires ?: llq->expires, moment, &change);
	return r < 0 ? r : change_list_append(changes, &change);
}

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

static int write_confirmed(struct authority *authority, const struct moment *moment,
			   struct change_list *changes)
{
	struct operation *operation;
	int r = 0;

	for (operation = authority->under_way.first; operation; operation = operation->next) {
		if (operation->kind == OPERATION_LLQ_CONFIRM)
			r = stage_answers(authority, operation, moment);
		for (size_t i = 0; r >= 0 && i < operation->n_llqs; i++)
			if (operation->confirmed[i])
				r = write_llq(operation->confirmed[i], moment, changes);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_changed(const struct account *account)
{
	return account->staged && zone_serial(account->staged) != zone_serial(account->zone);
}

int authority_stage_llqs(struct authority *authority, const struct moment *moment,
			 struct change_list *changes)
{
	const struct account *account = NULL;
	int r = write_removed(&authority->llqs, changes);

	for (size_t i = 0; r >= 0 && i < authority->llqs.n; i++) {
		struct llq *llq = authority->llqs.items[i];

		if (!account || account->id != llq->account)
			account = accounts_find_id(&authority->accounts, llq->account);
		if (!account)
			llq->wants_event = false;
		if (!account || llq->expires <= moment->now)
			continue;
		if (has_changed(account))
			llq->wants_event = true;
		if (llq->wants_event && !llq->offered && !llq->is_staged_cancel)
			r = stage_event(authority, llq, account, moment);
		if (r >= 0 && (llq->is_staged || llq->unsaved_since)) {
			llq->is_staged = true;
			llq->unsaved_since = 0;
			r = write_llq(llq, moment, changes);
		}
	}
	return r < 0 ? r : write_confirmed(authority, moment, changes);
}

/* Afterwards
 * ----------------------------------------------------------------------------------------- */

static void send_first(struct authority *authority, struct llq *llq, const struct moment *moment,
		       struct outbox *outbox)
{
	struct identity identity;
	struct dns_tsig_mac mac;
	struct octets octets;
	uint16_t id = llq_wire_event_id(authority->options->llq_secret, llq);

	/* Without the key or memory the query dies by its lease, and its client asks anew. */
	if (keyring_find_text(&authority->keyring, &authority->accounts, llq->key_name,
			      &identity) <= 0 ||
	    llq_wire_build_event(llq, id, &identity.key, moment->date / 1000, &octets, &mac) < 0) {
		llq_table_remove(&authority->llqs, llq, moment->now);
		return;
	}
	authority->counters.llq_events++;
	outbox_append(outbox, &llq->peer, octets.data, octets.size);
	llq_event_sent(llq, &octets, id, &mac, moment->now);
}

static void settle_llq(struct authority *authority, struct llq *llq, const struct moment *moment,
		       bool durable, struct outbox *outbox)
{
	struct zone *offered = steal_ptr(llq->staged_offered);
	bool is_cancelled = llq->is_staged_cancel;
	uint32_t lease = llq->staged_lease;
	uint64_t expires = llq->staged_expires;

	llq->is_staged = llq->is_staged_cancel = false;
	llq->staged_lease = 0;
	llq->staged_expires = 0;
	if (!durable) {
		zone_free(offered);
		llq->wants_event = true;
		llq->unsaved_since = moment->now ?: 1;
		return;
	}
	if (expires) {
		llq->lease = lease;
		llq->expires = expires;
	}
	if (is_cancelled) {
		zone_free(offered);
		llq_table_remove(&authority->llqs, llq, moment->now);
	} else if (offered) {
		llq->offered = offered;
		send_first(authority, llq, moment, outbox);
	}
}

/* A client has one query for a question from one address: the new one takes the old one's place. A
 * host's key belongs to one machine, so there the address does not matter: it moved, and nobody
 * listens at the old one. Otherwise a host that moves often would fill its share until the leases
 * end. */
static void take_up(struct authority *authority, struct operation *operation, size_t i,
		    uint64_t now)
{
	struct llq *llq = steal_ptr(operation->confirmed[i]);

	for (size_t k = authority->llqs.n; k > 0; k--) {
		struct llq *old = authority->llqs.items[k - 1];
		struct llq_claim claim = { .remote = llq->peer.remote,
					   .key_name = llq->key_name,
					   .name = llq->name_key,
					   .type = llq->type };

		if (operation->request.identity.is_host)
			claim.remote = old->peer.remote;
		if (old->id != llq->id && llq_is_claimed_by(old, &claim))
			llq_table_remove(&authority->llqs, old, now);
	}
	llq_table_add(&authority->llqs, llq);
}

void authority_settle_llqs(struct authority *authority, const struct moment *moment, bool durable,
			   struct outbox *outbox)
{
	struct operation *operation;

	llq_table_settle_removed(&authority->llqs, durable);
	for (size_t i = authority->llqs.n; i > 0; i--)
		if (authority->llqs.items[i - 1]->is_staged)
			settle_llq(authority, authority->llqs.items[i - 1], moment, durable,
				   outbox);
	for (operation = authority->under_way.first; durable && operation;
	     operation = operation->next)
		for (size_t i = 0; i < operation->n_llqs; i++)
			if (operation->confirmed[i])
				take_up(authority, operation, i, moment->now);
}

uint64_t authority_next_llq_work(const struct authority *authority, uint64_t now)
{
	uint64_t due = authority->llqs.n_removed ? authority->llqs.removed_since + UNSAVED_MSEC
						 : ZONE_NEVER;

	for (size_t i = 0; i < authority->llqs.n; i++) {
		const struct llq *llq = authority->llqs.items[i];

		if (llq->wants_event && !llq->offered)
			return now;
		if (llq->unsaved_since && llq->unsaved_since + UNSAVED_MSEC < due)
			due = llq->unsaved_since + UNSAVED_MSEC;
	}
	return due;
}

void authority_tick(struct authority *authority, const struct moment *moment, struct outbox *outbox)
{
	authority_send_notifies(authority, moment, outbox);
	for (size_t i = authority->llqs.n; i > 0; i--) {
		struct llq *llq = authority->llqs.items[i - 1];

		switch (llq_on_time(llq, moment->now)) {
		case LLQ_TIMER_NOTHING:
			break;
		case LLQ_TIMER_SEND_FIRST:
			send_first(authority, llq, moment, outbox);
			break;
		case LLQ_TIMER_SEND_AGAIN:
			authority->counters.llq_event_retries++;
			outbox_append(outbox, &llq->peer, llq->event.data, llq->event.size);
			break;
		case LLQ_TIMER_UNANSWERED:
			authority->counters.llq_deaths++;
			llq_table_remove(&authority->llqs, llq, moment->now);
			break;
		case LLQ_TIMER_EXPIRED:
			llq_table_remove(&authority->llqs, llq, moment->now);
			break;
		}
	}
}

uint64_t authority_next_due(const struct authority *authority, const struct moment *moment)
{
	uint64_t due = authority_next_work(authority, moment);
	uint64_t notify = authority_next_notify(authority, moment->now);

	if (notify < due)
		due = notify;
	for (size_t i = 0; i < authority->llqs.n; i++)
		if (llq_next_due(authority->llqs.items[i]) < due)
			due = llq_next_due(authority->llqs.items[i]);
	return due;
}
