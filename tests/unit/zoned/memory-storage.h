/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The storage as arrays: what the authority writes, and a new authority from it, as after a
 * restart. */
#include "services/zoned/authority.h"

struct memory_storage {
	struct change *items; /* CHANGE_PUT_… only */
	size_t n;
};

/* Takes the changes over, leaving the list empty. */
void memory_storage_apply(struct memory_storage *storage, struct change_list *changes);
void memory_storage_load(const struct memory_storage *storage, struct authority *authority,
			 int64_t account, const struct moment *moment);
void memory_storage_clear(struct memory_storage *storage);
