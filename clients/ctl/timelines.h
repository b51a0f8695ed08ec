/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Merges what the daemons remember of a network change. Pure. */
#include "clients/ctl/values.h"

/* All entries of a generation, or of every one */
#define TIMELINES_ALL UINT64_MAX

/* The generation to show: mapper's, or the newest that any daemon speaks of when mapper knows none.
 */
uint64_t timelines_last_generation(json_object *snapshot);
/* {"generation", "entries": [{"ms", "time_us", "daemon", "generation", "text"}]} in the order of
 * time; ms since the first entry. The caller puts it. */
json_object *timelines_merge(json_object *snapshot, uint64_t generation);
