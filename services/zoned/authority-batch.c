/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The queue of changes: each transaction works on copies of the zones it touches, which take the
 * place of the old versions when it is durable and are dropped when it is not. */
#include "services/zoned/authority-internal.h"

#include "services/zoned/authority-follow.h"
#include "services/zoned/authority-session.h"
#include "services/zoned/authority-transfer.h"

/* A full disk is not asked again at once. */
#define RETRY_MSEC 1000
/* Removals that no query can ask for are kept so much longer, and removed so seldom. */
#define REMOVALS_SPARE_MSEC 600000

void operation_queue_init(struct operation_queue *queue)
{
	*queue = (struct operation_queue){ .last = &queue->first };
}

static void operation_free(struct operation *operation)
{
	request_clear(&operation->request);
	free(operation);
}

size_t authority_n_waiting(const struct authority *authority)
{
	return authority->waiting.n;
}

void operation_queue_clear(struct operation_queue *queue)
{
	while (queue->first) {
		struct operation *operation = queue->first;

		queue->first = operation->next;
		operation_free(operation);
	}
	operation_queue_init(queue);
}

/* Counts one more change of this account; false: no room. */
static bool take_room(struct authority *authority, struct account *account, size_t size)
{
	const struct operation_queue *queue = &authority->waiting;

	if (account->waiting_round != authority->round) {
		account->waiting_round = authority->round;
		account->n_waiting = 0;
	}
	if (queue->n >= AUTHORITY_QUEUE_MAX || queue->n_octets + size > AUTHORITY_QUEUE_OCTETS ||
	    (queue->n >= AUTHORITY_QUEUE_MAX / 2 && account->n_waiting >= AUTHORITY_QUEUE_SHARE))
		return false;
	account->n_waiting++;
	return true;
}

struct operation *authority_enqueue(struct authority *authority, struct request *request,
				    enum operation_kind kind)
{
	struct operation_queue *queue = &authority->waiting;
	struct operation *operation;

	if (!take_room(authority, request->identity.account, request->size))
		return NULL;
	operation = calloc(1, sizeof *operation);
	if (!operation)
		return NULL;
	operation->kind = kind;
	operation->request = *request;
	*request = (struct request){};
	*queue->last = operation;
	queue->last = &operation->next;
	queue->n++;
	queue->n_octets += operation->request.size;
	return operation;
}

/* Working off ------------------------------------------------------------------------------------
 */

void authority_set_staged(struct authority *authority, struct account *account, struct zone *next)
{
	if (!account->staged) {
		account->next_staged = authority->staged;
		authority->staged = account;
	}
	zone_free(account->staged);
	account->staged = next;
}

void authority_drop_staged(struct authority *authority)
{
	while (authority->staged) {
		struct account *account = authority->staged;

		authority->staged = account->next_staged;
		account->next_staged = NULL;
		account->staged = zone_free(account->staged);
		accounts_note_leases(&authority->accounts, account);
	}
}

/* Leases that have ended, in a copy. Without memory they stay, unseen, until the next change. */
static void expire_leases(struct authority *authority, const struct moment *moment)
{
	struct due_heap *heap = &authority->accounts.lease_ends;
	struct due_entry *first;

	while ((first = due_heap_first(heap)) && first->due <= moment->now) {
		struct account *account = container_of(first, struct account, lease_end);
		struct zone *next;

		/* Comes back when the transaction is settled. */
		due_heap_remove(heap, first);
		if (zone_new_copy(account->staged ?: account->zone, &next) < 0)
			continue;
		authority_set_staged(authority, account, next);
		authority->counters.records_expired += zone_expire(next, moment->now);
		zone_bump_serial(next);
	}
}

/* How long what this client adds will live. A host's records always have a lease, so that a host
 * that is gone is forgotten; the account's own key may write records that stay. Without a lease of
 * its own for KEY records the one lease holds for them too (RFC 9664 §4.3). */
