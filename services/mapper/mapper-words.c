/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/mapper-words.h"

#include <arpa/inet.h>
#include <stdio.h>

const char *words_state(const struct mapper_state *state)
{
	if (!state->have_network)
		return "starting";
	if (!state->network.link)
		return "no-network";
	return gateway_phase(&state->gateways[0]) == GATEWAY_RACING &&
			       !state->gateways[0].provisional
		       ? "probing"
		       : "ready";
}

const char *words_network_kind(const struct mapper_state *state)
{
	return network_kind_word(state->network.kind);
}

const char *words_nat_kind(enum nat_kind kind)
{
	return nat_kind_word(kind);
}

const char *words_protocol(enum mapping_protocol protocol)
{
	switch (protocol) {
	case PROTOCOL_NONE:
		return "none";
	case PROTOCOL_PCP:
		return "pcp";
	case PROTOCOL_NATPMP:
		return "nat-pmp";
	case PROTOCOL_IGD:
		return "upnp-igd";
	}
	return "none";
}

const char *words_condition(enum mapping_condition condition)
{
	switch (condition) {
	case MAPPING_PENDING:
		return "pending";
	case MAPPING_MAPPED:
		return "mapped";
	case MAPPING_PUBLIC:
		return "public";
	case MAPPING_FAILED:
		return "failed";
	}
	return "failed";
}

const char *words_trouble(enum trouble trouble)
{
	switch (trouble) {
	case TROUBLE_NONE:
		return "";
	case TROUBLE_SILENT:
		return "the gateway does not answer";
	case TROUBLE_NOT_SUPPORTED:
		return "the gateway does not speak this protocol";
	case TROUBLE_REFUSED:
		return "the gateway refuses: port mapping is switched off there, or not allowed "
		       "to this machine";
	case TROUBLE_NETWORK_FAILURE:
		return "the gateway has no usable address of its own from its provider";
	case TROUBLE_OUT_OF_RESOURCES:
		return "the gateway has no room for another mapping";
	case TROUBLE_UNSUPPORTED_OPERATION:
		return "the gateway does not know this request";
	case TROUBLE_UNKNOWN_RESULT:
		return "the gateway gave an answer that means nothing to us";
	case TROUBLE_DOUBLE_NAT:
		return "double NAT: the gateway is itself behind another one, which has to forward "
		       "the port or stop translating";
	case TROUBLE_ADDRESS_MISMATCH:
		return "another NAT is between this machine and the gateway that was asked";
	case TROUBLE_CONFLICT:
		return "another machine has the port";
	case TROUBLE_MALFORMED:
		return "what the gateway answers makes no sense";
	case TROUBLE_NOT_FORWARDED:
		return "the gateway says that it forwards, and nothing arrives";
	case TROUBLE_EXPIRED:
		return "the mapping expired: the gateway did not renew it in time";
	}
	return "";
}

static const struct mapping *find_failed(const struct mapper_state *state)
{
	for (const struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (mapping->condition == MAPPING_FAILED && mapping->trouble)
			return mapping;
	return NULL;
}

/* What is wrong now comes before what kind of NAT it is. */
static bool describe_trouble(const struct mapper_state *state, char *text, size_t size)
{
	const struct gateway_state *gateway = &state->gateways[mapper_state_last_hop(state)];
	const struct mapping *failed = find_failed(state);
	char address[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &gateway->place.address, address, sizeof address);
	switch (gateway_phase(gateway)) {
	case GATEWAY_LOST:
		snprintf(text, size,
			 "The gateway %s answered before and does not now: what it mapped holds "
			 "until it runs out. It is asked again.",
			 address);
		return true;
	case GATEWAY_SPEAKING:
		break;
	case GATEWAY_NOBODY:
	case GATEWAY_RACING:
	case GATEWAY_MUTE:
	case GATEWAY_REFUSED:
		return false;
	}
	if (!gateway->external.s_addr && gateway->trouble)
		snprintf(text, size, "The gateway %s was asked, but: %s. It is asked again.",
			 address, words_trouble(gateway->trouble));
	else if (failed)
		snprintf(text, size, "The gateway %s did not map \"%s\": %s. It is asked again.",
			 address, failed->wish.label, words_trouble(failed->trouble));
	else
		return false;
	return true;
}

static void describe_no_network(const struct network_view *network, char *text, size_t size)
{
	char address[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &network->stray_address, address, sizeof address);
	switch (network->kind) {
	case NETWORK_LINK_LOCAL:
		snprintf(text, size,
			 "%s has only the address %s, which a machine gives itself when nobody "
			 "gives it one: the router does not answer to DHCP. Check the router and "
			 "the cable, or the Wi-Fi password.",
			 network->stray_interface, address);
		return;
	case NETWORK_NO_ROUTE:
		snprintf(text, size,
			 "%s has the address %s, but there is no default route: nothing leads out "
			 "of this network.",
			 network->stray_interface, address);
		return;
	case NETWORK_NONE:
	case NETWORK_CAPTIVE:
	case NETWORK_PRIVATE:
	case NETWORK_SHARED:
	case NETWORK_PUBLIC:
		break;
	}
	snprintf(text, size,
		 "No interface has an IPv4 address and a default route. Connect to a network.");
}

void words_reason(const struct mapper_state *state, char *text, size_t size)
{
	struct nat_facts facts;

	if (!state->have_network) {
		snprintf(text, size, "The kernel is asked for its interfaces and routes.");
		return;
	}
	if (!state->network.link) {
		describe_no_network(&state->network, text, size);
		return;
	}
	if (state->network.kind == NETWORK_CAPTIVE) {
		snprintf(text, size,
			 "This network lets nothing through before its page was seen: open any "
			 "page in a browser and log in there.");
		return;
	}
	facts = mapper_state_facts(state);
	/* Where ports are forwarded by hand, no gateway is needed. */
	if (!facts.forwarded.s_addr && describe_trouble(state, text, size))
		return;
	nat_kind_describe(&facts, text, size);
}
