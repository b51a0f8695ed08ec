/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/keepalive-state.h"
#include "tests/unit/tunneld/unit.h"

#include <arpa/inet.h>

static struct sockaddr_in endpoint(const char *address, uint16_t port)
{
	struct sockaddr_in ret = { .sin_family = AF_INET, .sin_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET, address, &ret.sin_addr), 1);
	return ret;
}

/* Nothing but keepalives is sent: when they go, each as something sent. Returns how many octets
 * and, behind *ret_probes, probes until `end`. */
static unsigned int run(struct keepalive *keepalive, const struct nat_view *nat, uint64_t now,
			uint64_t end, uint64_t *ret_longest, unsigned int *ret_probes)
{
	uint64_t last = now, due;
	unsigned int n = 0;

	*ret_longest = 0;
	*ret_probes = 0;
	while ((due = keepalive_due(keepalive, nat, last)) < end) {
		assert_true(due > now);
		assert_int_equal(keepalive_timer(keepalive, nat, last, due - 1), KEEPALIVE_NONE);
		switch (keepalive_timer(keepalive, nat, last, due)) {
		case KEEPALIVE_NONE:
			fail();
			break;
		case KEEPALIVE_PROBE:
			++*ret_probes;
			break;
		case KEEPALIVE_OCTET:
			n++;
			break;
		}
		if (due - last > *ret_longest)
			*ret_longest = due - last;
		keepalive_note_sent(keepalive, nat, last, due);
		now = last = due;
	}
	return n;
}

static void test_needed(void **state)
{
	struct keepalive keepalive = {};
	struct nat_view nat = {};

	/* Nobody forgets. */
	assert_false(keepalive_is_needed(&keepalive, &nat));
	assert_true(keepalive_due(&keepalive, &nat, 5) == UINT64_MAX);
	nat.forgets = true;
	assert_true(keepalive_is_needed(&keepalive, &nat));
	/* A mapping helps who is reached at it. */
	nat.mapped = endpoint("11.0.1.1", 4500);
	nat.proven = true;
	assert_true(keepalive_is_needed(&keepalive, &nat));
	keepalive.seen = endpoint("11.0.1.1", 1025);
	assert_true(keepalive_is_needed(&keepalive, &nat));
	keepalive.seen = endpoint("11.0.1.1", 4500);
	assert_false(keepalive_is_needed(&keepalive, &nat));
	/* If it is worth something. */
	nat.proven = false;
	assert_true(keepalive_is_needed(&keepalive, &nat));
	nat.proven = true;
	nat.mapped = (struct sockaddr_in){};
	keepalive.seen = (struct sockaddr_in){};
	assert_true(keepalive_is_needed(&keepalive, &nat));
}

/* Whatever the silence that is held, none is longer, the first is not, and they are as few as that
 * allows. */
static void test_intervals(void **state)
{
	static const uint64_t silences[] = { 0, 1, 7, 10, 18, 28, 55, 115, 170, 285, 570, 3600 };

	for (size_t i = 0; i < sizeof silences / sizeof *silences; i++) {
		struct nat_view nat = { .forgets = true, .silence = silences[i] * 1000 };
		uint64_t held = silences[i] ? nat.silence : KEEPALIVE_MSEC + 1, longest;
		struct keepalive keepalive = {};
		unsigned int n, n_probes;

		assert_true(keepalive_due(&keepalive, &nat, 1000003) <= 1000003 + KEEPALIVE_MSEC);
		n = run(&keepalive, &nat, 1000003, 1000003 + 36000000, &longest, &n_probes);
		assert_true(longest < held);
		assert_int_equal(n_probes, 1);
		/* Pairs. */
		if (held > 23000)
			assert_true(n <= 2 * (36000000 / (held * 3 / 4) + 1));
		else
			assert_true(n <= 36000000 / (held * 3 / 4) + 1);
	}
}

