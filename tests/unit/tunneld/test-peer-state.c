/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/peer-state.h"
#include "services/tunneld/peer-table.h"
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

static struct peer *make_peer(void)
{
	struct peer *peer = peer_new(&host_id, NAME, 0, true);

	assert_non_null(peer);
	return peer;
}

/* A pair without ciphers: this part never looks into them. */
static unsigned int install(struct peer *peer, uint64_t now, bool initiator)
{
	struct sa_pair *pair = calloc(1, sizeof *pair);
	struct sockaddr_in endpoint = at("203.0.113.5", 4500);

	assert_non_null(pair);
	pair->initiator = initiator;
	pair->spi_in = 0x40000000 + peer->last_order;
	return peer_install(peer, now, pair, &endpoint);
}

static struct peer *make_established(uint64_t now)
{
	struct peer *peer = make_peer();

	install(peer, now, true);
	peer->burst = 0;
	peer->next_probe = PEER_NEVER;
	return peer;
}

static bool out(struct peer *peer, uint64_t now, unsigned int *ret_todo)
{
	bool send;
	unsigned int todo = peer_outgoing(peer, now, packet, sizeof packet, &send);

	if (send)
		peer_sent(peer, now, true);
	if (ret_todo)
		*ret_todo = todo;
	return send;
}

static unsigned int hear_from(struct peer *peer, uint64_t now, struct sa_pair *pair,
			      struct sockaddr_in source, bool newest)
{
	struct peer_arrival arrival = {
		.pair = pair, .source = source, .newest = newest, .data = true
	};

	return peer_incoming(peer, now, &arrival);
}

static unsigned int hear(struct peer *peer, uint64_t now)
{
	return hear_from(peer, now, peer->current, peer->endpoint, true);
}

static unsigned int hear_dummy(struct peer *peer, uint64_t now, enum dummy_kind kind,
			       uint32_t number)
{
	struct peer_arrival arrival = { .pair = peer->current,
					.source = peer->endpoint,
					.newest = true,
					.dummy = kind,
					.number = number };

	return peer_incoming(peer, now, &arrival);
}

static unsigned int count_resend(struct peer *peer)
{
	struct held_packet *held = NULL;
	unsigned int n = 0;

	while ((held = peer_next_resend(peer, held)))
		n++;
	return n;
}

static void test_acquire_holds_and_sends(void **state)
{
	struct peer *peer = make_peer();
	unsigned int todo;

	assert_false(out(peer, 1000, &todo));
	assert_int_equal(todo, PEER_ACQUIRE | PEER_ANNOUNCE);
	assert_int_equal(peer->phase, PEER_ACQUIRING);
	assert_false(out(peer, 1001, &todo));
	assert_int_equal(todo, 0);
	assert_int_equal(peer->held.n_packets, 2);
	todo = install(peer, 1100, true);
	assert_true(todo & PEER_RESEND);
	assert_true(todo & PEER_DROP_HELD);
	assert_true(todo & PEER_PROBE);
	assert_int_equal(peer->phase, PEER_ESTABLISHED);
	assert_int_equal(peer->source, ENDPOINT_IKE);
	assert_int_equal(count_resend(peer), 2);
	peer_free(peer);
}

static void test_acquire_is_repeated_and_given_up(void **state)
{
	struct peer *peer = make_peer();
	unsigned int n_acquires = 0, todo;
	uint64_t now = 0;

	out(peer, now, &todo);
	while (peer->phase == PEER_ACQUIRING) {
		assert_true(peer->due > now && peer->due != PEER_NEVER);
		now = peer->due;
		todo = peer_timer(peer, now);
		n_acquires += !!(todo & PEER_ACQUIRE);
	}
	assert_int_equal(n_acquires, 5);
	assert_int_equal(now, 30000);
	assert_true(todo & PEER_UNREACHABLE);
	assert_true(todo & PEER_DROP_HELD);
	assert_string_equal(peer->last_error, "keyd did not answer");
	peer_free(peer);
}

/* The last packet came from where nobody is reached; or there, and the zone knows nothing better.
 */
static void test_acquire_tries_both_places(void **state)
{
	struct peer *peer = make_established(1000);
	struct sockaddr_in packets = peer->endpoint, dns = at("203.0.113.9", 4501);
	unsigned int todo;

	peer_hear_watcher(peer, 1050, NAME, &packets, 1, 1);
	peer_hear_watcher(peer, 1100, NAME, &dns, 2, 1);
	hear_from(peer, 1101, peer->current, packets, true);
	assert_int_equal(peer->source, ENDPOINT_PACKET);
	sa_pair_free(peer->pairs);
	peer->pairs = peer->current = NULL;
	peer->phase = PEER_IDLE;
	out(peer, 2000, &todo);
	assert_true(todo & PEER_ACQUIRE);
	assert_true(endpoint_equal(&peer->endpoint, &packets));
	assert_int_equal(peer_timer(peer, 7000), PEER_ACQUIRE | PEER_MOVED | PEER_ANNOUNCE);
	assert_true(endpoint_equal(&peer->endpoint, &dns));
	assert_int_equal(peer->source, ENDPOINT_DNS);
	assert_int_equal(peer_timer(peer, 12000), PEER_ACQUIRE | PEER_MOVED | PEER_ANNOUNCE);
	assert_true(endpoint_equal(&peer->endpoint, &packets));
	/* The zone says something new: that is where it goes on. */
	dns = at("203.0.113.10", 4501);
	assert_true(peer_hear_watcher(peer, 12100, NAME, &dns, 3, 1) & PEER_MOVED);
	peer_timer(peer, 17000);
	assert_true(endpoint_equal(&peer->endpoint, &packets));
	peer_timer(peer, 22000);
	assert_true(endpoint_equal(&peer->endpoint, &dns));
	peer_free(peer);
	/* There is only one place. */
	peer = make_peer();
	peer_hear_watcher(peer, 0, NAME, &dns, 1, 1);
	out(peer, 10, NULL);
	assert_int_equal(peer_timer(peer, 5010), PEER_ACQUIRE);
	assert_true(endpoint_equal(&peer->endpoint, &dns));
	peer_free(peer);
}

