/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which way is taken after which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "services/llq-watcher/ways-state.h"

#include <cmocka.h>

#define HOUR 3600000u

static struct ways ways;

static void find(const enum watch_transport *transports, uint64_t now)
{
	struct server_list list = { .n = 0 };

	for (; *transports != WATCH_TRANSPORT_NONE; transports++) {
		list.items[list.n].service = *transports;
		list.items[list.n++].tls = *transports != WATCH_TRANSPORT_LLQ_UDP;
	}
	ways_set(&ways, &list, now);
}
#define FIND(now, ...) find((enum watch_transport[]){ __VA_ARGS__, WATCH_TRANSPORT_NONE }, now)

static int setup(void **state)
{
	ways = (struct ways){ .servers.n = 0 };
	return 0;
}

static enum watch_transport of(const struct dns_server *server)
{
	return server ? (enum watch_transport)server->service : WATCH_TRANSPORT_NONE;
}

static void test_one_after_the_other(void **state)
{
	FIND(0, WATCH_TRANSPORT_PUSH_TLS, WATCH_TRANSPORT_PUSH_TLS, WATCH_TRANSPORT_LLQ_TLS,
	     WATCH_TRANSPORT_LLQ_UDP);
	assert_null(ways_current(&ways));
	assert_int_equal(of(ways_first(&ways, 1)), WATCH_TRANSPORT_PUSH_TLS);
	assert_int_equal(ways_due(&ways), UINT64_MAX);
	assert_int_equal(of(ways_next(&ways, WAYS_FAILED, 2)), WATCH_TRANSPORT_PUSH_TLS);
	assert_int_equal(of(ways_next(&ways, WAYS_FAILED, 3)), WATCH_TRANSPORT_LLQ_TLS);
	/* Soon again: it may have been that server's bad moment. */
	assert_int_equal(ways_due(&ways), 3 + 600000);
	assert_int_equal(of(ways_next(&ways, WAYS_FAILED, 4)), WATCH_TRANSPORT_LLQ_UDP);
	assert_null(ways_next(&ways, WAYS_FAILED, 5));
	assert_null(ways_next(&ways, WAYS_FAILED, 6));
	assert_int_equal(of(ways_first(&ways, 7)), WATCH_TRANSPORT_PUSH_TLS);
}

static void test_a_server_without_push(void **state)
{
	FIND(0, WATCH_TRANSPORT_PUSH_TLS, WATCH_TRANSPORT_PUSH_TLS, WATCH_TRANSPORT_LLQ_TLS);
	ways_first(&ways, 1);
	assert_int_equal(of(ways_next(&ways, WAYS_UNSUPPORTED, 2)), WATCH_TRANSPORT_LLQ_TLS);
	assert_int_equal(ways_due(&ways), 2 + HOUR);
	/* Also when it is looked for and found again. */
	FIND(1000, WATCH_TRANSPORT_PUSH_TLS, WATCH_TRANSPORT_LLQ_TLS);
	assert_int_equal(of(ways_first(&ways, 1000)), WATCH_TRANSPORT_LLQ_TLS);
	assert_int_equal(ways_due(&ways), 2 + HOUR);
	assert_int_equal(of(ways_first(&ways, 2 + HOUR)), WATCH_TRANSPORT_PUSH_TLS);
}

static void test_a_domain_without_push(void **state)
{
	FIND(10, WATCH_TRANSPORT_LLQ_TLS);
	assert_int_equal(of(ways_first(&ways, 10)), WATCH_TRANSPORT_LLQ_TLS);
	assert_int_equal(ways_due(&ways), 10 + HOUR);
	ways_later(&ways, 10 + HOUR);
	assert_int_equal(ways_due(&ways), 10 + HOUR + 600000);
}

static void test_a_wrong_certificate_is_no_reason_for_the_clear(void **state)
{
	FIND(0, WATCH_TRANSPORT_PUSH_TLS, WATCH_TRANSPORT_LLQ_UDP, WATCH_TRANSPORT_LLQ_TLS,
	     WATCH_TRANSPORT_LLQ_UDP);
	ways_first(&ways, 1);
	assert_int_equal(of(ways_next(&ways, WAYS_UNTRUSTED, 2)), WATCH_TRANSPORT_LLQ_TLS);
	assert_null(ways_next(&ways, WAYS_UNTRUSTED, 3));
	/* Nor when the others do not answer: who shows it can keep us from them. */
	ways_first(&ways, 4);
	assert_int_equal(of(ways_next(&ways, WAYS_UNTRUSTED, 5)), WATCH_TRANSPORT_LLQ_TLS);
	assert_null(ways_next(&ways, WAYS_FAILED, 6));
	ways_first(&ways, 7);
	assert_int_equal(of(ways_next(&ways, WAYS_FAILED, 8)), WATCH_TRANSPORT_LLQ_UDP);
}

static void test_no_connection(void **state)
{
	FIND(0, WATCH_TRANSPORT_PUSH_TLS, WATCH_TRANSPORT_LLQ_TLS, WATCH_TRANSPORT_LLQ_TLS,
	     WATCH_TRANSPORT_LLQ_UDP);
	ways.servers.items[2].address.sin_port = 1;
	ways_first(&ways, 1);
	assert_ptr_equal(ways_next(&ways, WAYS_UNREACHABLE, 2), &ways.servers.items[2]);
	assert_int_equal(of(ways_next(&ways, WAYS_UNREACHABLE, 3)), WATCH_TRANSPORT_LLQ_UDP);
}

static void test_nothing_found(void **state)
{
	assert_null(ways_first(&ways, 1));
	assert_null(ways_next(&ways, WAYS_FAILED, 1));
	assert_int_equal(ways_due(&ways), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_after_the_other, setup),
		cmocka_unit_test_setup(test_a_server_without_push, setup),
		cmocka_unit_test_setup(test_a_domain_without_push, setup),
		cmocka_unit_test_setup(test_a_wrong_certificate_is_no_reason_for_the_clear, setup),
		cmocka_unit_test_setup(test_no_connection, setup),
		cmocka_unit_test_setup(test_nothing_found, setup),
	};

	return cmocka_run_group_tests_name("ways-state", tests, NULL, NULL);
}