static void grant_lease(struct authority *authority, struct operation *operation,
			const struct moment *moment, struct update_grant *grant)
{
	const struct dns_message *message = operation->request.message;
	const struct authority_options *options = authority->options;
	struct lease_grant *granted = &operation->granted;
	struct dns_update_lease wanted;

	grant->expires = grant->key_expires = ZONE_NEVER;
	if (dns_options_read_update_lease(message->options, message->options_size, &wanted) > 0) {
		granted->lease = lease_grant(&options->update_lease, wanted.lease);
		granted->key_lease = wanted.has_key_lease
					     ? lease_grant(&options->key_lease, wanted.key_lease)
					     : granted->lease;
	} else if (operation->request.identity.is_host) {
		granted->lease = granted->key_lease = options->update_lease.maximum;
	} else {
		return;
	}
	grant->expires = lease_end(moment->now, granted->lease);
	grant->key_expires = lease_end(moment->now, granted->key_lease);
}

static uint16_t apply_update(struct authority *authority, struct operation *operation,
			     const struct moment *moment)
{
	struct request *request = &operation->request;
	struct account *account = accounts_find_id(&authority->accounts, request->account_id);
	struct update_grant grant = {
		.writer = {
			.key_name = request->identity.key_name,
			.is_host = request->identity.is_host,
			.host = request->identity.host,
		},
	};
	const struct zone *before;
	struct zone *next;
	uint16_t rcode;

	/* It may have gone, or have been disabled and purged, while this waited. */
	if (!account || account->is_disabled)
		return LDNS_RCODE_REFUSED;
	if (authority->follower && !follow_owns(authority, account))
		return LDNS_RCODE_SERVFAIL;
	/* It may have been forgotten by the change before this one. */
	if (authority_is_revoked(account, account->staged ?: account->zone, &request->identity,
				 moment))
		return LDNS_RCODE_REFUSED;
	if (!operation->is_accepted)
		operation->verdict = replay_guard_check(
			&authority->replays, request->identity.key_name, request->identity.is_host,
			request->tsig.time_signed, &request->tsig.mac);
	if (operation->verdict != REPLAY_NEW)
		return LDNS_RCODE_NOTAUTH;
	operation->is_accepted = true;
	grant.writer.account_key_name = account->domain;
	grant_lease(authority, operation, moment, &grant);
	before = account->staged ?: account->zone;
	if (zone_new_copy(before, &next) < 0)
		return LDNS_RCODE_SERVFAIL;
	rcode = update_apply(before, next, request->message, &grant, moment->now);
	if (rcode != LDNS_RCODE_NOERROR) {
		zone_free(next);
		return rcode;
	}
	authority_set_staged(authority, account, next);
	return LDNS_RCODE_NOERROR;
}

/* What to write
 * -------------------------------------------------------------------------------------- */

struct writing {
	struct authority *authority;
	struct change_list *changes;
	const struct moment *moment;
	struct account *account;
	bool has_removals;
};

static int write_put(struct writing *writing, struct zone_record *record)
{
	struct change change = { .kind = CHANGE_PUT_RECORD, .account = writing->account->id };
	const ldns_rdf *owner = ldns_rr_owner(record->rr);

	if (!record->id)
		record->id = ++writing->authority->last_record_id;
	change.record.id = record->id;
	change.record.type = record->type;
	change.record.ttl = ldns_rr_ttl(record->rr);
	change.record.expires = lease_to_date(writing->moment, record->expires);
	change.record.data.data = zone_record_data(record, &change.record.data.size);
	change.record.writer = record->writer ? strdup(record->writer) : NULL;
	if (!change.record.data.data || (record->writer && !change.record.writer) ||
	    octets_copy(ldns_rdf_data(owner), ldns_rdf_size(owner), &change.record.owner) < 0) {
		change_clear(&change);
		return -ENOMEM;
	}
	return change_list_append(writing->changes, &change);
}

/* For the clients of long-lived queries that are told of it after a restart. */
static int write_removal(struct writing *writing, const struct zone_record *record)
{
	struct change change = { .kind = CHANGE_PUT_REMOVAL, .account = writing->account->id };
	struct stored_removal *removal = &change.removal;
	const ldns_rdf *owner = ldns_rr_owner(record->rr);
	struct name_key name;

	name.size = record->owner_size;
	memcpy(name.octets, record->key, name.size);
	if (!llq_table_find_question(writing->account, &name, record->type))
		return 0;
	writing->has_removals = true;
	writing->account->n_removals++;
	removal->serial = zone_serial(writing->account->staged);
	removal->date = writing->moment->date;
	removal->type = record->type;
	removal->data.data = zone_record_data(record, &removal->data.size);
	if (!removal->data.data ||
	    octets_copy(ldns_rdf_data(owner), ldns_rdf_size(owner), &removal->owner) < 0) {
		change_clear(&change);
		return -ENOMEM;
	}
	return change_list_append(writing->changes, &change);
}

