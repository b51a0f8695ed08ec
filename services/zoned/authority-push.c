/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* DNS Push: what a subscriber is told first, and of each change. A change is worked out once per
 * account; the message is made once for all who get the same of it. */
#include "common/dns/dns-push.h"
#include "services/zoned/authority-session.h"

/* A part of a change. */
enum push_form {
	PUSH_ADD,
	PUSH_REMOVE,
	PUSH_REMOVE_RRSET, /* nothing is left of this name and type */
};

struct push_part {
	enum push_form form;
	bool is_name_gone; /* with PUSH_REMOVE_RRSET: nothing is left of the name */
	struct zone_record *record;
};

/* PUSH messages to one session in the making. */
struct push_writer {
	struct authority *authority;
	struct session *session;
	const struct moment *moment;
	struct outbox *outbox;
	struct dns_builder builder;
	size_t position;
	bool has_any;
	uint8_t octets[DNS_DSO_SIZE_MAX];
};

static void begin_message(struct push_writer *writer)
{
	writer->position = dns_push_begin(&writer->builder, writer->octets, sizeof writer->octets);
	writer->has_any = false;
}

static void send_message(struct push_writer *writer)
{
	struct session *session = writer->session;
	int size;

	if (!writer->has_any)
		return;
	dns_push_end(&writer->builder, writer->position);
	if (session->is_padded)
		dns_dso_add_padding(&writer->builder, DNS_PADDING_RESPONSE);
	size = dns_builder_finish(&writer->builder);
	if (size > 0 && outbox_append(writer->outbox, &session->peer, writer->octets, size) >= 0)
		writer->authority->counters.push_messages++;
	dso_session_touch(&session->dso, false, writer->moment->now);
	begin_message(writer);
}

/* `type` ANY: all records of the name. */
static void write_part(struct push_writer *writer, enum push_form form,
		       const struct zone_record *record, uint16_t type)
{
	const ldns_rdf *owner = ldns_rr_owner(record->rr);

	switch (form) {
	case PUSH_ADD:
		dns_push_add(&writer->builder, record->rr);
		break;
	case PUSH_REMOVE:
		dns_push_remove(&writer->builder, record->rr);
		break;
	case PUSH_REMOVE_RRSET:
		dns_push_remove_all(&writer->builder, owner, type, LDNS_RR_CLASS_IN);
		break;
	}
}

static void put_part(struct push_writer *writer, enum push_form form,
		     const struct zone_record *record, uint16_t type)
{
	struct dns_builder_mark mark = dns_builder_mark(&writer->builder);

	write_part(writer, form, record, type);
	if (writer->builder.writer.failed && writer->has_any) {
		dns_builder_rewind(&writer->builder, &mark);
		send_message(writer);
		mark = dns_builder_mark(&writer->builder);
		write_part(writer, form, record, type);
	}
	/* A record larger than any PUSH may be: its client finds it by asking. */
	if (writer->builder.writer.failed)
		dns_builder_rewind(&writer->builder, &mark);
	else
		writer->has_any = true;
}

/* Subscribing ------------------------------------------------------------------------------------
 */

static void put_rrset(struct push_writer *writer, const struct zone *zone, struct zone_range range)
{
	for (size_t i = range.start; i < range.end; i++)
		if (zone_record_is_live(zone->records[i], writer->moment->now))
			put_part(writer, PUSH_ADD, zone->records[i], 0);
}

/* All there is now of what was subscribed to. */
static void send_content(struct push_writer *writer, const struct name_key *name, uint16_t type,
			 uint16_t class)
{
	const struct zone *zone = writer->session->account->zone;

	if (class != LDNS_RR_CLASS_IN && class != LDNS_RR_CLASS_ANY)
		return;
	begin_message(writer);
	if (type == LDNS_RR_TYPE_ANY) {
		put_rrset(writer, zone, zone_find_name(zone, name));
	} else {
		put_rrset(writer, zone, zone_find_rrset(zone, name, type));
		if (type != LDNS_RR_TYPE_CNAME)
			put_rrset(writer, zone, zone_find_rrset(zone, name, LDNS_RR_TYPE_CNAME));
	}
	send_message(writer);
}