static void test_acquire_failed_waits_before_the_next(void **state)
{
	struct peer *peer = make_peer();
	unsigned int todo;

	out(peer, 0, NULL);
	todo = peer_acquire_failed(peer, 10, "refused");
	assert_int_equal(todo, PEER_ANNOUNCE | PEER_UNREACHABLE | PEER_DROP_HELD);
	hold_queue_clear(&peer->held);
	assert_int_equal(peer->phase, PEER_IDLE);
	assert_string_equal(peer->last_error, "refused");
	assert_false(out(peer, 500, &todo));
	assert_int_equal(todo, 0);
	assert_int_equal(peer->due, 1010);
	assert_int_equal(peer_timer(peer, 1010), PEER_ACQUIRE | PEER_ANNOUNCE);
	/* A failure told for a peer that is up is a note, no more. */
	install(peer, 2000, true);
	assert_int_equal(peer_acquire_failed(peer, 2001, "late"), PEER_ANNOUNCE);
	assert_int_equal(peer->phase, PEER_ESTABLISHED);
	peer_free(peer);
}

static void test_unknown_spi_asks_now_and_then(void **state)
{
	struct peer *peer = make_peer();

	assert_int_equal(peer_hear_unknown_spi(peer, 100), PEER_ACQUIRE | PEER_ANNOUNCE);
	assert_int_equal(peer_hear_unknown_spi(peer, 101), 0);
	peer_acquire_failed(peer, 200, "no");
	assert_int_equal(peer_hear_unknown_spi(peer, 300), 0);
	assert_int_equal(peer_hear_unknown_spi(peer, 2300), PEER_ACQUIRE | PEER_ANNOUNCE);
	install(peer, 2400, true);
	assert_int_equal(peer_hear_unknown_spi(peer, 9000), 0);
	peer_free(peer);
}

static void test_endpoint_by_dns_on_change_only(void **state)
{
	struct peer *peer = make_peer();
	struct sockaddr_in first = at("198.51.100.1", 4500), second = at("198.51.100.2", 4501);

	assert_true(peer_hear_watcher(peer, 1, NAME, &first, 1, 1) & PEER_MOVED);
	assert_int_equal(peer->source, ENDPOINT_DNS);
	install(peer, 2, true); /* endpoint now by ike */
	assert_int_equal(peer->source, ENDPOINT_IKE);
	/* The same again, also by another watcher process that counts anew, is no news. */
	assert_int_equal(peer_hear_watcher(peer, 3, NAME, &first, 1, 1), 0);
	assert_int_equal(peer_hear_watcher(peer, 4, NAME, &first, 7, 2), 0);
	assert_int_equal(peer_hear_watcher(peer, 4, NAME, NULL, 7, 2), 0);
	assert_int_equal(peer->source, ENDPOINT_IKE);
	/* It changed there and back while nobody looked. */
	assert_true(peer_hear_watcher(peer, 5, NAME, &first, 9, 2) & PEER_MOVED);
	assert_int_equal(peer->source, ENDPOINT_DNS);
	assert_true(peer_hear_watcher(peer, 6, NAME, &second, 10, 2) &
		    (PEER_MOVED | PEER_PROBE | PEER_RESEND));
	assert_true(endpoint_equal(&peer->endpoint, &second));
	assert_int_equal(peer_hear_watcher(peer, 7, "other.name", &second, 10, 2), PEER_ANNOUNCE);
	peer_free(peer);
}

static void test_first_word_of_dns_moves_no_known_peer(void **state)
{
	struct peer *peer = make_established(0);
	struct sockaddr_in dns = at("198.51.100.1", 4500);

	assert_int_equal(peer_hear_watcher(peer, 1, NAME, &dns, 3, 1), 0);
	assert_int_equal(peer->source, ENDPOINT_IKE);
	assert_true(peer_hear_watcher(peer, 2, NAME, &dns, 4, 1) & PEER_MOVED);
	peer_free(peer);
}

static void test_endpoint_by_packet_newest_only(void **state)
{
	struct peer *peer = make_established(0);
	struct sockaddr_in moved = at("198.51.100.7", 1024), old = peer->endpoint;

	assert_false(hear_from(peer, 10, peer->current, moved, false) & PEER_MOVED);
	assert_true(endpoint_equal(&peer->endpoint, &old));
	assert_true(hear_from(peer, 11, peer->current, moved, true) & (PEER_MOVED | PEER_PROBE));
	assert_true(endpoint_equal(&peer->endpoint, &moved));
	assert_int_equal(peer->source, ENDPOINT_PACKET);
	assert_int_equal(peer->counters.endpoint_moves, 2);
	peer_free(peer);
}

