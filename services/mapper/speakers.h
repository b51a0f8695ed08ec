/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The speakers that are open: one for each gateway of the chain and protocol. */
#include "services/mapper/mapper-state.h"
#include "services/mapper/speaker.h"

struct speakers;

typedef void (*speakers_callback)(void *userdata, unsigned int hop, uint32_t incarnation,
				  enum mapping_protocol protocol,
				  const struct gateway_event *event);

/* 0 or -ENOMEM. */
int speakers_new(struct loop *loop, speakers_callback callback, void *userdata,
		 struct speakers **ret);
struct speakers *speakers_free(struct speakers *speakers);

/* Closes what was opened for a former gateway. */
void speakers_follow(struct speakers *speakers, const struct mapper_state *state);
/* Carries out an action of this state, whose speakers follow it. 0, or a negative errno when a
 * request could not be made. */
int speakers_act(struct speakers *speakers, struct mapper_state *state,
		 const struct mapper_action *action);
/* The network's gateway multicast this. */
void speakers_hear(struct speakers *speakers, const struct announcement *announcement);
/* IGD: the description's URL of the network's gateway; NULL: none. */
const char *speakers_location(const struct speakers *speakers);
/* Of all that are and were open. */
void speakers_count(const struct speakers *speakers, struct speaker_counters *ret);