/* The answer to a SUBSCRIBE that is not taken. A stranger gets the same for every name, be it one
 * of an account or not. */
static uint8_t check_subscribe(const struct authority *authority, const struct session *session,
			       const struct name_key *name)
{
	const struct authority_options *options = authority->options;

	if (!session->account || !name_key_is_within(name, &session->account->name))
		return LDNS_RCODE_REFUSED;
	if (authority->sessions.n_subscriptions >= options->push_total ||
	    session->owner->n_subscriptions >= options->push_per_key)
		return LDNS_RCODE_SERVFAIL;
	return LDNS_RCODE_NOERROR;
}

void authority_receive_subscribe(struct authority *authority, const struct moment *moment,
				 struct session *session, const struct dns_dso *message,
				 struct outbox *outbox)
{
	struct push_writer writer = {
		.authority = authority, .session = session, .moment = moment, .outbox = outbox
	};
	struct dns_push_question question;
	struct name_key name;
	uint8_t rcode = LDNS_RCODE_FORMERR;

	if (dns_push_read_subscribe(&message->data, &question) >= 0) {
		name_key_from_wire(question.name.octets, question.name.size, &name);
		if (push_is_in_use(session, message->id, &name, question.type, question.class)) {
			authority->counters.dso_fatal++;
			authority_abort_session(authority, session, outbox);
			return;
		}
		rcode = check_subscribe(authority, session, &name);
	}
	if (rcode == LDNS_RCODE_NOERROR &&
	    push_subscribe(&authority->sessions, session, message->id, &name, question.type,
			   question.class) < 0)
		rcode = LDNS_RCODE_SERVFAIL;
	authority_answer_dso(authority, session, message->id, rcode, moment, outbox);
	if (rcode != LDNS_RCODE_NOERROR) {
		authority->counters.subscribes_refused++;
		return;
	}
	authority->counters.subscribes++;
	session->dso.is_established = true;
	send_content(&writer, &name, question.type, question.class);
}

/* Changes
 * ----------------------------------------------------------------------------------------------
 */

static bool is_same_rrset(const struct zone_record *a, const struct zone_record *b)
{
	return a->owner_size == b->owner_size && memcmp(a->key, b->key, a->owner_size + 3) == 0;
}

static bool is_same_name(const struct zone_record *a, const struct zone_record *b)
{
	return a->owner_size == b->owner_size && memcmp(a->key, b->key, a->owner_size) == 0;
}

static void owner_of(const struct zone_record *record, struct name_key *ret)
{
	ret->size = record->owner_size;
	memcpy(ret->octets, record->key, record->owner_size);
}

static void append_part(struct push_change *change, const struct push_part *part)
{
	if (change->n == change->capacity) {
		size_t capacity = change->capacity ? change->capacity * 2 : 16;
		struct push_part *parts = reallocarray(change->parts, capacity, sizeof *parts);

		if (!parts) {
			change->is_incomplete = true;
			return;
		}
		change->parts = parts;
		change->capacity = capacity;
	}
	change->parts[change->n++] = *part;
	zone_record_ref(part->record);
}

void authority_note_push(struct push_change *change, enum zone_change kind,
			 struct zone_record *record, uint64_t now)
{
	const struct zone *zone = change->account->zone;
	const struct push_part *last = change->n ? &change->parts[change->n - 1] : NULL;
	struct push_part part = { .form = PUSH_ADD, .record = record };
	struct name_key owner;

	owner_of(record, &owner);
	if (kind == ZONE_CHANGE_REFRESHED || !push_find_name(change->account, &owner))
		return;
	if (kind == ZONE_CHANGE_REMOVED) {
		/* The most compact way to say it (RFC 8765 §6.3.1). */
		if (last && last->form == PUSH_REMOVE_RRSET && is_same_rrset(last->record, record))
			return;
		part.form =
			zone_range_has_live(zone, zone_find_rrset(zone, &owner, record->type), now)
				? PUSH_REMOVE
				: PUSH_REMOVE_RRSET;
		part.is_name_gone = !zone_range_has_live(zone, zone_find_name(zone, &owner), now);
	}
	append_part(change, &part);
}