static void test_other_port_waits_for_silence(void **state)
{
	struct peer *peer = make_established(0);
	struct sockaddr_in port = peer->endpoint, address = at("198.51.100.7", 4500);

	port.sin_port = htons(4501);
	hear(peer, 1000);
	/* The peer's gateway lets it be reached at two ports: the packets of both are mixed. */
	assert_false(hear_from(peer, 1050, peer->current, port, true) & PEER_MOVED);
	hear(peer, 1060);
	assert_false(hear_from(peer, 1159, peer->current, port, true) & PEER_MOVED);
	assert_int_equal(peer_hear_watcher(peer, 1159, NAME, &port, 1, 1), 0);
	assert_int_equal(peer_hear_watcher(peer, 1159, NAME, &port, 2, 1), 0);
	/* The present one is silent now. */
	assert_true(hear_from(peer, 1160, peer->current, port, true) & PEER_MOVED);
	/* Another address is another matter. */
	assert_true(hear_from(peer, 1161, peer->current, address, true) & PEER_MOVED);
	/* And where our own side moved, nothing is known of any port. */
	peer_network_changed(peer, 1162, true);
	address.sin_port = htons(4502);
	assert_true(hear_from(peer, 1163, peer->current, address, true) & PEER_MOVED);
	peer_free(peer);
}

static void test_other_port_longer_for_the_responder(void **state)
{
	struct peer *peer = make_peer();
	struct sockaddr_in port;

	install(peer, 0, false);
	port = peer->endpoint;
	port.sin_port = htons(4501);
	hear(peer, 1000);
	assert_false(hear_from(peer, 1249, peer->current, port, true) & PEER_MOVED);
	assert_true(hear_from(peer, 1250, peer->current, port, true) & PEER_MOVED);
	peer_free(peer);
}

static void test_late_packet_of_former_pair_moves_nothing(void **state)
{
	struct peer *peer = make_established(0);
	struct sa_pair *former = peer->current;
	struct sockaddr_in moved = at("198.51.100.7", 1024), stale = at("192.0.2.1", 4500);

	install(peer, 100, true);
	hear_from(peer, 110, peer->current, moved, true);
	assert_false(hear_from(peer, 111, former, stale, true) & PEER_MOVED);
	assert_true(endpoint_equal(&peer->endpoint, &moved));
	peer_free(peer);
}

/* Each side made a pair, and the peer sends on the one that is the older here: at first beside the
 * newer one, later alone, for ours is gone. */
static void test_other_pair_moves_when_newer_is_silent(void **state)
{
	struct peer *peer = make_established(0);
	struct sa_pair *older = peer->current, *newer;
	struct sockaddr_in moved = at("198.51.100.7", 1024), again = at("192.0.2.1", 4500);

	install(peer, 100, false);
	newer = peer->pairs;
	hear_from(peer, 110, newer, peer->endpoint, true);
	assert_false(hear_from(peer, 1109, older, moved, true) & PEER_MOVED);
	assert_true(hear_from(peer, 1110, older, moved, true) & PEER_MOVED);
	assert_true(endpoint_equal(&peer->endpoint, &moved));
	hear_from(peer, 2000, newer, moved, true);
	peer_remove_pair(peer, 5000, newer);
	sa_pair_free(newer);
	assert_true(hear_from(peer, 5001, older, again, true) & PEER_MOVED);
	assert_true(endpoint_equal(&peer->endpoint, &again));
	peer_free(peer);
}

static void test_initiator_switches_at_once(void **state)
{
	struct peer *peer = make_established(0);
	struct sa_pair *former = peer->current;

	install(peer, 1000, true);
	assert_ptr_equal(peer->current, peer->pairs);
	assert_ptr_not_equal(peer->current, former);
	assert_null(peer_ended_pair(peer, 1000 + PEER_FORMER_MSEC - 1));
	assert_ptr_equal(peer_ended_pair(peer, 1000 + PEER_FORMER_MSEC), former);
	peer_remove_pair(peer, 1000 + PEER_FORMER_MSEC, former);
	sa_pair_free(former);
	assert_null(peer_ended_pair(peer, PEER_NEVER - 1));
	peer_free(peer);
}

static void test_responder_switches_on_proof(void **state)
{
	struct peer *peer = make_established(0);
	struct sa_pair *former = peer->current;

	install(peer, 1000, false);
	assert_ptr_equal(peer->current, former);
	hear_from(peer, 1010, former, peer->endpoint, true);
	assert_ptr_equal(peer->current, former);
	assert_true(hear_from(peer, 1020, peer->pairs, peer->endpoint, true) & PEER_ANNOUNCE);
	assert_ptr_equal(peer->current, peer->pairs);
	assert_int_equal(former->ends_at, 1020 + PEER_FORMER_MSEC);
	peer_free(peer);
}

static void test_responder_switches_in_doubt(void **state)
{
	struct peer *peer = make_established(0);
	struct sa_pair *former = peer->current;

	install(peer, 1000, false);
	out(peer, 1001, NULL);
	assert_ptr_equal(peer->current, former);
	peer_timer(peer, 1200);
	assert_ptr_equal(peer->current, peer->pairs);
	peer_free(peer);
}

