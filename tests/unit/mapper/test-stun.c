/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* stun-state.c against zoned's responder, through NATs of every behaviour that are played here; its
 * timers, and what it does not believe. */
#include "services/mapper/stun-state.h"
#include "services/zoned/stun-responder-state.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define A1            "203.0.113.53"
#define A2            "203.0.113.54"
#define LOCAL         "192.168.1.10"
#define WAN           "198.51.100.7"
#define MAPPED_PORT   61234
#define ASK_PORT      40000
#define CONTACTS      64
#define SENDS_LIMIT   64
#define NEVER_ANSWERS "192.0.2.99"

struct world {
	struct stun_state state;
	struct stun_responder *responder;
	uint64_t now;
	uint8_t next_random;

	/* The NAT. */
	bool is_public;
	enum nat_behaviour mapping, filtering;
	bool forwards;        /* MAPPED_PORT to the mapped socket */
	bool loses_all;       /* nothing comes back */
	bool loses_redirects; /* the server ignores RESPONSE-PORT by dropping */
	struct in_addr second_hop;
	struct sockaddr_in contacts[CONTACTS];
	size_t n_contacts;

	uint64_t sent_at[SENDS_LIMIT];
	struct sockaddr_in sent_to[SENDS_LIMIT];
	enum stun_socket sent_by[SENDS_LIMIT];
	size_t n_sent;
};

static struct sockaddr_in at(const char *address, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = inet_addr(address),
				     .sin_port = htons(port) };
}

static struct endpoint to_endpoint(const struct sockaddr_in *address)
{
	struct endpoint endpoint = { .family = 4, .port = ntohs(address->sin_port) };

	memcpy(endpoint.address, &address->sin_addr, 4);
	return endpoint;
}

static struct sockaddr_in from_endpoint(const struct endpoint *endpoint)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(endpoint->port) };

	memcpy(&address.sin_addr, endpoint->address, 4);
	return address;
}

static int setup(void **state)
{
	struct sockaddr_in first = at(A1, 3478), second = at(A2, 3479);
	struct world *world = calloc(1, sizeof *world);

	assert_non_null(world);
	world->responder = calloc(1, sizeof *world->responder);
	assert_non_null(world->responder);
	world->responder->primary = to_endpoint(&first);
	world->responder->alternate = to_endpoint(&second);
	world->now = 1000000;
	world->mapping = NAT_ENDPOINT_INDEPENDENT;
	world->filtering = NAT_ADDRESS_AND_PORT_DEPENDENT;
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	free(world->responder);
	free(world);
	return 0;
}

static struct sockaddr_in translate(const struct world *world, const struct stun_packet *packet)
{
	struct sockaddr_in outside = at(world->is_public ? LOCAL : WAN, 0);
	uint16_t port = ASK_PORT + packet->socket;

	if (!world->is_public && world->mapping != NAT_ENDPOINT_INDEPENDENT)
		port += (ntohl(packet->to.sin_addr.s_addr) & 0xff) * 10;
	if (!world->is_public && world->mapping == NAT_ADDRESS_AND_PORT_DEPENDENT)
		port += (ntohs(packet->to.sin_port) - 3477) * 5000;
	outside.sin_port = htons(port);
	return outside;
}

static bool passes(const struct world *world, const struct sockaddr_in *from)
{
	if (world->filtering == NAT_ENDPOINT_INDEPENDENT)
		return true;
	for (size_t i = 0; i < world->n_contacts; i++)
		if (world->contacts[i].sin_addr.s_addr == from->sin_addr.s_addr &&
		    (world->filtering == NAT_ADDRESS_DEPENDENT ||
		     world->contacts[i].sin_port == from->sin_port))
			return true;
	return false;
}

static void deliver(struct world *world, const struct stun_packet *packet, const struct peer *way,
		    const struct sockaddr_in *outside, const uint8_t *answer, size_t size)
{
	struct sockaddr_in from = from_endpoint(&way->local), to = from_endpoint(&way->remote);

	if (world->loses_all)
		return;
	if (to.sin_port == outside->sin_port) {
		if (passes(world, &from))
			stun_state_receive(&world->state, packet->socket, &from, answer, size,
					   world->now);
	} else if (to.sin_port == htons(MAPPED_PORT) && world->forwards &&
		   !world->loses_redirects) {
		stun_state_receive(&world->state, STUN_SOCKET_MAPPED, &from, answer, size,
				   world->now);
	}
}

