/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/netcheck-words.h"

#include "clients/ctl/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TUNNEL_PORT 4500 /* what tunneld asks for unless told otherwise */

/* What a result code comes down to for a person. */
enum refusal {
	REFUSAL_OTHER,
	REFUSAL_NOT_ALLOWED,
	REFUSAL_NO_INTERNET,
	REFUSAL_NO_ROOM,
	REFUSAL_ANOTHER_NAT,
	REFUSAL_TAKEN,
};

static const struct {
	const char *protocol;
	uint64_t code;
	enum refusal refusal;
	const char *words;
} results[] = {
	/* RFC 6887 §7.4 */
	{ "pcp", 1, REFUSAL_OTHER, "unsupported version" },
	{ "pcp", 2, REFUSAL_NOT_ALLOWED, "not authorized" },
	{ "pcp", 3, REFUSAL_OTHER, "malformed request" },
	{ "pcp", 4, REFUSAL_OTHER, "unsupported operation" },
	{ "pcp", 5, REFUSAL_OTHER, "unsupported option" },
	{ "pcp", 6, REFUSAL_OTHER, "malformed option" },
	{ "pcp", 7, REFUSAL_NO_INTERNET, "network failure" },
	{ "pcp", 8, REFUSAL_NO_ROOM, "no resources" },
	{ "pcp", 9, REFUSAL_OTHER, "unsupported protocol" },
	{ "pcp", 10, REFUSAL_NO_ROOM, "this machine has too many mappings" },
	{ "pcp", 11, REFUSAL_TAKEN, "that port cannot be had" },
	{ "pcp", 12, REFUSAL_ANOTHER_NAT, "it sees another address" },
	{ "pcp", 13, REFUSAL_OTHER, "too many remote peers" },
	/* RFC 6886 §3.5 */
	{ "nat-pmp", 1, REFUSAL_OTHER, "unsupported version" },
	{ "nat-pmp", 2, REFUSAL_NOT_ALLOWED, "not authorized" },
	{ "nat-pmp", 3, REFUSAL_NO_INTERNET, "network failure" },
	{ "nat-pmp", 4, REFUSAL_NO_ROOM, "out of resources" },
	{ "nat-pmp", 5, REFUSAL_OTHER, "unsupported operation" },
	/* UPnP WANIPConnection */
	{ "upnp-igd", 401, REFUSAL_OTHER, "invalid action" },
	{ "upnp-igd", 402, REFUSAL_OTHER, "invalid arguments" },
	{ "upnp-igd", 501, REFUSAL_OTHER, "action failed" },
	{ "upnp-igd", 606, REFUSAL_NOT_ALLOWED, "not authorized" },
	{ "upnp-igd", 718, REFUSAL_TAKEN, "another machine has the port" },
	{ "upnp-igd", 724, REFUSAL_OTHER, "inside and outside must have the same port" },
	{ "upnp-igd", 725, REFUSAL_OTHER, "only mappings without an end" },
	{ "upnp-igd", 728, REFUSAL_NO_ROOM, "no room for another mapping" },
	{ "upnp-igd", 729, REFUSAL_TAKEN, "the port is used by something else" },
};

const char *netcheck_result_words(const char *protocol, uint64_t code)
{
	for (size_t i = 0; i < sizeof results / sizeof *results; i++)
		if (!strcmp(results[i].protocol, protocol) && results[i].code == code)
			return results[i].words;
	return "a reason of its own";
}

static enum refusal refusal_of(const char *protocol, uint64_t code)
{
	for (size_t i = 0; i < sizeof results / sizeof *results; i++)
		if (!strcmp(results[i].protocol, protocol) && results[i].code == code)
			return results[i].refusal;
	return REFUSAL_OTHER;
}

const char *netcheck_protocol_name(const char *protocol)
{
	if (!strcmp(protocol, "pcp"))
		return "PCP";
	if (!strcmp(protocol, "nat-pmp"))
		return "NAT-PMP";
	if (!strcmp(protocol, "upnp-igd"))
		return "UPnP";
	return "no protocol";
}

