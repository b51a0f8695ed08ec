/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Telling the clients of long-lived queries what has changed. What changed is durable by then. */
#include "services/zoned/authority-internal.h"

#include "services/zoned/authority-session.h"
#include "services/zoned/authority-transfer.h"

/* Events sent, or sent again, before others get their turn: ten thousand clients of one name answer
 * at once, and what the socket cannot hold of that is lost. */
#define EVENTS_PER_TICK 64

void authority_tell_llqs(struct authority *authority, const struct account *account,
			 const struct zone_record *record, struct llq_question **told, uint64_t now)
{
	struct llq_question *question;
	struct name_key owner;

	owner.size = record->owner_size;
	memcpy(owner.octets, record->key, owner.size);
	question = llq_table_find_question(account, &owner, record->type);
	/* A zone's records come in order: those of one question after each other. */
	if (!question || question == *told)
		return;
	*told = question;
	if (llq_table_change(&authority->llqs, question, now) < 0) {
		/* Without memory its clients cannot be told, and must not believe they will be. */
		*told = NULL;
		llq_table_remove_question(&authority->llqs, question, now);
	}
}

void authority_check_llq(struct authority *authority, struct llq *llq)
{
	struct llq_question *question = llq->question;

	if (llq->is_new || llq->event)
		return;
	if (record_set_differs(llq->known, question->current)) {
		llq_table_wait(&authority->llqs, llq);
		return;
	}
	record_set_unref(llq->known);
	llq->known = record_set_ref(question->current);
	llq->serial = zone_serial(question->account->zone);
}

/* What the events of one tick share. */
struct telling {
	struct authority *authority;
	const struct moment *moment;
	struct outbox *outbox;
	struct llq_event_text text;
	const struct llq_owner *owner; /* of `identity` */
	struct identity identity;
};

static int find_key(struct telling *telling, const struct llq *llq)
{
	struct authority *authority = telling->authority;

	int r;

	if (telling->owner == llq->owner)
		return 1;
	telling->owner = llq->owner;
	r = keyring_find_text(&authority->keyring, &authority->accounts, llq->owner->key_name,
			      &telling->identity);
	telling->identity.key.algorithm = llq->owner->algorithm;
	return r;
}

static uint16_t next_event_id(struct authority *authority)
{
	uint64_t n = authority->n_event_ids++;

	if (n % LLQ_EVENT_IDS == 0)
		llq_wire_make_event_ids(authority->options->llq_secret, n, authority->event_ids);
	return authority->event_ids[n % LLQ_EVENT_IDS];
}

static int make_event(struct telling *telling, struct llq *llq, struct llq_event **ret)
{
	const struct dns_tsig_key *key = &telling->identity.key;
	struct llq_event_text *text = &telling->text;
	int r = find_key(telling, llq);

	if (r <= 0)
		return r < 0 ? r : -ENOKEY;
	r = llq_wire_write_event(text, llq, key);
	if (r < 0)
		return r;
	r = llq_wire_build_event(text, llq, next_event_id(telling->authority), key,
				 telling->moment->date / 1000, ret);
	if (r >= 0)
		(*ret)->serial = text->offered == text->target
					 ? zone_serial(llq->question->account->zone)
					 : llq->serial;
	return r;
}

static void tell(struct telling *telling, struct llq *llq)
{
	struct authority *authority = telling->authority;
	struct llq_event *event;
	int r = make_event(telling, llq, &event);

	if (r == -EMSGSIZE)
		return;
	if (r < 0) {
		/* Without the key or memory: its client asks anew. */
		telling->owner = NULL;
		llq_table_remove(&authority->llqs, llq, telling->moment->now);
		return;
	}
	authority->counters.llq_events++;
	outbox_append(telling->outbox, &llq->peer, event->octets, event->size);
	llq_event_sent(llq, event, telling->moment->now);
	llq_table_note_time(&authority->llqs, llq);
}

static void send_again(struct telling *telling, struct llq *llq)
{
	struct authority *authority = telling->authority;

	authority->counters.llq_event_retries++;
	outbox_append(telling->outbox, &llq->peer, llq->event->octets, llq->event->size);
	llq_table_note_time(&authority->llqs, llq);
}

static void on_time(struct telling *telling, struct llq *llq)
{
	struct authority *authority = telling->authority;
	uint64_t now = telling->moment->now;

	switch (llq_on_time(llq, now)) {
	case LLQ_TIMER_NOTHING:
		llq_table_note_time(&authority->llqs, llq);
		break;
	case LLQ_TIMER_SEND_AGAIN:
		send_again(telling, llq);
		break;
	case LLQ_TIMER_UNANSWERED:
		authority->counters.llq_deaths++;
		llq_table_remove(&authority->llqs, llq, now);
		break;
	case LLQ_TIMER_EXPIRED:
		llq_table_remove(&authority->llqs, llq, now);
		break;
	}
}

void authority_tick(struct authority *authority, const struct moment *moment, struct outbox *outbox)
{
	struct telling telling = { .authority = authority, .moment = moment, .outbox = outbox };
	struct llq_table *table = &authority->llqs;
	struct llq *llq;

	authority_send_notifies(authority, moment, outbox);
	authority_tick_sessions(authority, moment, outbox);
	for (size_t n = 0; n < EVENTS_PER_TICK && (llq = llq_table_due(table, moment->now)); n++)
		on_time(&telling, llq);
	for (size_t n = 0; n < EVENTS_PER_TICK && (llq = table->waiting); n++) {
		llq_table_end_wait(table, llq);
		if (!llq->is_new && !llq->event &&
		    record_set_differs(llq->known, llq->question->current))
			tell(&telling, llq);
		else
			authority_check_llq(authority, llq);
	}
	llq_event_text_clear(&telling.text);
}

uint64_t authority_next_due(const struct authority *authority, const struct moment *moment)
{
	uint64_t due = authority_next_work(authority, moment);

	if (authority_next_notify(authority, moment->now) < due)
		due = authority_next_notify(authority, moment->now);
	if (authority->llqs.waiting)
		return moment->now;
	if (due_heap_next(&authority->sessions.timers) < due)
		due = due_heap_next(&authority->sessions.timers);
	return due_heap_next(&authority->llqs.timers) < due ? due_heap_next(&authority->llqs.timers)
							    : due;
}