/* Without a former pair the responder waits for the initiator to have the pair, not for long. */
static void test_responder_settles(void **state)
{
	for (int heard = 0; heard < 2; heard++) {
		struct peer *peer = make_peer();
		unsigned int todo;

		out(peer, 0, NULL);
		todo = install(peer, 100, false);
		assert_false(todo & (PEER_RESEND | PEER_DROP_HELD));
		assert_false(out(peer, 105, NULL));
		todo = heard ? hear_dummy(peer, 110, DUMMY_PROBE, 1) : peer_timer(peer, 150);
		assert_true(todo & PEER_RESEND);
		assert_true(todo & PEER_DROP_HELD);
		assert_int_equal(!!(todo & PEER_ANSWER), heard);
		assert_int_equal(count_resend(peer), 2);
		hold_queue_clear(&peer->held);
		assert_true(out(peer, 160, NULL));
		peer_free(peer);
	}
}

static void test_removing_the_current_falls_back_then_idles(void **state)
{
	struct peer *peer = make_established(0);
	struct sa_pair *older = peer->current, *newer;

	install(peer, 10, true);
	newer = peer->current;
	peer_remove_pair(peer, 20, newer);
	sa_pair_free(newer);
	assert_ptr_equal(peer->current, older);
	assert_null(peer_ended_pair(peer, PEER_NEVER - 1));
	assert_true(peer_remove_pair(peer, 30, older) & PEER_DROP_HELD);
	sa_pair_free(older);
	assert_int_equal(peer->phase, PEER_IDLE);
	assert_null(peer->current);
	peer_free(peer);
}

/* A responder retires the pair it sends on: not an unproven one takes its place while there is one
 * that the other side has. The retired one receives for its time and is never sent on again. */
static void test_retired_pair(void **state)
{
	struct peer *peer = make_established(0);
	struct sa_pair *former = peer->current, *mine, *theirs;
	unsigned int todo;

	hear(peer, 5);
	assert_int_equal(peer_retire_pair(peer, 10, former, &todo), -ENOENT);
	install(peer, 20, false);
	theirs = peer->pairs;
	install(peer, 30, true);
	mine = peer->current;
	assert_ptr_equal(mine, peer->pairs);
	assert_int_equal(peer_retire_pair(peer, 100, mine, &todo), 0);
	assert_int_equal(todo, PEER_ANNOUNCE);
	assert_ptr_equal(peer->current, former);
	assert_int_equal(mine->ends_at, 100 + PEER_FORMER_MSEC);
	assert_int_equal(peer_retire_pair(peer, 200, former, &todo), 0);
	assert_ptr_equal(peer->current, theirs);
	assert_int_equal(peer_retire_pair(peer, 300, theirs, &todo), -ENOENT);
	assert_ptr_equal(peer_ended_pair(peer, 200 + PEER_FORMER_MSEC), mine);
	/* With the last that is not retired, all is over. */
	peer_remove_pair(peer, 400, theirs);
	sa_pair_free(theirs);
	assert_int_equal(peer->phase, PEER_IDLE);
	assert_null(peer->current);
	peer_free(peer);
}

/* Octets, packets or sequence numbers, whatever is used up first; said once. */
static void test_worn_pair(void **state)
{
	struct peer *peer = make_established(0);
	struct sa_pair *pair = peer->current;

	assert_int_equal(peer_use_pair(peer, pair, false, 1u << 31, 1000), 0);
	assert_int_equal(peer_use_pair(peer, pair, true, 1ull << 63, 1000), 0);
	pair->limit_octets = 5000;
	assert_int_equal(peer_use_pair(peer, pair, true, 3, 2999), 0);
	assert_int_equal(peer_use_pair(peer, pair, true, 4, 1), PEER_ANNOUNCE);
	assert_true(pair->worn);
	assert_int_equal(peer_use_pair(peer, pair, true, 5, 1), 0);
	pair->worn = false;
	pair->limit_octets = 0;
	pair->limit_packets = 10;
	assert_int_equal(peer_use_pair(peer, pair, true, 9, 1), 0);
	assert_int_equal(peer_use_pair(peer, pair, true, 10, 1), PEER_ANNOUNCE);
	pair->worn = false;
	pair->limit_packets = 0;
	assert_int_equal(peer_use_pair(peer, pair, false, 3u << 30, 1), PEER_ANNOUNCE);
	peer_free(peer);
}

/* We send and nothing comes: after five seconds the peer is silent, until it is heard. */
static void test_silent_peer(void **state)
{
	struct peer *peer = make_established(0);
	bool said = false;

	assert_true(out(peer, 1000, NULL));
	while (peer->due < 1000 + PEER_SILENT_MSEC) {
		uint64_t now = peer->due;

		if (peer_timer(peer, now) & PEER_PROBE)
			peer_next_probe(peer, now);
		assert_false(peer->silent);
	}
	said = peer_timer(peer, 1000 + PEER_SILENT_MSEC) & PEER_ANNOUNCE;
	assert_true(said && peer->silent);
	assert_true(hear(peer, 9000) & PEER_ANNOUNCE);
	assert_false(peer->silent);
	peer_free(peer);
}

static void test_move_by_keyd(void **state)
{
	struct peer *peer = make_established(0);
	struct sockaddr_in there = at("198.51.100.9", 4501);

	assert_int_equal(peer_move(peer, 100, &peer->endpoint), 0);
	assert_int_equal(peer_move(peer, 100, &there),
			 PEER_MOVED | PEER_ANNOUNCE | PEER_PROBE | PEER_RESEND);
	assert_true(endpoint_equal(&peer->endpoint, &there));
	assert_int_equal(peer->source, ENDPOINT_IKE);
	peer_free(peer);
}

