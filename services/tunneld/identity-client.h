/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Identity1: the host id, once somebody is signed in. */
#include "services/tunneld/tunneld.h"

int identity_client_new(sd_bus *bus, struct tunneld *tunneld, struct identity_client **ret);
struct identity_client *identity_client_free(struct identity_client *client);