/* What the texts speak of, cleaned. */
struct facts {
	char interface[TEXT_SIZE], local[TEXT_SIZE], gateway[TEXT_SIZE], external[TEXT_SIZE];
	char reflexive[TEXT_SIZE], problem[TEXT_SIZE];
	const char *network_kind, *nat_kind, *protocol, *verified;
	const char *result_protocol;
	uint64_t result_code;
	uint64_t port, external_port; /* the tunnel's */
	bool forwarded;               /* by hand, as mapper.conf says */
	bool mapped, failed;          /* mappings that are wanted */
	bool nested;                  /* mapped through several routers */
};

static bool is(const char *word, const char *other)
{
	return !strcmp(word, other);
}

static void read_mappings(json_object *mapper, struct facts *facts)
{
	bool tunnel_failed = false;

	facts->port = TUNNEL_PORT;
	for (size_t i = 0; i < values_count(mapper, "mappings"); i++) {
		json_object *mapping = values_element(mapper, "mappings", i);
		const char *state = values_text(mapping, "state");
		bool is_tunnel = is(values_text(mapping, "label"), "tunnel");

		if (is_tunnel && values_number(values_member(mapping, "internal"), "port"))
			facts->port = values_number(values_member(mapping, "internal"), "port");
		if (is_tunnel)
			facts->external_port =
				values_number(values_member(mapping, "external"), "port");
		facts->mapped |= is(state, "mapped");
		facts->nested |= is(state, "mapped") && values_count(mapping, "hops") > 1;
		if (!is(state, "failed"))
			continue;
		facts->failed = true;
		tunnel_failed |= is_tunnel;
		if (is_tunnel || !*facts->problem)
			text_clean(values_text(mapping, "last_error"), facts->problem);
	}
	/* The tunnel's is what counts. */
	if (!facts->external_port)
		facts->external_port = facts->port;
	facts->failed = tunnel_failed || (facts->failed && !facts->mapped);
}

static void read_facts(json_object *mapper, struct facts *facts)
{
	json_object *result = values_member(mapper, "gateway_result");

	memset(facts, 0, sizeof *facts);
	text_clean(values_text(mapper, "primary_interface"), facts->interface);
	text_clean(values_text(mapper, "local_address"), facts->local);
	text_clean(values_text(mapper, "gateway"), facts->gateway);
	text_clean(values_text(mapper, "external_address"), facts->external);
	text_clean(values_text(mapper, "reflexive_address"), facts->reflexive);
	facts->network_kind = values_text(mapper, "network_kind");
	facts->nat_kind = values_text(mapper, "nat_kind");
	facts->protocol = values_text(mapper, "protocol");
	facts->verified = values_text(mapper, "verified");
	facts->forwarded = values_flag(mapper, "forwarded");
	facts->result_protocol = values_text(result, "protocol");
	facts->result_code = values_number(result, "code");
	read_mappings(mapper, facts);
	/* An address that belongs to a home needs a router that translates, whatever is said. */
	if (is(facts->nat_kind, "public") &&
	    (is(facts->network_kind, "private") || is(facts->network_kind, "shared")) &&
	    !is(facts->reflexive, facts->local))
		facts->nat_kind =
			is(facts->network_kind, "shared") ? "carrier-grade-nat" : "unmapped";
}

__attribute__((format(printf, 2, 3))) static void say(struct netcheck_report *report,
						      const char *format, ...)
{
	size_t length = strlen(report->summary);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(report->summary + length, sizeof report->summary - length, format, arguments);
	va_end(arguments);
}

__attribute__((format(printf, 2, 3))) static void advise(struct netcheck_report *report,
							 const char *format, ...)
{
	va_list arguments;

	if (report->n_advice == NETCHECK_ADVICE_LIMIT)
		return;
	va_start(arguments, format);
	vsnprintf(report->advice[report->n_advice++], NETCHECK_TEXT_SIZE, format, arguments);
	va_end(arguments);
}

/* What routers call it. */
static void advise_switch(struct netcheck_report *report, const struct facts *facts)
{
	advise(report,
	       "Open the router's pages (mostly http://%s/) and switch on one of UPnP, NAT-PMP and "
	       "PCP. It is also called \"UPnP IGD\", \"automatic port forwarding\" or \"let "
	       "applications forward ports\", and is mostly found below \"Advanced\", \"NAT\", "
	       "\"Firewall\" or \"Port sharing\"; some routers want it allowed for each device.",
	       facts->gateway);
}

