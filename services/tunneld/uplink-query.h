/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel says of the way to a place, over rtnetlink. Nothing here waits for its answers
 * (common/net/netlink.h).
 */
#include "common/base/cleanup.h"
#include "common/net/detour.h"
#include "services/tunneld/uplink-state.h"

struct uplink_query;

/* 0 or a negative errno. */
int uplink_query_new(struct uplink_query **ret);
struct uplink_query *uplink_query_free(struct uplink_query *query);

/* The way packets to `destination` take; over the interface with index `link`, if not 0. 0, or a
 * negative errno when there is none (then *ret is all 0). */
int uplink_query_find(struct uplink_query *query, struct in_addr destination, int link,
		      struct uplink *ret);
/* Whether the interface is up and has a carrier. */
bool uplink_query_runs(struct uplink_query *query, int link);
/* The other way, where the kernel's has no carrier (common/net/detour.h). */
struct detour uplink_query_detour(struct uplink_query *query, struct in_addr destination);
/* Whether the kernel knows the router's MAC, or asks for it no more. While it waits for an answer,
 * it is made to ask again at once; packets that wait for the answer stay. */
bool uplink_query_nudge(struct uplink_query *query, const struct uplink *uplink);

DEFINE_CLEANUP(struct uplink_query *, uplink_query_free)
