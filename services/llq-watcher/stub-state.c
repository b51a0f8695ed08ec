/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/stub-state.h"

#include "common/dns/dns-builder.h"
#include "common/dns/dns-records.h"

/* OPT with one extended error. */
#define EDNS_ROOM 17

#define OPTION_EXTENDED_ERROR 15
enum extended_error {
	EXTENDED_ERROR_NONE = -1,
	EXTENDED_ERROR_STALE = 3,
	EXTENDED_ERROR_NOT_READY = 14,
	EXTENDED_ERROR_NOT_AUTHORITATIVE = 20,
};

/* Additional records are a courtesy: so many at most. */
#define ADDITIONAL_MAX 64

struct answer {
	const struct stub_view *view;
	const struct dns_message *question;
	struct dns_builder builder;
	size_t limit; /* octets, without EDNS */
	uint16_t flags;
	uint16_t rcode;
	enum extended_error error;
	uint64_t now;
	bool last, later;
	const ldns_rr *additional[ADDITIONAL_MAX];
	size_t n_additional;
};

static bool fits(const struct answer *answer)
{
	return !answer->builder.writer.failed && answer->builder.writer.position <= answer->limit;
}

/* With the owner as it was asked for: who mixes upper and lower case against forgery looks at it.
 */
static void add_as_asked(struct answer *answer, const ldns_rr *rr, const ldns_rdf *name)
{
	ldns_rr copy = *rr;

	ldns_rr_set_owner(&copy, (ldns_rdf *)name);
	dns_builder_add_rr(&answer->builder, DNS_SECTION_ANSWER, &copy);
}

/* False when there is no room, or it is there already. */
static bool add_additional(struct answer *answer, const ldns_rr *rr)
{
	struct dns_builder_mark mark = dns_builder_mark(&answer->builder);

	for (size_t i = 0; i < answer->n_additional; i++) {
		if (answer->additional[i] == rr)
			return false;
	}
	if (answer->n_additional == ADDITIONAL_MAX)
		return false;
	dns_builder_add_rr(&answer->builder, DNS_SECTION_ADDITIONAL, rr);
	if (!fits(answer)) {
		dns_builder_rewind(&answer->builder, &mark);
		return false;
	}
	answer->additional[answer->n_additional++] = rr;
	return true;
}

static void add_all(struct answer *answer, const ldns_rdf *name, ldns_rr_type type)
{
	struct stub_found found;

	if (stub_zone_find(answer->view->zone, name, type, &found) != STUB_FIND_FOUND)
		return;
	for (size_t i = 0; i < found.n; i++)
		add_additional(answer, found.records[i]);
}

static void add_addresses(struct answer *answer, const ldns_rr *srv)
{
	const ldns_rdf *target;
	uint16_t priority, port;

	if (dns_record_read_srv(srv, &priority, &port, &target) == 0) {
		add_all(answer, target, LDNS_RR_TYPE_AAAA);
		add_all(answer, target, LDNS_RR_TYPE_A);
	}
}

/* What is asked for next (RFC 6763 §12): with PTR the service's SRV, TXT and address, with SRV the
 * address. */
static void add_courtesy(struct answer *answer, const struct stub_found *found)
{
	struct stub_found services;
	const ldns_rdf *target;

	for (size_t i = 0; i < found->n; i++) {
		const ldns_rr *rr = found->records[i];

		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SRV)
			add_addresses(answer, rr);
		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_PTR ||
		    dns_record_read_target(rr, &target) < 0)
			continue;
		add_all(answer, target, LDNS_RR_TYPE_SRV);
		add_all(answer, target, LDNS_RR_TYPE_TXT);
		if (stub_zone_find(answer->view->zone, target, LDNS_RR_TYPE_SRV, &services) !=
		    STUB_FIND_FOUND)
			continue;
		for (size_t k = 0; k < services.n; k++)
			add_addresses(answer, services.records[k]);
	}
}

static void add_found(struct answer *answer, const ldns_rdf *name, const struct stub_found *found)
{
	struct dns_builder_mark mark = dns_builder_mark(&answer->builder);

	for (size_t i = 0; i < found->n; i++)
		add_as_asked(answer, found->records[i], name);
	if (fits(answer)) {
		add_courtesy(answer, found);
		return;
	}
	dns_builder_rewind(&answer->builder, &mark);
	answer->flags |= DNS_FLAG_TC;
}

static void add_soa(struct answer *answer, const ldns_rdf *domain)
{
	struct dns_builder_mark mark = dns_builder_mark(&answer->builder);
	cleanup(ldns_rr_freep) ldns_rr *soa = stub_zone_soa(answer->view->zone, domain);

	if (!soa)
		return;
	dns_builder_add_rr(&answer->builder, DNS_SECTION_AUTHORITY, soa);
	if (!fits(answer))
		dns_builder_rewind(&answer->builder, &mark);
}

/* Answered SERVFAIL, which nobody remembers, since nobody knows. */
static void say_not_ready(struct answer *answer, struct stub_counts *counts)
{
	answer->rcode = LDNS_RCODE_SERVFAIL;
	answer->error = EXTENDED_ERROR_NOT_READY;
	counts->not_ready++;
}

