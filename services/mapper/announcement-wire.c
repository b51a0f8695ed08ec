/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/announcement-wire.h"

#include "services/mapper/natpmp-wire.h"
#include "services/mapper/pcp-wire.h"

#include <errno.h>

static int parse_pcp(const void *octets, size_t size, struct announcement *ret)
{
	struct pcp_response response;

	if (pcp_parse_response(octets, size, &response) < 0 || response.result != PCP_SUCCESS ||
	    response.opcode != PCP_ANNOUNCE)
		return -EBADMSG;
	*ret = (struct announcement){ .kind = ANNOUNCEMENT_RESTART, .epoch = response.epoch };
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
