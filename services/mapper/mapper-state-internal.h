/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What mapper-state.c, mapper-event-state.c and mapper-action-state.c share. */
#include "services/mapper/mapper-state.h"

/* UPnP has no announcement that reaches everybody: the address is looked at now and then. */
#define IGD_ADDRESS_EVERY 300000
/* What could not be sent is tried again then. */
#define UNSENT_WAIT 1000
/* Copies of one announcement are heard once. */
#define ANNOUNCEMENT_GAP 1000

/* A private address is told of ports that are forwarded by hand only if no STUN server answers for
 * so long. */
#define REFLEXIVE_PATIENCE 10000

/* When everything is asked anew, silence is an answer after so long. */
#define CHECK_PATIENCE  2000
#define RECREATE_SPREAD 5000

/* Below `limit`, which is not 0. */
uint64_t mapper_state_random_below(struct mapper_state *state, uint64_t limit);
/* All that is told follows from what is known: to be called after each change. */
void mapper_state_update(struct mapper_state *state, uint64_t now);
