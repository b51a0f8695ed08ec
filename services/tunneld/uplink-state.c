/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/uplink-state.h"

/* Looks are at 5, 15, 35, 75 ms and so on after a change. The kernel's own second question comes
 * then. */
#define FIRST_LOOK 5
#define LOOKS      8

bool uplink_equal(const struct uplink *a, const struct uplink *b)
{
	return a->link == b->link && a->source.s_addr == b->source.s_addr &&
	       a->next_hop.s_addr == b->next_hop.s_addr;
}

void router_watch_init(struct router_watch *watch)
{
	*watch = (struct router_watch){ .due = UINT64_MAX };
}

void router_watch_add(struct router_watch *watch, uint64_t now, const struct uplink *uplink)
{
	bool known = false;

	if (watch->due == UINT64_MAX)
		watch->n_routers = 0;
	for (unsigned int i = 0; i < watch->n_routers; i++)
		known = known || (watch->routers[i].link == uplink->link &&
				  watch->routers[i].next_hop.s_addr == uplink->next_hop.s_addr);
	if (!known && watch->n_routers < ROUTER_WATCH_ROUTERS)
		watch->routers[watch->n_routers++] = *uplink;
	watch->since = now;
	watch->n_looks = 0;
	watch->due = now + FIRST_LOOK;
}

bool router_watch_look(struct router_watch *watch, uint64_t now)
{
	if (now < watch->due)
		return false;
	watch->n_looks++;
	watch->due = watch->since + ((uint64_t)FIRST_LOOK << (watch->n_looks + 1)) - FIRST_LOOK;
	if (watch->n_looks == LOOKS)
		watch->due = UINT64_MAX;
	/* Looks that came late are one. */
	else if (watch->due <= now)
		watch->due = now + FIRST_LOOK;
	return watch->n_routers > 0;
}

void router_watch_drop(struct router_watch *watch, unsigned int i)
{
	watch->routers[i] = watch->routers[--watch->n_routers];
	if (!watch->n_routers)
		watch->due = UINT64_MAX;
}