static void test_no_copies_while_answers_come(void **state)
{
	struct peer *peer = make_established(0);

	for (uint64_t now = 1; now < 10000; now += 3) {
		assert_true(out(peer, now, NULL));
		if (now % 60 < 3)
			hear(peer, now + 1);
		if (peer->due <= now)
			assert_false(peer_timer(peer, now) & PEER_PROBE);
	}
	assert_int_equal(peer->counters.held, 0);
	assert_int_equal(peer->counters.probes_sent, 0);
	peer_free(peer);
}

static void test_silence_is_doubt_copies_and_probes(void **state)
{
	struct peer *peer = make_established(0);
	unsigned int n_probes = 0, todo;
	uint64_t now;

	hear(peer, 5);
	out(peer, 10, NULL);
	out(peer, 50, NULL);
	assert_int_equal(peer->held.n_packets, 0);
	for (now = 50; now <= 1000; now++) {
		if (peer->due <= now && peer_timer(peer, now) & PEER_PROBE) {
			peer_next_probe(peer, now);
			n_probes++;
		}
		if (now == 250 || now == 650)
			assert_true(out(peer, now, NULL));
	}
	assert_true(n_probes >= 8 && n_probes <= 10);
	/* Those before the doubt may be lost as well as those in it. */
	assert_int_equal(peer->held.n_packets, 4);
	/* Anything authenticated ends it, and the other side is told that we are there. */
	todo = hear(peer, 1001);
	assert_int_equal(
		todo & (PEER_HEARD | PEER_RESEND | PEER_DROP_HELD | PEER_ANSWER | PEER_PROBE),
		PEER_HEARD | PEER_RESEND | PEER_DROP_HELD | PEER_ANSWER);
	assert_int_equal(peer->silence, 991);
	assert_int_equal(count_resend(peer), 4);
	hold_queue_clear(&peer->held);
	out(peer, 1002, NULL);
	assert_int_equal(peer->held.n_packets, 0);
	peer_free(peer);
}

/* What was sent after the probe that is answered went over a path that works. */
static void test_answer_spares_what_came_after_its_probe(void **state)
{
	struct peer *peer = make_established(0);
	unsigned int todo;

	out(peer, 10, NULL);
	assert_true(peer_timer(peer, 200) & PEER_PROBE);
	assert_int_equal(peer_next_probe(peer, 200), 1);
	out(peer, 201, NULL);
	assert_int_equal(peer_next_probe(peer, 300), 2);
	out(peer, 301, NULL);
	todo = hear_dummy(peer, 310, DUMMY_ANSWER, 2);
	assert_int_equal(todo & (PEER_RESEND | PEER_DROP_HELD | PEER_ANSWER),
			 PEER_RESEND | PEER_DROP_HELD);
	assert_int_equal(count_resend(peer), 2);
	peer_free(peer);
}

static void test_probing_ends_where_nobody_answers(void **state)
{
	struct peer *peer = make_established(0);
	uint64_t now = 10, last = 0;
	unsigned int n_probes = 0;

	out(peer, now, NULL);
	while (now < 600000) {
		unsigned int todo;

		assert_true(peer->due > now && peer->due != PEER_NEVER);
		now = peer->due;
		todo = peer_timer(peer, now);
		if (todo & PEER_PROBE) {
			peer_next_probe(peer, now);
			peer_sent(peer, now, false);
			n_probes++;
			/* The first keepalive asks something else. */
			if (!(todo & PEER_KEEPALIVE))
				last = now;
		}
		if (todo & PEER_KEEPALIVE)
			peer_sent(peer, now, false);
	}
	assert_true(n_probes > 50 && n_probes < 120);
	assert_true(last < 32000);
	peer_free(peer);
}

/* Our own network changed: probes at 0, 20 and 60 ms; packets of the former path prove nothing. */
static void test_network_change(void **state)
{
	struct peer *peer = make_established(0);
	unsigned int todo;

	hear(peer, 900);
	todo = peer_network_changed(peer, 1000, true);
	assert_int_equal(todo, PEER_PROBE | PEER_RESEND);
	assert_int_equal(peer_next_probe(peer, 1000), 1);
	assert_int_equal(peer->next_probe, 1020);
	out(peer, 1001, NULL);
	assert_int_equal(peer->held.n_packets, 1);
	todo = hear(peer, 1005);
	assert_false(todo & (PEER_HEARD | PEER_RESEND));
	assert_true(peer_timer(peer, 1020) & PEER_PROBE);
	assert_int_equal(peer_next_probe(peer, 1020), 2);
	assert_int_equal(peer->next_probe, 1060);
	todo = hear_dummy(peer, 1025, DUMMY_ANSWER, 1);
	assert_true(todo & PEER_HEARD);
	assert_int_equal(peer->silence, 25);
	assert_int_equal(count_resend(peer), 0);
	assert_int_equal(peer->next_probe, PEER_NEVER);
	/* Answers come, so no more probes do. */
	assert_false(peer_timer(peer, 1060) & PEER_PROBE);
	peer_free(peer);
}

static void test_answer_to_a_probe_on_the_former_path_proves_nothing(void **state)
{
	struct peer *peer = make_established(0);

	out(peer, 10, NULL);
	peer_timer(peer, 200);
	peer_next_probe(peer, 200);
	peer_network_changed(peer, 300, true);
	peer_next_probe(peer, 300);
	assert_false(hear_dummy(peer, 301, DUMMY_ANSWER, 1) & PEER_HEARD);
	assert_true(hear_dummy(peer, 302, DUMMY_ANSWER, 2) & PEER_HEARD);
	peer_free(peer);
}

