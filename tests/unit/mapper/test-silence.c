/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* silence-state.c behind a NAT that forgets, with a server that answers into flows. */
#include "services/mapper/silence-state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
	struct silence_state state;
	uint64_t now;
	/* The NAT: how long it remembers a flow, and one younger than two seconds. */
	uint64_t remembers, remembers_young;
	bool other_port_each_time;
	uint16_t port;
	uint64_t flow_since, flow_used;
	/* The server. */
	bool away, refuses;
	struct sockaddr_in server;
	unsigned int lost, seed; /* of a hundred packets */
	uint64_t sleeps_until;   /* from the first silence on */
};

static const struct silences usual = { { 10, 18, 28, 55, 115, 170, 285, 570 }, 8 };

static void begin(struct world *world, uint64_t remembers_sec, uint16_t remembered)
{
	*world = (struct world){ .now = 1000000,
				 .remembers = remembers_sec * 1000,
				 .remembers_young =
					 remembers_sec < 30 ? remembers_sec * 1000 : 30000,
				 .seed = 1 };
	world->server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(3478) };
	inet_pton(AF_INET, "11.0.0.1", &world->server.sin_addr);
	silence_begin(&world->state, &usual, &world->server, remembered, world->now);
}

static bool is_lost(struct world *world)
{
	world->seed = world->seed * 1103515245 + 12345;
	return (world->seed >> 16) % 100 < world->lost;
}

static bool remembers(const struct world *world)
{
	uint64_t limit = world->flow_used - world->flow_since >= 2000 ? world->remembers
								      : world->remembers_young;

	return world->flow_used && world->now - world->flow_used < limit;
}

static void answer(struct world *world, const struct silence_packet *packet,
		   enum silence_socket socket, bool refused)
{
	struct stun_address seen = { .family = 4, .port = world->port, .octets = { 11, 0, 0, 9 } };
	struct stun_message request;
	uint8_t octets[200];
	struct writer writer = writer_init(octets, sizeof octets);
	int n;

	assert_int_equal(stun_parse(packet->octets, packet->size, &request), 0);
	stun_begin(&writer, refused ? STUN_ERROR : STUN_SUCCESS, request.txid);
	if (refused)
		stun_put_error(&writer, STUN_UNKNOWN_ATTRIBUTE, "Unknown");
	else
		stun_put_xor_mapped(&writer, &seen, request.txid);
	n = stun_end(&writer);
	assert_true(n > 0);
	if (!is_lost(world))
		silence_receive(&world->state, socket, &world->server, octets, n, world->now);
}

/* What becomes of a packet. */
static void carry(struct world *world, const struct silence_packet *packet)
{
	struct stun_message request;

	assert_int_equal(stun_parse(packet->octets, packet->size, &request), 0);
	assert_true(packet->to.sin_port == world->server.sin_port);
	if (packet->socket == SILENCE_SOCKET_FLOW) {
		if (packet->fresh || world->other_port_each_time) {
			world->port++;
			world->flow_since = world->now;
		}
		world->flow_used = world->now;
	}
	if (world->away || is_lost(world))
		return;
	if (!request.has_response_port) {
		answer(world, packet, packet->socket, false);
	} else if (world->refuses) {
		answer(world, packet, SILENCE_SOCKET_OTHER, true);
	} else if (request.response_port == world->port && remembers(world)) {
		world->flow_used = world->now;
		answer(world, packet, SILENCE_SOCKET_FLOW, false);
	}
}

static void run(struct world *world)
{
	uint8_t random[STUN_TXID_SIZE] = {};
	struct silence_packet packet;

	for (unsigned int n = 0; silence_due(&world->state) != UINT64_MAX; n++) {
		assert_true(n < 2000);
		if (silence_due(&world->state) > world->now)
			world->now = silence_due(&world->state);
		if (world->state.step == SILENCE_QUIET && world->sleeps_until > world->now)
			world->now = world->sleeps_until;
		random[0] = n;
		random[1] = n >> 8;
		while (silence_take_packet(&world->state, world->now, random, &packet))
			carry(world, &packet);
	}
}

static uint16_t longest(uint64_t remembers_sec)
{
	uint16_t held = 0;

	for (size_t i = 0; i < usual.n; i++)
		if (usual.items[i] < remembers_sec)
			held = usual.items[i];
	return held;
}

/* Whatever it remembers, what is found is the longest of those that it holds. */
static void test_finds(void **state)
{
	struct world world;

	for (uint64_t remembers_sec = 1; remembers_sec < 700; remembers_sec++) {
		begin(&world, remembers_sec, 0);
		run(&world);
		assert_true(world.state.ended);
		assert_int_equal(world.state.held, longest(remembers_sec));
		assert_true(world.state.n_trials <= 4);
	}
}

/* What was found at another time takes one trial; and if it holds no more, what holds is found. */
static void test_remembered(void **state)
{
	struct world world;

	for (uint64_t remembers_sec = 5; remembers_sec < 700; remembers_sec += 7) {
		for (size_t i = 0; i < usual.n; i++) {
			begin(&world, remembers_sec, usual.items[i]);
			assert_int_equal(world.state.held, usual.items[i]);
			run(&world);
			if (usual.items[i] < remembers_sec) {
				assert_int_equal(world.state.n_trials, 1);
				assert_int_equal(world.state.held, usual.items[i]);
			} else {
				assert_int_equal(world.state.held, longest(remembers_sec));
			}
		}
	}
	/* Of another configuration. */
	begin(&world, 100, 33);
	assert_int_equal(world.state.held, 33);
	run(&world);
	assert_int_equal(world.state.held, 55);
}

