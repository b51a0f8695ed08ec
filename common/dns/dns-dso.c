/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/dns-dso.h"

#include <errno.h>

#define OPCODE(flags)   ((flags) >> 11 & 0xf)
#define TLV_HEADER_SIZE 4

bool dns_dso_is(const uint8_t *data, size_t size)
{
	return size >= DNS_HEADER_SIZE && OPCODE(data[2] << 8 | data[3]) == DNS_OPCODE_DSO;
}

int dns_dso_next(struct reader *tlvs, uint16_t *ret_type, struct reader *ret_data)
{
	uint16_t size;

	if (reader_left(tlvs) == 0)
		return 0;
	*ret_type = reader_u16(tlvs);
	size = reader_u16(tlvs);
	*ret_data = reader_init(tlvs->data, tlvs->position + size);
	ret_data->position = tlvs->position;
	return reader_take(tlvs, size) ? 1 : 0;
}

static bool has_whole_tlvs(struct reader tlvs)
{
	struct reader data;
	uint16_t type;

	while (dns_dso_next(&tlvs, &type, &data) > 0)
		;
	return !tlvs.failed;
}

int dns_dso_parse(const uint8_t *data, size_t size, struct dns_dso *ret)
{
	struct reader reader = reader_init(data, size), tlvs;
	struct dns_dso message = {};
	uint16_t flags;
	uint64_t counts;

	message.id = reader_u16(&reader);
	flags = reader_u16(&reader);
	counts = reader_u64(&reader);
	if (reader.failed || OPCODE(flags) != DNS_OPCODE_DSO)
		return -EBADMSG;
	message.kind = flags & DNS_FLAG_QR ? DNS_DSO_RESPONSE
		       : message.id        ? DNS_DSO_REQUEST
					   : DNS_DSO_UNIDIRECTIONAL;
	message.rcode = flags & 0xf;
	if (message.kind == DNS_DSO_RESPONSE && message.id == 0)
		return -EBADMSG;
	if (counts != 0)
		return -EPROTO;
	message.tlvs = tlvs = reader;
	if (!has_whole_tlvs(tlvs))
		return -EBADMSG;
	if (dns_dso_next(&tlvs, &message.type, &message.data) == 0 &&
	    message.kind != DNS_DSO_RESPONSE)
		return -EBADMSG;
	*ret = message;
	return 0;
}

bool dns_dso_find(const struct dns_dso *message, enum dns_dso_type wanted, struct reader *ret_data)
{
	struct reader tlvs = message->tlvs, data;
	uint16_t type;

	while (dns_dso_next(&tlvs, &type, &data) > 0) {
		if (type == wanted) {
			*ret_data = data;
			return true;
		}
	}
	return false;
}

int dns_dso_read_keepalive(const struct reader *data, struct dns_dso_keepalive *ret)
{
	struct reader reader = *data;

	if (reader_left(&reader) != 8)
		return -EBADMSG;
	ret->inactivity_timeout = reader_u32(&reader);
	ret->interval = reader_u32(&reader);
	return 0;
}

int dns_dso_read_retry_delay(const struct reader *data, uint32_t *ret_msec)
{
	struct reader reader = *data;

	if (reader_left(&reader) != 4)
		return -EBADMSG;
	*ret_msec = reader_u32(&reader);
	return 0;
}

void dns_dso_begin(struct dns_builder *builder, void *buffer, size_t capacity, uint16_t id)
{
	dns_builder_init(builder, buffer, capacity, id, DNS_FLAGS_OPCODE(DNS_OPCODE_DSO));
}

void dns_dso_begin_response(struct dns_builder *builder, void *buffer, size_t capacity, uint16_t id,
			    uint8_t rcode)
{
	dns_builder_init(builder, buffer, capacity, id,
			 DNS_FLAG_QR | DNS_FLAGS_OPCODE(DNS_OPCODE_DSO) | rcode);
}

size_t dns_dso_begin_tlv(struct dns_builder *builder, uint16_t type)
{
	writer_u16(&builder->writer, type);
	writer_u16(&builder->writer, 0);
	return builder->writer.position;
}

void dns_dso_end_tlv(struct dns_builder *builder, size_t position)
{
	size_t size = builder->writer.position - position;

	if (size > UINT16_MAX)
		builder->writer.failed = true;
	writer_patch_u16(&builder->writer, position - 2, size);
}

void dns_dso_add_keepalive(struct dns_builder *builder, const struct dns_dso_keepalive *keepalive)
{
	size_t position = dns_dso_begin_tlv(builder, DNS_DSO_KEEPALIVE);

	writer_u32(&builder->writer, keepalive->inactivity_timeout);
	writer_u32(&builder->writer, keepalive->interval);
	dns_dso_end_tlv(builder, position);
}

void dns_dso_add_retry_delay(struct dns_builder *builder, uint32_t msec)
{
	size_t position = dns_dso_begin_tlv(builder, DNS_DSO_RETRY_DELAY);

	writer_u32(&builder->writer, msec);
	dns_dso_end_tlv(builder, position);
}

void dns_dso_add_padding(struct dns_builder *builder, size_t block)
{
	struct writer *writer = &builder->writer;
	size_t size = writer->position + TLV_HEADER_SIZE;
	size_t padding = (block - size % block) % block;
	size_t position;

	if (writer->failed || padding + TLV_HEADER_SIZE > writer->capacity - writer->position)
		return;
	position = dns_dso_begin_tlv(builder, DNS_DSO_PADDING);
	memset(writer_room(writer, padding), 0, padding);
	dns_dso_end_tlv(builder, position);
}
