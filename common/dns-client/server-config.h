/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The section [server] of a daemon that speaks to the zone's server. */
#include "common/base/config.h"
#include "common/dns-client/dns-server.h"

struct dns_server_config {
	struct in_addr address; /* 0.0.0.0: find it */
	uint32_t port;          /* of the address; 0: 53 */
	char *resolv_conf;      /* NULL: the system's */
	struct dns_pins pins;
	int encryption;   /* enum dns_encryption */
	const char *path; /* of the file, for words; set by the daemon */
};

/* Its keys, for the table of a daemon's file (at file scope); `field` is the one of `type`. */
#define DNS_SERVER_CONFIG_KEYS(type, field)                                                        \
	{ "server",                                                                                \
	  "address",                                                                               \
	  CONFIG_CUSTOM,                                                                           \
	  offsetof(type, field.address),                                                           \
	  .parse = config_parse_ipv4,                                                              \
	  .expected = "an IPv4 address" },                                                         \
		{ "server", "port", CONFIG_UNSIGNED, offsetof(type, field.port), 1, 65535 },       \
		{ "server", "resolv-conf", CONFIG_STRING, offsetof(type, field.resolv_conf) },     \
		{ "server",                                                                        \
		  "pin",                                                                           \
		  CONFIG_CUSTOM,                                                                   \
		  offsetof(type, field.pins),                                                      \
		  .parse = dns_pins_parse,                                                         \
		  .expected = DNS_PINS_EXPECTED },                                                 \
	{                                                                                          \
		"server", "encryption", CONFIG_CHOICE, offsetof(type, field.encryption),           \
			.choices = DNS_ENCRYPTION_CHOICES                                          \
	}
