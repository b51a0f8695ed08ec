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

		if (address->link != route->link ||
		    (address->link_scope && route->source.s_addr != address->address.s_addr))
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

static bool in_net(struct in_addr address, uint32_t net, unsigned int bits)
{
	return (ntohl(address.s_addr) ^ net) >> (32 - bits) == 0;
}

enum network_kind network_kind_of(struct in_addr address)
{
	if (in_net(address, 0x0a000000, 8) || in_net(address, 0xac100000, 12) ||
	    in_net(address, 0xc0a80000, 16))
		return NETWORK_PRIVATE;
	if (in_net(address, 0x64400000, 10))
		return NETWORK_SHARED;
	if (in_net(address, 0xa9fe0000, 16))
		return NETWORK_LINK_LOCAL;
	return NETWORK_PUBLIC;
}

const char *network_kind_word(enum network_kind kind)
{
	switch (kind) {
	case NETWORK_NONE:
		return "none";
	case NETWORK_LINK_LOCAL:
		return "link-local";
	case NETWORK_NO_ROUTE:
		return "no-route";
	case NETWORK_CAPTIVE:
		return "captive";
	case NETWORK_PRIVATE:
		return "private";
	case NETWORK_SHARED:
		return "shared";
	case NETWORK_PUBLIC:
		return "public";
	}
	return "none";
}

/* Our own tunnel, or another one that swallows everything, is no network to be reached in. */
static bool is_carrying(const struct network_link *link)
{
	return link && link->up && strcmp(link->name, "homeward0") != 0;
}

/* Nobody beyond the link can answer to 169.254/16, whatever routes say (RFC 3927 §2.7). */
static bool is_usable(const struct network_tables *tables, const struct network_route *route)
{
	const struct network_link *link = find_link(tables, route->link);
	struct in_addr source = source_address(tables, route);

	return is_carrying(link) && !(link->tunnel && !route->gateway.s_addr) && source.s_addr &&
	       network_kind_of(source) != NETWORK_LINK_LOCAL;
}

/* Before those of a higher metric and after those of the same: so the kernel lists them, and so it
 * tries them. */
static void add_uplink(struct network_view *view, const struct network_tables *tables,
		       const struct network_route *route)
{
	struct network_uplink uplink = {
		.link = route->link,
		.address = source_address(tables, route),
		.gateway = route->gateway,
		.metric = route->metric,
	};
	size_t place = view->n_uplinks;

	memcpy(uplink.interface, find_link(tables, route->link)->name, sizeof uplink.interface);
	while (place > 0 && view->uplinks[place - 1].metric > route->metric)
		place--;
	if (place == NETWORK_UPLINKS)
		return;
	if (view->n_uplinks < NETWORK_UPLINKS)
		view->n_uplinks++;
	memmove(&view->uplinks[place + 1], &view->uplinks[place],
		(view->n_uplinks - 1 - place) * sizeof uplink);
	view->uplinks[place] = uplink;
}

/* The lowest metric of a default route that ends in an error: what has a higher one is out of
 * reach. */
static uint64_t dead_end_metric(const struct network_tables *tables)
{
	uint64_t metric = UINT64_MAX;

	for (size_t i = 0; i < tables->n_routes; i++)
		if (tables->routes[i].dead_end && tables->routes[i].metric < metric)
			metric = tables->routes[i].metric;
	return metric;
}

/* There is no uplink: an interface with an address, best not one that the machine gave itself. */
static void find_stray(struct network_view *view, const struct network_tables *tables)
{
	for (size_t i = 0; i < tables->n_addresses; i++) {
		const struct network_address *address = &tables->addresses[i];
		const struct network_link *link = find_link(tables, address->link);
		bool link_local = network_kind_of(address->address) == NETWORK_LINK_LOCAL;

		if (!is_carrying(link) || link->internal ||
		    (view->stray_address.s_addr && (link_local || view->kind == NETWORK_NO_ROUTE)))
			continue;
		view->kind = link_local ? NETWORK_LINK_LOCAL : NETWORK_NO_ROUTE;
		view->stray_address = address->address;
		memcpy(view->stray_interface, link->name, sizeof link->name);
	}
}

