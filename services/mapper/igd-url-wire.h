/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The only URLs that are followed at a gateway: http, its address in four decimal numbers, a port,
 * a path. No name, no user, no other scheme; so nobody has to be asked where it leads.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define IGD_PATH_LIMIT 160
#define IGD_URL_SIZE   (sizeof "http://255.255.255.255:65535" + IGD_PATH_LIMIT)

struct igd_url {
	struct in_addr address;
	uint16_t port;                 /* 0: no URL */
	char path[IGD_PATH_LIMIT + 1]; /* begins with '/', printable ASCII without spaces */
};

/* 0 or -EBADMSG. `text` needs no NUL. */
int igd_url_parse(const char *text, size_t size, struct igd_url *ret);
/* As text, which fits. */
void igd_url_format(const struct igd_url *url, char ret[IGD_URL_SIZE]);