static void send_packet(struct world *world, const struct stun_packet *packet)
{
	struct sockaddr_in outside = translate(world, packet);
	struct peer peer = { .remote = to_endpoint(&outside), .local = to_endpoint(&packet->to) };
	uint8_t answer[STUN_ANSWER_LIMIT];
	struct peer way;
	size_t size;

	assert_true(world->n_sent < SENDS_LIMIT);
	world->sent_at[world->n_sent] = world->now;
	world->sent_by[world->n_sent] = packet->socket;
	world->sent_to[world->n_sent++] = packet->to;
	assert_int_not_equal(packet->socket, STUN_SOCKET_MAPPED);
	if (packet->socket == STUN_SOCKET_HOP) {
		assert_int_equal(packet->ttl, 2);
		if (world->second_hop.s_addr)
			stun_state_ended_at(&world->state, world->second_hop);
		return;
	}
	assert_true(world->n_contacts < CONTACTS);
	world->contacts[world->n_contacts++] = packet->to;
	if (packet->to.sin_addr.s_addr != inet_addr(A1) &&
	    packet->to.sin_addr.s_addr != inet_addr(A2))
		return;
	size = stun_responder_answer(world->responder, &peer, packet->octets, packet->size,
				     world->now, answer, &way);
	if (size > 0)
		deliver(world, packet, &way, &outside, answer, size);
}

static bool step(struct world *world, struct stun_packet *packet)
{
	uint8_t random[STUN_TXID_SIZE];

	memset(random, world->next_random++, sizeof random);
	return stun_state_take_packet(&world->state, world->now, random, packet);
}

/* Until nothing is under way. */
static void run(struct world *world)
{
	struct stun_packet packet;
	uint64_t due;

	while ((due = stun_state_due(&world->state)) != UINT64_MAX) {
		if (due > world->now)
			world->now = due;
		while (step(world, &packet))
			send_packet(world, &packet);
	}
}

static void begin(struct world *world, const char *address, uint16_t port)
{
	struct sockaddr_in server = at(address, port);

	stun_state_begin(&world->state, (struct in_addr){ inet_addr(LOCAL) }, &server, 1,
			 world->now);
}

static void assert_word(enum nat_behaviour behaviour, enum nat_behaviour expected)
{
	assert_string_equal(nat_behaviour_word(behaviour), nat_behaviour_word(expected));
}

/* Every mapping with every filtering, named as what it is. */
static void test_behaviours(void **state)
{
	for (int mapping = NAT_ENDPOINT_INDEPENDENT; mapping <= NAT_ADDRESS_AND_PORT_DEPENDENT;
	     mapping++)
		for (int filtering = NAT_ENDPOINT_INDEPENDENT;
		     filtering <= NAT_ADDRESS_AND_PORT_DEPENDENT; filtering++) {
			struct world *world;

			setup(state);
			world = *state;
			world->mapping = mapping;
			world->filtering = filtering;
			begin(world, A1, 3478);
			run(world);
			assert_int_equal(world->state.findings.reflexive.sin_addr.s_addr,
					 inet_addr(WAN));
			assert_word(world->state.findings.mapping, mapping);
			assert_word(world->state.findings.filtering, filtering);
			/* The hop's two are among them. */
			assert_true(world->n_sent <= 12);
			teardown(state);
		}
	setup(state);
}

static void test_public(void **state)
{
	struct world *world = *state;

	world->is_public = true;
	world->filtering = NAT_ENDPOINT_INDEPENDENT;
	begin(world, A1, 3478);
	run(world);
	assert_int_equal(world->state.findings.reflexive.sin_addr.s_addr, inet_addr(LOCAL));
	assert_word(world->state.findings.mapping, NAT_ENDPOINT_INDEPENDENT);
	assert_word(world->state.findings.filtering, NAT_ENDPOINT_INDEPENDENT);
}

