/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/nat-kind-state.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

const char *nat_kind_word(enum nat_kind kind)
{
	switch (kind) {
	case NAT_UNKNOWN:
		return "unknown";
	case NAT_PUBLIC:
		return "public";
	case NAT_MAPPED:
		return "nat";
	case NAT_UNMAPPED:
		return "unmapped";
	case NAT_REFUSED:
		return "refused";
	case NAT_DOUBLE:
		return "double-nat";
	case NAT_CARRIER_GRADE:
		return "carrier-grade-nat";
	case NAT_ROUTED:
		return "routed";
	}
	return "unknown";
}

const char *nat_behaviour_word(enum nat_behaviour behaviour)
{
	switch (behaviour) {
	case NAT_BEHAVIOUR_UNKNOWN:
		return "unknown";
	case NAT_ENDPOINT_INDEPENDENT:
		return "endpoint-independent";
	case NAT_ADDRESS_DEPENDENT:
		return "address-dependent";
	case NAT_ADDRESS_AND_PORT_DEPENDENT:
		return "address-and-port-dependent";
	}
	return "unknown";
}

const char *nat_verified_word(enum nat_verified verified)
{
	switch (verified) {
	case NAT_VERIFIED_UNKNOWN:
		return "unknown";
	case NAT_VERIFIED_YES:
		return "yes";
	case NAT_VERIFIED_NO:
		return "no";
	}
	return "unknown";
}

static bool is_within(struct in_addr address, uint32_t network, unsigned int prefix)
{
	return (ntohl(address.s_addr) ^ network) >> (32 - prefix) == 0;
}

bool nat_address_is_shared(struct in_addr address)
{
	return is_within(address, 0x64400000, 10);
}

bool nat_address_is_inside(struct in_addr address)
{
	return is_within(address, 0x0a000000, 8) || is_within(address, 0xac100000, 12) ||
	       is_within(address, 0xc0a80000, 16) || is_within(address, 0xa9fe0000, 16) ||
	       is_within(address, 0, 8) || nat_address_is_shared(address);
}

/* It answers, but does not do it. */
static bool is_refusal(enum trouble trouble)
{
	switch (trouble) {
	case TROUBLE_REFUSED:
	case TROUBLE_NETWORK_FAILURE:
	case TROUBLE_OUT_OF_RESOURCES:
	case TROUBLE_UNSUPPORTED_OPERATION:
	case TROUBLE_UNKNOWN_RESULT:
	case TROUBLE_CONFLICT:
		return true;
	case TROUBLE_NONE:
	case TROUBLE_SILENT:
	case TROUBLE_NOT_SUPPORTED:
	case TROUBLE_ADDRESS_MISMATCH:
	case TROUBLE_DOUBLE_NAT:
	case TROUBLE_EXPIRED:
	case TROUBLE_MALFORMED:
	case TROUBLE_NOT_FORWARDED:
		return false;
	}
	return false;
}

/* The gateway told its own address: whether there is another NAT behind it. */
static enum nat_kind decide_by_external(const struct nat_facts *facts)
{
	if (nat_address_is_shared(facts->external))
		return NAT_CARRIER_GRADE;
	if (nat_address_is_inside(facts->external))
		return NAT_DOUBLE;
	/* Its address is public, but our packets come from another one; unless that is the one that
	 * it has now. */
	if (!facts->external_doubtful && facts->reflexive.s_addr &&
	    facts->reflexive.s_addr != facts->external.s_addr)
		return NAT_DOUBLE;
	return NAT_MAPPED;
}

/* No mapping protocol is answered. */
static enum nat_kind decide_by_path(const struct nat_facts *facts)
{
	if (!facts->settled)
		return NAT_UNKNOWN;
	if (nat_address_is_shared(facts->local) ||
	    (facts->second_hop.s_addr && nat_address_is_shared(facts->second_hop)))
		return NAT_CARRIER_GRADE;
	if (facts->second_hop.s_addr && nat_address_is_inside(facts->second_hop))
		return NAT_ROUTED;
	return NAT_UNMAPPED;
}

/* Many routers with a private address on the outside say that they have none, for it is of no use
 * to a mapping; but the internet is reached through them. */
static bool has_hidden_address(const struct nat_facts *facts)
{
	return facts->trouble == TROUBLE_NETWORK_FAILURE && facts->reflexive.s_addr;
}