/* Notes for each session which parts are for it; returns the first of those sessions. */
static struct session *match(struct push_change *change)
{
	struct session *first = NULL, **last = &first;

	for (uint32_t i = 0; i < change->n; i++) {
		const struct zone_record *record = change->parts[i].record;
		struct push_subscription *s;
		struct push_name *name;
		struct name_key owner;

		owner_of(record, &owner);
		name = push_find_name(change->account, &owner);
		for (s = name ? name->subscriptions : NULL; s; s = s->next) {
			struct session *session = s->session;
			uint32_t n = session->n_matched, *matched = session->matched;

			/* After Retry Delay nothing more is said (RFC 8490 §6.6.1). */
			if (session->dso.is_ending || !push_matches(s, record->type) ||
			    (n && matched[n - 1] == i))
				continue;
			if (n % 16 == 0)
				matched = reallocarray(matched, n + 16, sizeof *matched);
			if (!matched) {
				change->is_incomplete = true;
				continue;
			}
			session->matched = matched;
			matched[session->n_matched++] = i;
			if (n > 0)
				continue;
			*last = session;
			last = &session->next_touched;
			session->next_touched = NULL;
		}
	}
	return first;
}

static void write_change(struct push_writer *writer, const struct push_change *change)
{
	const struct session *session = writer->session;

	begin_message(writer);
	for (uint32_t i = 0; i < session->n_matched;) {
		const struct push_part *part = &change->parts[session->matched[i++]];
		bool is_several = false;

		if (part->form == PUSH_REMOVE_RRSET && part->is_name_gone) {
			/* Parts of one name follow each other. */
			while (i < session->n_matched &&
			       is_same_name(change->parts[session->matched[i]].record,
					    part->record)) {
				is_several = true;
				i++;
			}
		}
		put_part(writer, part->form, part->record,
			 is_several ? LDNS_RR_TYPE_ANY : part->record->type);
	}
	send_message(writer);
}

static bool gets_the_same(const struct session *a, const struct session *b)
{
	return a->is_padded == b->is_padded && a->n_matched == b->n_matched &&
	       memcmp(a->matched, b->matched, a->n_matched * sizeof *a->matched) == 0;
}

/* The messages in [start, end) of the outbox again, for another. */
static void repeat(struct push_writer *writer, size_t start, size_t end)
{
	struct session *session = writer->session;

	for (size_t i = start; i < end; i++)
		if (outbox_repeat(writer->outbox, i, &session->peer) >= 0)
			writer->authority->counters.push_messages++;
	dso_session_touch(&session->dso, false, writer->moment->now);
}

static void forget_matches(struct session *session)
{
	free(session->matched);
	session->matched = NULL;
	session->n_matched = 0;
}

/* Without memory for all of it nobody of the account may believe that he has been told. */
static void give_up(struct authority *authority, struct account *account, struct outbox *outbox)
{
	while (account->sessions)
		authority_abort_session(authority, account->sessions, outbox);
}

void authority_send_push(struct authority *authority, struct push_change *change,
			 const struct moment *moment, struct outbox *outbox)
{
	struct push_writer writer = { .authority = authority, .moment = moment, .outbox = outbox };
	struct session *first = match(change), *session, *like = NULL;
	size_t start = 0, end = 0;

	for (session = first; session && !change->is_incomplete; session = session->next_touched) {
		writer.session = session;
		if (like && gets_the_same(like, session)) {
			repeat(&writer, start, end);
		} else {
			start = outbox->n;
			write_change(&writer, change);
			end = outbox->n;
			like = session;
		}
		/* It is due later now, which is found out when it rings. */
	}
	for (session = first; session; session = session->next_touched)
		forget_matches(session);
	if (change->is_incomplete)
		give_up(authority, change->account, outbox);
	for (size_t i = 0; i < change->n; i++)
		zone_record_unref(change->parts[i].record);
	free(change->parts);
	change->parts = NULL;
	change->n = change->capacity = 0;
}