/* A server with one address: the address it sees, and nothing is claimed beyond it. */
static void test_one_address(void **state)
{
	struct world *world = *state;

	world->responder->primary.family = 0;
	begin(world, A1, 3478);
	run(world);
	assert_int_equal(world->state.findings.reflexive.sin_addr.s_addr, inet_addr(WAN));
	assert_word(world->state.findings.mapping, NAT_BEHAVIOUR_UNKNOWN);
	assert_word(world->state.findings.filtering, NAT_BEHAVIOUR_UNKNOWN);
	/* One, and two that were to end at the second router. */
	assert_int_equal(world->n_sent, 3);
}

static void two_servers(struct world *world, const char *second, uint16_t port,
			enum nat_behaviour mapping, enum nat_behaviour expected)
{
	const struct sockaddr_in servers[] = { at(A1, 3478), at(second, port) };

	world->responder->primary.family = 0;
	world->mapping = mapping;
	world->n_contacts = 0;
	stun_state_begin(&world->state, (struct in_addr){ inet_addr(LOCAL) }, servers, 2,
			 world->now);
	run(world);
	assert_word(world->state.findings.mapping, expected);
}

static void test_two_servers(void **state)
{
	struct world *world = *state;

	two_servers(world, A2, 3478, NAT_ENDPOINT_INDEPENDENT, NAT_ENDPOINT_INDEPENDENT);
	two_servers(world, A2, 3478, NAT_ADDRESS_DEPENDENT, NAT_ADDRESS_DEPENDENT);
	/* One address, two ports: whether the address matters cannot be known. */
	two_servers(world, A1, 3479, NAT_ENDPOINT_INDEPENDENT, NAT_BEHAVIOUR_UNKNOWN);
	two_servers(world, A1, 3479, NAT_ADDRESS_AND_PORT_DEPENDENT,
		    NAT_ADDRESS_AND_PORT_DEPENDENT);
}

/* RFC 8489 §6.2.1 to the millisecond. */
static void test_timers(void **state)
{
	static const uint64_t times[] = { 0, 500, 1500, 3500, 7500, 15500, 31500 };
	struct world *world = *state;
	uint64_t start = world->now;

	begin(world, NEVER_ANSWERS, 3478);
	run(world);
	assert_int_equal(world->n_sent, 7);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(world->sent_at[i] - start, times[i]);
	assert_int_equal(world->now - start, 39500);
	assert_int_equal(world->state.findings.server.sin_addr.s_addr, 0);
}

static void test_next_server(void **state)
{
	const struct sockaddr_in servers[] = { at(NEVER_ANSWERS, 3478), at(A1, 3478) };
	struct world *world = *state;
	uint64_t start = world->now;

	stun_state_begin(&world->state, (struct in_addr){ inet_addr(LOCAL) }, servers, 2,
			 world->now);
	run(world);
	assert_int_equal(world->sent_at[3] - start, 3500);
	assert_int_equal(world->state.findings.server.sin_addr.s_addr, inet_addr(A1));
}

static void test_hop(void **state)
{
	struct world *world = *state;

	world->second_hop.s_addr = inet_addr("10.0.0.1");
	begin(world, A1, 3478);
	run(world);
	assert_int_equal(world->state.findings.second_hop.s_addr, inet_addr("10.0.0.1"));
	/* Unasked, it is nothing. */
	assert_false(stun_state_ended_at(&world->state, (struct in_addr){ inet_addr("10.9.9.9") }));
	assert_int_equal(world->state.findings.second_hop.s_addr, inet_addr("10.0.0.1"));
}

static void prove(struct world *world)
{
	begin(world, A1, 3478);
	stun_state_prove(&world->state, MAPPED_PORT, world->now);
	run(world);
	assert_true(stun_state_proof_is_over(&world->state));
}

static void test_proof(void **state)
{
	struct world *world = *state;

	world->forwards = true;
	prove(world);
	assert_int_equal(world->state.findings.verified, NAT_VERIFIED_YES);
	assert_word(world->state.findings.filtering, NAT_ADDRESS_AND_PORT_DEPENDENT);
}