static void look_up(struct answer *answer, const ldns_rr *question, struct stub_counts *counts)
{
	const struct stub_view *view = answer->view;
	const ldns_rdf *name = ldns_rr_owner(question);
	struct stub_found found;
	enum stub_find find = STUB_FIND_OUTSIDE;

	/* Transfers are nobody's here; they would be of type ANY otherwise. */
	if (view->zone && ldns_rr_get_class(question) == LDNS_RR_CLASS_IN &&
	    ldns_rr_get_type(question) != LDNS_RR_TYPE_AXFR &&
	    ldns_rr_get_type(question) != LDNS_RR_TYPE_IXFR)
		find = stub_zone_find(view->zone, name, ldns_rr_get_type(question), &found);
	if (find == STUB_FIND_OUTSIDE) {
		answer->rcode = LDNS_RCODE_REFUSED;
		answer->error = EXTENDED_ERROR_NOT_AUTHORITATIVE;
		counts->refused++;
		return;
	}
	if (find != STUB_FIND_FOUND && !view->complete) {
		say_not_ready(answer, counts);
		return;
	}
	if (view->subtypes && ldns_rr_get_type(question) == LDNS_RR_TYPE_PTR &&
	    stub_subtypes_ask(view->subtypes, view->zone, name, answer->now)) {
		answer->later = !answer->last;
		say_not_ready(answer, counts);
		return;
	}
	answer->flags |= DNS_FLAG_AA;
	if (view->stale)
		answer->error = EXTENDED_ERROR_STALE;
	if (find == STUB_FIND_FOUND) {
		add_found(answer, name, &found);
		return;
	}
	if (find == STUB_FIND_NO_NAME)
		answer->rcode = LDNS_RCODE_NXDOMAIN;
	add_soa(answer, found.domain);
}

static void add_edns(struct answer *answer)
{
	uint8_t octets[EDNS_ROOM];
	struct writer options = writer_init(octets, sizeof(octets));

	if (answer->error != EXTENDED_ERROR_NONE) {
		writer_u16(&options, OPTION_EXTENDED_ERROR);
		writer_u16(&options, 2);
		writer_u16(&options, answer->error);
	}
	dns_builder_add_edns(&answer->builder, STUB_UDP_MAX, answer->rcode, octets,
			     options.position);
}

static size_t finish(struct answer *answer)
{
	int size;

	if (answer->question && answer->question->has_edns)
		add_edns(answer);
	dns_builder_set_flags(&answer->builder, answer->flags | (answer->rcode & 0xf));
	size = dns_builder_finish(&answer->builder);
	return size < 0 ? 0 : size;
}

static void take_question(struct answer *answer, struct stub_counts *counts)
{
	const struct dns_message *question = answer->question;
	const ldns_rr *rr = dns_message_rr(question, DNS_SECTION_QUESTION, 0);

	if (question->opcode != LDNS_PACKET_QUERY) {
		answer->rcode = LDNS_RCODE_NOTIMPL;
		return;
	}
	if (!rr || dns_message_count(question, DNS_SECTION_QUESTION) != 1) {
		answer->rcode = LDNS_RCODE_FORMERR;
		counts->malformed++;
		return;
	}
	dns_builder_add_question(&answer->builder, ldns_rr_owner(rr), ldns_rr_get_type(rr),
				 ldns_rr_get_class(rr));
	if (question->edns_version != 0)
		answer->rcode = 16; /* BADVERS, RFC 6891 §6.1.3 */
	else
		look_up(answer, rr, counts);
}

size_t stub_answer(const struct stub_view *view, const struct stub_question *asked, uint64_t now,
		   uint8_t *reply, size_t capacity, struct stub_counts *counts)
{
	struct answer answer = {
		.view = view, .error = EXTENDED_ERROR_NONE, .now = now, .last = asked->last
	};
	cleanup(dns_message_freep) struct dns_message *question = NULL;
	const uint8_t *data = asked->data;
	size_t limit = capacity;
	uint16_t flags;
	int r;

	counts->queries++;
	/* An answer is never answered: two that do would not stop. */
	if (asked->size < DNS_HEADER_SIZE || data[2] & 0x80) {
		counts->malformed++;
		return 0;
	}
	flags = data[2] << 8 | data[3];
	answer.flags = DNS_FLAG_QR | (flags & DNS_FLAGS_OPCODE(0xf)) | (flags & DNS_FLAG_RD);
	r = dns_message_parse_outline(data, asked->size, &question);
	if (r == -ENOMEM)
		return 0;
	if (r == 0 && !asked->stream && question->edns_udp_size < limit)
		limit = question->edns_udp_size;
	if (!asked->stream && limit > STUB_UDP_MAX)
		limit = STUB_UDP_MAX;
	answer.limit = limit - EDNS_ROOM;
	dns_builder_init(&answer.builder, reply, limit, data[0] << 8 | data[1], answer.flags);
	if (r < 0) {
		answer.rcode = LDNS_RCODE_FORMERR;
		counts->malformed++;
	} else {
		answer.question = question;
		take_question(&answer, counts);
	}
	return answer.later ? STUB_LATER : finish(&answer);
}
