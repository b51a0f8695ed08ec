/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a peer does when the kernel takes another way to it, and how routers are waited for. */
#include "services/tunneld/peer-state.h"
#include "tests/unit/tunneld/unit.h"

#include <arpa/inet.h>

#define NAME "desktop.alice.members.example.org"

static const uint8_t packet[100] = { 0x60 };
static const struct in6_addr host_id = { .s6_addr = { 0xfd, 1, 2, 3 } };

static struct sockaddr_in at(const char *address, uint16_t port)
{
	struct sockaddr_in endpoint = { .sin_family = AF_INET, .sin_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET, address, &endpoint.sin_addr), 1);
	return endpoint;
}

static struct in_addr ip(const char *address)
{
	return at(address, 0).sin_addr;
}

static struct uplink way(int link, const char *source, const char *next_hop)
{
	return (struct uplink){ link, ip(source), ip(next_hop) };
}

static struct peer *make_established(void)
{
	struct peer *peer = peer_new(&host_id, NAME, 0, true);
	struct sa_pair *pair = calloc(1, sizeof *pair);
	struct sockaddr_in endpoint = at("203.0.113.5", 4500);

	assert_non_null(peer);
	assert_non_null(pair);
	pair->initiator = true;
	peer_install(peer, 0, pair, &endpoint);
	peer->burst = 0;
	peer->next_probe = PEER_NEVER;
	return peer;
}

static bool out(struct peer *peer, uint64_t now)
{
	bool send;

	peer_outgoing(peer, now, packet, sizeof packet, &send);
	if (send)
		peer_sent(peer, now, true);
	return send;
}

static unsigned int hear_dummy(struct peer *peer, uint64_t now, const struct sockaddr_in *source,
			       enum dummy_kind kind, uint32_t number)
{
	struct peer_arrival arrival = { .pair = peer->current,
					.source = *source,
					.newest = true,
					.dummy = kind,
					.number = number };

	return peer_incoming(peer, now, &arrival);
}

/* Whether the way was news, and what it led to. */
static unsigned int see(struct peer *peer, uint64_t now, struct uplink uplink)
{
	return peer_would_move(peer, &uplink) ? peer_hear_uplink(peer, now, &uplink) : 0;
}

/* The kernel's other way is acted on at once; the mapper's word about it is none then. */
static void test_another_way(void **state)
{
	struct peer *peer = make_established();

	assert_int_equal(see(peer, 10, way(2, "192.168.2.10", "192.168.2.1")), 0);
	assert_int_equal(see(peer, 20, way(2, "192.168.2.10", "192.168.2.1")), 0);
	assert_int_equal(see(peer, 1000, way(2, "192.168.3.10", "192.168.3.1")),
			 PEER_PROBE | PEER_RESEND);
	assert_true(out(peer, 1001));
	assert_int_equal(peer_hear_mapper(peer, 1020, ip("192.168.3.10"), true), 0);
	/* The same address, another generation: its gateway got another one. */
	assert_int_equal(peer_hear_mapper(peer, 2000, ip("192.168.3.10"), false),
			 PEER_PROBE | PEER_RESEND);
	peer_free(peer);
}

/* What the mapper says first is acted on as ever, and so is what only it knows. */
static void test_mapper_alone(void **state)
{
	struct peer *peer = make_established();

	assert_int_equal(see(peer, 10, way(2, "192.168.2.10", "192.168.2.1")), 0);
	assert_int_equal(peer_hear_mapper(peer, 1000, ip("192.168.3.10"), true),
			 PEER_PROBE | PEER_RESEND);
	peer_free(peer);
}

/* Two homes with the same numbers: the carrier tells. */
static void test_same_numbers(void **state)
{
	struct peer *peer = make_established();
	struct uplink uplink = way(2, "192.168.2.10", "192.168.2.1");

	see(peer, 10, uplink);
	peer_lose_link(peer, 3);
	assert_int_equal(see(peer, 20, uplink), 0);
	peer_lose_link(peer, 2);
	assert_int_equal(see(peer, 1000, uplink), PEER_PROBE | PEER_RESEND);
	assert_int_equal(see(peer, 1001, uplink), 0);
	peer_free(peer);
}

