/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/bus-shown.h"

#include "services/mapper/mapper-words.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Of a structure of what is shown; a NULL name ends. */
struct shown_property {
	const char *name;
	size_t offset, size;
	bool bound; /* one that changes is announced with all others that are bound */
};

#define SHOWN(type, member, name, bound)                                                           \
	{                                                                                          \
		name, offsetof(struct type, member), sizeof(((struct type *)NULL)->member), bound  \
	}

static void show_address(char *text, struct in_addr address)
{
	if (address.s_addr)
		inet_ntop(AF_INET, &address, text, INET_ADDRSTRLEN);
}

static void show_server(char *text, size_t size, const struct sockaddr_in *server)
{
	char address[INET_ADDRSTRLEN];

	if (!server->sin_addr.s_addr)
		return;
	inet_ntop(AF_INET, &server->sin_addr, address, sizeof address);
	snprintf(text, size, "%s:%u", address, ntohs(server->sin_port));
}

static void fill_uplinks(const struct network_view *view, struct shown_network *shown)
{
	for (size_t i = 0; i < view->n_uplinks && i < SHOWN_UPLINKS_LIMIT; i++) {
		const struct network_uplink *uplink = &view->uplinks[i];

		memcpy(shown->uplinks[i].interface, uplink->interface, sizeof uplink->interface);
		show_address(shown->uplinks[i].address, uplink->address);
		show_address(shown->uplinks[i].gateway, uplink->gateway);
		shown->uplinks[i].metric = uplink->metric;
	}
	if (view->have_mac)
		snprintf(shown->gateway_hardware_address, sizeof shown->gateway_hardware_address,
			 "%02x:%02x:%02x:%02x:%02x:%02x", view->mac[0], view->mac[1], view->mac[2],
			 view->mac[3], view->mac[4], view->mac[5]);
}

void shown_fill_network(const struct mapper_state *state, struct shown_network *shown)
{
	struct nat_facts facts = mapper_state_facts(state);

	memset(shown, 0, sizeof *shown);
	strcpy(shown->state, words_state(state));
	words_reason(state, shown->reason, sizeof shown->reason);
	shown->generation = state->generation;
	memcpy(shown->interface, state->network.interface, sizeof shown->interface);
	show_address(shown->local_address, state->network.address);
	show_address(shown->gateway, state->network.gateway);
	show_address(shown->external_address, mapper_state_external(state));
	fill_uplinks(&state->network, shown);
	strcpy(shown->network_kind, words_network_kind(state));
	strcpy(shown->nat_kind, words_nat_kind(nat_kind_decide(&facts)));
	strcpy(shown->protocol, words_protocol(state->gateways[0].winner));
	if (facts.result) {
		strcpy(shown->gateway_result.protocol, words_protocol(facts.result_protocol));
		shown->gateway_result.code = facts.result;
	}
	shown->forwarded = facts.forwarded.s_addr != 0;
	show_address(shown->reflexive_address, state->reflexive);
	show_server(shown->stun_server, sizeof shown->stun_server, &state->stun_server);
	strcpy(shown->nat_mapping, nat_behaviour_word(state->nat_mapping));
	strcpy(shown->nat_filtering, nat_behaviour_word(state->nat_filtering));
	strcpy(shown->verified, nat_verified_word(state->verified));
	shown->nat_silence = state->nat_silence;
}

/* The gateways that a mapped one goes through; the last of them gives the endpoint. */
static void fill_hops(const struct mapper_state *state, const struct mapping *mapping,
		      struct shown_mapping *shown)
{
	unsigned int last = mapper_state_last_hop(state);

	for (unsigned int hop = 0; hop <= last && hop < SHOWN_HOPS_LIMIT; hop++) {
		const struct mapping_hop *at = &mapping->hops[hop];

		show_address(shown->hops[hop].gateway, state->gateways[hop].place.address);
		strcpy(shown->hops[hop].protocol, words_protocol(at->protocol));
		shown->hops[hop].port = at->port;
	}
	strcpy(shown->protocol, words_protocol(mapping->hops[last].protocol));
	show_address(shown->gateway, state->gateways[last].place.address);
}

