/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One wanted mapping, at one gateway after another:
 *
 *   pending --granted--> mapped --refused, expired, gone--> failed --granted--> mapped
 *   any     --another network, gateway or public view--> pending or public
 *
 * and the list of those that a gateway is still to forget.
 */
#include "services/mapper/mapper-state.h"

/* A new mapping, owned by the state. 0, -ENOMEM or -EDQUOT (too many). */
int mapping_add(struct mapper_state *state, const struct mapping_wish *wish, uint64_t now,
		struct mapping **ret);
void mapping_change(struct mapper_state *state, struct mapping *mapping,
		    const struct mapping_wish *wish, uint64_t now);
/* It is gone from `mappings` and not to be looked at again; the gateway will be told. */
void mapping_remove(struct mapper_state *state, struct mapping *mapping, uint64_t now);

/* What mapper-state.c tells of the gateways. */

/* Another network or gateway: from `hop` on nothing is known of it. */
void mapping_reset(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		   uint64_t now);
/* The gateway may have lost it: it holds until we know, and is asked for anew at `then`. */
void mapping_ask_again(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		       uint64_t then);
/* The gateway has lost it. */
void mapping_lose(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		  uint64_t now);
/* The gateway says, unasked, what it is now. */
void mapping_follow(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		    const struct gateway_event *event, uint64_t now);
/* Whether it is to be asked for at this gateway now. */
bool mapping_wants(const struct mapper_state *state, const struct mapping *mapping,
		   unsigned int hop, uint64_t now);
/* When it will be, or when something of it ends; UINT64_MAX: not by time alone. */
uint64_t mapping_due(const struct mapper_state *state, const struct mapping *mapping,
		     unsigned int hop);
/* The request for it at this gateway, by this protocol; it is under way then. */
void mapping_begin_request(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
			   enum mapping_protocol protocol, uint32_t id, uint64_t now,
			   struct gateway_request *ret);
void mapping_grant(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		   const struct gateway_event *event, uint64_t now);
/* `delay`: not to be asked for again before, ms. */
void mapping_fail(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		  enum trouble trouble, unsigned int result, uint64_t delay, uint64_t now);
/* A renewal was not answered: when to try again (RFC 6887 §11.2.1). */
void mapping_renew_later(struct mapper_state *state, struct mapping_hop *hop, uint64_t now);
/* What was granted is over. True when it did. */
bool mapping_expire(struct mapper_state *state, struct mapping *mapping, unsigned int hop,
		    uint64_t now);
/* What people and other daemons are told follows from all that. */
void mapping_view(struct mapper_state *state, struct mapping *mapping);

/* Deletions of what nobody wants: entries of the ledger, at the gateways that are there. */
void mapping_delete_orphans(struct mapper_state *state);
/* `over`: it is to be asked for no more; else it is again, later. */
void mapping_drop_deletion(struct mapper_state *state, struct deletion *deletion, bool over,
			   uint64_t now);
/* A gateway knows a mapping by transport and internal port alone: what another wish still needs is
 * not to be deleted. */
void mapping_drop_needless_deletions(struct mapper_state *state);
/* All that are for `hop` and those behind it. */
void mapping_drop_deletions(struct mapper_state *state, unsigned int hop);

void mapping_free_list(struct mapping **list);