/* A peer that knows no probes proves the path by any packet, once none can be a stray. */
static void test_other_implementations_prove_by_data(void **state)
{
	struct peer *peer = make_established(0);

	peer_network_changed(peer, 1000, true);
	peer_next_probe(peer, 1000);
	out(peer, 1001, NULL);
	assert_false(hear_dummy(peer, 1500, DUMMY_OTHER, 0) & PEER_HEARD);
	assert_true(hear(peer, 2000) & PEER_HEARD);
	peer_free(peer);
}

static void test_without_network_packets_wait(void **state)
{
	struct peer *peer = make_established(0);
	unsigned int todo;

	assert_int_equal(peer_network_changed(peer, 100, false), 0);
	assert_false(out(peer, 200, NULL));
	assert_false(out(peer, 300, NULL));
	assert_int_equal(peer_timer(peer, 30000) & (PEER_PROBE | PEER_KEEPALIVE), 0);
	todo = peer_network_changed(peer, 30100, true);
	assert_int_equal(todo, PEER_PROBE | PEER_RESEND);
	peer_next_probe(peer, 30100);
	assert_int_equal(count_resend(peer), 2);
	/* Not lost if that was too early. */
	assert_int_equal(peer->held.n_packets, 2);
	peer_network_changed(peer, 30200, true);
	peer_next_probe(peer, 30200);
	assert_int_equal(count_resend(peer), 2);
	assert_true(hear_dummy(peer, 30210, DUMMY_ANSWER, 2) & PEER_DROP_HELD);
	assert_int_equal(count_resend(peer), 0);
	peer_free(peer);
}

static void test_move_by_packet_sends_held_at_once(void **state)
{
	struct peer *peer = make_established(0);
	unsigned int todo;

	out(peer, 10, NULL);
	out(peer, 250, NULL);
	assert_int_equal(peer->held.n_packets, 2);
	todo = hear_from(peer, 400, peer->current, at("198.51.100.9", 4500), true);
	assert_int_equal(
		todo & (PEER_MOVED | PEER_PROBE | PEER_RESEND | PEER_DROP_HELD | PEER_HEARD),
		PEER_MOVED | PEER_PROBE | PEER_RESEND | PEER_DROP_HELD | PEER_HEARD);
	peer_next_probe(peer, 400);
	assert_int_equal(count_resend(peer), 2);
	peer_free(peer);
}

/* A peer that moves faster than doubt comes up: its acknowledgements stopped, and with them our
 * sender. What may have been under way goes to where the peer is now. */
static void test_move_before_doubt_sends_the_last_packets_again(void **state)
{
	struct peer *peer = make_established(0);
	unsigned int todo;

	for (uint64_t now = 1000; now < 1200; now++) {
		out(peer, now, NULL);
		hear(peer, now);
	}
	for (uint64_t now = 1200; now < 1205; now++)
		out(peer, now, NULL);
	assert_int_equal(peer->held.n_packets, 0);
	todo = hear_from(peer, 1260, peer->current, at("198.51.100.9", 4500), true);
	assert_true(todo & PEER_RESEND);
	peer_next_probe(peer, 1260);
	/* The five, and those since as long before the last sign of life as an answer takes. */
	assert_int_equal(peer->answer_msec, 7);
	assert_int_equal(count_resend(peer), 5 + 8);
	peer_free(peer);
}

/* What was sent on associations that are gone is not sent again on later ones. */
static void test_recent_packets_end_with_the_associations(void **state)
{
	struct peer *peer = make_established(0);
	struct sa_pair *pair = peer->current;

	out(peer, 1000, NULL);
	out(peer, 1001, NULL);
	peer_remove_pair(peer, 1010, pair);
	sa_pair_free(pair);
	install(peer, 600000, true);
	out(peer, 600000, NULL);
	/* Doubt: only what was sent since is held. */
	peer_timer(peer, 600000 + 150);
	assert_true(peer->doubt_since);
	assert_int_equal(peer->held.n_packets, 1);
	peer_free(peer);
}

static void test_recent_packets_are_the_last_ones(void **state)
{
	struct recent_packets recent = { 0 };
	static const uint8_t large[RECENT_PACKET_SIZE + 1];
	const struct recent_packet *taken;

	assert_null(recent_packets_take(&recent));
	for (uint8_t i = 0; i < RECENT_PACKETS + 3; i++)
		recent_packets_note(&recent, i, &i, 1);
	recent_packets_note(&recent, 99, large, sizeof large);
	for (uint8_t i = 3; i < RECENT_PACKETS + 3; i++) {
		taken = recent_packets_take(&recent);
		assert_non_null(taken);
		assert_int_equal(taken->at, i);
		assert_int_equal(taken->size, 1);
		assert_int_equal(taken->data[0], i);
	}
	assert_null(recent_packets_take(&recent));
	recent_packets_clear(&recent);
}

static void test_send_failure_keeps_the_packet(void **state)
{
	struct peer *peer = make_established(0);

	assert_true(out(peer, 10, NULL));
	peer_send_failed(peer, 10);
	assert_int_equal(peer->held.n_packets, 1);
	assert_true(out(peer, 20, NULL));
	peer_send_failed(peer, 20);
	assert_int_equal(peer->held.n_packets, 2);
	assert_true(peer->due <= 110);
	assert_true(peer_timer(peer, 110) & PEER_PROBE);
	peer_free(peer);
}