void shown_fill_mapping(const struct mapper_state *state, const struct mapping *mapping,
			struct shown_mapping *shown)
{
	memset(shown, 0, sizeof *shown);
	strcpy(shown->label, mapping->wish.label);
	shown->generation = mapping->generation;
	shown->internal = mapping->internal;
	shown->external = mapping->external;
	strcpy(shown->protocol, "none");
	if (mapping->condition == MAPPING_MAPPED && !mapping->by_hand)
		fill_hops(state, mapping, shown);
	shown->lifetime = mapping->lifetime;
	shown->result_code = mapping->result;
	strcpy(shown->state, words_condition(mapping->condition));
	snprintf(shown->last_error, sizeof shown->last_error, "%s",
		 words_trouble(mapping->trouble));
}

static bool list_differences(const struct shown_property *properties, const void *former,
			     const void *present, char **names)
{
	bool all_bound = false, is_different;
	size_t n = 0;

	for (const struct shown_property *property = properties; property->name; property++)
		if (property->bound &&
		    memcmp((const char *)former + property->offset,
			   (const char *)present + property->offset, property->size) != 0)
			all_bound = true;
	for (const struct shown_property *property = properties; property->name; property++) {
		is_different =
			memcmp((const char *)former + property->offset,
			       (const char *)present + property->offset, property->size) != 0;
		if (is_different || (all_bound && property->bound))
			names[n++] = (char *)property->name;
	}
	names[n] = NULL;
	return n > 0;
}

bool shown_compare_networks(const struct shown_network *former, const struct shown_network *present,
			    char **names)
{
	static const struct shown_property properties[] = {
		SHOWN(shown_network, state, "State", false),
		SHOWN(shown_network, reason, "Reason", false),
		SHOWN(shown_network, generation, "NetworkGeneration", false),
		SHOWN(shown_network, interface, "PrimaryInterface", false),
		SHOWN(shown_network, local_address, "LocalAddress", false),
		SHOWN(shown_network, gateway, "Gateway", false),
		SHOWN(shown_network, external_address, "ExternalAddress", false),
		SHOWN(shown_network, network_kind, "NetworkKind", false),
		SHOWN(shown_network, uplinks, "Uplinks", false),
		SHOWN(shown_network, gateway_hardware_address, "GatewayHardwareAddress", false),
		SHOWN(shown_network, nat_kind, "NatKind", false),
		SHOWN(shown_network, protocol, "Protocol", false),
		SHOWN(shown_network, gateway_result, "GatewayResult", false),
		SHOWN(shown_network, forwarded, "Forwarded", false),
		SHOWN(shown_network, reflexive_address, "ReflexiveAddress", false),
		SHOWN(shown_network, stun_server, "StunServer", false),
		SHOWN(shown_network, nat_mapping, "NatMapping", false),
		SHOWN(shown_network, nat_filtering, "NatFiltering", false),
		SHOWN(shown_network, verified, "Verified", false),
		SHOWN(shown_network, nat_silence, "NatSilence", false),
		SHOWN(shown_network, checked, "Checked", false),
		{},
	};
	_Static_assert(sizeof properties / sizeof properties[0] < SHOWN_NAMES_LIMIT,
		       "no room for names");

	return list_differences(properties, former, present, names);
}

bool shown_compare_mappings(const struct shown_mapping *former, const struct shown_mapping *present,
			    char **names)
{
	static const struct shown_property properties[] = {
		SHOWN(shown_mapping, generation, "Generation", true),
		SHOWN(shown_mapping, internal, "Internal", true),
		SHOWN(shown_mapping, external, "External", true),
		SHOWN(shown_mapping, state, "State", true),
		SHOWN(shown_mapping, protocol, "Protocol", false),
		SHOWN(shown_mapping, gateway, "Gateway", false),
		SHOWN(shown_mapping, lifetime, "Lifetime", false),
		SHOWN(shown_mapping, hops, "Hops", false),
		SHOWN(shown_mapping, result_code, "ResultCode", false),
		SHOWN(shown_mapping, expires, "Expires", false),
		SHOWN(shown_mapping, last_error, "LastError", false),
		{},
	};
	_Static_assert(sizeof properties / sizeof properties[0] < SHOWN_NAMES_LIMIT,
		       "no room for names");

	return list_differences(properties, former, present, names);
}
