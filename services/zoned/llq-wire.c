/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/llq-wire.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define OPT_SIZE (11 + DNS_OPTION_LLQ_SIZE)

/* Writes the event's records and notes in `reached`, which starts as what is known, how far it got.
 */
struct event_writer {
	struct dns_builder *builder;
	struct zone *reached;
	enum zone_change
		kind; /* removals go first: a changed address is gone before the new one comes */
};

static int remove_same(struct zone *set, const struct zone_record *record)
{
	for (size_t i = 0; i < set->n_records; i++) {
		if (zone_record_compare(set->records[i], record) != 0)
			continue;
		zone_remove_at(set, i);
		break;
	}
	return 0;
}

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
		return -ENOSPC;
	}
	if (!event->reached)
		return 0;
	return kind == ZONE_CHANGE_REMOVED ? remove_same(event->reached, record)
					   : zone_put(event->reached, record);
}

/* Header, question and as many changes as fit. 0, -ENOSPC when some do not, -ENOMEM. */
static int begin_event(const struct llq *llq, const struct zone *target, uint16_t event_id,
		       const struct dns_tsig_key *key, uint8_t octets[static DNS_UDP_SIZE],
		       struct dns_builder *builder, struct zone *reached)
{
	struct event_writer event = { builder, reached, ZONE_CHANGE_REMOVED };
	int r;

	dns_builder_init(builder, octets, DNS_UDP_SIZE - OPT_SIZE - dns_tsig_size(key), event_id,
			 DNS_FLAG_QR | DNS_FLAG_AA);
	dns_builder_add_question(builder, llq->name, llq->type, LDNS_RR_CLASS_IN);
	r = zone_diff(llq->known, target, write_change, &event);
	event.kind = ZONE_CHANGE_ADDED;
	if (r >= 0)
		r = zone_diff(llq->known, target, write_change, &event);
	return r;
}

int llq_wire_plan(const struct llq *llq, const struct zone *current, const struct dns_tsig_key *key,
		  struct zone **ret_offered)
{
	cleanup(zone_freep) struct zone *reached = NULL;
	uint8_t octets[DNS_UDP_SIZE];
	struct dns_builder builder;
	int r = zone_new_copy(llq->known, &reached);

	if (r >= 0)
		r = begin_event(llq, current, 0, key, octets, &builder, reached);
	if (r < 0 && r != -ENOSPC)
		return r;
	/* A record that does not even fit an empty event will never get there. */
	if (r == -ENOSPC && !zone_differs(llq->known, reached))
		return -EMSGSIZE;
	*ret_offered = steal_ptr(reached);
	return 0;
}

int llq_wire_build_event(const struct llq *llq, uint16_t event_id, const struct dns_tsig_key *key,
			 uint64_t seconds, struct octets *ret_octets, struct dns_tsig_mac *ret_mac)
{
	uint8_t octets[DNS_UDP_SIZE], option[DNS_OPTION_LLQ_SIZE];
	struct writer option_writer = writer_init(option, sizeof option);
	struct dns_llq event = { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_EVENT, DNS_LLQ_ERROR_NONE, llq->id,
				 0 };
	struct dns_builder builder;
	int r;

	r = begin_event(llq, llq->offered, event_id, key, octets, &builder, NULL);
	if (r < 0)
		return r;
	builder.writer.capacity = sizeof octets;
	dns_option_write_llq(&option_writer, &event);
	dns_builder_add_edns(&builder, DNS_UDP_SIZE, 0, option, sizeof option);
	r = dns_builder_sign(&builder, key, NULL, seconds, ret_mac);
	if (r < 0)
		return r;
	return octets_copy(octets, r, ret_octets);
}

uint16_t llq_wire_event_id(const uint8_t secret[static 32], const struct llq *llq)
{
	uint8_t text[16], digest[32];
	struct writer writer = writer_init(text, sizeof text);
	unsigned int size = sizeof digest;

	writer_u64(&writer, llq->id);
	writer_u64(&writer, llq->n_events);
	if (!HMAC(EVP_sha256(), secret, 32, text, sizeof text, digest, &size))
		return llq->n_events;
	return digest[0] << 8 | digest[1];
}

