/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* stun-responder-state.c: who is answered what, from where and to where, and how often. */
#include "services/zoned/stun-responder-state.h"

#include "common/net/stun-wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define P1 3478
#define P2 3479

static const uint8_t txid[STUN_TXID_SIZE] = "abcdefghijkl";
static const struct endpoint a1 = { { 203, 0, 113, 53 }, P1, 4 };
static const struct endpoint a2 = { { 203, 0, 113, 54 }, P2, 4 };
static const struct endpoint client = { { 198, 51, 100, 7 }, 40000, 4 };

struct asking {
	struct stun_responder *responder;
	struct peer peer;
	uint64_t now;
	uint8_t request[STUN_MESSAGE_LIMIT];
	struct writer writer;
	size_t size; /* of the answer */
	struct stun_message answer;
	struct peer way;
};

static int setup(void **state)
{
	struct asking *asking = calloc(1, sizeof *asking);

	assert_non_null(asking);
	asking->responder = calloc(1, sizeof *asking->responder);
	assert_non_null(asking->responder);
	asking->responder->seed = 42;
	asking->peer = (struct peer){ .remote = client, .local = a1 };
	asking->now = 1000000;
	*state = asking;
	return 0;
}

static int teardown(void **state)
{
	struct asking *asking = *state;

	free(asking->responder);
	free(asking);
	return 0;
}

static struct writer *begin(struct asking *asking)
{
	asking->writer = writer_init(asking->request, sizeof asking->request);
	stun_begin(&asking->writer, STUN_REQUEST, txid);
	return &asking->writer;
}

static size_t ask(struct asking *asking)
{
	uint8_t answer[STUN_ANSWER_LIMIT];
	int size = stun_end(&asking->writer);

	assert_true(size > 0);
	asking->size = stun_responder_answer(asking->responder, &asking->peer, asking->request,
					     size, asking->now, answer, &asking->way);
	if (asking->size == 0)
		return 0;
	assert_int_equal(stun_parse(answer, asking->size, &asking->answer), 0);
	assert_memory_equal(asking->answer.txid, txid, sizeof txid);
	return asking->size;
}

static void assert_endpoint(const struct stun_address *address, const struct endpoint *endpoint)
{
	assert_int_equal(address->family, endpoint->family);
	assert_int_equal(address->port, endpoint->port);
	assert_memory_equal(address->octets, endpoint->address, 16);
}

static void test_bare_request(void **state)
{
	struct asking *asking = *state;

	begin(asking);
	assert_int_equal(ask(asking), 32);
	assert_int_equal(asking->answer.type, STUN_SUCCESS);
	assert_endpoint(&asking->answer.xor_mapped, &client);
	assert_int_equal(asking->answer.other_address.family, 0);
	assert_false(asking->answer.has_fingerprint);
	assert_memory_equal(&asking->way, &asking->peer, sizeof asking->way);
	stun_put_fingerprint(begin(asking));
	ask(asking);
	assert_true(asking->answer.has_fingerprint);
}

static void test_ipv6(void **state)
{
	struct asking *asking = *state;

	asking->peer.remote = (struct endpoint){ { 0x20, 1, 0xd, 0xb8, [15] = 7 }, 40000, 6 };
	asking->peer.local = (struct endpoint){ { 0x20, 1, 0xd, 0xb8, [15] = 1 }, P1, 6 };
	begin(asking);
	assert_int_equal(ask(asking), 44);
	assert_endpoint(&asking->answer.xor_mapped, &asking->peer.remote);
}

/* One address: what cannot be done is refused in the words that clients know. */
static void test_unknown(void **state)
{
	struct asking *asking = *state;

	stun_put_change_request(begin(asking), true, true);
	ask(asking);
	assert_int_equal(asking->answer.type, STUN_ERROR);
	assert_int_equal(asking->answer.error, 420);
	writer_u32(begin(asking), 0x7123 << 16);
	ask(asking);
	assert_int_equal(asking->answer.error, 420);
	/* What may be passed over is. */
	writer_u32(begin(asking), 0xc123u << 16);
	ask(asking);
	assert_int_equal(asking->answer.type, STUN_SUCCESS);
	assert_int_equal(asking->responder->counters.unknown, 2);
	assert_int_equal(asking->responder->counters.answers, 3);
}

/* RFC 5780 table 1, from each of the four sockets. */
static void test_change_request(void **state)
{
	struct asking *asking = *state;

	asking->responder->primary = a1;
	asking->responder->alternate = a2;
	for (int i = 0; i < 16; i++) {
		bool address = i & 1, port = i & 2;
		struct endpoint local = i & 4 ? a2 : a1;
		struct endpoint other = i & 4 ? a1 : a2;
		struct endpoint origin;

		local.port = i & 8 ? P2 : P1;
		other.port = i & 8 ? P1 : P2;
		origin = address ? other : local;
		origin.port = port ? other.port : local.port;
		asking->peer.local = local;
		stun_put_change_request(begin(asking), address, port);
		ask(asking);
		assert_int_equal(asking->answer.type, STUN_SUCCESS);
		assert_true(endpoint_equal(&asking->way.local, &origin));
		assert_true(endpoint_equal(&asking->way.remote, &client));
		assert_endpoint(&asking->answer.response_origin, &origin);
		assert_endpoint(&asking->answer.other_address, &other);
		assert_endpoint(&asking->answer.mapped, &client);
	}
	assert_int_equal(asking->responder->counters.changed, 12);
	/* Asked at another of the machine's addresses, there is no other one. */
	asking->peer.local = (struct endpoint){ { 127, 0, 0, 1 }, P1, 4 };
	begin(asking);
	assert_int_equal(ask(asking), 32);
}

