/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/dns-push.h"

#include <errno.h>

#define MINUTE 60000u

uint32_t dns_push_retry_delay(uint8_t rcode)
{
	switch (rcode) {
	case LDNS_RCODE_SERVFAIL:
		return MINUTE;
	case LDNS_RCODE_NOTIMPL:
	case DNS_RCODE_DSOTYPENI:
		return 60 * MINUTE;
	default:
		return 5 * MINUTE;
	}
}

static void write_plain_name(struct writer *writer, const ldns_rdf *name)
{
	writer_copy(writer, ldns_rdf_data(name), ldns_rdf_size(name));
}

void dns_push_build_subscribe(struct dns_builder *builder, void *buffer, size_t capacity,
			      uint16_t id, const ldns_rdf *name, uint16_t type, uint16_t class)
{
	size_t position;

	dns_dso_begin(builder, buffer, capacity, id);
	position = dns_dso_begin_tlv(builder, DNS_DSO_SUBSCRIBE);
	write_plain_name(&builder->writer, name);
	writer_u16(&builder->writer, type);
	writer_u16(&builder->writer, class);
	dns_dso_end_tlv(builder, position);
}

static void read_question(struct reader *reader, struct dns_push_question *ret)
{
	dns_name_read(reader, false, &ret->name);
	ret->type = reader_u16(reader);
	ret->class = reader_u16(reader);
}

int dns_push_read_subscribe(const struct reader *data, struct dns_push_question *ret)
{
	struct reader reader = *data;

	read_question(&reader, ret);
	return reader.failed || reader_left(&reader) > 0 ? -EBADMSG : 0;
}

void dns_push_build_unsubscribe(struct dns_builder *builder, void *buffer, size_t capacity,
				uint16_t id)
{
	size_t position;

	dns_dso_begin(builder, buffer, capacity, 0);
	position = dns_dso_begin_tlv(builder, DNS_DSO_UNSUBSCRIBE);
	writer_u16(&builder->writer, id);
	dns_dso_end_tlv(builder, position);
}

int dns_push_read_unsubscribe(const struct reader *data, uint16_t *ret_id)
{
	struct reader reader = *data;

	if (reader_left(&reader) != 2)
		return -EBADMSG;
	*ret_id = reader_u16(&reader);
	return 0;
}

void dns_push_build_reconfirm(struct dns_builder *builder, void *buffer, size_t capacity,
			      const ldns_rr *rr)
{
	size_t position;

	dns_dso_begin(builder, buffer, capacity, 0);
	position = dns_dso_begin_tlv(builder, DNS_DSO_RECONFIRM);
	write_plain_name(&builder->writer, ldns_rr_owner(rr));
	writer_u16(&builder->writer, ldns_rr_get_type(rr));
	writer_u16(&builder->writer, ldns_rr_get_class(rr));
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++)
		writer_copy(&builder->writer, ldns_rdf_data(ldns_rr_rdf(rr, i)),
			    ldns_rdf_size(ldns_rr_rdf(rr, i)));
	dns_dso_end_tlv(builder, position);
}

int dns_push_read_reconfirm(const struct reader *data, struct dns_push_question *ret)
{
	struct reader reader = *data;

	read_question(&reader, ret);
	if (reader.failed || ret->type == LDNS_RR_TYPE_ANY || ret->class == LDNS_RR_CLASS_ANY)
		return -EBADMSG;
	return 0;
}

size_t dns_push_begin(struct dns_builder *builder, void *buffer, size_t capacity)
{
	dns_dso_begin(builder, buffer, capacity < DNS_DSO_SIZE_MAX ? capacity : DNS_DSO_SIZE_MAX,
		      0);
	return dns_dso_begin_tlv(builder, DNS_DSO_PUSH);
}

void dns_push_add(struct dns_builder *builder, const ldns_rr *rr)
{
	uint32_t ttl = ldns_rr_ttl(rr);

	/* RFC 2181 §8. */
	dns_builder_write_rr(builder, rr, ttl > DNS_PUSH_TTL_MAX ? 0 : ttl);
}

void dns_push_remove(struct dns_builder *builder, const ldns_rr *rr)
{
	dns_builder_write_rr(builder, rr, DNS_PUSH_TTL_REMOVED);
}

void dns_push_remove_all(struct dns_builder *builder, const ldns_rdf *name, uint16_t type,
			 uint16_t class)
{
	struct writer *writer = &builder->writer;

	dns_builder_write_name(builder, name);
	writer_u16(writer, class == LDNS_RR_CLASS_ANY ? 0 : type);
	writer_u16(writer, class);
	writer_u32(writer, DNS_PUSH_TTL_COLLECTIVE);
	writer_u16(writer, 0);
}

void dns_push_end(struct dns_builder *builder, size_t position)
{
	dns_dso_end_tlv(builder, position);
}

/* Looks at what stands before the data, and leaves the reader where it was. */
static void peek(const struct reader *data, struct dns_push_change *change, uint32_t *ret_ttl,
		 uint16_t *ret_size, struct reader *ret_after)
{
	*ret_after = *data;
	dns_name_read(ret_after, true, &change->name);
	change->type = reader_u16(ret_after);
	change->class = reader_u16(ret_after);
	*ret_ttl = reader_u32(ret_after);
	*ret_size = reader_u16(ret_after);
	reader_take(ret_after, *ret_size);
}

static enum dns_push_kind collective_kind(const struct dns_push_change *change)
{
	if (change->class == LDNS_RR_CLASS_ANY)
		return DNS_PUSH_REMOVE_NAME;
	return change->type == LDNS_RR_TYPE_ANY ? DNS_PUSH_REMOVE_CLASS : DNS_PUSH_REMOVE_RRSET;
}

int dns_push_next(struct reader *data, struct dns_push_change *ret)
{
	struct dns_push_change change = {};
	struct reader after;
	uint32_t ttl;
	uint16_t size;
	int r;

	do {
		if (data->failed)
			return -EBADMSG;
		if (reader_left(data) == 0)
			return 0;
		peek(data, &change, &ttl, &size, &after);
		if (after.failed)
			return -EBADMSG;
		if (ttl == DNS_PUSH_TTL_COLLECTIVE) {
			change.kind = collective_kind(&change);
			*data = after;
			*ret = change;
			return size == 0 ? 1 : -EBADMSG;
		}
		if (ttl > DNS_PUSH_TTL_MAX && ttl != DNS_PUSH_TTL_REMOVED)
			*data = after;
		else
			break;
	} while (true);
	if (change.type == LDNS_RR_TYPE_ANY || change.class == LDNS_RR_CLASS_ANY)
		return -EBADMSG;
	r = dns_message_read_rr(data, &change.rr);
	if (r < 0)
		return r;
	change.kind = ttl == DNS_PUSH_TTL_REMOVED ? DNS_PUSH_REMOVE : DNS_PUSH_ADD;
	*ret = change;
	return 1;
}

int dns_push_check(const struct dns_dso *message, size_t size)
{
	struct reader data = message->data;
	struct dns_push_change change;
	int r;

	if (message->kind != DNS_DSO_UNIDIRECTIONAL || message->type != DNS_DSO_PUSH ||
	    size > DNS_DSO_SIZE_MAX || reader_left(&data) == 0)
		return -EBADMSG;
	while ((r = dns_push_next(&data, &change)) > 0)
		ldns_rr_free(change.rr);
	return r;
}
