/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Mapper1 as the registrar sees it: where the tunnel's port is reached from outside.
 * The mapping is tunneld's: the one labelled "tunnel". */
#include "common/loop/neighbour.h"
#include "services/registrar/registrar-state.h"

struct mapper_client;

struct mapper_view {
	bool present;
	bool network;         /* there is a local address */
	uint64_t incarnation; /* another number: another mapper, which may count from anew */
	struct registrar_place place;
};

typedef void (*mapper_client_callback)(void *userdata);

int mapper_client_new(sd_bus *bus, mapper_client_callback on_change, void *userdata,
		      struct mapper_client **ret);
struct mapper_client *mapper_client_free(struct mapper_client *client);
void mapper_client_read(const struct mapper_client *client, struct mapper_view *ret);

DEFINE_CLEANUP(struct mapper_client *, mapper_client_free)