/* Lost packets never make it longer. */
static void test_losses(void **state)
{
	unsigned int n_right = 0;
	struct world world;

	for (unsigned int seed = 0; seed < 500; seed++) {
		begin(&world, 130, 0);
		world.seed = seed * 7919;
		world.lost = 20;
		run(&world);
		assert_true(world.state.held <= 115);
		n_right += world.state.held == 115;
	}
	assert_true(n_right > 400);
}

/* From here on the server is silent: nothing is known, and it ends. */
static void test_server_away(void **state)
{
	struct world world;

	begin(&world, 130, 0);
	world.away = true;
	run(&world);
	assert_int_equal(world.state.held, 0);
	assert_true(world.state.ended);
	assert_true(world.state.counters.requests_sent <= 12);

	/* In the middle of it: silence is no answer then. */
	begin(&world, 600, 115);
	while (world.state.step != SILENCE_QUIET) {
		struct silence_packet packet;
		uint8_t random[STUN_TXID_SIZE] = { 7 };

		world.now = silence_due(&world.state);
		while (silence_take_packet(&world.state, world.now, random, &packet))
			carry(&world, &packet);
	}
	world.away = true;
	run(&world);
	assert_int_equal(world.state.held, 115);
}

static void test_server_cannot(void **state)
{
	struct world world;

	begin(&world, 130, 0);
	world.refuses = true;
	run(&world);
	assert_int_equal(world.state.held, 0);
	assert_int_equal(world.state.n_trials, 1);

	begin(&world, 130, 0);
	world.other_port_each_time = true;
	run(&world);
	assert_int_equal(world.state.held, 0);
	assert_int_equal(world.state.n_trials, 1);
}

/* The machine slept: a silence that was longer than meant says nothing about the one that was. */
static void test_sleep(void **state)
{
	struct world world;

	begin(&world, 130, 0);
	world.sleeps_until = world.now + 3600000;
	run(&world);
	assert_int_equal(world.state.held, 115);
}

/* Answers of others, and to what was not asked. */
static void test_foreign(void **state)
{
	uint8_t random[STUN_TXID_SIZE] = { 9 }, octets[200];
	struct stun_address seen = { .family = 4, .port = 99, .octets = { 11, 0, 0, 9 } };
	struct sockaddr_in other;
	struct silence_packet packet;
	struct writer writer = writer_init(octets, sizeof octets);
	struct world world;
	int n;

	begin(&world, 130, 0);
	assert_true(silence_take_packet(&world.state, world.now, random, &packet));
	assert_true(packet.fresh && packet.socket == SILENCE_SOCKET_FLOW);
	stun_begin(&writer, STUN_SUCCESS, random);
	stun_put_xor_mapped(&writer, &seen, random);
	n = stun_end(&writer);
	other = world.server;
	other.sin_port = htons(1);
	silence_receive(&world.state, SILENCE_SOCKET_FLOW, &other, octets, n, world.now);
	assert_int_equal(world.state.counters.answers_foreign, 1);
	silence_receive(&world.state, SILENCE_SOCKET_OTHER, &world.server, octets, n, world.now);
	octets[19] ^= 1;
	silence_receive(&world.state, SILENCE_SOCKET_FLOW, &world.server, octets, n, world.now);
	assert_int_equal(world.state.counters.answers_unexpected, 2);
	silence_receive(&world.state, SILENCE_SOCKET_FLOW, &world.server, octets, 3, world.now);
	assert_int_equal(world.state.counters.answers_malformed, 1);
	assert_int_equal(world.state.step, SILENCE_OPEN);
	octets[19] ^= 1;
	silence_receive(&world.state, SILENCE_SOCKET_FLOW, &world.server, octets, n, world.now);
	assert_int_equal(world.state.step, SILENCE_SETTLES);
	/* The same once more. */
	silence_receive(&world.state, SILENCE_SOCKET_FLOW, &world.server, octets, n, world.now);
	assert_int_equal(world.state.step, SILENCE_SETTLES);
}

static void test_parse(void **state)
{
	static const char *const wrong[] = { "",    " ",    "0",
					     "1 1", "2 1",  "x",
					     "1,2", "3601", "1 2 3 4 5 6 7 8 9 10 11 12 13" };
	struct silences silences;

	assert_int_equal(silences_parse("1 2  3600 ", &silences), 0);
	assert_int_equal(silences.n, 3);
	assert_int_equal(silences.items[2], 3600);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(silences_parse(wrong[i], &silences), -EINVAL);
	assert_int_equal(silences.n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds),         cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_losses),        cmocka_unit_test(test_server_away),
		cmocka_unit_test(test_server_cannot), cmocka_unit_test(test_sleep),
		cmocka_unit_test(test_foreign),       cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests_name("mapper/silence", tests, NULL, NULL);
}