/* Nobody can find that out by asking. */
#define BY_HAND " Then write \"forwarded = yes\" below [gateway] in /etc/homeward/mapper.conf."

static void advise_port(struct netcheck_report *report, const struct facts *facts,
			const char *otherwise, const char *then)
{
	advise(report,
	       "%sbelow \"port forwarding\" (or \"virtual server\", \"NAT rules\") forward UDP "
	       "port %" PRIu64 " to %s, port %" PRIu64 ", and let the router always give this "
	       "machine that address (\"DHCP reservation\", \"static lease\").%s",
	       otherwise, facts->port, facts->local, facts->port, then);
}

static void advise_forwarding(struct netcheck_report *report, const struct facts *facts,
			      const char *otherwise)
{
	advise_port(report, facts, otherwise, BY_HAND);
}

static void say_what_works(struct netcheck_report *report)
{
	say(report, " Connections that this host begins to reachable hosts work all the same.");
}

static void judge_public(struct netcheck_report *report, const struct facts *facts)
{
	report->reach = NETCHECK_YES;
	say(report, "This host has the public address %s: no router translates.", facts->local);
}

static void judge_mapped(struct netcheck_report *report, const struct facts *facts)
{
	report->reach = NETCHECK_YES;
	say(report,
	    "The router %s forwards ports to this host when asked (%s), and its own address "
	    "%s is public.",
	    facts->gateway, netcheck_protocol_name(facts->protocol), facts->external);
	if (!facts->failed)
		return;
	report->reach = NETCHECK_NO;
	report->kind = "mapping-failed";
	say(report, " But it did not do so for UDP port %" PRIu64 ": %s.", facts->port,
	    *facts->problem ? facts->problem : "it gave no reason");
	advise(report,
	       "Look into the list of forwarded ports in the router's pages (\"UPnP\", \"port "
	       "forwarding\"): remove what stands there for this port or for machines "
	       "that are gone, or restart the router.");
	advise_forwarding(report, facts, "Or ");
}

static void judge_unmapped(struct netcheck_report *report, const struct facts *facts)
{
	report->reach = NETCHECK_NO;
	say(report,
	    "The router %s hides this network behind its own address, and it does not answer when "
	    "it "
	    "is asked to forward a port: PCP, NAT-PMP and UPnP were tried.",
	    facts->gateway);
	say_what_works(report);
	advise_switch(report, facts);
	advise_forwarding(report, facts, "Where there is no such switch: ");
}

static void advise_device_between(struct netcheck_report *report)
{
	advise(report, "Between this host and the router is another device that translates "
		       "addresses. Make it a bridge (\"access point mode\", \"bridge "
		       "mode\"), or connect this host to the router itself.");
}

static void advise_refused(struct netcheck_report *report, const struct facts *facts)
{
	switch (refusal_of(facts->result_protocol, facts->result_code)) {
	case REFUSAL_NOT_ALLOWED:
		advise_switch(report, facts);
		break;
	case REFUSAL_NO_INTERNET:
		advise(report,
		       "Look in the router's pages whether it is connected to the internet. If it "
		       "is, its own address is a private one: then it stands behind another "
		       "router, which is to become a bridge (\"bridge mode\", \"modem mode\"), "
		       "or the provider shares one address among customers: ask it for a "
		       "public IPv4 address.");
		return;
	case REFUSAL_NO_ROOM:
		advise(report,
		       "Remove old entries from the list of forwarded ports in the router's "
		       "pages (\"UPnP\", \"port forwarding\"), or restart the router.");
		break;
	case REFUSAL_ANOTHER_NAT:
		advise_device_between(report);
		return;
	case REFUSAL_TAKEN:
		advise(report,
		       "Remove the entry for UDP port %" PRIu64 " from the list of forwarded "
		       "ports in the router's pages (\"UPnP\", \"port forwarding\").",
		       facts->port);
		return;
	case REFUSAL_OTHER:
		advise(report,
		       "Switch on another one of UPnP, NAT-PMP and PCP in the router's pages "
		       "(mostly http://%s/), and look there for an update of its "
		       "software.",
		       facts->gateway);
		break;
	}
	advise_forwarding(report, facts, "Or ");
}

