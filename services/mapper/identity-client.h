/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which zone this machine is signed in to; identity calls nobody. */
#include "common/loop/neighbour.h"

struct identity_client;

typedef void (*identity_client_callback)(void *userdata);

int identity_client_new(sd_bus *bus, identity_client_callback on_change, void *userdata,
			struct identity_client **ret);
struct identity_client *identity_client_free(struct identity_client *client);
/* The members zone; NULL: not signed in, or not known yet. Borrowed until the next callback. */
const char *identity_client_zone(const struct identity_client *client);

DEFINE_CLEANUP(struct identity_client *, identity_client_free)
