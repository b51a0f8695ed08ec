/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/hold-queue.h"
#include "tests/unit/tunneld/unit.h"

static void test_order_and_clear(void **state)
{
	struct hold_queue queue = {};

	for (uint8_t i = 0; i < 5; i++)
		assert_int_equal(hold_queue_push(&queue, 100 + i, 0, &i, 1), 0);
	assert_int_equal(queue.n_packets, 5);
	assert_int_equal(queue.n_octets, 5);
	for (struct held_packet *packet = queue.first; packet; packet = packet->next)
		assert_int_equal(packet->since, 100 + packet->data[0]);
	assert_int_equal(queue.last->data[0], 4);
	hold_queue_clear(&queue);
	assert_null(queue.first);
	assert_null(queue.last);
	assert_int_equal(queue.n_octets, 0);
}

static void test_bound_in_packets(void **state)
{
	struct hold_queue queue = {};
	int n_dropped = 0;

	for (unsigned int i = 0; i < HOLD_QUEUE_PACKETS + 10; i++)
		n_dropped += hold_queue_push(&queue, 0, 0, (const uint8_t *)&i, sizeof i);
	assert_int_equal(n_dropped, 10);
	assert_int_equal(queue.n_packets, HOLD_QUEUE_PACKETS);
	assert_int_equal(queue.first->data[0], 10);
	hold_queue_clear(&queue);
}

static void test_bound_in_octets(void **state)
{
	static const uint8_t big[10000];
	struct hold_queue queue = {};
	int n_dropped = 0;

	for (unsigned int i = 0; i < 20; i++)
		n_dropped += hold_queue_push(&queue, 0, 0, big, sizeof big);
	assert_int_equal(queue.n_packets, HOLD_QUEUE_OCTETS / sizeof big);
	assert_int_equal(n_dropped, 20 - queue.n_packets);
	hold_queue_clear(&queue);
}

static void test_bound_in_age(void **state)
{
	struct hold_queue queue = {};
	uint8_t octet = 1;

	hold_queue_push(&queue, 0, 0, &octet, 1);
	hold_queue_push(&queue, 1000, 0, &octet, 1);
	assert_int_equal(hold_queue_expire(&queue, HOLD_QUEUE_AGE_MSEC), 0);
	assert_int_equal(hold_queue_expire(&queue, HOLD_QUEUE_AGE_MSEC + 1), 1);
	assert_int_equal(hold_queue_push(&queue, HOLD_QUEUE_AGE_MSEC + 1001, 0, &octet, 1), 1);
	assert_int_equal(queue.n_packets, 1);
	hold_queue_clear(&queue);
}

/* Who asks may have looked at the clock before the packet came. */
static void test_later_packet_is_not_stale(void **state)
{
	struct hold_queue queue = {};

	hold_queue_push(&queue, 1001, 0, (const uint8_t *)"x", 1);
	assert_false(hold_queue_is_stale(&queue, 1000));
	assert_int_equal(hold_queue_expire(&queue, 1000), 0);
	assert_int_equal(queue.n_packets, 1);
	hold_queue_clear(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_clear),
		cmocka_unit_test(test_bound_in_packets),
		cmocka_unit_test(test_bound_in_octets),
		cmocka_unit_test(test_bound_in_age),
		cmocka_unit_test(test_later_packet_is_not_stale),
	};

	return cmocka_run_group_tests_name("tunneld/hold-queue", tests, NULL, NULL);
}
