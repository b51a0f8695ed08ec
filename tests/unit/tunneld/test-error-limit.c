/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/error-limit.h"
#include "tests/unit/tunneld/unit.h"

#include <netinet/in.h>

/* A packet of a program at that port. */
static const uint8_t *packet_of(uint16_t port, uint8_t protocol)
{
	static uint8_t packet[60];

	memset(packet, 0, sizeof packet);
	packet[0] = 0x60;
	packet[6] = protocol;
	packet[24] = 0xfd;
	packet[40] = port >> 8;
	packet[41] = port;
	return packet;
}

static unsigned int take_of(struct error_limits *limits, uint64_t now, unsigned int n,
			    uint16_t port)
{
	unsigned int n_taken = 0;

	for (unsigned int i = 0; i < n; i++)
		n_taken += error_limits_take(limits, now, packet_of(port, IPPROTO_UDP), 60);
	return n_taken;
}

static unsigned int take(struct error_limits *limits, uint64_t now, unsigned int n)
{
	return take_of(limits, now, n, 4711);
}

static void test_burst_and_rate(void **state)
{
	struct error_limits limits = {};
	unsigned int n = 0;

	assert_int_equal(take(&limits, 5000, 1000), ERROR_LIMIT_BURST);
	assert_int_equal(take(&limits, 5000 + 1000 / ERROR_LIMIT_A_SECOND, 10), 1);
	assert_int_equal(take(&limits, 6000 + 1000 / ERROR_LIMIT_A_SECOND, 1000),
			 ERROR_LIMIT_BURST);
	/* Over a long time as many as there are tokens, however they are asked for. */
	limits = (struct error_limits){};
	for (uint64_t now = 1; now <= 10000; now++)
		n += take(&limits, now, 3);
	assert_in_range(n, 10 * ERROR_LIMIT_A_SECOND,
			10 * ERROR_LIMIT_A_SECOND + ERROR_LIMIT_BURST);
}

static void test_after_a_long_rest(void **state)
{
	struct error_limits limits = {};

	take(&limits, 1000, 1000);
	assert_int_equal(take(&limits, UINT64_C(1) << 50, 1000), ERROR_LIMIT_BURST);
}

/* One program's flood leaves most of the others what they need, and all of them together get no
 * more than all buckets have. */
static void test_one_does_not_silence_the_others(void **state)
{
	for (uint64_t salt = 0; salt < 100; salt++) {
		struct error_limits limits = { .salt = salt };
		unsigned int n_heard = 0, n = 0;

		take_of(&limits, 1000, 100000, 5353);
		for (uint16_t port = 40000; port < 40064; port++)
			n_heard += take_of(&limits, 1000, 1, port);
		assert_in_range(n_heard, 50, 64);
		for (unsigned int port = 1; port < 65536; port++)
			n += take_of(&limits, 1000, 1, port);
		assert_in_range(n, 1, ERROR_LIMIT_BUCKETS * ERROR_LIMIT_BURST);
	}
}

static void test_which_bucket(void **state)
{
	struct error_limits limits = { .salt = 7 };

	/* The same port of another protocol is another program; a protocol without ports is one. */
	take_of(&limits, 1000, 100, 53);
	assert_true(error_limits_take(&limits, 1000, packet_of(53, IPPROTO_TCP), 60));
	for (unsigned int i = 0; i < ERROR_LIMIT_BURST; i++)
		assert_true(error_limits_take(&limits, 1000, packet_of(i, IPPROTO_ICMPV6), 60));
	assert_false(error_limits_take(&limits, 1000, packet_of(99, IPPROTO_ICMPV6), 60));
	/* What is too short to tell. */
	for (size_t size = 0; size < 42; size++)
		error_limits_take(&limits, 1000, packet_of(53, IPPROTO_UDP), size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_and_rate),
		cmocka_unit_test(test_after_a_long_rest),
		cmocka_unit_test(test_one_does_not_silence_the_others),
		cmocka_unit_test(test_which_bucket),
	};

	return cmocka_run_group_tests_name("tunneld/error-limit", tests, NULL, NULL);
}
