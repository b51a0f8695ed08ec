/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-message-wire.h"

#include "common/base/cleanup.h"

#include <errno.h>

#define GENERIC_HEADER_SIZE 4
#define CRITICAL            0x80
#define SELECTOR_SIZE_IPV6  40
#define ID_HEADER_SIZE      4

int ike_header_read(const uint8_t *data, size_t size, struct ike_header *ret)
{
	struct reader reader = reader_init(data, size);
	struct ike_header header;

	header.spi_initiator = reader_u64(&reader);
	header.spi_responder = reader_u64(&reader);
	header.next_payload = reader_u8(&reader);
	header.version = reader_u8(&reader);
	header.exchange = reader_u8(&reader);
	header.flags = reader_u8(&reader);
	header.message_id = reader_u32(&reader);
	header.length = reader_u32(&reader);
	if (reader.failed || header.length != size)
		return -EBADMSG;
	*ret = header;
	return 0;
}

int ike_chain_read(uint8_t first, const uint8_t *data, size_t size, struct ike_chain *ret)
{
	struct reader reader = reader_init(data, size);
	uint8_t type = first;

	ret->n_payloads = 0;
	while (type != IKE_PAYLOAD_NONE) {
		struct ike_payload *payload;
		uint16_t length;

		if (ret->n_payloads == IKE_PAYLOADS_LIMIT)
			return -E2BIG;
		payload = &ret->payloads[ret->n_payloads];
		payload->type = type;
		payload->next = reader_u8(&reader);
		payload->critical = reader_u8(&reader) & CRITICAL;
		length = reader_u16(&reader);
		if (reader.failed || length < GENERIC_HEADER_SIZE)
			return -EBADMSG;
		payload->size = length - GENERIC_HEADER_SIZE;
		payload->data = reader_take(&reader, payload->size);
		if (!payload->data)
			return -EBADMSG;
		ret->n_payloads++;
		/* It is the last one, and its next field speaks of what is inside (§3.14). */
		if (type == IKE_PAYLOAD_SK || type == IKE_PAYLOAD_SKF)
			break;
		type = payload->next;
	}
	/* Octets after the last payload belong to nothing that is authenticated by its length. */
	return reader_left(&reader) ? -EBADMSG : 0;
}

const struct ike_payload *ike_chain_find(const struct ike_chain *chain, enum ike_payload_type type)
{
	for (size_t i = 0; i < chain->n_payloads; i++)
		if (chain->payloads[i].type == type)
			return &chain->payloads[i];
	return NULL;
}

bool ike_chain_find_notify(const struct ike_chain *chain, enum ike_notify_type type,
			   struct ike_notify *ret)
{
	for (size_t i = 0; i < chain->n_payloads; i++) {
		struct ike_notify notify;

		if (chain->payloads[i].type != IKE_PAYLOAD_NOTIFY ||
		    ike_notify_read(&chain->payloads[i], &notify) < 0 || notify.type != type)
			continue;
		*ret = notify;
		return true;
	}
	return false;
}

bool ike_chain_find_error(const struct ike_chain *chain, struct ike_notify *ret)
{
	for (size_t i = 0; i < chain->n_payloads; i++) {
		struct ike_notify notify;

		if (chain->payloads[i].type != IKE_PAYLOAD_NOTIFY ||
		    ike_notify_read(&chain->payloads[i], &notify) < 0 ||
		    notify.type >= IKE_NOTIFY_STATUS)
			continue;
		*ret = notify;
		return true;
	}
	return false;
}

uint8_t ike_chain_find_unsupported(const struct ike_chain *chain)
{
	for (size_t i = 0; i < chain->n_payloads; i++) {
		uint8_t type = chain->payloads[i].type;

		/* Whether a payload of RFC 7296 is marked does not matter (§2.5). */
		if (chain->payloads[i].critical && type != IKE_PAYLOAD_SKF &&
		    (type < IKE_PAYLOAD_SA || type > IKE_PAYLOAD_EAP))
			return type;
	}
	return 0;
}

