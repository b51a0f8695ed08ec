/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Mapper1: our network; and our wish for a mapping of the tunnel's port. */
#include "services/tunneld/tunneld.h"

int mapper_client_new(sd_bus *bus, struct tunneld *tunneld, struct mapper_client **ret);
/* A keepalive is sent: mapper is to find out, once in each network, how seldom they may be. */
void mapper_client_keeps_alive(struct mapper_client *client);
struct mapper_client *mapper_client_free(struct mapper_client *client);
