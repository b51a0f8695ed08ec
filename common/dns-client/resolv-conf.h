/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The name servers in resolv.conf(5). */
#include <netinet/in.h>
#include <stddef.h>

#define RESOLV_CONF_PATH    "/etc/resolv.conf"
#define RESOLV_CONF_SERVERS 3 /* MAXNS of resolver(3) */

/* The IPv4 addresses of "nameserver" lines; others are passed over. Returns how many. */
size_t resolv_conf_parse(const char *text, struct in_addr ret[RESOLV_CONF_SERVERS]);