static void judge_refused(struct netcheck_report *report, const struct facts *facts)
{
	report->reach = NETCHECK_NO;
	say(report, "The router %s was asked to forward a port and refuses", facts->gateway);
	if (*facts->result_protocol)
		say(report, ": %s (%s, result %" PRIu64 ")",
		    netcheck_result_words(facts->result_protocol, facts->result_code),
		    netcheck_protocol_name(facts->result_protocol), facts->result_code);
	say(report, ".");
	say_what_works(report);
	advise_refused(report, facts);
}

static void judge_double(struct netcheck_report *report, const struct facts *facts)
{
	report->reach = NETCHECK_NO;
	if (!*facts->external &&
	    refusal_of(facts->result_protocol, facts->result_code) == REFUSAL_ANOTHER_NAT) {
		say(report,
		    "Two devices translate, one behind the other (double NAT): the router %s was "
		    "asked to forward a port, but sees this host under another address (%s, "
		    "result %" PRIu64 ").",
		    facts->gateway, netcheck_protocol_name(facts->result_protocol),
		    facts->result_code);
		say_what_works(report);
		advise_device_between(report);
		return;
	}
	say(report,
	    "Two routers translate, one behind the other (double NAT): the router %s has the "
	    "address %s itself, which is not the one that others see%s%s.",
	    facts->gateway, *facts->external ? facts->external : "of a private network",
	    *facts->reflexive ? ", " : "", facts->reflexive);
	if (facts->nested) {
		report->reach = NETCHECK_YES;
		say(report, " Each of them forwards a port to this host.");
		return;
	}
	say_what_works(report);
	advise(report,
	       "Make the outer one, mostly the provider's box, a bridge: \"bridge mode\", \"modem "
	       "mode\" or \"IP passthrough\" in its pages.");
	advise(report,
	       "Or make the inner one an access point: \"access point mode\", \"AP mode\", or "
	       "switch its NAT and DHCP off.");
	if (*facts->external)
		advise(report,
		       "Or forward UDP port %" PRIu64 " in the outer one to %s (\"port "
		       "forwarding\", \"exposed host\", \"DMZ\")." BY_HAND " If the outer one "
		       "answers PCP, name its address there instead: [gateway] nested.",
		       facts->external_port, facts->external);
}

static void judge_carrier_grade(struct netcheck_report *report, const struct facts *facts)
{
	const char *shared = is(facts->network_kind, "shared") ? facts->local : facts->external;

	report->reach = facts->nested ? NETCHECK_YES : NETCHECK_NO;
	say(report, "The internet provider shares one public address among many customers "
		    "(carrier-grade NAT)");
	if (*shared)
		say(report, "; what is here, %s, is one of its internal addresses", shared);
	say(report, ".");
	if (facts->nested) {
		say(report, " It forwards a port to this host all the same.");
		return;
	}
	say_what_works(report);
	advise(report,
	       "Nothing in the router helps. Ask the provider for a public IPv4 address; it is "
	       "often called \"dual stack\", \"public IP\" or \"static IP\", and may cost "
	       "extra.");
}

static void judge_routed(struct netcheck_report *report, const struct facts *facts)
{
	report->reach = NETCHECK_NO;
	say(report,
	    "The router %s only passes packets on: it is another one, farther out, that "
	    "translates addresses, and that one cannot be asked from here.",
	    facts->gateway);
	say_what_works(report);
	advise(report,
	       "Connect this host to the outer router itself, or make the inner one an access "
	       "point or a bridge (\"access point mode\", \"bridge mode\").");
	advise_forwarding(report, facts, "Or, in the outer router, ");
	advise(report, "In an office or a school, ask whoever runs the network.");
}

/* Whatever the router says when it is asked. */
static void judge_by_hand(struct netcheck_report *report, const struct facts *facts)
{
	report->reach = NETCHECK_YES;
	say(report,
	    "The router %s does not forward ports that can be reached from outside when it is "
	    "asked, but mapper.conf says that they are forwarded by hand (\"forwarded\" below "
	    "[gateway]): others are told the address %s. That it is so cannot be tried from here.",
	    facts->gateway, facts->external);
}