int ike_notify_read(const struct ike_payload *payload, struct ike_notify *ret)
{
	struct reader reader = reader_init(payload->data, payload->size);
	struct ike_notify notify = {};

	notify.protocol = reader_u8(&reader);
	notify.spi_size = reader_u8(&reader);
	notify.type = reader_u16(&reader);
	if (notify.spi_size > IKE_NOTIFY_SPI_LIMIT)
		return -EBADMSG;
	reader_copy(&reader, notify.spi, notify.spi_size);
	notify.data.size = reader_left(&reader);
	notify.data.data = reader_take(&reader, notify.data.size);
	if (reader.failed)
		return -EBADMSG;
	*ret = notify;
	return 0;
}

int ike_fragment_read(const struct ike_payload *payload, struct ike_fragment *ret)
{
	struct reader reader = reader_init(payload->data, payload->size);
	struct ike_fragment fragment;

	fragment.number = reader_u16(&reader);
	fragment.total = reader_u16(&reader);
	/* Only the first piece says what the first payload is. */
	if (reader.failed || !fragment.number || fragment.number > fragment.total ||
	    (fragment.number > 1 && payload->next != IKE_PAYLOAD_NONE))
		return -EBADMSG;
	*ret = fragment;
	return 0;
}

/* `skip` octets that say nothing after the first field of `tag_size` octets, then the rest. */
static int read_tagged(const struct ike_payload *payload, size_t tag_size, size_t skip,
		       uint16_t *ret_tag, struct ike_octets *ret)
{
	struct reader reader = reader_init(payload->data, payload->size);
	uint16_t tag = reader_unsigned(&reader, tag_size);
	struct ike_octets octets;

	reader_take(&reader, skip);
	octets.size = reader_left(&reader);
	octets.data = reader_take(&reader, octets.size);
	if (reader.failed)
		return -EBADMSG;
	*ret_tag = tag;
	*ret = octets;
	return 0;
}

static int read_tagged_u8(const struct ike_payload *payload, size_t skip, uint8_t *ret_tag,
			  struct ike_octets *ret)
{
	uint16_t tag;
	int r = read_tagged(payload, 1, skip, &tag, ret);

	if (r >= 0)
		*ret_tag = tag;
	return r;
}

int ike_ke_read(const struct ike_payload *payload, uint16_t *ret_group, struct ike_octets *ret)
{
	return read_tagged(payload, 2, 2, ret_group, ret);
}

int ike_id_read(const struct ike_payload *payload, uint8_t *ret_type, struct ike_octets *ret)
{
	return read_tagged_u8(payload, 3, ret_type, ret);
}

int ike_certificate_read(const struct ike_payload *payload, uint8_t *ret_encoding,
			 struct ike_octets *ret)
{
	return read_tagged_u8(payload, 0, ret_encoding, ret);
}

int ike_authentication_read(const struct ike_payload *payload, uint8_t *ret_method,
			    struct ike_octets *ret)
{
	return read_tagged_u8(payload, 3, ret_method, ret);
}

int ike_delete_read(const struct ike_payload *payload, uint8_t *ret_protocol, uint8_t *ret_spi_size,
		    uint16_t *ret_n, struct ike_octets *ret_spis)
{
	struct reader reader = reader_init(payload->data, payload->size);
	uint8_t protocol = reader_u8(&reader);
	uint8_t spi_size = reader_u8(&reader);
	uint16_t n = reader_u16(&reader);
	struct ike_octets spis = { .size = (size_t)spi_size * n };

	spis.data = reader_take(&reader, spis.size);
	if (reader.failed || reader_left(&reader))
		return -EBADMSG;
	*ret_protocol = protocol;
	*ret_spi_size = spi_size;
	*ret_n = n;
	*ret_spis = spis;
	return 0;
}

