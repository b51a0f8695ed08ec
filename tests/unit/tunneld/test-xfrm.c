/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/xfrm-wire.h"
#include "tests/unit/tunneld/unit.h"

#include <arpa/inet.h>
#include <linux/xfrm.h>
#include <string.h>

static struct xfrm_state a_state(const uint8_t *keymat, const struct xfrm_replay *replay)
{
	return (struct xfrm_state){
		.source.s_addr = htonl(0x0b000001),
		.destination.s_addr = htonl(0x0b000002),
		.source_port = 4500,
		.destination_port = 1234,
		.spi = 0x40000001,
		.reqid = 7,
		.if_id = 9,
		.inner_source.s6_addr = { 0xfd, 1 },
		.inner_destination.s6_addr = { 0xfd, 2 },
		.algorithm = ESP_AES128GCM16,
		.esn = true,
		.keymat = keymat,
		.replay = replay,
	};
}

/* What we say about a state is what we read of it, as the kernel repeats it. */
static void test_state_round_trip(void **state)
{
	char buffer[XFRM_REQUEST_SIZE];
	const uint8_t keymat[36] = { 1, 2, 3 };
	struct xfrm_replay replay = { .out = 0x500000007, .in = 0x300000002, .seen = { 5 } };
	struct xfrm_state wanted = a_state(keymat, &replay);
	struct xfrm_event event;
	struct nlmsghdr *message = xfrm_put_state(buffer, &wanted);

	assert_int_equal(message->nlmsg_type, XFRM_MSG_NEWSA);
	assert_true(message->nlmsg_len <= sizeof buffer);
	assert_int_equal(xfrm_read_event(message, &event), 0);
	assert_int_equal(event.kind, XFRM_EVENT_STATE);
	assert_int_equal(event.spi, wanted.spi);
	assert_int_equal(event.reqid, 7);
	assert_int_equal(event.if_id, 9);
	assert_int_equal(event.destination.s_addr, wanted.destination.s_addr);
	assert_true(event.have_replay);
	assert_memory_equal(&event.replay, &replay, sizeof replay);
	wanted.algorithm = ESP_CHACHA20POLY1305;
	message = xfrm_put_state_update(buffer, &wanted);
	assert_int_equal(message->nlmsg_type, XFRM_MSG_UPDSA);
	assert_true(message->nlmsg_len <= sizeof buffer);
}

static void test_policy_round_trip(void **state)
{
	char buffer[XFRM_REQUEST_SIZE];
	const struct xfrm_policy policy = {
		.inner_source.s6_addr = { 0xfd, 1 },
		.inner_destination.s6_addr = { 0xfd, 2 },
		.reqid = 6,
		.if_id = 9,
		.out = true,
		.spi = 0x1234,
	};
	struct xfrm_event event;
	struct nlmsghdr *message = xfrm_put_policy(buffer, &policy);

	/* As a list says it. */
	message->nlmsg_type = XFRM_MSG_NEWPOLICY;
	assert_int_equal(xfrm_read_event(message, &event), 0);
	assert_int_equal(event.kind, XFRM_EVENT_POLICY);
	assert_true(event.out);
	assert_int_equal(event.if_id, 9);
	assert_memory_equal(&event.inner_source, &policy.inner_source, 16);
	assert_memory_equal(&event.inner_destination, &policy.inner_destination, 16);
}

/* Nothing is read behind the end of a message, wherever it ends. */
static void test_truncated(void **state)
{
	static const uint16_t types[] = { XFRM_MSG_NEWSA,    XFRM_MSG_DELSA,   XFRM_MSG_NEWAE,
					  XFRM_MSG_EXPIRE,   XFRM_MSG_MAPPING, XFRM_MSG_ACQUIRE,
					  XFRM_MSG_NEWPOLICY };
	char buffer[XFRM_REQUEST_SIZE];
	const uint8_t keymat[36] = {};
	const struct xfrm_replay replay = {};
	const struct xfrm_state wanted = a_state(keymat, &replay);
	uint32_t size = xfrm_put_state(buffer, &wanted)->nlmsg_len;

	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		for (uint32_t n = NLMSG_HDRLEN; n <= size; n++) {
			/* Behind another message it begins at a multiple of four. */
			uint8_t *memory = test_malloc(n + 4);
			struct nlmsghdr *copy = (struct nlmsghdr *)(memory + 4);
			struct xfrm_event event;
			int r;

			memcpy(copy, buffer, n);
			copy->nlmsg_len = n;
			copy->nlmsg_type = types[i];
			r = xfrm_read_event(copy, &event);
			assert_true(r == 0 || r == -EBADMSG || r == -ENOMSG);
			test_free(memory);
		}
	}
}

static void test_window_round_trip(void **state)
{
	static const uint64_t highest[] = { 0, 1, 2, 31, 4095, 4096, 4097, 9000, 0x100000005 };

	for (size_t i = 0; i < sizeof highest / sizeof *highest; i++) {
		struct replay_window window = {}, back;
		struct xfrm_replay replay = { .out = 99 };
		uint64_t top = highest[i], first = top > 20000 ? top - 20000 : 1;

		for (uint64_t n = first; n <= top; n++)
			if (n % 3 && replay_window_is_new(&window, n))
				replay_window_mark(&window, n);
		xfrm_replay_from_window(&replay, &window);
		assert_int_equal(replay.out, 99);
		assert_int_equal(replay.in, window.highest);
		xfrm_replay_to_window(&replay, &back);
		assert_int_equal(back.highest, window.highest);
		for (uint64_t n = first; n <= top + 10; n++) {
			bool remembered = n + XFRM_REPLAY_WINDOW > window.highest;

			/* Never new to the one when it was seen by the other. */
			assert_int_equal(replay_window_is_new(&back, n),
					 replay_window_is_new(&window, n) && remembered);
		}
	}
}

/* The kernel's own layout (net/xfrm/xfrm_replay.c): number n is bit (n - 1) mod the window. */
static void test_window_layout(void **state)
{
	struct replay_window window = {};
	struct xfrm_replay replay = {};

	replay_window_mark(&window, 1);
	replay_window_mark(&window, 3);
	replay_window_mark(&window, 34);
	xfrm_replay_from_window(&replay, &window);
	assert_int_equal(replay.in, 34);
	assert_int_equal(replay.seen[0], 0x5);
	assert_int_equal(replay.seen[1], 0x2);
}

static void test_carrying_ends(void **state)
{
	assert_int_equal(xfrm_may_carry(1, 0), 0);
	assert_int_equal(xfrm_may_carry(1, 1000000), 0);
	assert_int_equal(xfrm_may_carry(4, 1000000), 1);
	assert_int_equal(xfrm_may_carry(64, 1000000), -EKEYEXPIRED);
	assert_int_equal(xfrm_may_carry(1, UINT64_C(1) << 31), -EKEYEXPIRED);
	assert_int_equal(xfrm_may_carry(1, UINT64_MAX), -EKEYEXPIRED);
	assert_int_equal(xfrm_may_carry(1 << 20, 0), -EKEYEXPIRED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_round_trip), cmocka_unit_test(test_policy_round_trip),
		cmocka_unit_test(test_truncated),        cmocka_unit_test(test_window_round_trip),
		cmocka_unit_test(test_window_layout),    cmocka_unit_test(test_carrying_ends),
	};

	return cmocka_run_group_tests_name("xfrm", tests, NULL, NULL);
}
