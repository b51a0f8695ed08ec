/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Mapper1 as the watcher sees it: which network we are on, and a mapping for the port
 * that events come to. */
#include "common/loop/neighbour.h"

struct mapper_client;

struct mapper_view {
	bool present;
	bool network; /* there is a local address */
	uint64_t generation;
	struct in_addr external; /* 0.0.0.0: not known */
	/* Strangers reach our port under its own number, so that what we send comes from where they
	 * reach us: a mapping to the same number, or a public network. */
	bool reachable;
};

typedef void (*mapper_client_callback)(void *userdata);

int mapper_client_new(sd_bus *bus, mapper_client_callback on_change, void *userdata,
		      struct mapper_client **ret);
struct mapper_client *mapper_client_free(struct mapper_client *client);
void mapper_client_read(const struct mapper_client *client, struct mapper_view *ret);
/* Wants a mapping for this UDP port (host order; 0: none any more). Asked again of each new mapper.
 */
void mapper_client_want_port(struct mapper_client *client, uint16_t port);

DEFINE_CLEANUP(struct mapper_client *, mapper_client_free)
