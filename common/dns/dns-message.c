/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/dns-message.h"

#include "common/dns/dns-name.h"

#include <errno.h>

#define UDP_SIZE_LEAST 512

/* What stands before a record's data. */
struct record {
	size_t start;
	struct dns_name owner;
	uint16_t type, class;
	uint32_t ttl;
	struct reader rdata;
};

static void read_record(struct reader *reader, struct record *record)
{
	record->start = reader->position;
	dns_name_read(reader, true, &record->owner);
	record->type = reader_u16(reader);
	record->class = reader_u16(reader);
	record->ttl = reader_u32(reader);
	record->rdata = reader_sub(reader, reader_u16(reader));
}

static int take_edns(struct dns_message *message, const struct record *record)
{
	if (message->has_edns || record->owner.size != 1)
		return -EBADMSG;
	message->has_edns = true;
	message->edns_udp_size = record->class > UDP_SIZE_LEAST ? record->class : UDP_SIZE_LEAST;
	message->rcode |= record->ttl >> 24 << 4;
	message->edns_version = record->ttl >> 16;
	message->options = record->rdata.data;
	message->options_size = record->rdata.size;
	return 0;
}

/* Whether the data that ldns made of a record is all of it: ldns takes a record whose data ends
 * early, and leaves out what follows the last field. */
static bool is_whole(const ldns_rr *rr, const struct record *record)
{
	const ldns_rr_descriptor *descriptor = ldns_rr_descript(record->type);
	size_t size = 0, n = ldns_rr_rd_count(rr);
	bool has_name = false;

	if (record->rdata.size == 0 &&
	    (record->class == LDNS_RR_CLASS_ANY || record->class == LDNS_RR_CLASS_NONE))
		return true;
	if (n < ldns_rr_descriptor_minimum(descriptor))
		return false;
	for (size_t i = 0; i < n; i++) {
		const ldns_rdf *rdf = ldns_rr_rdf(rr, i);

		size += ldns_rdf_size(rdf);
		has_name |= ldns_rdf_get_type(rdf) == LDNS_RDF_TYPE_DNAME;
	}
	/* A compressed name is longer here than it was there. */
	return has_name ? size >= record->rdata.size : size == record->rdata.size;
}

/* `reader` stands behind the record. */
static int make_rr(const struct reader *reader, const struct record *record, ldns_rr **ret)
{
	size_t position = record->start;
	ldns_rr *rr = NULL;
	ldns_status status;

	/* Read no further than this record: pointers of compressed names go backwards. */
	status = ldns_wire2rr(&rr, reader->data, reader->position, &position, LDNS_SECTION_ANSWER);
	if (status != LDNS_STATUS_OK)
		return status == LDNS_STATUS_MEM_ERR ? -ENOMEM : -EBADMSG;
	if (position != reader->position || !is_whole(rr, record)) {
		ldns_rr_free(rr);
		return -EBADMSG;
	}
	*ret = rr;
	return 0;
}

static int take_record(struct dns_message *message, enum dns_section section,
		       const struct reader *reader, const struct record *record)
{
	ldns_rr *rr;
	int r = make_rr(reader, record, &rr);

	if (r < 0)
		return r;
	if (!ldns_rr_list_push_rr(message->sections[section], rr)) {
		ldns_rr_free(rr);
		return -ENOMEM;
	}
	return 0;
}

int dns_message_read_rr(struct reader *reader, ldns_rr **ret)
{
	struct record record;
	int r;

	read_record(reader, &record);
	r = reader->failed ? -EBADMSG : make_rr(reader, &record, ret);
	if (r < 0)
		reader->failed = true;
	return r < 0 ? r : 1;
}

static int take_question(struct dns_message *message, struct reader *reader)
{
	size_t position = reader->position;
	struct dns_name name;
	ldns_rr *rr = NULL;
	ldns_status status;

	dns_name_read(reader, true, &name);
	reader_u32(reader);
	if (reader->failed)
		return -EBADMSG;
	status =
		ldns_wire2rr(&rr, reader->data, reader->position, &position, LDNS_SECTION_QUESTION);
	if (status != LDNS_STATUS_OK)
		return status == LDNS_STATUS_MEM_ERR ? -ENOMEM : -EBADMSG;
	if (!ldns_rr_list_push_rr(message->sections[DNS_SECTION_QUESTION], rr)) {
		ldns_rr_free(rr);
		return -ENOMEM;
	}
	return 0;
}

static int take_section(struct dns_message *message, enum dns_section section, unsigned int count,
			bool with_records, struct reader *reader)
{
	struct record record;
	int r = 0;

	for (unsigned int i = 0; i < count && r == 0; i++) {
		if (section == DNS_SECTION_QUESTION) {
			r = take_question(message, reader);
			continue;
		}
		read_record(reader, &record);
		if (reader->failed)
			return -EBADMSG;
		if (record.type == LDNS_RR_TYPE_OPT || record.type == LDNS_RR_TYPE_TSIG) {
			if (section != DNS_SECTION_ADDITIONAL)
				return -EBADMSG;
			if (record.type == LDNS_RR_TYPE_OPT)
				r = take_edns(message, &record);
			else if (i + 1 < count)
				r = -EBADMSG;
			else
				message->has_tsig = true;
			continue;
		}
		if (with_records)
			r = take_record(message, section, reader, &record);
	}
	return r;
}

static int parse(const uint8_t *data, size_t size, bool with_records, struct dns_message **ret)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	struct reader reader = reader_init(data, size);
	unsigned int counts[DNS_N_SECTIONS];
	int r;

	message = calloc(1, sizeof(*message));
	if (!message)
		return -ENOMEM;
	message->id = reader_u16(&reader);
	message->flags = reader_u16(&reader);
	message->opcode = message->flags >> 11 & 0xf;
	message->rcode = message->flags & 0xf;
	message->edns_udp_size = UDP_SIZE_LEAST;
	for (int i = 0; i < DNS_N_SECTIONS; i++) {
		counts[i] = reader_u16(&reader);
		message->sections[i] = ldns_rr_list_new();
		if (!message->sections[i])
			return -ENOMEM;
	}
	if (reader.failed ||
	    (!with_records && counts[DNS_SECTION_QUESTION] > DNS_OUTLINE_QUESTIONS))
		return -EBADMSG;
	for (int i = 0; i < DNS_N_SECTIONS; i++) {
		r = take_section(message, i, counts[i], with_records, &reader);
		if (r < 0)
			return r;
	}
	if (reader_left(&reader) > 0)
		return -EBADMSG;
	*ret = steal_ptr(message);
	return 0;
}

int dns_message_parse(const uint8_t *data, size_t size, struct dns_message **ret)
{
	return parse(data, size, true, ret);
}

int dns_message_parse_outline(const uint8_t *data, size_t size, struct dns_message **ret)
{
	return parse(data, size, false, ret);
}

struct dns_message *dns_message_free(struct dns_message *message)
{
	if (!message)
		return NULL;
	for (int i = 0; i < DNS_N_SECTIONS; i++)
		ldns_rr_list_deep_free(message->sections[i]);
	free(message);
	return NULL;
}

size_t dns_message_count(const struct dns_message *message, enum dns_section section)
{
	return ldns_rr_list_rr_count(message->sections[section]);
}

ldns_rr *dns_message_rr(const struct dns_message *message, enum dns_section section, size_t i)
{
	return i < dns_message_count(message, section)
		       ? ldns_rr_list_rr(message->sections[section], i)
		       : NULL;
}
