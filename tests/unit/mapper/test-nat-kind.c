/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* nat-kind-state.c: every kind, by the facts that make it, and that its sentence says what to do.
 */
#include "services/mapper/nat-kind-state.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct in_addr address(const char *text)
{
	return (struct in_addr){ inet_addr(text) };
}

static struct nat_facts home(void)
{
	return (struct nat_facts){
		.local = address("192.168.1.10"),
		.gateway = address("192.168.1.1"),
		.settled = true,
		.protocol = PROTOCOL_NATPMP,
		.external = address("203.0.113.5"),
	};
}

static struct nat_facts silent_home(void)
{
	struct nat_facts facts = home();

	facts.protocol = PROTOCOL_NONE;
	facts.external = address("0.0.0.0");
	facts.trouble = TROUBLE_SILENT;
	return facts;
}

static void assert_kind(const struct nat_facts *facts, enum nat_kind kind, const char *part)
{
	char text[NAT_DESCRIPTION_SIZE];

	assert_string_equal(nat_kind_word(nat_kind_decide(facts)), nat_kind_word(kind));
	nat_kind_describe(facts, text, sizeof text);
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text);
	/* Nothing is cut. */
	assert_int_equal(text[strlen(text) - 1], '.');
}

static void test_nothing(void **state)
{
	struct nat_facts facts = {};

	assert_kind(&facts, NAT_UNKNOWN, "no network");
	facts = silent_home();
	facts.trouble = TROUBLE_NONE;
	facts.settled = false;
	assert_kind(&facts, NAT_UNKNOWN, "is being asked");
}

static void test_public(void **state)
{
	struct nat_facts facts = { .local = address("203.0.113.5"), .settled = true };

	assert_kind(&facts, NAT_PUBLIC, "203.0.113.5 is public");
	facts.reflexive = facts.local;
	assert_kind(&facts, NAT_PUBLIC, "others see it as it is");
	facts.verified = NAT_VERIFIED_NO;
	assert_kind(&facts, NAT_PUBLIC, "firewall");
	/* Addresses that look public and are translated. */
	facts.reflexive = address("198.51.100.1");
	assert_kind(&facts, NAT_UNMAPPED, "Switch on port mapping");
	/* And private ones that are not, as in a laboratory. */
	facts = silent_home();
	facts.reflexive = facts.local;
	assert_kind(&facts, NAT_PUBLIC, "is public");
}

static void test_mapped(void **state)
{
	struct nat_facts facts = home();

	assert_kind(&facts, NAT_MAPPED, "maps ports at its address 203.0.113.5 by NAT-PMP");
	facts.reflexive = facts.external;
	facts.verified = NAT_VERIFIED_YES;
	assert_kind(&facts, NAT_MAPPED, "maps ports");
	facts.verified = NAT_VERIFIED_NO;
	facts.protocol = PROTOCOL_IGD;
	assert_kind(&facts, NAT_MAPPED, "says that it forwards and does not");
}

static void test_unmapped(void **state)
{
	struct nat_facts facts = silent_home();

	assert_kind(&facts, NAT_UNMAPPED, "Switch on port mapping");
	facts.reflexive = address("203.0.113.5");
	assert_kind(&facts, NAT_UNMAPPED, "Others see 203.0.113.5");
	facts.second_hop = address("198.51.100.1");
	facts.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT;
	assert_kind(&facts, NAT_UNMAPPED, "another port for each other host");
}

static void test_refused(void **state)
{
	static const struct {
		enum trouble trouble;
		const char *part;
	} cases[] = {
		{ TROUBLE_REFUSED, "(result 2): port mapping is switched off" },
		{ TROUBLE_NETWORK_FAILURE, "no address from its provider" },
		{ TROUBLE_OUT_OF_RESOURCES, "no room" },
		{ TROUBLE_CONFLICT, "another machine has the port" },
		{ TROUBLE_UNSUPPORTED_OPERATION, "Update its software" },
		{ TROUBLE_UNKNOWN_RESULT, "Update its software" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct nat_facts facts = silent_home();

		facts.trouble = cases[i].trouble;
		facts.result_protocol = PROTOCOL_PCP;
		facts.result = 2;
		assert_kind(&facts, NAT_REFUSED, cases[i].part);
	}
}

static void test_double(void **state)
{
	static const char *const inside[] = { "10.0.0.2", "172.31.255.254", "192.168.0.2",
					      "169.254.7.7" };
	struct nat_facts facts = home();

	for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
		facts.external = address(inside[i]);
		assert_kind(&facts, NAT_DOUBLE, "which is a private one");
	}
	facts.external = address("172.32.0.1");
	assert_kind(&facts, NAT_MAPPED, "maps ports");
	/* It keeps it to itself. */
	facts = silent_home();
	facts.trouble = TROUBLE_NETWORK_FAILURE;
	facts.result_protocol = PROTOCOL_NATPMP;
	facts.result = 3;
	assert_kind(&facts, NAT_REFUSED, "no address from its provider");
	facts.reflexive = address("203.0.113.5");
	assert_kind(&facts, NAT_DOUBLE, "but others see 203.0.113.5");
	facts.second_hop = address("10.0.0.1");
	assert_kind(&facts, NAT_DOUBLE, "translates again");
	facts.second_hop = address("100.64.0.1");
	assert_kind(&facts, NAT_CARRIER_GRADE, "100.64.0.1");
	facts = home();
	facts.external = address("172.32.0.1");
	/* The gateway's address looks fine, and is not the one that others see. */
	facts.reflexive = address("198.51.100.9");
	assert_kind(&facts, NAT_DOUBLE, "others see 198.51.100.9");
}

