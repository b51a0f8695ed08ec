/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a PCP server writes, for tests: answers made of a request's octets (RFC 6887 §8.2). */
#include "services/mapper/pcp-wire.h"

/* `octets` has the request of `size` octets and becomes the answer of that size: header fields and,
 * for MAP and PEER, the assigned endpoint. */
void pcp_server_answer(uint8_t *octets, size_t size, uint8_t result, uint32_t lifetime,
		       uint32_t epoch, uint16_t external_port, const char *external);
