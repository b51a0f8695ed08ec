/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Mapper1: our network; and our wish for a mapping of the tunnel's port. */
#include "services/tunneld/tunneld.h"

int mapper_client_new(sd_bus *bus, struct tunneld *tunneld, struct mapper_client **ret);
struct mapper_client *mapper_client_free(struct mapper_client *client);