static int write_zone_change(void *userdata, enum zone_change kind, struct zone_record *record)
{
	struct writing *writing = userdata;
	struct change change = { .kind = CHANGE_DELETE_RECORD, .account = writing->account->id };
	int r;

	/* Those of the configuration are made anew at each start; in a primary they are what it
	 * says. */
	if (record->fixed &&
	    !(writing->authority->follower && !follow_is_local(writing->account, record)))
		return 0;
	switch (kind) {
	case ZONE_CHANGE_ADDED:
	case ZONE_CHANGE_REFRESHED:
		return write_put(writing, record);
	case ZONE_CHANGE_REMOVED:
		r = write_removal(writing, record);
		/* The SOA of a new account is not stored before its first change. */
		if (r < 0 || !record->id)
			return r;
		change.record_id = record->id;
		return change_list_append(writing->changes, &change);
	}
	return -EINVAL;
}

/* Removals older than every long-lived query. */
static int forget_removals(struct writing *writing)
{
	struct authority *authority = writing->authority;
	int64_t age = 1000ll * authority->options->llq_lease.maximum;
	struct change change = { .kind = CHANGE_FORGET_REMOVALS,
				 .before = writing->moment->date - age - REMOVALS_SPARE_MSEC };

	if (!writing->has_removals ||
	    writing->moment->now < authority->removals_forgotten + REMOVALS_SPARE_MSEC)
		return 0;
	authority->removals_forgotten = writing->moment->now;
	return change_list_append(writing->changes, &change);
}

static int write_zones(struct authority *authority, const struct moment *moment,
		       struct change_list *changes)
{
	struct writing writing = { .authority = authority, .changes = changes, .moment = moment };
	int r = 0;

	for (struct account *account = authority->staged; r >= 0 && account;
	     account = account->next_staged) {
		writing.account = account;
		zone_adopt_ids(account->zone, account->staged);
		r = zone_diff(account->zone, account->staged, write_zone_change, &writing);
		if (r >= 0)
			r = authority_trim_removals(account, moment, changes);
		if (r >= 0)
			r = authority_write_journal(account, changes);
	}
	return r < 0 ? r : forget_removals(&writing);
}

/* The answers
 * ---------------------------------------------------------------------------------------- */

/* Remembers how a new UPDATE is answered; one that was sent again is answered the same. */
static void settle_replay(struct authority *authority, struct operation *operation)
{
	const struct request *request = &operation->request;
	const char *key_name = request->identity.key_name;
	struct replay_outcome outcome = { operation->rcode, operation->granted };

	switch (operation->verdict) {
	case REPLAY_NEW:
		replay_guard_settle(&authority->replays, key_name, &request->tsig.mac,
				    outcome.rcode == LDNS_RCODE_SERVFAIL ? NULL : &outcome);
		break;
	case REPLAY_AGAIN:
		if (!replay_guard_outcome(&authority->replays, key_name, &request->tsig.mac,
					  &outcome))
			outcome.rcode = LDNS_RCODE_SERVFAIL;
		operation->rcode = outcome.rcode;
		operation->granted = outcome.granted;
		break;
	case REPLAY_OLD:
		break;
	}
}

static void answer_update(struct authority *authority, struct operation *operation,
			  const struct moment *moment, struct outbox *outbox)
{
	const struct request *request = &operation->request;
	struct dns_update_lease lease;
	struct answer answer;

	settle_replay(authority, operation);
	if (operation->rcode != LDNS_RCODE_NOERROR)
		authority->counters.updates_refused++;
	if (operation->verdict == REPLAY_OLD) {
		authority->counters.replayed++;
		answer_tsig_error(authority, request, &request->identity.key,
				  DNS_TSIG_ERROR_BADTIME, moment, outbox);
		return;
	}
	answer_begin(&answer, request, operation->rcode, DNS_OPTION_LLQ_SIZE);
	/* The form of the request: 4 octets for 4, 8 for 8 (RFC 9664 §4.3). */
	if (operation->rcode == LDNS_RCODE_NOERROR &&
	    dns_options_read_update_lease(request->message->options, request->message->options_size,
					  &lease) > 0) {
		lease.lease = operation->granted.lease;
		lease.key_lease = operation->granted.key_lease;
		dns_option_write_update_lease(&answer.options_writer, &lease);
	}
	answer_send(authority, &answer, request, moment, outbox);
}

