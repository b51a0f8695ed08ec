/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * uthash, which does not end the process without memory: after HASH_ADD_… the element's handle has
 * no table when it could not be added (hash_has()).
 */
#include <stdbool.h>

/* The one that uthash takes by itself falls through in a switch, of which clang warns where it is
 * used. */
#define HASH_FUNCTION           HASH_FNV
#define HASH_NONFATAL_OOM       1
#define uthash_nonfatal_oom(el) ((void)(el))
#include <uthash.h>

/* Most of our tables are small, and there is one for each account; they grow by themselves. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS      4U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U

static inline bool hash_has(const UT_hash_handle *handle)
{
	return handle->tbl;
}