/* The gateway said yes, and nothing comes. */
static void test_proof_fails(void **state)
{
	struct world *world = *state;
	size_t n = 0;

	prove(world);
	assert_int_equal(world->state.findings.verified, NAT_VERIFIED_NO);
	assert_int_equal(world->responder->counters.redirected, 4);
	/* Later it is mended. */
	world->forwards = true;
	world->n_contacts = 0;
	n = world->n_sent;
	stun_state_prove(&world->state, MAPPED_PORT, world->now);
	run(world);
	assert_int_equal(world->state.findings.verified, NAT_VERIFIED_YES);
	assert_int_equal(world->n_sent - n, 1);
}

/* Without anybody there, silence is no proof of anything. */
static void test_proof_without_server(void **state)
{
	struct world *world = *state;
	struct stun_packet packet;

	begin(world, A1, 3478);
	while (step(world, &packet))
		send_packet(world, &packet);
	assert_int_equal(world->state.findings.server.sin_addr.s_addr, inet_addr(A1));
	world->loses_all = true;
	stun_state_prove(&world->state, MAPPED_PORT, world->now);
	run(world);
	assert_int_equal(world->state.findings.verified, NAT_VERIFIED_UNKNOWN);
	assert_true(stun_state_proof_is_over(&world->state));
	setup(state);
	teardown((void **)&world);
	world = *state;
	begin(world, NEVER_ANSWERS, 3478);
	stun_state_prove(&world->state, MAPPED_PORT, world->now);
	run(world);
	assert_int_equal(world->state.findings.verified, NAT_VERIFIED_UNKNOWN);
	assert_true(stun_state_proof_is_over(&world->state));
}

/* Octets as a server, or somebody else, might send them. */
static size_t make_answer(const struct stun_packet *packet, uint16_t type, const char *seen,
			  const char *other, uint8_t *octets)
{
	struct writer writer = writer_init(octets, 128);
	struct stun_address address = { .family = 4, .port = 5000 };

	stun_begin(&writer, type, packet->octets + 8);
	inet_pton(AF_INET, seen, address.octets);
	if (type == STUN_SUCCESS)
		stun_put_xor_mapped(&writer, &address, packet->octets + 8);
	else
		stun_put_error(&writer, 420, "");
	inet_pton(AF_INET, other, address.octets);
	stun_put_address(&writer, STUN_OTHER_ADDRESS, &address);
	return stun_end(&writer);
}

/* Old servers: they do not know RESPONSE-PORT, and either say so or answer as if it were not there.
 */
static void test_proof_unsupported(void **state)
{
	static const uint16_t types[] = { STUN_ERROR, STUN_SUCCESS };
	struct sockaddr_in server = at(A1, 3478);

	for (size_t i = 0; i < 2; i++) {
		struct world *world = *state;
		struct stun_packet packet;
		uint8_t octets[128];
		size_t size;

		begin(world, A1, 3478);
		assert_true(step(world, &packet));
		size = make_answer(&packet, STUN_SUCCESS, WAN, A1, octets);
		assert_true(stun_state_receive(&world->state, STUN_SOCKET_ASK, &server, octets,
					       size, world->now));
		stun_state_prove(&world->state, MAPPED_PORT, world->now);
		assert_true(step(world, &packet));
		size = make_answer(&packet, types[i], WAN, A1, octets);
		assert_true(stun_state_receive(&world->state, STUN_SOCKET_ASK, &server, octets,
					       size, world->now));
		assert_int_equal(world->state.findings.verified, NAT_VERIFIED_UNKNOWN);
		assert_true(stun_state_proof_is_over(&world->state));
	}
}