static void answer_operation(struct authority *authority, struct operation *operation,
			     const struct moment *moment, struct outbox *outbox)
{
	struct request *request = &operation->request;

	/* Account and derived key may have gone while it waited; then nobody can check an answer.
	 */
	if (keyring_find(&authority->keyring, &authority->accounts, &request->tsig.key_name,
			 &request->identity) <= 0)
		return;
	request->identity.key.algorithm = request->tsig.algorithm;
	switch (operation->kind) {
	case OPERATION_UPDATE:
		answer_update(authority, operation, moment, outbox);
		break;
	case OPERATION_LLQ_CONFIRM:
	case OPERATION_LLQ_REFRESH:
		authority_answer_llq(authority, operation, moment, outbox);
		break;
	}
}

/* From outside
 * ---------------------------------------------------------------------------------------- */

static void apply_updates(struct authority *authority, const struct moment *moment)
{
	struct operation *operation;

	if (!authority->follower || follow_may_expire(authority) <= moment->now)
		expire_leases(authority, moment);
	for (operation = authority->under_way.first; operation; operation = operation->next)
		if (operation->kind == OPERATION_UPDATE)
			operation->rcode = apply_update(authority, operation, moment);
}

/* Queries last: what their clients are told is the zone after all changes of this transaction. */
static int write_all(struct authority *authority, const struct moment *moment,
		     struct change_list *changes)
{
	struct operation *operation;

	for (operation = authority->under_way.first; operation; operation = operation->next)
		if (operation->kind != OPERATION_UPDATE)
			authority_apply_llq(authority, operation, moment);
	if (authority_write_clock(authority, moment, changes) < 0 ||
	    write_zones(authority, moment, changes) < 0 ||
	    authority_stage_llqs(authority, moment, changes) < 0) {
		struct outbox none = {};

		/* Without memory for the list there is no transaction: all of it fails. */
		change_list_clear(changes);
		authority_finish(authority, moment, false, &none);
		outbox_clear(&none);
		return 0;
	}
	authority->counters.transactions += changes->n > 0;
	return 1;
}

/* All changes fail; what else there is to do goes on. */
static void fail_updates(struct authority *authority)
{
	struct operation *operation;

	for (operation = authority->under_way.first; operation; operation = operation->next)
		if (operation->kind == OPERATION_UPDATE && operation->rcode == LDNS_RCODE_NOERROR)
			operation->rcode = LDNS_RCODE_SERVFAIL;
}

/* With a primary: on top of what was learnt. */
static int stage_and_plan(struct authority *authority, const struct moment *moment,
			  struct change_list *changes)
{
	struct follower *follower = authority->follower;
	int r;

	update_batch_clear(&authority->updates);
	authority_drop_staged(authority);
	r = follow_stage(authority, moment, follow_is_ready(authority));
	if (r >= 0) {
		apply_updates(authority, moment);
		r = follow_plan_updates(authority, follower->n_attempts >= FOLLOW_ATTEMPTS_SHARED,
					&authority->updates);
	}
	if (r > 0) {
		authority->counters.updates_out += authority->updates.n;
		return AUTHORITY_PUBLISH;
	}
	return r < 0 ? authority_resume(authority, moment, r, changes)
		     : write_all(authority, moment, changes);
}

int authority_resume(struct authority *authority, const struct moment *moment, int outcome,
		     struct change_list *changes)
{
	struct follower *follower = authority->follower;

	update_batch_clear(&authority->updates);
	/* The answer to the first try was lost with its connection, and the second one found what
	 * the first had done. */
	if (outcome == -EAGAIN && follow_has_arrived(authority))
		outcome = 0;
	if (outcome == -EAGAIN && ++follower->n_attempts < FOLLOW_ATTEMPTS_MAX)
		return stage_and_plan(authority, moment, changes);
	if (outcome < 0) {
		authority->counters.updates_out_failed++;
		fail_updates(authority);
		authority_drop_staged(authority);
		follower->expire_at = moment->now + RETRY_MSEC;
	}
	follower->n_attempts = 0;
	if (follow_stage(authority, moment, false) < 0) {
		/* The next transaction begins with it. */
		fail_updates(authority);
		authority_drop_staged(authority);
		follower->n_taken = 0;
	}
	return write_all(authority, moment, changes);
}

