/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* STUN by UDP, for the hosts of the zone and whoever else asks. */
#include "services/zoned/server-udp.h"
#include "services/zoned/stun-responder-state.h"

struct stun_server;

/* Nobody is listened to yet. 0 or a negative errno. */
int stun_server_new(struct loop *loop, struct stun_server **ret);
struct stun_server *stun_server_free(struct stun_server *server);
int stun_server_listen(struct stun_server *server, const struct endpoint *endpoint);
/* Answers for each come from the other as well (RFC 5780): listen on all four of their addresses
 * and ports. */
void stun_server_set_alternate(struct stun_server *server, const struct endpoint *primary,
			       const struct endpoint *alternate);
const struct stun_counters *stun_server_counters(const struct stun_server *server);
