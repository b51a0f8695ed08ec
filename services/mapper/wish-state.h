/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whose wish a mapping is. A caller that left the bus is given some seconds to come back as another
 * connection of the same user and ask for the same label: a daemon that restarts disturbs nothing.
 */
#include "services/mapper/mapper-state.h"

#define WISH_GRACE        10000 /* ms */
#define MAPPINGS_PER_USER 32    /* over all connections, abandoned ones too */

/* The wish of `caller` with this label. With `uid` (not (uid_t)-1) also one that a former
 * connection of that user abandoned. NULL: none. */
struct mapping *wish_find(const struct mapper_state *state, const char *caller, uid_t uid,
			  const char *label);
/* Whether `caller` may have one more. */
bool wish_allowed(const struct mapper_state *state, const char *caller);
/* Whether one more may be made for this user. */
bool wish_user_allowed(const struct mapper_state *state, uid_t uid);
/* The mapping is this caller's from now on. 0 or -ENOMEM. */
int wish_take_over(struct mapping *mapping, const char *caller, uid_t uid);
void wish_note_caller_gone(struct mapper_state *state, const char *caller, uint64_t now);
/* A mapping whose grace is over; NULL: none. */
struct mapping *wish_next_ended(const struct mapper_state *state, uint64_t now);
uint64_t wish_due(const struct mapper_state *state);

/* 1 to 32 of a-z 0-9 and "-". */
bool wish_label_is_valid(const char *label);
