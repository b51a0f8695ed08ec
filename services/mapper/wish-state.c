/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/wish-state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_abandoned(const struct mapping *mapping)
{
	return mapping->abandoned_at != UINT64_MAX;
}

static bool belongs_to(const struct mapping *mapping, const char *caller)
{
	return !is_abandoned(mapping) && mapping->caller && !strcmp(mapping->caller, caller);
}

struct mapping *wish_find(const struct mapper_state *state, const char *caller, uid_t uid,
			  const char *label)
{
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (belongs_to(mapping, caller) && !strcmp(mapping->wish.label, label))
			return mapping;
	if (uid == (uid_t)-1)
		return NULL;
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (is_abandoned(mapping) && mapping->uid == uid &&
		    !strcmp(mapping->wish.label, label))
			return mapping;
	return NULL;
}

bool wish_allowed(const struct mapper_state *state, const char *caller)
{
	unsigned int n = 0;

	for (const struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		n += belongs_to(mapping, caller);
	return n < MAPPINGS_PER_CALLER;
}

bool wish_user_allowed(const struct mapper_state *state, uid_t uid)
{
	unsigned int n = 0;

	for (const struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		n += mapping->uid == uid;
	return n < MAPPINGS_PER_USER;
}

int wish_take_over(struct mapping *mapping, const char *caller, uid_t uid)
{
	char *copy = strdup(caller);

	if (!copy)
		return -ENOMEM;
	free(mapping->caller);
	mapping->caller = copy;
	mapping->uid = uid;
	mapping->abandoned_at = UINT64_MAX;
	return 0;
}

void wish_note_caller_gone(struct mapper_state *state, const char *caller, uint64_t now)
{
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (belongs_to(mapping, caller))
			mapping->abandoned_at = now;
}

struct mapping *wish_next_ended(const struct mapper_state *state, uint64_t now)
{
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (is_abandoned(mapping) && now - mapping->abandoned_at >= WISH_GRACE)
			return mapping;
	return NULL;
}

uint64_t wish_due(const struct mapper_state *state)
{
	uint64_t due = UINT64_MAX;

	for (const struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (is_abandoned(mapping) && mapping->abandoned_at + WISH_GRACE < due)
			due = mapping->abandoned_at + WISH_GRACE;
	return due;
}

bool wish_label_is_valid(const char *label)
{
	size_t length = strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return length >= 1 && length <= MAPPING_LABEL_LIMIT && !label[length];
}