static int set_to_octets(const struct zone *set, struct octets *ret)
{
	ldns_buffer *buffer = ldns_buffer_new(1024);
	int r = buffer ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < set->n_records; i++)
		if (ldns_rr2buffer_wire(buffer, set->records[i]->rr, LDNS_SECTION_ANSWER) !=
		    LDNS_STATUS_OK)
			r = -ENOMEM;
	if (r >= 0)
		r = octets_copy(ldns_buffer_begin(buffer), ldns_buffer_position(buffer), ret);
	ldns_buffer_free(buffer);
	return r;
}

static int set_from_octets(const ldns_rdf *name, const struct octets *octets, struct zone **ret)
{
	cleanup(zone_freep) struct zone *set = NULL;
	size_t position = 0;
	int r = zone_new(name, &set);

	while (r >= 0 && position < octets->size) {
		cleanup(zone_record_unrefp) struct zone_record *record = NULL;
		ldns_rr *rr = NULL;

		if (ldns_wire2rr(&rr, octets->data, octets->size, &position, LDNS_SECTION_ANSWER) !=
		    LDNS_STATUS_OK)
			return -EINVAL;
		r = zone_record_new(rr, ZONE_NEVER, NULL, &record);
		if (r >= 0)
			r = zone_put(set, record);
	}
	if (r < 0)
		return r;
	*ret = steal_ptr(set);
	return 0;
}

int llq_wire_to_storage(const struct llq *llq, const struct zone *offered, uint32_t lease,
			uint64_t expires, const struct moment *moment, struct change *ret)
{
	struct change change = { .kind = CHANGE_PUT_LLQ, .account = llq->account };
	struct stored_llq *stored = &change.llq;
	int r;

	stored->id = llq->id;
	stored->type = llq->type;
	stored->remote = llq->peer.remote;
	stored->local = llq->peer.local;
	stored->lease = lease;
	stored->expires = lease_to_date(moment, expires);
	stored->n_events = llq->n_events;
	stored->key_name = strdup(llq->key_name);
	stored->is_offering = offered;
	r = stored->key_name ? 0 : -ENOMEM;
	if (r >= 0)
		r = octets_copy(ldns_rdf_data(llq->name), ldns_rdf_size(llq->name), &stored->name);
	if (r >= 0)
		r = set_to_octets(llq->known, &stored->known);
	if (r >= 0 && offered)
		r = set_to_octets(offered, &stored->offered);
	if (r < 0) {
		change_clear(&change);
		return r;
	}
	*ret = change;
	return 0;
}

int llq_wire_from_storage(int64_t account, const struct stored_llq *stored,
			  const struct moment *moment, struct llq **ret)
{
	cleanup(llq_freep) struct llq *llq = NULL;
	struct peer peer = { .remote = stored->remote, .local = stored->local };
	ldns_rdf *name = NULL;
	size_t position = 0;
	int r;

	if (ldns_wire2dname(&name, stored->name.data, stored->name.size, &position) !=
	    LDNS_STATUS_OK)
		return -EINVAL;
	r = llq_new(stored->id, account, name, stored->type, stored->key_name, &peer, &llq);
	if (r >= 0) {
		zone_free(llq->known);
		llq->known = NULL;
		r = set_from_octets(name, &stored->known, &llq->known);
	}
	if (r >= 0 && stored->is_offering)
		r = set_from_octets(name, &stored->offered, &llq->offered);
	ldns_rdf_deep_free(name);
	if (r < 0)
		return r;
	llq->lease = stored->lease;
	llq->expires = lease_from_date(moment, stored->expires, stored->lease);
	llq->n_events = stored->n_events;
	llq->wants_event = true;
	*ret = steal_ptr(llq);
	return 0;
}
