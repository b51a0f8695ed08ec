/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/natpmp-wire.h"

#include "common/wire/cursor.h"

#include <errno.h>

#define RESPONSE_BIT 0x80
#define PCP_VERSION  2

/* Octet 0 = 2, octet 3 = 1: a PCP answer to a request of version 0. */
static int parse_pcp(struct reader *reader, struct natpmp_response *ret)
{
	uint8_t operation = reader_u8(reader);
	uint8_t result;

	reader_u8(reader);
	result = reader_u8(reader);
	if (reader->failed || !(operation & RESPONSE_BIT) || result != NATPMP_UNSUPPORTED_VERSION)
		return -EBADMSG;
	*ret = (struct natpmp_response){ .result = NATPMP_UNSUPPORTED_VERSION };
	return 0;
}

/* What follows the first eight octets. An answer of failure may end anywhere here (§3.5). */
static int parse_content(struct reader *reader, struct natpmp_response *response)
{
	if (response->operation == NATPMP_ADDRESS) {
		if (response->result != NATPMP_SUCCESS)
			return 0;
		reader_copy(reader, &response->external, sizeof response->external);
	} else {
		if (response->result != NATPMP_SUCCESS && reader_left(reader) < 2)
			return 0;
		response->internal_port = reader_u16(reader);
		response->has_internal_port = true;
		if (response->result != NATPMP_SUCCESS)
			return 0;
		response->external_port = reader_u16(reader);
		response->lifetime = reader_u32(reader);
	}
	return reader->failed || reader_left(reader) ? -EBADMSG : 0;
}

int natpmp_parse_response(const void *octets, size_t size, struct natpmp_response *ret)
{
	struct reader reader = reader_init(octets, size);
	struct natpmp_response response = {};
	uint8_t operation;
	int r;

	switch (reader_u8(&reader)) {
	case 0:
		break;
	case PCP_VERSION:
		return parse_pcp(&reader, ret);
	default:
		return -EBADMSG;
	}
	operation = reader_u8(&reader);
	response.result = reader_u16(&reader);
	if (reader.failed)
		return -EBADMSG;
	response.operation = operation & ~RESPONSE_BIT;
	response.has_operation = operation & RESPONSE_BIT;
	if (response.has_operation && response.operation > NATPMP_MAP_TCP)
		return -EBADMSG;
	/* It is the request sent back (§3.5): what stands where the epoch would be is none. */
	if (response.result == NATPMP_UNSUPPORTED_OPERATION && response.has_operation) {
		*ret = response;
		return 0;
	}
	response.epoch = reader_u32(&reader);
	response.has_epoch = true;
	if (reader.failed)
		return -EBADMSG;
	if (response.result != NATPMP_UNSUPPORTED_VERSION) {
		if (!response.has_operation)
			return -EBADMSG;
		r = parse_content(&reader, &response);
		if (r < 0)
			return r;
	}
	*ret = response;
	return 0;
}
