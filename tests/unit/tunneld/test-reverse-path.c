/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/reverse-path.h"
#include "tests/unit/tunneld/unit.h"

static const char routes[] =
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	"wlp3s0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
	"wlp3s0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n"
	"tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000080\t0\t0\t0\n"
	"interface123456\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";

static void test_default_routes(void **state)
{
	char interface[IFNAMSIZ], cut[sizeof routes];
	size_t position = 0;

	assert_true(reverse_path_next(routes, &position, interface));
	assert_string_equal(interface, "wlp3s0");
	assert_true(reverse_path_next(routes, &position, interface));
	assert_string_equal(interface, "interface123456");
	assert_false(reverse_path_next(routes, &position, interface));
	for (size_t size = 0; size < sizeof routes; size++) {
		unsigned int n = 0;

		snprintf(cut, sizeof cut, "%.*s", (int)size, routes);
		for (position = 0; reverse_path_next(cut, &position, interface);)
			n++;
		assert_true(n <= 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_default_routes) };

	return cmocka_run_group_tests_name("tunneld/reverse-path", tests, NULL, NULL);
}