static void test_disbelief(void **state)
{
	struct sockaddr_in server = at(A1, 3478), stranger = at(NEVER_ANSWERS, 3478),
			   other_port = at(A1, 3479);
	struct world *world = *state;
	struct stun_packet packet;
	uint8_t octets[128];
	size_t size;

	begin(world, A1, 3478);
	assert_true(step(world, &packet));
	size = make_answer(&packet, STUN_SUCCESS, WAN, A1, octets);
	/* From elsewhere, to another socket, for another request, a request, nonsense. */
	assert_false(stun_state_receive(&world->state, STUN_SOCKET_ASK, &stranger, octets, size,
					world->now));
	assert_false(stun_state_receive(&world->state, STUN_SOCKET_ASK, &other_port, octets, size,
					world->now));
	assert_int_equal(world->state.counters.answers_foreign, 2);
	assert_false(stun_state_receive(&world->state, STUN_SOCKET_MAPPED, &server, octets, size,
					world->now));
	octets[19] ^= 1;
	assert_false(stun_state_receive(&world->state, STUN_SOCKET_ASK, &server, octets, size,
					world->now));
	assert_false(stun_state_receive(&world->state, STUN_SOCKET_ASK, &server, packet.octets,
					packet.size, world->now));
	assert_int_equal(world->state.counters.answers_unexpected, 3);
	size = make_answer(&packet, STUN_SUCCESS, "0.0.0.0", A1, octets);
	assert_false(stun_state_receive(&world->state, STUN_SOCKET_ASK, &server, octets, size,
					world->now));
	size = make_answer(&packet, STUN_SUCCESS, "224.0.0.1", A1, octets);
	assert_false(stun_state_receive(&world->state, STUN_SOCKET_ASK, &server, octets, size,
					world->now));
	assert_false(stun_state_receive(&world->state, STUN_SOCKET_ASK, &server, octets, size - 1,
					world->now));
	assert_int_equal(world->state.counters.answers_malformed, 3);
	assert_int_equal(world->state.findings.server.sin_addr.s_addr, 0);
	size = make_answer(&packet, STUN_SUCCESS, WAN, A1, octets);
	assert_true(stun_state_receive(&world->state, STUN_SOCKET_ASK, &server, octets, size,
				       world->now));
	/* Once. */
	assert_false(stun_state_receive(&world->state, STUN_SOCKET_ASK, &server, octets, size,
					world->now));
}

/* A server does not choose whom else we send to. */
static void test_other_address(void **state)
{
	static const char *const others[] = {
		"192.168.1.1", "10.0.0.1",    "127.0.0.1",      LOCAL, A1,
		"0.0.0.0",     "224.0.0.251", "255.255.255.255"
	};
	struct sockaddr_in server = at(A1, 3478);
	struct world *world = *state;

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		struct stun_packet packet;
		uint8_t octets[128];
		size_t size;

		begin(world, A1, 3478);
		assert_true(step(world, &packet));
		size = make_answer(&packet, STUN_SUCCESS, WAN, others[i], octets);
		assert_true(stun_state_receive(&world->state, STUN_SOCKET_ASK, &server, octets,
					       size, world->now));
		while (stun_state_due(&world->state) != UINT64_MAX) {
			world->now = stun_state_due(&world->state);
			while (step(world, &packet))
				assert_int_equal(packet.to.sin_addr.s_addr, inet_addr(A1));
		}
	}
}

/* Each request has a number of its own, its repetitions the same. */
static void test_transactions(void **state)
{
	struct world *world = *state;
	struct stun_packet first, second;

	begin(world, A1, 3478);
	assert_true(step(world, &first));
	world->now = stun_state_due(&world->state);
	assert_true(step(world, &second));
	assert_memory_equal(first.octets, second.octets, first.size);
	begin(world, A1, 3478);
	assert_true(step(world, &second));
	assert_memory_not_equal(first.octets + 8, second.octets + 8, STUN_TXID_SIZE);
}

static void test_nobody_to_ask(void **state)
{
	struct world *world = *state;

	stun_state_begin(&world->state, (struct in_addr){ inet_addr(LOCAL) }, NULL, 0, world->now);
	assert_true(stun_state_due(&world->state) == UINT64_MAX);
	stun_state_prove(&world->state, MAPPED_PORT, world->now);
	assert_true(stun_state_due(&world->state) == UINT64_MAX);
	assert_true(stun_state_proof_is_over(&world->state));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_public),
		TEST(test_one_address),
		TEST(test_two_servers),
		TEST(test_timers),
		TEST(test_next_server),
		TEST(test_hop),
		TEST(test_proof),
		TEST(test_proof_fails),
		TEST(test_proof_unsupported),
		TEST(test_disbelief),
		TEST(test_other_address),
		TEST(test_transactions),
		TEST(test_nobody_to_ask),
		TEST(test_proof_without_server),
		cmocka_unit_test_teardown(test_behaviours, teardown),
	};

	return cmocka_run_group_tests_name("stun", tests, NULL, NULL);
}