static void test_carrier_grade(void **state)
{
	struct nat_facts facts = home();

	facts.external = address("100.64.0.1");
	assert_kind(&facts, NAT_CARRIER_GRADE, "100.64.0.1");
	facts.external = address("100.127.255.254");
	assert_kind(&facts, NAT_CARRIER_GRADE, "Ask the provider");
	facts.external = address("100.128.0.1");
	assert_kind(&facts, NAT_MAPPED, "maps ports");
	/* No gateway to ask, but it can be seen from here. */
	facts = silent_home();
	facts.second_hop = address("100.64.3.1");
	assert_kind(&facts, NAT_CARRIER_GRADE, "100.64.3.1");
	facts = silent_home();
	facts.local = address("100.70.0.4");
	assert_kind(&facts, NAT_CARRIER_GRADE, "100.70.0.4");
	/* A provider whose NAT answers PCP. */
	facts.protocol = PROTOCOL_PCP;
	facts.external = address("203.0.113.77");
	assert_kind(&facts, NAT_MAPPED, "by PCP");
}

static void test_routed(void **state)
{
	struct nat_facts facts = silent_home();

	facts.second_hop = address("10.0.0.1");
	assert_kind(&facts, NAT_ROUTED, "10.0.0.1, has a private address too");
	/* Who answers is the NAT. */
	facts = home();
	facts.second_hop = address("10.0.0.1");
	assert_kind(&facts, NAT_MAPPED, "maps ports");
}

/* Of whatever size the buffer is. */
/* PCP 12: the gateway that answers is not the next one that translates. */
static void test_mismatch(void **state)
{
	struct nat_facts facts = silent_home();

	facts.trouble = TROUBLE_ADDRESS_MISMATCH;
	facts.result_protocol = PROTOCOL_PCP;
	facts.result = 12;
	assert_kind(&facts, NAT_DOUBLE, "under another address (result 12)");
	assert_kind(&facts, NAT_DOUBLE, "access point mode");
	facts.second_hop = address("100.64.0.1");
	assert_kind(&facts, NAT_CARRIER_GRADE, "Ask the provider");
}

static void test_by_hand(void **state)
{
	struct nat_facts facts = silent_home();

	assert_kind(&facts, NAT_UNMAPPED, "`forwarded = yes` below [gateway]");
	facts.by_hand = true;
	assert_kind(&facts, NAT_UNMAPPED, "no STUN server tells");
	facts.reflexive = facts.forwarded = address("203.0.113.5");
	assert_kind(&facts, NAT_UNMAPPED, "forwarded by hand");
	assert_kind(&facts, NAT_UNMAPPED, "203.0.113.5");
	facts.second_hop = address("10.0.0.1");
	assert_kind(&facts, NAT_ROUTED, "forwarded by hand");
	facts.trouble = TROUBLE_REFUSED;
	assert_kind(&facts, NAT_REFUSED, "forwarded by hand");
}

static void test_room(void **state)
{
	struct nat_facts facts = home();

	facts.external = address("10.0.0.2");
	for (size_t size = 1; size < NAT_DESCRIPTION_SIZE; size++) {
		char *text = malloc(size);

		assert_non_null(text);
		nat_kind_describe(&facts, text, size);
		assert_true(strlen(text) < size);
		free(text);
	}
	nat_kind_describe(&facts, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),       cmocka_unit_test(test_public),
		cmocka_unit_test(test_mapped),        cmocka_unit_test(test_unmapped),
		cmocka_unit_test(test_refused),       cmocka_unit_test(test_double),
		cmocka_unit_test(test_carrier_grade), cmocka_unit_test(test_routed),
		cmocka_unit_test(test_mismatch),      cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests_name("nat-kind", tests, NULL, NULL);
}