/* One-way data is answered by a dummy within 50 ms; dummies are not answered, except probes. */
static void test_answers(void **state)
{
	struct peer *peer = make_established(0);

	hear(peer, 100);
	assert_int_equal(peer->due, 150);
	assert_true(peer_timer(peer, 150) & PEER_ANSWER);
	assert_false(peer_timer(peer, 200) & PEER_ANSWER);
	hear(peer, 300);
	out(peer, 310, NULL);
	assert_false(peer_timer(peer, 350) & PEER_ANSWER);
	assert_false(hear_dummy(peer, 400, DUMMY_OTHER, 0) & PEER_ANSWER);
	assert_false(hear_dummy(peer, 401, DUMMY_ANSWER, 0) & PEER_ANSWER);
	assert_true(hear_dummy(peer, 402, DUMMY_PROBE, 77) & PEER_ANSWER);
	assert_int_equal(peer->answer_number, 77);
	assert_false(hear_dummy(peer, 403, DUMMY_PROBE, 78) & PEER_ANSWER);
	peer_free(peer);
}

static void test_keepalive_when_nothing_else_was_sent(void **state)
{
	struct peer *peer = make_established(0);
	struct nat_view nat = {};

	/* The first one asks where the peer reaches us. */
	assert_false(peer_timer(peer, KEEPALIVE_MSEC - 1) & PEER_KEEPALIVE);
	assert_int_equal(peer_timer(peer, KEEPALIVE_MSEC), PEER_KEEPALIVE | PEER_PROBE);
	peer_next_probe(peer, KEEPALIVE_MSEC);
	peer_sent(peer, KEEPALIVE_MSEC, false);
	assert_false(peer_timer(peer, KEEPALIVE_MSEC + 1) & PEER_KEEPALIVE);
	assert_int_equal(peer->due, 2 * KEEPALIVE_MSEC);
	assert_int_equal(peer_timer(peer, 2 * KEEPALIVE_MSEC), PEER_KEEPALIVE);
	peer_sent(peer, 2 * KEEPALIVE_MSEC, false);
	/* It is another one after we moved. */
	peer_network_changed(peer, 2 * KEEPALIVE_MSEC + 1, true);
	assert_false(peer->keepalive.lasted);
	/* Without a NAT there is nothing to keep, and nothing to wake up for. */
	peer_set_nat(peer, &nat);
	hear_dummy(peer, 3 * KEEPALIVE_MSEC, DUMMY_ANSWER, peer->path_probe);
	assert_false(peer_timer(peer, 3 * KEEPALIVE_MSEC) & PEER_KEEPALIVE);
	assert_true(peer->due == PEER_NEVER);
	/* Until there is one. */
	nat.forgets = true;
	peer_set_nat(peer, &nat);
	assert_true(peer->due <= 3 * KEEPALIVE_MSEC);
	peer_free(peer);
}

/* A path on which answers take long is not in doubt for that. */
static void test_doubt_learns_the_path(void **state)
{
	struct peer *peer = make_established(0);
	uint64_t now = 1000;

	for (int i = 0; i < 40; i++, now += 1000) {
		out(peer, now, NULL);
		hear(peer, now + 90);
	}
	out(peer, now, NULL);
	out(peer, now + 200, NULL);
	assert_int_equal(peer->held.n_packets, 0);
	out(peer, now + 300, NULL);
	assert_int_equal(peer->held.n_packets, 3);
	peer_free(peer);
}

/* Sizes are told by the round trip of the present path, which the first small probe finds out. */
static void test_sizes_learn_the_new_path(void **state)
{
	struct peer *peer = make_established(1000);
	uint32_t former = peer_next_probe(peer, 1000), number;

	assert_true(peer_network_changed(peer, 2000, true) & PEER_PROBE);
	number = peer_next_probe(peer, 2000);
	peer_next_probe(peer, 2020);
	assert_true(peer->path_mtu.other_path);
	hear_dummy(peer, 2025, DUMMY_ANSWER, former);
	hear_dummy(peer, 2026, DUMMY_ANSWER, number + 2);
	hear_dummy(peer, 2027, DUMMY_ANSWER, 0);
	assert_true(peer->path_mtu.other_path);
	hear_dummy(peer, 2030, DUMMY_ANSWER, number);
	assert_false(peer->path_mtu.other_path);
	assert_int_equal(peer->path_mtu.rtt, 30);
	peer_free(peer);
}

