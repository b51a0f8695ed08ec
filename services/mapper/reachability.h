/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Asks STUN servers what others see of this network, and has one of them send a packet to a port
 * that the gateway mapped, which is the only proof that a mapping is worth something. What is found
 * goes into the mapper's state.
 *
 *   idle --network, check--> waiting (mappings first) --> finding servers --> asking
 *   asking --a server answered--> a mapping of our own is wanted --granted--> proof --> released
 *
 * Few packets, and once for each network and each way it is mapped by; then only when asked to.
 */
#include "services/mapper/mapper-state.h"
#include "services/mapper/stun-servers.h"

#include "common/loop/timeline.h"

struct reachability;

struct stun_config {
	enum { STUN_USE_YES, STUN_USE_NO } use;
	struct stun_server_names servers; /* none: the zone's */
};

struct reachability_context {
	struct loop *loop;
	sd_bus *bus;
	const struct stun_config *config;
	struct mapper_state *state;
	struct timeline *timeline;
	/* The state has changed. */
	void (*on_change)(void *userdata);
	void *userdata;
};

/* Copies the context. 0 or a negative errno. */
int reachability_new(const struct reachability_context *context, struct reachability **ret);
struct reachability *reachability_free(struct reachability *reachability);
/* Another network, or what is known is to be proven anew. After the state knows it. */
void reachability_begin(struct reachability *reachability);
/* The state has changed: a mapping may have been granted or lost. To be called before the state's
 * actions are taken, for it may want a mapping or release it. */
void reachability_follow(struct reachability *reachability);
/* Counts of what was sent to and heard from STUN servers. */
const struct stun_client_counters *reachability_counters(const struct reachability *reachability);

DEFINE_CLEANUP(struct reachability *, reachability_free)
