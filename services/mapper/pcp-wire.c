/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/pcp-wire.h"

#include "common/wire/cursor.h"

#include <errno.h>

#define RESPONSE_BIT          0x80
#define NATPMP_REFUSAL_SIZE   8
#define OPTION_THIRD_PARTY    1
#define OPTION_PREFER_FAILURE 2
#define OPTION_FILTER         3
#define OPTION_ALIGNMENT      4

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

struct in6_addr pcp_address_from(struct in_addr address)
{
	struct in6_addr mapped;

	memcpy(mapped.s6_addr, mapped_prefix, sizeof mapped_prefix);
	memcpy(mapped.s6_addr + sizeof mapped_prefix, &address, sizeof address);
	return mapped;
}

struct in_addr pcp_address_to(const struct in6_addr *address)
{
	struct in_addr plain = {};

	if (!memcmp(address->s6_addr, mapped_prefix, sizeof mapped_prefix))
		memcpy(&plain, address->s6_addr + sizeof mapped_prefix, sizeof plain);
	return plain;
}

static void write_zeros(struct writer *writer, size_t size)
{
	uint8_t *octets = writer_room(writer, size);

	if (octets)
		memset(octets, 0, size);
}

static void write_option(struct writer *writer, uint8_t code, uint16_t length)
{
	writer_u8(writer, code);
	writer_u8(writer, 0);
	writer_u16(writer, length);
}

/* All those defined have lengths that need no padding. */
static void write_options(struct writer *writer, const struct pcp_options *options)
{
	if (options->has_third_party) {
		write_option(writer, OPTION_THIRD_PARTY, sizeof options->third_party);
		writer_copy(writer, &options->third_party, sizeof options->third_party);
	}
	if (options->prefer_failure)
		write_option(writer, OPTION_PREFER_FAILURE, 0);
	for (unsigned int i = 0; i < options->n_filters; i++) {
		const struct pcp_filter *filter = &options->filters[i];

		write_option(writer, OPTION_FILTER, 4 + sizeof filter->remote);
		writer_u8(writer, 0);
		writer_u8(writer, filter->prefix);
		writer_u16(writer, filter->remote_port);
		writer_copy(writer, &filter->remote, sizeof filter->remote);
	}
}

static void write_mapping(struct writer *writer, const struct pcp_mapping *mapping, bool peer)
{
	writer_copy(writer, mapping->nonce, sizeof mapping->nonce);
	writer_u8(writer, mapping->protocol);
	write_zeros(writer, 3);
	writer_u16(writer, mapping->internal_port);
	writer_u16(writer, mapping->external_port);
	writer_copy(writer, &mapping->external, sizeof mapping->external);
	if (!peer)
		return;
	writer_u16(writer, mapping->remote_port);
	writer_u16(writer, 0);
	writer_copy(writer, &mapping->remote, sizeof mapping->remote);
}

int pcp_write_request(const struct pcp_request *request, void *octets, size_t capacity)
{
	struct writer writer =
		writer_init(octets, capacity < PCP_MESSAGE_LIMIT ? capacity : PCP_MESSAGE_LIMIT);

	if (request->opcode > PCP_PEER || request->options.n_filters > PCP_FILTERS_LIMIT)
		return -EINVAL;
	writer_u8(&writer, PCP_VERSION);
	writer_u8(&writer, request->opcode);
	writer_u16(&writer, 0);
	writer_u32(&writer, request->lifetime);
	writer_copy(&writer, &request->client, sizeof request->client);
	if (request->opcode != PCP_ANNOUNCE)
		write_mapping(&writer, &request->mapping, request->opcode == PCP_PEER);
	write_options(&writer, &request->options);
	return writer.failed ? -EMSGSIZE : (int)writer.position;
}

static void parse_mapping(struct reader *reader, struct pcp_mapping *mapping, bool peer)
{
	reader_copy(reader, mapping->nonce, sizeof mapping->nonce);
	mapping->protocol = reader_u8(reader);
	reader_take(reader, 3);
	mapping->internal_port = reader_u16(reader);
	mapping->external_port = reader_u16(reader);
	reader_copy(reader, &mapping->external, sizeof mapping->external);
	if (!peer)
		return;
	mapping->remote_port = reader_u16(reader);
	reader_u16(reader);
	reader_copy(reader, &mapping->remote, sizeof mapping->remote);
}

