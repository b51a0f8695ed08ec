/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/announcement-wire.h"

#include "services/mapper/natpmp-wire.h"

#include "common/wire/cursor.h"

#include <errno.h>

#define PCP_VERSION           2
#define PCP_ANNOUNCE_RESPONSE 0x80
#define PCP_HEADER            24

/* RFC 6887 §7.2: version, R and opcode, reserved, result, lifetime, epoch, 12 octets reserved. */
static int parse_pcp(const void *octets, size_t size, struct announcement *ret)
{
	struct reader reader = reader_init(octets, size);
	uint8_t operation, result;
	uint32_t epoch;

	reader_u8(&reader);
	operation = reader_u8(&reader);
	reader_u8(&reader);
	result = reader_u8(&reader);
	reader_u32(&reader);
	epoch = reader_u32(&reader);
	/* Options may follow in multiples of four octets; none matters here. */
	if (reader.failed || size < PCP_HEADER || size % 4 || operation != PCP_ANNOUNCE_RESPONSE ||
	    result)
		return -EBADMSG;
	*ret = (struct announcement){ .kind = ANNOUNCEMENT_RESTART, .epoch = epoch };
	return 0;
}

int announcement_parse(const void *octets, size_t size, struct announcement *ret)
{
	struct natpmp_response response;

	if (size && *(const uint8_t *)octets == PCP_VERSION)
		return parse_pcp(octets, size, ret);
	if (natpmp_parse_response(octets, size, &response) < 0 ||
	    response.result != NATPMP_SUCCESS || response.operation != NATPMP_ADDRESS)
		return -EBADMSG;
	*ret = (struct announcement){ .kind = ANNOUNCEMENT_ADDRESS,
				      .epoch = response.epoch,
				      .external = response.external };
	return 0;
}
