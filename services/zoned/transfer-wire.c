/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/transfer-wire.h"

#include "common/dns/dns-tsig-chain.h"

#define SOA_FIELDS 7
#define SOA_SERIAL 2

enum reader_state {
	READER_START,  /* the first SOA has to come */
	READER_SECOND, /* which tells a whole zone from differences */
	READER_WHOLE,
	READER_REMOVED, /* records that go, until the SOA that ends them */
	READER_ADDED,
	READER_END,
};

struct transfer_reader {
	ldns_rdf *zone;
	uint16_t id;
	bool is_incremental;
	uint32_t serial; /* with is_incremental: that we have; then that the differences are at */
	struct dns_tsig_chain *chain;
	enum reader_state state;
	bool is_current; /* the answer says that there is nothing newer */
	uint16_t rcode;
	struct zone_delta *delta;
};

struct zone_delta *zone_delta_free(struct zone_delta *delta)
{
	if (!delta)
		return NULL;
	for (size_t i = 0; i < delta->n; i++)
		ldns_rr_free(delta->items[i].rr);
	ldns_rr_free(delta->soa);
	free(delta->items);
	free(delta);
	return NULL;
}

int zone_delta_append(struct zone_delta *delta, bool is_added, ldns_rr *rr)
{
	if (rr && delta->n == delta->capacity) {
		size_t capacity = delta->capacity ? delta->capacity * 2 : 16;
		struct zone_delta_item *items = reallocarray(delta->items, capacity, sizeof *items);

		if (!items) {
			ldns_rr_free(rr);
			return -ENOMEM;
		}
		delta->items = items;
		delta->capacity = capacity;
	}
	if (!rr)
		return -ENOMEM;
	delta->items[delta->n++] = (struct zone_delta_item){ is_added, rr };
	return 0;
}

/* The client's SOA carries but the serial (RFC 1995 §3). */
static ldns_rr *make_soa(const ldns_rdf *zone, uint32_t serial)
{
	ldns_rr *soa = ldns_rr_new_frm_type(LDNS_RR_TYPE_SOA);

	if (!soa)
		return NULL;
	ldns_rr_set_owner(soa, ldns_rdf_clone(zone));
	ldns_rr_set_class(soa, LDNS_RR_CLASS_IN);
	ldns_rr_set_rdf(soa, ldns_rdf_clone(zone), 0);
	ldns_rr_set_rdf(soa, ldns_rdf_clone(zone), 1);
	for (size_t i = SOA_SERIAL; i < SOA_FIELDS; i++)
		ldns_rr_set_rdf(soa,
				ldns_native2rdf_int32(i == SOA_SERIAL ? LDNS_RDF_TYPE_INT32
								      : LDNS_RDF_TYPE_PERIOD,
						      i == SOA_SERIAL ? serial : 0),
				i);
	return soa;
}

int transfer_build_query(uint8_t *octets, size_t capacity, uint16_t id, const ldns_rdf *zone,
			 const uint32_t *serial, const struct dns_tsig_key *key, uint64_t now,
			 struct dns_tsig_mac *ret_mac)
{
	struct dns_builder builder;
	int r;

	dns_builder_init(&builder, octets, capacity, id, 0);
	dns_builder_add_question(&builder, zone, serial ? LDNS_RR_TYPE_IXFR : LDNS_RR_TYPE_AXFR,
				 LDNS_RR_CLASS_IN);
	if (serial) {
		ldns_rr *soa = make_soa(zone, *serial);

		if (!soa)
			return -ENOMEM;
		dns_builder_add_rr(&builder, DNS_SECTION_AUTHORITY, soa);
		ldns_rr_free(soa);
	}
	r = dns_builder_sign(&builder, key, NULL, now, ret_mac);
	return r < 0 ? r : (int)builder.writer.position;
}

int transfer_reader_new(const ldns_rdf *zone, uint16_t id, const uint32_t *serial,
			const struct dns_tsig_key *key, const struct dns_tsig_mac *request,
			struct transfer_reader **ret)
{
	cleanup(transfer_reader_freep) struct transfer_reader *reader = calloc(1, sizeof *reader);
	int r;

	if (!reader)
		return -ENOMEM;
	reader->id = id;
	reader->is_incremental = serial != NULL;
	reader->serial = serial ? *serial : 0;
	reader->zone = ldns_rdf_clone(zone);
	reader->delta = calloc(1, sizeof *reader->delta);
	r = dns_tsig_chain_new(key, request, &reader->chain);
	if (r < 0 || !reader->zone || !reader->delta)
		return -ENOMEM;
	reader->delta->from = reader->serial;
	*ret = steal_ptr(reader);
	return 0;
}

