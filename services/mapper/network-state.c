/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/network-state.h"

#include <arpa/inet.h>
#include <string.h>

#define QUIET_COMPLETE   20
#define QUIET_INCOMPLETE 100
#define BURST_LIMIT      150

void network_state_note_change(struct network_state *state, uint64_t now)
{
	if (!state->burst)
		state->first_at = now;
	state->burst = true;
	state->stale = true;
	state->last_at = now;
}

void network_state_note_link_down(struct network_state *state, int link, uint64_t now)
{
	if (state->settled.link == link)
		state->incarnation++;
	network_state_note_change(state, now);
}

void network_state_note_address_gone(struct network_state *state, int link, struct in_addr address,
				     uint64_t now)
{
	if (state->settled.link == link && state->settled.address.s_addr == address.s_addr)
		state->incarnation++;
	network_state_note_change(state, now);
}

static const struct network_link *find_link(const struct network_tables *tables, int index)
{
	for (size_t i = 0; i < tables->n_links; i++)
		if (tables->links[i].index == index)
			return &tables->links[i];
	return NULL;
}

static bool in_prefix(struct in_addr address, const struct network_address *prefix)
{
	uint32_t mask = prefix->prefix ? htonl(UINT32_MAX << (32 - prefix->prefix)) : 0;

	return ((address.s_addr ^ prefix->address.s_addr) & mask) == 0;
}

/* The address the kernel would send from over `route`: the one the route names, else one of the
 * gateway's subnet, else the first one. */
static struct in_addr source_address(const struct network_tables *tables,
				     const struct network_route *route)
{
	struct in_addr best = {};
	int best_rank = 0;

	for (size_t i = 0; i < tables->n_addresses; i++) {
		const struct network_address *address = &tables->addresses[i];
		int rank = 1;

		if (address->link != route->link)
			continue;
		if (!address->secondary)
			rank += 1;
		if (route->gateway.s_addr && in_prefix(route->gateway, address))
			rank += 2;
		if (route->source.s_addr && route->source.s_addr == address->address.s_addr)
			rank += 4;
		if (rank > best_rank) {
			best_rank = rank;
			best = address->address;
		}
	}
	return best;
}

static bool is_usable(const struct network_tables *tables, const struct network_route *route)
{
	const struct network_link *link = find_link(tables, route->link);

	/* Our own tunnel, or another one that swallows everything, is no network to be reached in.
	 */
	return link && link->up && !(link->tunnel && !route->gateway.s_addr) &&
	       strcmp(link->name, "homeward0") && source_address(tables, route).s_addr;
}

void network_state_set_tables(struct network_state *state, const struct network_tables *tables,
			      bool fresh)
{
	const struct network_route *best = NULL;

	for (size_t i = 0; i < tables->n_routes; i++)
		if ((!best || tables->routes[i].metric < best->metric) &&
		    is_usable(tables, &tables->routes[i]))
			best = &tables->routes[i];
	state->candidate = (struct network_view){};
	if (best) {
		const struct network_link *link = find_link(tables, best->link);

		state->candidate.link = best->link;
		memcpy(state->candidate.interface, link->name, sizeof link->name);
		state->candidate.address = source_address(tables, best);
		state->candidate.gateway = best->gateway;
	}
	state->have_candidate = true;
	state->stale = !fresh;
}

uint64_t network_state_due(const struct network_state *state)
{
	uint64_t limit = state->first_at + BURST_LIMIT;
	uint64_t quiet =
		state->last_at + (state->candidate.link ? QUIET_COMPLETE : QUIET_INCOMPLETE);

	if (!state->have_candidate)
		return UINT64_MAX;
	if (!state->have_settled)
		return 0;
	if (!state->burst)
		return UINT64_MAX;
	/* Tables older than the last change wait for the next ones, but not for ever. */
	return state->stale || quiet > limit ? limit : quiet;
}

static bool same_network(const struct network_view *a, const struct network_view *b)
{
	if (!a->link || !b->link)
		return a->link == b->link;
	return a->link == b->link && !strcmp(a->interface, b->interface) &&
	       a->address.s_addr == b->address.s_addr && a->gateway.s_addr == b->gateway.s_addr &&
	       a->incarnation == b->incarnation;
}

bool network_state_settle(struct network_state *state, uint64_t now)
{
	bool changed;

	if (now < network_state_due(state))
		return false;
	state->candidate.incarnation = state->incarnation;
	changed = !state->have_settled || !same_network(&state->settled, &state->candidate);
	state->settled = state->candidate;
	state->have_settled = true;
	/* Tables that are still stale are the beginning of the next burst. */
	state->burst = state->stale;
	state->first_at = state->last_at = now;
	return changed;
}
