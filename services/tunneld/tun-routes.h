/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Address and routes of an interface of the tunnel, over rtnetlink. Nothing here waits for the
 * kernel's answers (common/net/netlink.h).
 */
#include "common/base/cleanup.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct tun_routes;

/* For the interface with this index. 0 or a negative errno. */
int tun_routes_new(int index, struct tun_routes **ret);
struct tun_routes *tun_routes_free(struct tun_routes *routes);

/* Sets the MTU and brings the interface up, without an address of the kernel's making. */
int tun_routes_bring_up(struct tun_routes *routes, uint32_t mtu);
/* Makes `address`/128 the one address of the interface; NULL: none. One that is there already is
 * not touched. */
int tun_routes_set_address(struct tun_routes *routes, const struct in6_addr *address);
/* A route to `peer`/128 whose packets leave from `source` (RFC 6724 rule 1 then has no choice) and
 * are no larger than `mtu`. TCP tells the other side `most` all the same: its own packets may find
 * more room than ours, and what a connection was told first it keeps. One that is there is
 * replaced, which connections do not notice. With it goes one that says "unreachable" and comes
 * after any other: when the interface is gone, nothing for the peer leaves this machine. It stays
 * until tun_routes_forget() or tun_routes_purge(), whatever becomes of us and of the peer. */
int tun_routes_add(struct tun_routes *routes, const struct in6_addr *peer,
		   const struct in6_addr *source, uint32_t mtu, uint32_t most);
/* The same for one that was added: the other is as it was, and nothing waits for it to be set. */
int tun_routes_set_mtu(struct tun_routes *routes, const struct in6_addr *peer,
		       const struct in6_addr *source, uint32_t mtu, uint32_t most);
/* A route over another interface, which comes before that one while it is there. */
int tun_routes_set_detour(struct tun_routes *routes, int index, const struct in6_addr *peer,
			  const struct in6_addr *source, uint32_t mtu);
int tun_routes_remove_detour(struct tun_routes *routes, int index, const struct in6_addr *peer);
int tun_routes_remove(struct tun_routes *routes, const struct in6_addr *peer);
/* Both. */
int tun_routes_forget(struct tun_routes *routes, const struct in6_addr *peer);
/* Forgets every peer with a route for which `is_wanted` says no. */
int tun_routes_purge(struct tun_routes *routes,
		     bool (*is_wanted)(void *userdata, const struct in6_addr *peer),
		     void *userdata);

DEFINE_CLEANUP(struct tun_routes *, tun_routes_free)