static void test_table(void **state)
{
	static struct peer_table table;
	struct peer *peers[300];

	for (unsigned int i = 0; i < 300; i++) {
		struct in6_addr id = { .s6_addr = { 0xfd } };
		struct sa_pair *pair = calloc(1, sizeof *pair);
		struct sockaddr_in endpoint = at("192.0.2.1", 4500);

		assert_non_null(pair);
		id.s6_addr[14] = i >> 8;
		id.s6_addr[15] = i;
		peers[i] = peer_new(&id, NAME, 0, true);
		assert_non_null(peers[i]);
		assert_int_equal(peer_table_add(&table, peers[i]), 0);
		assert_int_equal(peers[i]->number, i + 1);
		pair->spi_in = 0x40000000 + i * 64;
		peer_install(peers[i], 0, pair, &endpoint);
		peer_table_add_pair(&table, pair);
	}
	for (unsigned int i = 0; i < 300; i++) {
		assert_ptr_equal(peer_table_find_host(&table, &peers[i]->host_id), peers[i]);
		assert_ptr_equal(peer_table_find_number(&table, i + 1), peers[i]);
		assert_ptr_equal(peer_table_find_spi(&table, 0x40000000 + i * 64)->peer, peers[i]);
	}
	for (unsigned int i = 0; i < 300; i += 2) {
		struct in6_addr id = peers[i]->host_id;

		peer_table_remove(&table, peers[i]);
		assert_null(peer_table_find_host(&table, &id));
		assert_null(peer_table_find_number(&table, i + 1));
		assert_null(peer_table_find_spi(&table, 0x40000000 + i * 64));
		assert_non_null(peer_table_find_spi(&table, 0x40000000 + (i + 1) * 64));
	}
	assert_int_equal(table.n_peers, 150);
	peer_table_clear(&table);
	assert_null(table.peers);
	while (table.n_peers < PEER_TABLE_PEERS_MAX)
		assert_int_equal(peer_table_add(&table, peer_new(&host_id, NAME, 0, true)), 0);
	peers[0] = peer_new(&host_id, NAME, 0, true);
	assert_int_equal(peer_table_add(&table, peers[0]), -ENOSPC);
	peer_free(peers[0]);
	peer_table_clear(&table);
}

/* An address that the zone told, or that packets came from; of very many not the ones that were
 * there first. */
static void test_table_knows_addresses(void **state)
{
	static struct peer_table table;
	struct sockaddr_in there = at("192.0.2.1", 4500), zone = at("192.0.2.2", 61234);
	struct sockaddr_in other = at("192.0.2.3", 4500);
	struct peer *first = peer_new(&host_id, NAME, 0, true);

	assert_int_equal(peer_table_add(&table, first), 0);
	assert_false(peer_table_knows_address(&table, &there.sin_addr));
	peer_hear_watcher(first, 0, NAME, &zone, 1, 1);
	first->endpoint = there;
	assert_true(peer_table_knows_address(&table, &there.sin_addr));
	assert_true(peer_table_knows_address(&table, &zone.sin_addr));
	assert_false(peer_table_knows_address(&table, &other.sin_addr));
	while (table.n_peers < PEER_TABLE_LOOKED_AT)
		assert_int_equal(peer_table_add(&table, peer_new(&host_id, NAME, 0, true)), 0);
	assert_true(peer_table_knows_address(&table, &there.sin_addr));
	assert_int_equal(peer_table_add(&table, peer_new(&host_id, NAME, 0, true)), 0);
	assert_false(peer_table_knows_address(&table, &there.sin_addr));
	peer_table_clear(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acquire_holds_and_sends),
		cmocka_unit_test(test_acquire_is_repeated_and_given_up),
		cmocka_unit_test(test_acquire_tries_both_places),
		cmocka_unit_test(test_acquire_failed_waits_before_the_next),
		cmocka_unit_test(test_unknown_spi_asks_now_and_then),
		cmocka_unit_test(test_endpoint_by_dns_on_change_only),
		cmocka_unit_test(test_first_word_of_dns_moves_no_known_peer),
		cmocka_unit_test(test_endpoint_by_packet_newest_only),
		cmocka_unit_test(test_other_port_waits_for_silence),
		cmocka_unit_test(test_other_port_longer_for_the_responder),
		cmocka_unit_test(test_late_packet_of_former_pair_moves_nothing),
		cmocka_unit_test(test_other_pair_moves_when_newer_is_silent),
		cmocka_unit_test(test_initiator_switches_at_once),
		cmocka_unit_test(test_responder_switches_on_proof),
		cmocka_unit_test(test_responder_switches_in_doubt),
		cmocka_unit_test(test_responder_settles),
		cmocka_unit_test(test_removing_the_current_falls_back_then_idles),
		cmocka_unit_test(test_retired_pair),
		cmocka_unit_test(test_worn_pair),
		cmocka_unit_test(test_silent_peer),
		cmocka_unit_test(test_move_by_keyd),
		cmocka_unit_test(test_no_copies_while_answers_come),
		cmocka_unit_test(test_silence_is_doubt_copies_and_probes),
		cmocka_unit_test(test_answer_spares_what_came_after_its_probe),
		cmocka_unit_test(test_probing_ends_where_nobody_answers),
		cmocka_unit_test(test_network_change),
		cmocka_unit_test(test_answer_to_a_probe_on_the_former_path_proves_nothing),
		cmocka_unit_test(test_other_implementations_prove_by_data),
		cmocka_unit_test(test_without_network_packets_wait),
		cmocka_unit_test(test_move_by_packet_sends_held_at_once),
		cmocka_unit_test(test_move_before_doubt_sends_the_last_packets_again),
		cmocka_unit_test(test_recent_packets_end_with_the_associations),
		cmocka_unit_test(test_recent_packets_are_the_last_ones),
		cmocka_unit_test(test_send_failure_keeps_the_packet),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_keepalive_when_nothing_else_was_sent),
		cmocka_unit_test(test_doubt_learns_the_path),
		cmocka_unit_test(test_sizes_learn_the_new_path),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_knows_addresses),
	};

	return cmocka_run_group_tests_name("tunneld/peer-state", tests, NULL, NULL);
}