int ike_selectors_read(const struct ike_payload *payload, struct ike_selectors *ret)
{
	struct reader reader = reader_init(payload->data, payload->size);
	unsigned int left = reader_u8(&reader);

	reader_take(&reader, 3);
	ret->n_items = 0;
	for (; left > 0 && !reader.failed; left--) {
		struct ike_selector selector = {};
		struct reader body;
		uint16_t length;

		selector.type = reader_u8(&reader);
		selector.protocol = reader_u8(&reader);
		length = reader_u16(&reader);
		if (reader.failed || length < 4)
			return -EBADMSG;
		body = reader_sub(&reader, length - 4);
		if (selector.type != IKE_SELECTOR_IPV6)
			continue;
		selector.port_first = reader_u16(&body);
		selector.port_last = reader_u16(&body);
		reader_copy(&body, selector.first, sizeof selector.first);
		reader_copy(&body, selector.last, sizeof selector.last);
		if (body.failed || length != SELECTOR_SIZE_IPV6)
			return -EBADMSG;
		if (ret->n_items < IKE_SELECTORS_LIMIT)
			ret->items[ret->n_items++] = selector;
	}
	return reader.failed || reader_left(&reader) ? -EBADMSG : 0;
}

void ike_header_write(struct writer *writer, const struct ike_header *header)
{
	writer_u64(writer, header->spi_initiator);
	writer_u64(writer, header->spi_responder);
	writer_u8(writer, header->next_payload);
	writer_u8(writer, header->version);
	writer_u8(writer, header->exchange);
	writer_u8(writer, header->flags);
	writer_u32(writer, header->message_id);
	writer_u32(writer, header->length);
}

void ike_builder_begin(struct ike_builder *builder, void *buffer, size_t capacity,
		       const struct ike_header *header)
{
	*builder = (struct ike_builder){
		.writer = writer_init(buffer, capacity),
		.next_at = 16, /* the header's next payload */
		.payload_at = SIZE_MAX,
	};
	ike_header_write(&builder->writer, header);
}

void ike_builder_begin_inner(struct ike_builder *builder, void *buffer, size_t capacity)
{
	*builder = (struct ike_builder){
		.writer = writer_init(buffer, capacity),
		.next_at = SIZE_MAX,
		.payload_at = SIZE_MAX,
		.inner = true,
	};
}

struct writer *ike_builder_open(struct ike_builder *builder, enum ike_payload_type type)
{
	struct writer *writer = &builder->writer;

	if (builder->payload_at != SIZE_MAX)
		writer->failed = true;
	if (writer->failed)
		return writer;
	if (builder->next_at == SIZE_MAX)
		builder->first = type;
	else
		writer->data[builder->next_at] = type;
	builder->next_at = writer->position;
	builder->payload_at = writer->position;
	writer_u32(writer, 0);
	return writer;
}

void ike_builder_close(struct ike_builder *builder)
{
	struct writer *writer = &builder->writer;
	size_t size;

	if (writer->failed || builder->payload_at == SIZE_MAX) {
		writer->failed = true;
		return;
	}
	size = writer->position - builder->payload_at;
	if (size > UINT16_MAX)
		writer->failed = true;
	writer_patch_u16(writer, builder->payload_at + 2, size);
	builder->payload_at = SIZE_MAX;
}

int ike_builder_finish(struct ike_builder *builder)
{
	struct writer *writer = &builder->writer;

	if (!builder->inner)
		writer_patch_u32(writer, IKE_HEADER_SIZE - 4, writer->position);
	if (writer->failed || builder->payload_at != SIZE_MAX)
		return -ENOBUFS;
	return writer->position;
}

void ike_builder_add(struct ike_builder *builder, enum ike_payload_type type, const void *data,
		     size_t size)
{
	writer_copy(ike_builder_open(builder, type), data, size);
	ike_builder_close(builder);
}

void ike_builder_add_notify(struct ike_builder *builder, enum ike_notify_type type,
			    const void *data, size_t size)
{
	struct writer *writer = ike_builder_open(builder, IKE_PAYLOAD_NOTIFY);

	/* Protocol and SPI only where the notification is about one child SA (§3.10). */
	writer_u8(writer, IKE_PROTOCOL_NONE);
	writer_u8(writer, 0);
	writer_u16(writer, type);
	writer_copy(writer, data, size);
	ike_builder_close(builder);
}

void ike_builder_add_ke(struct ike_builder *builder, uint16_t group, const void *data, size_t size)
{
	struct writer *writer = ike_builder_open(builder, IKE_PAYLOAD_KE);

	writer_u16(writer, group);
	writer_u16(writer, 0);
	writer_copy(writer, data, size);
	ike_builder_close(builder);
}