enum nat_kind nat_kind_decide(const struct nat_facts *facts)
{
	if (!facts->local.s_addr)
		return NAT_UNKNOWN;
	if (facts->reflexive.s_addr == facts->local.s_addr)
		return NAT_PUBLIC;
	if (!nat_address_is_inside(facts->local) && !facts->reflexive.s_addr)
		return NAT_PUBLIC;
	if (facts->protocol != PROTOCOL_NONE && facts->external.s_addr)
		return decide_by_external(facts);
	/* A NAT stands between us and the gateway that answered (RFC 6887 §8.1, §16.4). */
	if (has_hidden_address(facts) || facts->trouble == TROUBLE_ADDRESS_MISMATCH)
		return facts->second_hop.s_addr && nat_address_is_shared(facts->second_hop)
			       ? NAT_CARRIER_GRADE
			       : NAT_DOUBLE;
	if (is_refusal(facts->trouble))
		return NAT_REFUSED;
	if (facts->protocol != PROTOCOL_NONE)
		return NAT_UNKNOWN;
	return decide_by_path(facts);
}

struct text {
	char *data;
	size_t size, length;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
	va_list arguments;
	int n;

	if (text->length >= text->size)
		return;
	va_start(arguments, format);
	n = vsnprintf(text->data + text->length, text->size - text->length, format, arguments);
	va_end(arguments);
	text->length += n > 0 ? n : 0;
}

struct address_text {
	char text[INET_ADDRSTRLEN];
};

static struct address_text as_text(struct in_addr address)
{
	struct address_text ret;

	inet_ntop(AF_INET, &address, ret.text, sizeof ret.text);
	return ret;
}

static const char *protocol_name(enum mapping_protocol protocol)
{
	switch (protocol) {
	case PROTOCOL_NONE:
		return "a mapping protocol";
	case PROTOCOL_PCP:
		return "PCP";
	case PROTOCOL_NATPMP:
		return "NAT-PMP";
	case PROTOCOL_IGD:
		return "UPnP IGD";
	}
	return "a mapping protocol";
}

/* After the advice to forward by hand: where that is to be told of; and a full stop. */
static void add_by_hand(const struct nat_facts *facts, struct text *text)
{
	if (!facts->by_hand)
		add(text, " and say so by `forwarded = yes` below [gateway] in mapper.conf.");
	else
		add(text, ". mapper.conf says that this is done, but no STUN server tells which "
			  "address others see: name one at `servers` below [stun] there.");
}

static void describe_by_hand(const struct nat_facts *facts, struct text *text)
{
	add(text,
	    "The router %s maps nothing that can be reached from outside, but mapper.conf "
	    "says that ports are forwarded by hand (`forwarded` below [gateway]). So others "
	    "are told the address that a STUN server sees, %s, with the port that was asked "
	    "for.",
	    as_text(facts->gateway).text, as_text(facts->forwarded).text);
}

#define SWITCH_ON "Switch on port mapping (PCP, NAT-PMP or UPnP) in the pages of the router"

static void describe_public(const struct nat_facts *facts, struct text *text)
{
	if (facts->reflexive.s_addr)
		add(text, "The address %s is public: others see it as it is.",
		    as_text(facts->local).text);
	else
		add(text, "The address %s is public.", as_text(facts->local).text);
	if (facts->verified == NAT_VERIFIED_NO)
		add(text,
		    " But a test packet from outside did not arrive: a firewall, on this machine "
		    "or in front of it, drops what nobody here asked for. Allow homeward's UDP "
		    "port in it.");
}

static void describe_mapped(const struct nat_facts *facts, struct text *text)
{
	add(text, "The router %s maps ports at its address %s by %s.", as_text(facts->gateway).text,
	    as_text(facts->external).text, protocol_name(facts->protocol));
	if (facts->verified == NAT_VERIFIED_NO)
		add(text,
		    " But a test packet from outside did not arrive through it: the router says "
		    "that it forwards and does not. Look for a firewall in its pages, restart "
		    "it, or update its software; a firewall on this machine does the same.");
}

static void describe_unmapped(const struct nat_facts *facts, struct text *text)
{
	add(text, "The router %s translates addresses and answers no mapping protocol.",
	    as_text(facts->gateway).text);
	if (facts->reflexive.s_addr)
		add(text, " Others see %s.", as_text(facts->reflexive).text);
	if (facts->mapping == NAT_ADDRESS_DEPENDENT ||
	    facts->mapping == NAT_ADDRESS_AND_PORT_DEPENDENT)
		add(text,
		    " It uses another port for each other host, so nobody can be told where to "
		    "send to.");
	add(text, " " SWITCH_ON ", or forward homeward's UDP port to this machine there");
	add_by_hand(facts, text);
}

