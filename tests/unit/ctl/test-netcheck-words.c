/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* netcheck-words.c: what is said of each kind of network is tests/bus/test_netcheck.py; here, that
 * all combinations can be said and nothing is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "clients/ctl/netcheck-words.h"

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static const char *const network_kinds[] = { "",         "none",    "link-local",
					     "no-route", "captive", "private",
					     "shared",   "public",  "else" };
static const char *const nat_kinds[] = { "",         "unknown", "public",     "nat",
					 "unmapped", "refused", "double-nat", "carrier-grade-nat",
					 "routed",   "else" };
static const char *const verdicts[] = { "", "unknown", "yes", "no" };
static const char *const protocols[] = { "", "none", "pcp", "nat-pmp", "upnp-igd", "else" };
static const char *const states[] = { "mapped", "failed", "pending", "public" };

static void add(json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static json_object *make_mapper(size_t network, size_t nat, size_t verdict, size_t protocol,
				uint64_t code)
{
	static const char address[] = "255.255.255.255";
	json_object *mapper = json_object_new_object(), *result = json_object_new_object();
	json_object *list = json_object_new_array(), *mapping = json_object_new_object();

	add(mapper, "network_kind", network_kinds[network]);
	add(mapper, "nat_kind", nat_kinds[nat]);
	add(mapper, "verified", verdicts[verdict]);
	add(mapper, "protocol", protocols[protocol]);
	add(mapper, "state", "ready");
	add(mapper, "primary_interface", "interface-name15");
	add(mapper, "local_address", address);
	add(mapper, "gateway", address);
	add(mapper, "external_address", address);
	add(mapper, "reflexive_address", "255.255.255.254");
	add(result, "protocol", protocols[protocol]);
	json_object_object_add(result, "code", json_object_new_uint64(code));
	json_object_object_add(mapper, "gateway_result", result);
	add(mapping, "label", "tunnel");
	add(mapping, "state", states[code % 4]);
	add(mapping, "last_error",
	    "double NAT: the gateway is itself behind another one, which has to forward the port "
	    "or stop translating");
	json_object_array_add(list, mapping);
	json_object_object_add(mapper, "mappings", list);
	return mapper;
}

/* Ended by a full stop, not by the end of the room. */
static void assert_sentence(const char *text)
{
	size_t length = strlen(text);

	assert_true(length > 10 && length < NETCHECK_TEXT_SIZE - 1);
	assert_int_equal(text[length - 1], '.');
}

static void check(size_t network, size_t nat, size_t verdict, size_t protocol, uint64_t code)
{
	json_object *mapper = make_mapper(network, nat, verdict, protocol, code);
	struct netcheck_report report;

	netcheck_judge(mapper, &report);
	if (report.reach != NETCHECK_UNKNOWN)
		assert_sentence(report.summary);
	assert_true(*report.kind);
	/* There is something to be done if and only if there is need of it. */
	assert_int_equal(report.reach == NETCHECK_NO, report.n_advice > 0);
	for (size_t i = 0; i < report.n_advice; i++)
		assert_sentence(report.advice[i]);
	json_object_put(mapper);
}

#define N(array) (sizeof(array) / sizeof *(array))

static void test_all_combinations(void **unused)
{
	static const uint64_t codes[] = { 0, 1, 2, 3, 7, 8, 11, 12, 606, 718, 728, UINT32_MAX };

	for (size_t network = 0; network < N(network_kinds); network++)
		for (size_t nat = 0; nat < N(nat_kinds); nat++)
			for (size_t verdict = 0; verdict < N(verdicts); verdict++)
				for (size_t protocol = 0; protocol < N(protocols); protocol++)
					for (size_t code = 0; code < N(codes); code++)
						check(network, nat, verdict, protocol, codes[code]);
}

static void test_nothing_known(void **unused)
{
	json_object *mapper = json_object_new_object();
	struct netcheck_report report;

	netcheck_judge(mapper, &report);
	assert_int_equal(report.reach, NETCHECK_UNKNOWN);
	assert_string_equal(report.kind, "unknown");
	json_object_put(mapper);
}

static void test_results(void **unused)
{
	for (const char *const *protocol = protocols; protocol < protocols + N(protocols);
	     protocol++)
		for (uint64_t code = 0; code < 1000; code++)
			assert_true(*netcheck_result_words(*protocol, code));
	assert_string_equal(netcheck_result_words("nat-pmp", 2), "not authorized");
	assert_string_equal(netcheck_result_words("pcp", 8), "no resources");
	assert_string_equal(netcheck_result_words("upnp-igd", 718), "another machine has the port");
	assert_string_equal(netcheck_protocol_name("upnp-igd"), "UPnP");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_combinations),
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_results),
	};

	return cmocka_run_group_tests_name("netcheck-words", tests, NULL, NULL);
}
