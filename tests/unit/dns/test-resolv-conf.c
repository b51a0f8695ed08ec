/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/dns/hex.h"

#include "common/dns-client/resolv-conf.h"

#include <arpa/inet.h>

static size_t parse(const char *text, const char *first)
{
	struct in_addr servers[RESOLV_CONF_SERVERS];
	size_t n = resolv_conf_parse(text, servers);

	if (n > 0)
		assert_int_equal(servers[0].s_addr, inet_addr(first));
	return n;
}

static void usual(void **state)
{
	assert_int_equal(parse("# made by hand\nsearch example\nnameserver 192.0.2.1\n"
			       "nameserver\t192.0.2.2 # second\noptions timeout:1\n",
			       "192.0.2.1"),
			 2);
	assert_int_equal(parse("nameserver 192.0.2.1", "192.0.2.1"), 1);
	assert_int_equal(parse("nameserver 192.0.2.1\r\n", "192.0.2.1"), 1);
}

static void others_are_passed_over(void **state)
{
	assert_int_equal(parse("", NULL), 0);
	assert_int_equal(parse("nameserver\nnameserver 2001:db8::1\nnameservers 192.0.2.1\n"
			       "nameserver192.0.2.1\n;nameserver 192.0.2.1\nnameserver \n"
			       "192.0.2.1\nnameserver 192.0.2.9999999999999\n",
			       NULL),
			 0);
	assert_int_equal(parse("nameserver fe80::1\nnameserver 192.0.2.7\n", "192.0.2.7"), 1);
}

static void three_at_most(void **state)
{
	assert_int_equal(parse("nameserver 192.0.2.1\nnameserver 192.0.2.2\n"
			       "nameserver 192.0.2.3\nnameserver 192.0.2.4\n",
			       "192.0.2.1"),
			 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual),
		cmocka_unit_test(others_are_passed_over),
		cmocka_unit_test(three_at_most),
	};

	return cmocka_run_group_tests_name("resolv-conf", tests, NULL, NULL);
}