static void describe_refusal(const struct nat_facts *facts, struct text *text)
{
	const char *protocol = protocol_name(facts->result_protocol);

	add(text,
	    "The router %s answers %s, but refuses (result %u): ", as_text(facts->gateway).text,
	    protocol, facts->result);
	switch (facts->trouble) {
	case TROUBLE_NETWORK_FAILURE:
		add(text, "it has no address from its provider. Look whether its connection "
			  "to the internet is up.");
		return;
	case TROUBLE_OUT_OF_RESOURCES:
		add(text, "it has no room for another mapping. Remove old ones in its pages, or "
			  "restart it.");
		return;
	case TROUBLE_CONFLICT:
		add(text, "another machine has the port. Remove that mapping in the router's "
			  "pages.");
		return;
	case TROUBLE_REFUSED:
		add(text, "port mapping is switched off there, or not allowed to this machine. "
			  "Allow it in the router's pages.");
		return;
	case TROUBLE_NONE:
	case TROUBLE_SILENT:
	case TROUBLE_NOT_SUPPORTED:
	case TROUBLE_UNSUPPORTED_OPERATION:
	case TROUBLE_UNKNOWN_RESULT:
	case TROUBLE_ADDRESS_MISMATCH:
	case TROUBLE_DOUBLE_NAT:
	case TROUBLE_EXPIRED:
	case TROUBLE_MALFORMED:
	case TROUBLE_NOT_FORWARDED:
		break;
	}
	add(text, "it cannot do what was asked. Update its software, or switch on another of PCP, "
		  "NAT-PMP and UPnP in its pages.");
}

static void describe_double(const struct nat_facts *facts, struct text *text)
{
	add(text, "Double NAT: the router %s ", as_text(facts->gateway).text);
	if (facts->trouble == TROUBLE_ADDRESS_MISMATCH && !facts->external.s_addr) {
		add(text,
		    "answers %s, but sees this machine under another address (result %u): another "
		    "NAT is between the two. Connect this machine to the router itself, or make "
		    "the device between them a bridge (access point mode).",
		    protocol_name(facts->result_protocol), facts->result);
		return;
	}
	if (!facts->external.s_addr)
		add(text,
		    "says that it has no address of its own from its provider, but others see %s: "
		    "another router behind it translates again.",
		    as_text(facts->reflexive).text);
	else if (nat_address_is_inside(facts->external))
		add(text,
		    "has the address %s, which is a private one: it is itself behind another "
		    "router.",
		    as_text(facts->external).text);
	else
		add(text,
		    "has the address %s, but others see %s: another router behind it translates "
		    "again.",
		    as_text(facts->external).text, as_text(facts->reflexive).text);
	add(text, " Make one of the two a bridge (modem mode), forward the port in the outer one "
		  "as well, or, if that one answers PCP too, name its address at `nested` in "
		  "mapper.conf.");
}

static void describe_carrier(const struct nat_facts *facts, struct text *text)
{
	struct in_addr shared = facts->external;

	if (!nat_address_is_shared(shared))
		shared = nat_address_is_shared(facts->local) ? facts->local : facts->second_hop;
	add(text,
	    "Carrier-grade NAT: the address %s is one that the internet provider shares among its "
	    "customers, so nobody can be reached behind it from outside.",
	    as_text(shared).text);
	add(text, " Ask the provider for a public IPv4 address; nothing in the router helps.");
}

static void describe_routed(const struct nat_facts *facts, struct text *text)
{
	add(text,
	    "A routed private network: the router %s answers no mapping protocol, and the next "
	    "router behind it, %s, has a private address too, so it is there or further on that "
	    "addresses are translated. ",
	    as_text(facts->gateway).text, as_text(facts->second_hop).text);
	add(text, "Connect this machine to the outer router, make the inner one a bridge, or have "
		  "homeward's UDP port forwarded to this machine");
	add_by_hand(facts, text);
}

static void describe_unknown(const struct nat_facts *facts, struct text *text)
{
	if (!facts->local.s_addr)
		add(text, "There is no network with an IPv4 address and a way to the internet.");
	else
		add(text, "The router %s is being asked how it can be reached from outside.",
		    as_text(facts->gateway).text);
}

void nat_kind_describe(const struct nat_facts *facts, char *data, size_t size)
{
	struct text text = { data, size, 0 };

	if (size)
		data[0] = 0;
	if (facts->forwarded.s_addr) {
		describe_by_hand(facts, &text);
		return;
	}
	switch (nat_kind_decide(facts)) {
	case NAT_UNKNOWN:
		describe_unknown(facts, &text);
		return;
	case NAT_PUBLIC:
		describe_public(facts, &text);
		return;
	case NAT_MAPPED:
		describe_mapped(facts, &text);
		return;
	case NAT_UNMAPPED:
		describe_unmapped(facts, &text);
		return;
	case NAT_REFUSED:
		describe_refusal(facts, &text);
		return;
	case NAT_DOUBLE:
		describe_double(facts, &text);
		return;
	case NAT_CARRIER_GRADE:
		describe_carrier(facts, &text);
		return;
	case NAT_ROUTED:
		describe_routed(facts, &text);
		return;
	}
}