const struct update_batch *authority_updates(const struct authority *authority)
{
	return &authority->updates;
}

uint64_t authority_next_work(const struct authority *authority, const struct moment *moment)
{
	uint64_t due = authority_next_llq_work(authority);
	uint64_t lease_end;

	/* While a transaction is under way nothing can start; its end asks again. */
	if (authority->is_busy)
		return ZONE_NEVER;
	if (authority->waiting.n || authority_clock_has_stepped(authority, moment))
		due = moment->now;
	if (authority->follower && follow_next_work(authority, moment->now) < due)
		due = follow_next_work(authority, moment->now);
	lease_end = due_heap_next(&authority->accounts.lease_ends);
	if (authority->follower && follow_may_expire(authority) > lease_end)
		lease_end = follow_may_expire(authority);
	if (lease_end < due)
		due = lease_end;
	return due < authority->retry_at ? authority->retry_at : due;
}

int authority_begin(struct authority *authority, const struct moment *moment,
		    struct change_list *changes)
{
	if (authority_next_work(authority, moment) > moment->now)
		return 0;
	authority->is_busy = true;
	authority->under_way = authority->waiting;
	authority->round++;
	operation_queue_init(&authority->waiting);
	if (authority->follower)
		return stage_and_plan(authority, moment, changes);
	apply_updates(authority, moment);
	return write_all(authority, moment, changes);
}

/* Whoever has to be told what became of an account's zone hangs here. */
struct announcement {
	struct authority *authority;
	const struct moment *moment;
	struct account *account; /* its zone is the new version */
	struct llq_question *told;
	struct push_change push;
};

/* For each record that clients see come or go, in the order of the zone. */
static int announce(void *userdata, enum zone_change change, struct zone_record *record)
{
	struct announcement *announcement = userdata;

	if (change != ZONE_CHANGE_REFRESHED)
		authority_tell_llqs(announcement->authority, announcement->account, record,
				    &announcement->told, announcement->moment->now);
	authority_note_push(&announcement->push, change, record, announcement->moment->now);
	return 0;
}

static void take_over(struct authority *authority, struct account *account,
		      const struct moment *moment, struct outbox *outbox)
{
	struct announcement announcement = { authority, moment, account, NULL, { account } };
	struct zone *old = account->zone;

	account->zone = account->staged;
	zone_diff(old, account->zone, announce, &announcement);
	authority_send_push(authority, &announcement.push, moment, outbox);
	/* After they have heard why. */
	if (revoked_differs(old, account->zone))
		authority_end_revoked(authority, account, moment);
	zone_free(old);
}

static void settle_zones(struct authority *authority, const struct moment *moment, bool durable,
			 struct outbox *outbox)
{
	while (authority->staged) {
		struct account *account = authority->staged;

		authority->staged = account->next_staged;
		account->next_staged = NULL;
		authority_settle_journal(authority, account, durable);
		if (durable)
			take_over(authority, account, moment, outbox);
		else
			zone_free(account->staged);
		account->staged = NULL;
		accounts_note_leases(&authority->accounts, account);
	}
}

void authority_finish(struct authority *authority, const struct moment *moment, bool durable,
		      struct outbox *outbox)
{
	authority_settle_clock(authority, durable);
	settle_zones(authority, moment, durable, outbox);
	if (authority->follower)
		follow_settle(authority, durable);
	authority->counters.transactions_failed += !durable;
	for (struct operation *operation = authority->under_way.first; operation;
	     operation = operation->next) {
		if (!durable && operation->rcode == LDNS_RCODE_NOERROR)
			operation->rcode = LDNS_RCODE_SERVFAIL;
		answer_operation(authority, operation, moment, outbox);
	}
	authority_settle_llqs(authority, moment, durable);
	operation_queue_clear(&authority->under_way);
	authority->is_busy = false;
	authority->retry_at = durable ? 0 : moment->now + RETRY_MSEC;
}
