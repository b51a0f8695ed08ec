/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which STUN servers there are: those of the configuration, or what `_stun._udp` below the zone
 * says (RFC 8489 §8), and their IPv4 addresses, asked of the system's resolvers.
 */
#include "services/mapper/stun-state.h"

#include "common/loop/loop.h"

struct stun_servers;

struct stun_server_name {
	char host[256]; /* a name, or an IPv4 address */
	uint16_t port;  /* host order */
};

struct stun_server_names {
	struct stun_server_name items[STUN_SERVERS_LIMIT];
	size_t n;
};

/* "HOST[:PORT]" separated by spaces or commas; CONFIG_CUSTOM. 0 or -EINVAL. */
int stun_servers_parse(const char *value, void *names);

/* As many as were found, none too; borrowed. */
typedef void (*stun_servers_callback)(void *userdata, const struct sockaddr_in *servers, size_t n);

int stun_servers_new(struct loop *loop, stun_servers_callback callback, void *userdata,
		     struct stun_servers **ret);
struct stun_servers *stun_servers_free(struct stun_servers *servers);
/* Looks for them anew: those of `names` (kept), or where there are none, of `zone` (copied; NULL:
 * not known). The callback comes once, from the loop. */
void stun_servers_find(struct stun_servers *servers, const struct stun_server_names *names,
		       const char *zone);
void stun_servers_stop(struct stun_servers *servers);

DEFINE_CLEANUP(struct stun_servers *, stun_servers_free)