/* Of many peers that were sent to at any time, all are due at the same few moments. */
static void test_many_peers_wake_once(void **state)
{
	struct nat_view nat = { .forgets = true, .silence = 115000 };
	struct keepalive keepalive = { .lasted = true };
	uint64_t moments[16];
	unsigned int n = 0;

	for (uint64_t last = 1000000; last < 1103500; last += 7) {
		uint64_t due = keepalive_due(&keepalive, &nat, last);

		assert_true(due > last && due - last <= 103500 && due - last > 90000);
		if (!n || moments[n - 1] != due) {
			assert_true(n < 16);
			moments[n++] = due;
		}
	}
	assert_true(n <= 9);
}

/* A seldom one goes twice; what is sent meanwhile does not keep the second one. */
static void test_pair(void **state)
{
	struct nat_view nat = { .forgets = true, .silence = 55000 };
	struct keepalive keepalive = { .lasted = true, .seen = endpoint("11.0.0.1", 1) };
	uint64_t due = keepalive_due(&keepalive, &nat, 1000000);

	assert_int_equal(keepalive_timer(&keepalive, &nat, 1000000, due), KEEPALIVE_OCTET);
	assert_int_equal(keepalive_due(&keepalive, &nat, due), due + KEEPALIVE_AGAIN_MSEC);
	due += KEEPALIVE_AGAIN_MSEC;
	assert_int_equal(keepalive_timer(&keepalive, &nat, due - 1, due), KEEPALIVE_OCTET);
	assert_true(keepalive_due(&keepalive, &nat, due) > due + 40000);
	nat.silence = 0;
	due = keepalive_due(&keepalive, &nat, 2000000);
	assert_int_equal(keepalive_timer(&keepalive, &nat, 2000000, due), KEEPALIVE_OCTET);
	assert_true(keepalive_due(&keepalive, &nat, due) > due + 15000);
}

/* At a mapped port nothing is sent. After a silence our next packet may leave by another port: the
 * peer is asked anew, once. */
static void test_mapped(void **state)
{
	struct sockaddr_in mapped = endpoint("11.0.1.1", 4500), other = endpoint("11.0.1.1", 77);
	struct nat_view nat = { .forgets = true, .proven = true, .mapped = mapped };
	struct keepalive keepalive = {};

	assert_int_equal(keepalive_timer(&keepalive, &nat, 1000000, 1020000), KEEPALIVE_PROBE);
	assert_true(keepalive_hear_seen(&keepalive, &mapped));
	assert_false(keepalive_hear_seen(&keepalive, &mapped));
	assert_true(keepalive_due(&keepalive, &nat, 1020000) == UINT64_MAX);
	assert_false(keepalive_note_sent(&keepalive, &nat, 1020000, 1039999));
	assert_true(keepalive_due(&keepalive, &nat, 1039999) == UINT64_MAX);
	assert_true(keepalive_note_sent(&keepalive, &nat, 1039999, 1059999));
	assert_int_equal(keepalive_timer(&keepalive, &nat, 1059999, 1079999), KEEPALIVE_PROBE);
	/* So it was. */
	assert_true(keepalive_hear_seen(&keepalive, &other));
	assert_true(keepalive_is_needed(&keepalive, &nat));
	assert_false(keepalive.distrusted);
	assert_false(keepalive_note_sent(&keepalive, &nat, 1080000, 1190000));
}

/* Another port though nobody moved: what was found out about this NAT is not so. */
static void test_forgot_too_early(void **state)
{
	struct sockaddr_in first = endpoint("11.0.1.1", 1025), then = endpoint("11.0.1.1", 1026);
	struct nat_view nat = { .forgets = true, .silence = 285000 };
	struct keepalive keepalive = { .lasted = true };

	keepalive_hear_seen(&keepalive, &first);
	assert_int_equal(keepalive_interval(&keepalive, &nat), 256500);
	keepalive_hear_seen(&keepalive, &then);
	assert_int_equal(keepalive_interval(&keepalive, &nat), KEEPALIVE_MSEC);
	nat.silence = 10000;
	assert_int_equal(keepalive_interval(&keepalive, &nat), 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_needed),
		cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_many_peers_wake_once),
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_mapped),
		cmocka_unit_test(test_forgot_too_early),
	};

	return cmocka_run_group_tests_name("tunneld/keepalive", tests, NULL, NULL);
}