static void parse_filter(struct reader *data, struct pcp_options *options)
{
	struct pcp_filter filter;

	reader_u8(data);
	filter.prefix = reader_u8(data);
	filter.remote_port = reader_u16(data);
	reader_copy(data, &filter.remote, sizeof filter.remote);
	if (!data->failed && options->n_filters < PCP_FILTERS_LIMIT)
		options->filters[options->n_filters++] = filter;
}

/* What is not understood is passed over, be it mandatory or not (§7.3); where an option does not
 * fit its message, the message is wrong. */
static int parse_option(struct reader *reader, struct pcp_options *options)
{
	uint8_t code = reader_u8(reader);
	struct reader data;
	uint16_t length;

	reader_u8(reader);
	length = reader_u16(reader);
	data = reader_sub(reader, length);
	reader_take(reader, (OPTION_ALIGNMENT - length % OPTION_ALIGNMENT) % OPTION_ALIGNMENT);
	switch (code) {
	case OPTION_THIRD_PARTY:
		/* Allowed once (§13.1). */
		if (options->has_third_party)
			return -EBADMSG;
		options->has_third_party = true;
		reader_copy(&data, &options->third_party, sizeof options->third_party);
		break;
	case OPTION_PREFER_FAILURE:
		options->prefer_failure = true;
		break;
	case OPTION_FILTER:
		parse_filter(&data, options);
		break;
	default:
		return reader->failed ? -EBADMSG : 0;
	}
	return reader->failed || data.failed || reader_left(&data) ? -EBADMSG : 0;
}

static int parse_content(struct reader *reader, struct pcp_response *response)
{
	switch (response->opcode) {
	case PCP_ANNOUNCE:
		break;
	case PCP_MAP:
	case PCP_PEER:
		parse_mapping(reader, &response->mapping, response->opcode == PCP_PEER);
		break;
	default:
		/* To no request of ours: who looks for the request finds none. */
		return 0;
	}
	while (!reader->failed && reader_left(reader)) {
		int r = parse_option(reader, &response->options);

		if (r < 0)
			return r;
	}
	return reader->failed ? -EBADMSG : 0;
}

/* RFC 6886 §3.5: version 0, operation 0 or that of the request, result 1 in two octets, epoch. */
static bool is_natpmp_refusal(const uint8_t *octets, size_t size)
{
	return size == NATPMP_REFUSAL_SIZE && !octets[0] && !octets[2] &&
	       octets[3] == PCP_UNSUPP_VERSION;
}

int pcp_parse_response(const void *octets, size_t size, struct pcp_response *ret)
{
	struct reader reader = reader_init(octets, size);
	struct pcp_response response = {};
	int r;

	if (is_natpmp_refusal(octets, size)) {
		*ret = (struct pcp_response){ .result = PCP_UNSUPP_VERSION };
		return 0;
	}
	response.version = reader_u8(&reader);
	response.opcode = reader_u8(&reader);
	reader_u8(&reader);
	response.result = reader_u8(&reader);
	if (reader.failed || !(response.opcode & RESPONSE_BIT))
		return -EBADMSG;
	response.opcode &= ~RESPONSE_BIT;
	/* Before the length: another version's messages may be of any (§8.3). */
	if (response.result == PCP_UNSUPP_VERSION) {
		response.opcode = 0;
		response.lifetime = reader_u32(&reader);
		*ret = response;
		return 0;
	}
	if (size < PCP_HEADER_SIZE || size > PCP_MESSAGE_LIMIT || size % 4 ||
	    response.version != PCP_VERSION)
		return -EBADMSG;
	response.lifetime = reader_u32(&reader);
	response.epoch = reader_u32(&reader);
	reader_take(&reader, 12);
	r = parse_content(&reader, &response);
	if (r < 0)
		return r;
	*ret = response;
	return 0;
}
