/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/llq-wire.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define OPT_SIZE (11 + DNS_OPTION_LLQ_SIZE)

/* Writes the event's records and notes in `reached`, which starts as what is known, how far it got.
 */
struct event_writer {
	struct dns_builder *builder;
	struct zone *reached; /* may be NULL */
	size_t n_written;
	enum zone_change
		kind; /* removals go first: a changed address is gone before the new one comes */
};

static int write_change(void *userdata, enum zone_change kind, struct zone_record *record)
{
	struct event_writer *event = userdata;
	struct dns_builder_mark mark = dns_builder_mark(event->builder);

	if (kind != event->kind)
		return 0;
	if (kind == ZONE_CHANGE_REMOVED)
		dns_builder_add_rr_as(event->builder, DNS_SECTION_ANSWER, record->rr,
				      LDNS_RR_CLASS_IN, DNS_LLQ_TTL_REMOVED);
	else
		dns_builder_add_rr(event->builder, DNS_SECTION_ANSWER, record->rr);
	if (event->builder->writer.failed) {
		dns_builder_rewind(event->builder, &mark);
		/* What does not even fit an empty event will never get there, and must not stand in
		 * the way of others. */
		return event->reached && event->n_written == 0 ? 0 : -ENOSPC;
	}
	event->n_written++;
	if (!event->reached)
		return 0;
	if (kind != ZONE_CHANGE_REMOVED)
		return zone_put(event->reached, record);
	zone_remove_same(event->reached, record);
	return 0;
}

/* Header, question and as many changes as fit. 0, -ENOSPC when some do not, -ENOMEM. */
static int write_text(struct llq_event_text *text, const struct dns_tsig_key *key,
		      struct zone *reached)
{
	const struct llq_question *question = text->question;
	struct event_writer event = { &text->builder, reached, 0, ZONE_CHANGE_REMOVED };
	int r;

	dns_builder_init(&text->builder, text->octets,
			 sizeof text->octets - OPT_SIZE - dns_tsig_size(key), 0,
			 DNS_FLAG_QR | DNS_FLAG_AA);
	dns_builder_add_question(&text->builder, question->name, question->type, LDNS_RR_CLASS_IN);
	r = record_set_diff(text->known, text->target, write_change, &event);
	event.kind = ZONE_CHANGE_ADDED;
	if (r >= 0)
		r = record_set_diff(text->known, text->target, write_change, &event);
	return r;
}

/* Not all of it fits: how far it gets. */
static int write_part(struct llq_event_text *text, const struct dns_tsig_key *key)
{
	cleanup(zone_freep) struct zone *reached = NULL;
	int r = zone_new(text->question->name, &reached);

	for (size_t i = 0; r >= 0 && i < text->known->n; i++)
		r = zone_put(reached, text->known->records[i]);
	if (r >= 0)
		r = write_text(text, key, reached);
	if (r < 0 && r != -ENOSPC)
		return r;
	/* Nothing is left but what does not fit an empty event. */
	if (!zone_records_differ(text->known->records, text->known->n, reached->records,
				 reached->n_records))
		return -EMSGSIZE;
	return record_set_new(reached->records, reached->n_records, &text->offered);
}

static bool will_do(const struct llq_event_text *text, const struct llq *llq,
		    const struct dns_tsig_key *key)
{
	return text->question == llq->question && text->known == llq->known &&
	       text->target == llq->question->current && text->offered == text->target &&
	       text->builder.writer.position + OPT_SIZE + dns_tsig_size(key) <= sizeof text->octets;
}

int llq_wire_write_event(struct llq_event_text *text, const struct llq *llq,
			 const struct dns_tsig_key *key)
{
	int r;

	if (will_do(text, llq, key))
		return 0;
	llq_event_text_clear(text);
	text->question = llq->question;
	text->known = record_set_ref(llq->known);
	text->target = record_set_ref(llq->question->current);
	r = write_text(text, key, NULL);
	if (r >= 0)
		text->offered = record_set_ref(text->target);
	else if (r == -ENOSPC)
		r = write_part(text, key);
	if (r < 0)
		llq_event_text_clear(text);
	return r;
}

void llq_event_text_clear(struct llq_event_text *text)
{
	text->question = NULL;
	text->known = record_set_unref(text->known);
	text->target = record_set_unref(text->target);
	text->offered = record_set_unref(text->offered);
}

int llq_wire_build_event(const struct llq_event_text *text, const struct llq *llq,
			 uint16_t event_id, const struct dns_tsig_key *key, uint64_t seconds,
			 struct llq_event **ret)
{
	uint8_t octets[DNS_UDP_SIZE], option[DNS_OPTION_LLQ_SIZE];
	struct writer option_writer = writer_init(option, sizeof option);
	struct dns_llq llq_option = { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_EVENT, DNS_LLQ_ERROR_NONE,
				      llq->id, 0 };
	struct dns_builder builder = text->builder;
	struct llq_event *event;
	struct dns_tsig_mac mac;
	int r;

	memcpy(octets, text->octets, builder.writer.position);
	builder.writer.data = octets;
	builder.writer.capacity = sizeof octets;
	octets[0] = event_id >> 8;
	octets[1] = event_id;
	dns_option_write_llq(&option_writer, &llq_option);
	dns_builder_add_edns(&builder, DNS_UDP_SIZE, 0, option, sizeof option);
	r = dns_builder_sign(&builder, key, NULL, seconds, &mac);
	if (r < 0)
		return r;
	event = calloc(1, sizeof *event + r);
	if (!event)
		return -ENOMEM;
	event->offered = record_set_ref(text->offered);
	event->mac = mac;
	event->id = event_id;
	event->size = r;
	memcpy(event->octets, octets, r);
	*ret = event;
	return 0;
}

void llq_wire_make_event_ids(const uint8_t secret[static 32], uint64_t n,
			     uint16_t ret[static LLQ_EVENT_IDS])
{
	uint8_t text[16] = "event", digest[32];
	unsigned int size = sizeof digest;

	memcpy(text + 8, &n, sizeof n);
	if (!HMAC(EVP_sha256(), secret, 32, text, sizeof text, digest, &size))
		memset(digest, n, sizeof digest);
	memcpy(ret, digest, sizeof digest);
}

int llq_wire_to_storage(const struct llq *llq, const struct moment *moment, struct change *ret)
{
	const ldns_rdf *name = llq->question->name;
	struct change change = { .kind = CHANGE_PUT_LLQ, .account = llq->question->account->id };
	struct stored_llq *stored = &change.llq;
	int r;

	stored->id = llq->id;
	stored->type = llq->question->type;
	stored->algorithm = llq->owner->algorithm;
	stored->remote = llq->peer.remote;
	stored->local = llq->peer.local;
	stored->lease = llq->lease;
	stored->expires = lease_to_date(moment, llq->expires);
	stored->serial = llq->serial;
	stored->key_name = strdup(llq->owner->key_name);
	r = stored->key_name ? octets_copy(ldns_rdf_data(name), ldns_rdf_size(name), &stored->name)
			     : -ENOMEM;
	if (r < 0) {
		change_clear(&change);
		return r;
	}
	*ret = change;
	return 0;
}