static void test_response_port(void **state)
{
	struct asking *asking = *state;

	stun_put_response_port(begin(asking), 4500);
	ask(asking);
	assert_int_equal(asking->answer.type, STUN_SUCCESS);
	assert_int_equal(asking->way.remote.port, 4500);
	assert_memory_equal(asking->way.remote.address, client.address, 16);
	/* It tells how the request came, not where it goes. */
	assert_endpoint(&asking->answer.xor_mapped, &client);
	assert_int_equal(asking->responder->counters.redirected, 1);
	/* An error goes back the way that the request came. */
	stun_put_response_port(begin(asking), 4500);
	stun_put_padding(&asking->writer, 100);
	ask(asking);
	assert_int_equal(asking->answer.error, 400);
	assert_int_equal(asking->way.remote.port, client.port);
	stun_put_response_port(begin(asking), 0);
	ask(asking);
	assert_int_equal(asking->answer.error, 400);
	assert_int_equal(asking->way.remote.port, client.port);
}

/* Nothing grows by more than the address that is asked for. */
static void test_no_amplification(void **state)
{
	struct asking *asking = *state;

	asking->responder->primary = a1;
	asking->responder->alternate = a2;
	begin(asking);
	assert_int_equal(ask(asking), 68);
	for (size_t padding = 0; padding < 2000; padding += 100) {
		size_t size;

		asking->now += 1000;
		stun_put_padding(begin(asking), padding);
		size = asking->writer.position;
		ask(asking);
		assert_true(asking->size <= (size > 68 ? size : 68));
		stun_put_padding(begin(asking), padding);
		stun_put_fingerprint(&asking->writer);
		size = asking->writer.position;
		ask(asking);
		assert_true(asking->size <= (size > 76 ? size : 76));
	}
	/* As many unknown ones as fit. */
	begin(asking);
	for (int i = 0; i < 300; i++)
		writer_u32(&asking->writer, (0x7000 + i) << 16);
	ask(asking);
	assert_int_equal(asking->answer.error, 420);
	assert_true(asking->size < 100);
}

static unsigned int count_answers(struct asking *asking, unsigned int n)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < n; i++) {
		begin(asking);
		count += ask(asking) > 0;
	}
	return count;
}

static void test_rate(void **state)
{
	struct asking *asking = *state;

	assert_int_equal(count_answers(asking, 1000), STUN_BURST);
	assert_int_equal(asking->responder->counters.limited, 1000 - STUN_BURST);
	/* Another port is the same one, another address is not. */
	asking->peer.remote.port++;
	assert_int_equal(count_answers(asking, 10), 0);
	asking->peer.remote.address[3]++;
	assert_int_equal(count_answers(asking, 10), 10);
	asking->peer.remote = client;
	asking->now += 1000;
	assert_int_equal(count_answers(asking, 1000), STUN_RATE);
	/* Slowly: none is lost by rounding. */
	for (unsigned int i = 0; i < 100; i++) {
		asking->now += 1000 / STUN_RATE + 1;
		assert_int_equal(count_answers(asking, 1), 1);
	}
	asking->now += 1000000;
	assert_int_equal(count_answers(asking, 1000), STUN_BURST);
	/* A whole /64 is one. */
	asking->peer.remote = (struct endpoint){ { 0x20, 1, 0xd, 0xb8 }, 40000, 6 };
	assert_int_equal(count_answers(asking, 1000), STUN_BURST);
	asking->peer.remote.address[15] = 9;
	assert_int_equal(count_answers(asking, 10), 0);
}

static void test_dropped(void **state)
{
	static const uint16_t others[] = { STUN_INDICATION, STUN_SUCCESS, STUN_ERROR };
	struct asking *asking = *state;
	uint8_t answer[STUN_ANSWER_LIMIT];

	for (size_t i = 0; i < 3; i++) {
		asking->writer = writer_init(asking->request, sizeof asking->request);
		stun_begin(&asking->writer, others[i], txid);
		assert_int_equal(ask(asking), 0);
	}
	assert_int_equal(asking->responder->counters.malformed, 0);
	stun_put_fingerprint(begin(asking));
	for (int size = stun_end(&asking->writer) - 1; size >= 0; size--)
		assert_int_equal(stun_responder_answer(asking->responder, &asking->peer,
						       asking->request, size, asking->now, answer,
						       &asking->way),
				 0);
	asking->request[STUN_HEADER_SIZE + 6] ^= 1;
	assert_int_equal(ask(asking), 0);
	assert_int_equal(asking->responder->counters.malformed, 29);
	assert_int_equal(asking->responder->counters.requests, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_bare_request),   TEST(test_ipv6),          TEST(test_unknown),
		TEST(test_change_request), TEST(test_response_port), TEST(test_no_amplification),
		TEST(test_rate),           TEST(test_dropped),
	};

	return cmocka_run_group_tests_name("stun-responder", tests, NULL, NULL);
}