static bool is_obstructed(const struct network_tables *tables, uint32_t metric)
{
	for (size_t i = 0; i < tables->n_routes; i++) {
		const struct network_route *route = &tables->routes[i];
		const struct network_link *link = find_link(tables, route->link);

		if (!route->dead_end && route->metric < metric && link && !link->up)
			return true;
	}
	return false;
}

void network_state_set_tables(struct network_state *state, const struct network_tables *tables,
			      bool fresh)
{
	struct network_view *view = &state->candidate;
	uint64_t dead_end = dead_end_metric(tables);

	*view = (struct network_view){ .kind = NETWORK_NONE };
	for (size_t i = 0; i < tables->n_routes; i++)
		if (!tables->routes[i].dead_end && tables->routes[i].metric < dead_end &&
		    is_usable(tables, &tables->routes[i]))
			add_uplink(view, tables, &tables->routes[i]);
	if (view->n_uplinks) {
		view->link = view->uplinks[0].link;
		memcpy(view->interface, view->uplinks[0].interface, sizeof view->interface);
		view->address = view->uplinks[0].address;
		view->gateway = view->uplinks[0].gateway;
		view->kind = network_kind_of(view->address);
		view->obstructed = is_obstructed(tables, view->uplinks[0].metric);
	} else {
		find_stray(view, tables);
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

static bool same_details(const struct network_view *a, const struct network_view *b)
{
	if (a->kind != b->kind || a->n_uplinks != b->n_uplinks ||
	    a->stray_address.s_addr != b->stray_address.s_addr ||
	    strcmp(a->stray_interface, b->stray_interface) != 0)
		return false;
	for (size_t i = 0; i < a->n_uplinks; i++)
		if (a->uplinks[i].link != b->uplinks[i].link ||
		    strcmp(a->uplinks[i].interface, b->uplinks[i].interface) != 0 ||
		    a->uplinks[i].address.s_addr != b->uplinks[i].address.s_addr ||
		    a->uplinks[i].gateway.s_addr != b->uplinks[i].gateway.s_addr ||
		    a->uplinks[i].metric != b->uplinks[i].metric)
			return false;
	return true;
}

/* What is known of the network itself and does not stand in the tables. */
static void keep_knowledge(const struct network_state *state, struct network_view *view)
{
	memcpy(view->mac, state->settled.mac, sizeof view->mac);
	view->have_mac = state->settled.have_mac;
	if (state->captive && view->link)
		view->kind = NETWORK_CAPTIVE;
}

enum network_change network_state_settle(struct network_state *state, uint64_t now)
{
	enum network_change change = NETWORK_SAME;
	struct network_view view = state->candidate;

	if (now < network_state_due(state))
		return NETWORK_SAME;
	/* What was sent until now has not arrived. */
	if (state->settled.obstructed && !view.obstructed)
		state->incarnation++;
	view.incarnation = state->incarnation;
	if (!state->have_settled || !same_network(&state->settled, &view)) {
		state->captive = false;
		change = NETWORK_OTHER;
	} else {
		keep_knowledge(state, &view);
		if (!same_details(&state->settled, &view))
			change = NETWORK_DETAILS;
	}
	state->settled = view;
	state->have_settled = true;
	/* Tables that are still stale are the beginning of the next burst. */
	state->burst = state->stale;
	state->first_at = state->last_at = now;
	return change;
}

bool network_state_set_captive(struct network_state *state, bool captive)
{
	enum network_kind former = state->settled.kind;

	if (!state->settled.link)
		return false;
	state->captive = captive;
	state->settled.kind = captive ? NETWORK_CAPTIVE : network_kind_of(state->settled.address);
	return state->settled.kind != former;
}

bool network_state_set_mac(struct network_state *state, const uint8_t mac[static NETWORK_MAC])
{
	struct network_view *view = &state->settled;

	if (!view->link || (view->have_mac && !memcmp(view->mac, mac, NETWORK_MAC)))
		return false;
	memcpy(view->mac, mac, NETWORK_MAC);
	view->have_mac = true;
	return true;
}