/* What was tried counts for more than what should be. */
static void weigh_proof(struct netcheck_report *report, const struct facts *facts)
{
	if (is(facts->verified, "yes")) {
		report->reach = NETCHECK_YES;
		report->n_advice = 0;
		say(report, " A test packet from outside arrived.");
		return;
	}
	if (!is(facts->verified, "no") || report->reach != NETCHECK_YES)
		return;
	report->reach = NETCHECK_NO;
	say(report, " But a test packet from outside did not arrive.");
	if (is(facts->nat_kind, "public")) {
		report->kind = "firewall";
		advise(report,
		       "Allow UDP port %" PRIu64
		       " in the firewall of this machine (firewalld, ufw, "
		       "nftables).",
		       facts->port);
		advise(report,
		       "If there is none, the network's own firewall drops it: ask whoever runs "
		       "the network.");
		return;
	}
	report->kind = "not-forwarded";
	advise(report,
	       "Allow UDP port %" PRIu64
	       " in the firewall of this machine (firewalld, ufw, nftables).",
	       facts->port);
	advise(report,
	       "Look in the router's pages for a firewall that is set to \"high\" or drops what "
	       "comes in, restart the router, and look for an update of its software: it says "
	       "that it forwards, and does not.");
	advise_port(report, facts, "Or ", "");
}

/* There is no way to the internet, or none yet. */
static bool judge_network(struct netcheck_report *report, json_object *mapper,
			  const struct facts *facts)
{
	report->kind = *facts->network_kind ? facts->network_kind : "none";
	report->reach = NETCHECK_NO;
	if (is(facts->network_kind, "captive")) {
		say(report, "This network lets nothing through before its own page was seen.");
		advise(report,
		       "Open any page in a web browser, for example http://example.org/, log in "
		       "there or accept the terms, and check again.");
	} else if (is(facts->network_kind, "link-local")) {
		say(report,
		    "No address was given to this host, so it gave one to itself (169.254...): "
		    "nobody answered to DHCP.");
		advise(report,
		       "Check the cable, or the Wi-Fi's name and password. Restart the router. "
		       "Look in its pages whether its DHCP server is switched on.");
	} else if (is(facts->network_kind, "no-route")) {
		say(report, "This host has an address, but no default route: nothing leads to the "
			    "internet.");
		advise(report,
		       "Set the gateway in the network's settings, or switch them to automatic "
		       "(DHCP).");
	} else if (is(facts->network_kind, "none") ||
		   is(values_text(mapper, "state"), "no-network")) {
		say(report, "This host is in no network.");
		advise(report, "Plug a cable in, or connect to a Wi-Fi.");
	} else {
		return false;
	}
	return true;
}

void netcheck_judge(json_object *mapper, struct netcheck_report *ret)
{
	struct facts facts;
	char reason[TEXT_SIZE];

	memset(ret, 0, sizeof *ret);
	read_facts(mapper, &facts);
	if (judge_network(ret, mapper, &facts))
		return;
	ret->kind = facts.nat_kind;
	if (facts.forwarded) {
		judge_by_hand(ret, &facts);
	} else if (is(facts.nat_kind, "public")) {
		judge_public(ret, &facts);
	} else if (is(facts.nat_kind, "nat")) {
		judge_mapped(ret, &facts);
	} else if (is(facts.nat_kind, "unmapped")) {
		judge_unmapped(ret, &facts);
	} else if (is(facts.nat_kind, "refused")) {
		judge_refused(ret, &facts);
	} else if (is(facts.nat_kind, "double-nat")) {
		judge_double(ret, &facts);
	} else if (is(facts.nat_kind, "carrier-grade-nat")) {
		judge_carrier_grade(ret, &facts);
	} else if (is(facts.nat_kind, "routed")) {
		judge_routed(ret, &facts);
	} else {
		/* Also words of a mapper that is newer than we are. */
		ret->reach = NETCHECK_UNKNOWN;
		ret->kind = "unknown";
		text_clean(values_text(mapper, "reason"), reason);
		say(ret, "It is not known yet. %s", reason);
	}
	weigh_proof(ret, &facts);
}