/* Without a network packets wait; they go when the kernel has a way again. */
static void test_network_again(void **state)
{
	struct peer *peer = make_established();

	see(peer, 10, way(2, "192.168.2.10", "192.168.2.1"));
	assert_int_equal(peer_hear_mapper(peer, 100, ip("0.0.0.0"), true), 0);
	assert_false(out(peer, 200));
	assert_int_equal(see(peer, 1000, way(2, "192.168.2.10", "192.168.2.1")),
			 PEER_PROBE | PEER_RESEND);
	assert_non_null(peer_next_resend(peer, NULL));
	assert_true(out(peer, 1001));
	peer_free(peer);
}

/* Sends each millisecond until a probe is to go elsewhere as well. Returns when. */
static uint64_t pass_until_elsewhere(struct peer *peer, uint64_t now, uint64_t end)
{
	for (; now < end; now++) {
		unsigned int todo = 0;

		out(peer, now);
		if (peer->due <= now)
			todo = peer_timer(peer, now);
		if (todo & PEER_PROBE)
			peer_next_probe(peer, now);
		if (todo & PEER_PROBE_ELSEWHERE)
			return now;
	}
	return end;
}

/* Two probes within some milliseconds are answered once, unless the second comes from elsewhere. */
static void test_probe_from_elsewhere_is_answered(void **state)
{
	struct sockaddr_in there = at("198.51.100.1", 4500);
	struct peer *peer = make_established();

	assert_true(hear_dummy(peer, 900, &peer->endpoint, DUMMY_PROBE, 1) & PEER_ANSWER);
	assert_false(hear_dummy(peer, 902, &peer->endpoint, DUMMY_PROBE, 2) & PEER_ANSWER);
	assert_true(hear_dummy(peer, 904, &there, DUMMY_PROBE, 3) & PEER_ANSWER);
	assert_int_equal(peer->answer_number, 3);
	peer_free(peer);
}

/* Another port of an address that is alive: followed at once when it answers what we sent there
 * after a move of ours, or when the peer's probe comes from there, that once a second. */
static void test_another_port_at_once(void **state)
{
	const struct sockaddr_in one = at("203.0.113.5", 4500), other = at("203.0.113.5", 57061);
	struct peer *peer = make_established();

	hear_dummy(peer, 5000, &one, DUMMY_OTHER, 0);
	assert_false(hear_dummy(peer, 5010, &other, DUMMY_OTHER, 0) & PEER_MOVED);
	assert_false(hear_dummy(peer, 5020, &other, DUMMY_ANSWER, 7) & PEER_MOVED);
	assert_true(hear_dummy(peer, 5030, &other, DUMMY_PROBE, 1) & PEER_MOVED);
	assert_false(hear_dummy(peer, 5040, &one, DUMMY_PROBE, 2) & PEER_MOVED);
	/* Our NAT got another address: what port the peer is at may have changed with it. */
	peer_hear_watcher(peer, 5045, NAME, &one, 1, 1);
	assert_int_equal(peer_hear_mapper(peer, 5050, ip("192.168.1.10"), false),
			 PEER_PROBE | PEER_RESEND | PEER_PROBE_ELSEWHERE);
	assert_true(endpoint_equal(&peer->probe_place, &one));
	peer_next_probe(peer, 5050);
	hear_dummy(peer, 5051, &other, DUMMY_OTHER, 0);
	assert_true(hear_dummy(peer, 5052, &one, DUMMY_ANSWER, peer->last_probe) & PEER_MOVED);
	peer_free(peer);
}

/* The zone moved a peer that we reached to a place where it is not: the former one is tried, too,
 * and its answer from there brings it back. */