void ike_builder_add_id(struct ike_builder *builder, enum ike_payload_type type, const char *fqdn)
{
	struct writer *writer = ike_builder_open(builder, type);

	writer_u8(writer, IKE_ID_FQDN);
	writer_unsigned(writer, 0, 3);
	writer_copy(writer, fqdn, strlen(fqdn));
	ike_builder_close(builder);
}

void ike_builder_add_tagged(struct ike_builder *builder, enum ike_payload_type type, uint8_t tag,
			    const void *data, size_t size)
{
	struct writer *writer = ike_builder_open(builder, type);

	writer_u8(writer, tag);
	if (type == IKE_PAYLOAD_AUTH)
		writer_unsigned(writer, 0, 3);
	writer_copy(writer, data, size);
	ike_builder_close(builder);
}

void ike_builder_add_delete_ike(struct ike_builder *builder)
{
	static const uint8_t body[] = { IKE_PROTOCOL_IKE, 0, 0, 0 };

	ike_builder_add(builder, IKE_PAYLOAD_DELETE, body, sizeof body);
}

void ike_builder_add_delete_esp(struct ike_builder *builder, uint32_t spi)
{
	struct writer *writer = ike_builder_open(builder, IKE_PAYLOAD_DELETE);

	writer_u8(writer, IKE_PROTOCOL_ESP);
	writer_u8(writer, IKE_SPI_SIZE_ESP);
	writer_u16(writer, 1);
	writer_u32(writer, spi);
	ike_builder_close(builder);
}

void ike_builder_add_selector(struct ike_builder *builder, enum ike_payload_type type,
			      const uint8_t address[16])
{
	struct writer *writer = ike_builder_open(builder, type);

	writer_u8(writer, 1);
	writer_unsigned(writer, 0, 3);
	writer_u8(writer, IKE_SELECTOR_IPV6);
	writer_u8(writer, 0);
	writer_u16(writer, SELECTOR_SIZE_IPV6);
	writer_u16(writer, 0);
	writer_u16(writer, UINT16_MAX);
	writer_copy(writer, address, 16);
	writer_copy(writer, address, 16);
	ike_builder_close(builder);
}

const char *ike_notify_name(uint16_t type)
{
	static const struct {
		uint16_t type;
		const char *name;
	} names[] = {
		{ IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD, "UNSUPPORTED_CRITICAL_PAYLOAD" },
		{ IKE_NOTIFY_INVALID_IKE_SPI, "INVALID_IKE_SPI" },
		{ IKE_NOTIFY_INVALID_MAJOR_VERSION, "INVALID_MAJOR_VERSION" },
		{ IKE_NOTIFY_INVALID_SYNTAX, "INVALID_SYNTAX" },
		{ IKE_NOTIFY_INVALID_MESSAGE_ID, "INVALID_MESSAGE_ID" },
		{ IKE_NOTIFY_NO_PROPOSAL_CHOSEN, "NO_PROPOSAL_CHOSEN" },
		{ IKE_NOTIFY_INVALID_KE_PAYLOAD, "INVALID_KE_PAYLOAD" },
		{ IKE_NOTIFY_AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED" },
		{ IKE_NOTIFY_SINGLE_PAIR_REQUIRED, "SINGLE_PAIR_REQUIRED" },
		{ IKE_NOTIFY_NO_ADDITIONAL_SAS, "NO_ADDITIONAL_SAS" },
		{ IKE_NOTIFY_TS_UNACCEPTABLE, "TS_UNACCEPTABLE" },
		{ IKE_NOTIFY_UNACCEPTABLE_ADDRESSES, "UNACCEPTABLE_ADDRESSES" },
		{ IKE_NOTIFY_UNEXPECTED_NAT_DETECTED, "UNEXPECTED_NAT_DETECTED" },
		{ IKE_NOTIFY_TEMPORARY_FAILURE, "TEMPORARY_FAILURE" },
		{ IKE_NOTIFY_CHILD_SA_NOT_FOUND, "CHILD_SA_NOT_FOUND" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].type == type)
			return names[i].name;
	return "notification";
}