struct transfer_reader *transfer_reader_free(struct transfer_reader *reader)
{
	if (!reader)
		return NULL;
	ldns_rdf_deep_free(reader->zone);
	dns_tsig_chain_free(reader->chain);
	zone_delta_free(reader->delta);
	free(reader);
	return NULL;
}

uint16_t transfer_reader_rcode(const struct transfer_reader *reader)
{
	return reader->rcode;
}

static uint32_t serial_of(const ldns_rr *soa)
{
	return ldns_rdf2native_int32(ldns_rr_rdf(soa, SOA_SERIAL));
}

static int take_first(struct transfer_reader *reader, const ldns_rr *soa)
{
	struct zone_delta *delta = reader->delta;

	delta->soa = ldns_rr_clone(soa);
	if (!delta->soa)
		return -ENOMEM;
	delta->to = serial_of(soa);
	/* Alone it says that we have the newest. An older one than ours: the primary has lost what
	 * we had from it, and it is the one to be followed. */
	if (reader->is_incremental && (int32_t)(delta->to - reader->serial) < 0)
		return -ESTALE;
	reader->is_current = reader->is_incremental && delta->to == reader->serial;
	reader->state = reader->is_current ? READER_END : READER_SECOND;
	return 0;
}

static int take_soa(struct transfer_reader *reader, const ldns_rr *soa)
{
	uint32_t serial = serial_of(soa);

	switch (reader->state) {
	case READER_START:
		return take_first(reader, soa);
	case READER_SECOND:
		if (reader->is_incremental && serial == reader->serial) {
			reader->state = READER_REMOVED;
			return 0;
		}
		/* A zone of nothing but its SOA. */
		reader->delta->is_whole = true;
		reader->state = READER_END;
		return serial == reader->delta->to ? 0 : -ESTALE;
	case READER_WHOLE:
		reader->state = READER_END;
		return serial == reader->delta->to ? 0 : -ESTALE;
	case READER_REMOVED:
		reader->serial = serial;
		reader->state = READER_ADDED;
		return 0;
	case READER_ADDED:
		/* The next difference begins where this one ended. */
		if (serial != reader->serial)
			return -ESTALE;
		reader->state = serial == reader->delta->to ? READER_END : READER_REMOVED;
		return 0;
	case READER_END:
		return -EBADMSG;
	}
	return -EBADMSG;
}

static int take_rr(struct transfer_reader *reader, const ldns_rr *rr)
{
	if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN || reader->state == READER_END ||
	    reader->delta->n == TRANSFER_RECORDS_MAX ||
	    (ldns_dname_compare(ldns_rr_owner(rr), reader->zone) != 0 &&
	     !ldns_dname_is_subdomain(ldns_rr_owner(rr), reader->zone)))
		return -EBADMSG;
	if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA)
		return ldns_rr_rd_count(rr) == SOA_FIELDS ? take_soa(reader, rr) : -EBADMSG;
	if (reader->state == READER_START)
		return -EBADMSG;
	if (reader->state == READER_SECOND) {
		reader->delta->is_whole = true;
		reader->state = READER_WHOLE;
	}
	return zone_delta_append(reader->delta, reader->state != READER_REMOVED, ldns_rr_clone(rr));
}

static int take_message(struct transfer_reader *reader, const struct dns_message *message)
{
	int r = 0;

	if (message->id != reader->id || !(message->flags & DNS_FLAG_QR) ||
	    message->opcode != LDNS_PACKET_QUERY)
		return -EBADMSG;
	reader->rcode = message->rcode;
	if (message->rcode != LDNS_RCODE_NOERROR)
		return -EREMOTEIO;
	for (size_t i = 0; r >= 0 && i < dns_message_count(message, DNS_SECTION_ANSWER); i++)
		r = take_rr(reader, dns_message_rr(message, DNS_SECTION_ANSWER, i));
	return r;
}

int transfer_reader_take(struct transfer_reader *reader, const uint8_t *octets, size_t size,
			 uint64_t now, struct zone_delta **ret)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	enum dns_tsig_result result = dns_tsig_chain_verify(reader->chain, octets, size, now);
	int r;

	if (result != DNS_TSIG_RESULT_OK)
		return -EBADMSG;
	r = dns_message_parse(octets, size, &message);
	if (r >= 0)
		r = take_message(reader, message);
	if (r < 0 || reader->state != READER_END)
		return r;
	/* The last message must be signed. */
	if (!dns_tsig_chain_is_complete(reader->chain))
		return -EBADMSG;
	*ret = reader->is_current ? NULL : steal_ptr(reader->delta);
	return 1;
}