static void test_wrong_word_of_the_zone(void **state)
{
	const struct sockaddr_in right = at("203.0.113.5", 4500), wrong = at("198.51.100.1", 4500);
	struct peer *peer = make_established();
	uint64_t now;

	hear_dummy(peer, 900, &right, DUMMY_OTHER, 0);
	peer_hear_watcher(peer, 950, NAME, &right, 1, 1);
	assert_true(peer_hear_watcher(peer, 1000, NAME, &wrong, 2, 1) & PEER_MOVED);
	peer_next_probe(peer, 1000);
	now = pass_until_elsewhere(peer, 1001, 2000);
	assert_in_range(now, 1001, 1150);
	assert_true(endpoint_equal(&peer->endpoint, &wrong));
	assert_true(endpoint_equal(&peer->probe_place, &right));
	assert_true(hear_dummy(peer, now + 1, &right, DUMMY_ANSWER, peer->last_probe) & PEER_MOVED);
	assert_true(endpoint_equal(&peer->endpoint, &right));
	peer_free(peer);
}

/* The former place is somebody else's one day. */
static void test_former_place_is_forgotten(void **state)
{
	const struct sockaddr_in there = at("198.51.100.1", 4500);
	struct peer *peer = make_established();

	peer_hear_watcher(peer, 900, NAME, &peer->endpoint, 1, 1);
	peer_hear_watcher(peer, 1000, NAME, &there, 2, 1);
	peer_next_probe(peer, 1000);
	hear_dummy(peer, 1010, &there, DUMMY_ANSWER, peer->last_probe);
	assert_int_equal(pass_until_elsewhere(peer, 40000, 45000), 45000);
	peer_free(peer);
}

/* Another port, said while the present one is alive, is no reason to move; but once that is silent
 * it is tried. */
static void test_port_of_a_live_peer(void **state)
{
	const struct sockaddr_in right = at("203.0.113.5", 4501);
	struct sockaddr_in former;
	struct peer *peer = make_established();
	uint64_t now;

	former = peer->endpoint;
	hear_dummy(peer, 900, &former, DUMMY_OTHER, 0);
	peer_hear_watcher(peer, 950, NAME, &former, 1, 1);
	assert_int_equal(peer_hear_watcher(peer, 1000, NAME, &right, 2, 1), 0);
	now = pass_until_elsewhere(peer, 1001, 3000);
	assert_in_range(now, 1100, 1300);
	assert_true(endpoint_equal(&peer->probe_place, &right));
	assert_true(hear_dummy(peer, now + 1, &right, DUMMY_ANSWER, peer->last_probe) & PEER_MOVED);
	assert_true(endpoint_equal(&peer->endpoint, &right));
	peer_free(peer);
}

/* Its packets come, but from an address to which there is no way back: it probes on and on. Then it
 * is tried where the zone says that it is. */
static void test_deaf_peer(void **state)
{
	const struct sockaddr_in zone = at("203.0.113.9", 4500);
	struct sockaddr_in dead;
	struct peer *peer = make_established();
	unsigned int n_tried = 0;

	dead = peer->endpoint;
	peer_hear_watcher(peer, 10, NAME, &dead, 1, 1);
	peer->dns_endpoint = zone;
	/* A burst is none. */
	for (uint32_t i = 0; i < 3; i++)
		assert_false(hear_dummy(peer, 100 + 40 * i, &dead, DUMMY_PROBE, 1 + i) &
			     PEER_PROBE_ELSEWHERE);
	for (uint32_t i = 0; i < 20; i++)
		if (hear_dummy(peer, 5000 + 100 * i, &dead, DUMMY_PROBE, 4 + i) &
		    PEER_PROBE_ELSEWHERE) {
			assert_true(i >= 3);
			assert_true(endpoint_equal(&peer->probe_place, &zone));
			n_tried++;
		}
	assert_in_range(n_tried, 4, 7);
	/* Never by itself. */
	assert_true(endpoint_equal(&peer->endpoint, &dead));
	assert_true(hear_dummy(peer, 7000, &zone, DUMMY_ANSWER, peer->last_probe) & PEER_MOVED);
	assert_true(endpoint_equal(&peer->endpoint, &zone));
	peer_free(peer);
}

