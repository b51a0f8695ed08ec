/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One wanted mapping:
 *
 *   pending --granted--> mapped --refused, expired--> failed --granted--> mapped
 *   any     --another network, gateway or public view--> pending or public
 *
 * and the list of those that are wanted, and of those that the gateway is still to forget.
 */
#include "services/mapper/mapper-state.h"

/* A new mapping, owned by the state. 0, -ENOMEM or -EDQUOT (too many). */
int mapping_add(struct mapper_state *state, const struct mapping_wish *wish, uint64_t now,
		struct mapping **ret);
void mapping_change(struct mapper_state *state, struct mapping *mapping,
		    const struct mapping_wish *wish, uint64_t now);
/* It is gone from `mappings` and not to be looked at again; the gateway will be told. */
void mapping_remove(struct mapper_state *state, struct mapping *mapping, uint64_t now);

/* What mapper-state.c tells of the gateway. */

/* As it stands before the gateway said anything about it in this network. */
void mapping_reset(struct mapper_state *state, struct mapping *mapping, uint64_t now);
void mapping_reset_all(struct mapper_state *state, uint64_t now);
/* The gateway has another address. */
void mapping_follow_address(struct mapper_state *state, uint64_t now);
void mapping_grant(struct mapper_state *state, struct mapping *mapping,
		   const struct natpmp_response *response, uint64_t now);
void mapping_fail(struct mapping *mapping, enum trouble trouble, uint64_t now);
void mapping_expire_all(struct mapper_state *state, uint64_t now);

/* The first of `deletions` is done with. */
void mapping_drop_deletion(struct mapper_state *state);
void mapping_drop_needless_deletions(struct mapper_state *state);

void mapping_free_list(struct mapping **list);
/* How long to wait after so many failures in a row (1 and more): `first`, doubled up to `limit`. */
uint64_t mapping_back_off(unsigned int n_failures, uint64_t first, uint64_t limit);
#define FAILURE_WAIT       2000 /* ms */
#define FAILURE_WAIT_LIMIT 128000
