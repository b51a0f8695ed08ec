/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns-client/resolv-conf.h"

#include <arpa/inet.h>
#include <string.h>

#define KEYWORD "nameserver"

static int parse_line(const char *line, size_t size, struct in_addr *ret)
{
	const size_t keyword = strlen(KEYWORD);
	char address[INET_ADDRSTRLEN];
	size_t start, length;

	if (size <= keyword || strncmp(line, KEYWORD, keyword) != 0)
		return 0;
	start = keyword + strspn(line + keyword, " \t");
	if (start == keyword || start >= size)
		return 0;
	length = strcspn(line + start, " \t\r\n#;");
	if (length >= sizeof(address))
		return 0;
	memcpy(address, line + start, length);
	address[length] = 0;
	return inet_pton(AF_INET, address, ret) == 1;
}

size_t resolv_conf_parse(const char *text, struct in_addr ret[RESOLV_CONF_SERVERS])
{
	size_t n = 0;

	while (*text && n < RESOLV_CONF_SERVERS) {
		size_t size = strcspn(text, "\n");

		n += parse_line(text, size, &ret[n]);
		text += size + (text[size] == '\n');
	}
	return n;
}