/* Its doubt ends each time. */
static void test_peer_that_hears_us_is_not_deaf(void **state)
{
	struct peer *peer = make_established();

	peer->dns_endpoint = at("203.0.113.9", 4500);
	for (uint32_t i = 0; i < 100; i++) {
		assert_false(hear_dummy(peer, 1000 + 100 * i, &peer->endpoint, DUMMY_PROBE, i + 1) &
			     PEER_PROBE_ELSEWHERE);
		peer_next_probe(peer, 1001 + 100 * i);
		hear_dummy(peer, 1002 + 100 * i, &peer->endpoint, DUMMY_ANSWER, peer->last_probe);
	}
	peer_free(peer);
}

static struct uplink router(uint8_t last)
{
	return (struct uplink){ .link = 2, .next_hop = { htonl(0xc0a80000 + last) } };
}

/* At 5, 15, 35 ms and so on, not for ever. */
static void test_router_watch(void **state)
{
	static const uint64_t wanted[] = { 5, 15, 35, 75, 155, 315, 635, 1275 };
	struct uplink uplink = router(1);
	struct router_watch watch;

	router_watch_init(&watch);
	assert_false(router_watch_look(&watch, 100));
	router_watch_add(&watch, 1000, &uplink);
	router_watch_add(&watch, 1000, &uplink);
	assert_int_equal(watch.n_routers, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(wanted); i++) {
		assert_int_equal(watch.due, 1000 + wanted[i]);
		assert_false(router_watch_look(&watch, watch.due - 1));
		assert_true(router_watch_look(&watch, watch.due));
	}
	assert_int_equal(watch.due, UINT64_MAX);
	/* The next network: those of the last are forgotten. */
	uplink = router(2);
	router_watch_add(&watch, 5000, &uplink);
	assert_int_equal(watch.n_routers, 1);
	assert_int_equal(watch.routers[0].next_hop.s_addr, uplink.next_hop.s_addr);
	/* Late looks are one, and never at once again. */
	assert_true(router_watch_look(&watch, 5400));
	assert_true(watch.due > 5400);
	router_watch_drop(&watch, 0);
	assert_int_equal(watch.due, UINT64_MAX);
}

static void test_many_routers(void **state)
{
	struct router_watch watch;

	router_watch_init(&watch);
	for (uint8_t i = 0; i < 20; i++) {
		struct uplink uplink = router(i);

		router_watch_add(&watch, 0, &uplink);
	}
	assert_int_equal(watch.n_routers, ROUTER_WATCH_ROUTERS);
	router_watch_drop(&watch, 0);
	assert_int_equal(watch.n_routers, ROUTER_WATCH_ROUTERS - 1);
	assert_true(watch.due != UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_way),
		cmocka_unit_test(test_mapper_alone),
		cmocka_unit_test(test_same_numbers),
		cmocka_unit_test(test_network_again),
		cmocka_unit_test(test_wrong_word_of_the_zone),
		cmocka_unit_test(test_former_place_is_forgotten),
		cmocka_unit_test(test_port_of_a_live_peer),
		cmocka_unit_test(test_probe_from_elsewhere_is_answered),
		cmocka_unit_test(test_another_port_at_once),
		cmocka_unit_test(test_deaf_peer),
		cmocka_unit_test(test_peer_that_hears_us_is_not_deaf),
		cmocka_unit_test(test_router_watch),
		cmocka_unit_test(test_many_routers),
	};

	return cmocka_run_group_tests_name("tunneld roaming", tests, NULL, NULL);
}
