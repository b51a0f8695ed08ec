/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/mapper/pcp-server.h"

#include <arpa/inet.h>
#include <string.h>

static void put(uint8_t *octets, uint64_t value, size_t size)
{
	for (size_t i = size; i > 0; i--, value >>= 8)
		octets[i - 1] = value;
}

void pcp_server_answer(uint8_t *octets, size_t size, uint8_t result, uint32_t lifetime,
		       uint32_t epoch, uint16_t external_port, const char *external)
{
	octets[1] |= 0x80;
	octets[2] = 0;
	octets[3] = result;
	put(octets + 4, lifetime, 4);
	put(octets + 8, epoch, 4);
	memset(octets + 12, 0, 12);
	if (size < 60 || result)
		return;
	put(octets + 42, external_port, 2);
	memset(octets + 44, 0, 10);
	memset(octets + 54, 0xff, 2);
	inet_pton(AF_INET, external, octets + 56);
}
