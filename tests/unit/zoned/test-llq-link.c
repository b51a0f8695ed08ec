/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A real client (llq-watcher's) and the real server with a network between them that loses,
 * doubles, delays and reorders what it is told to, in simulated time. Whatever it does to a
 * message, in the end there is one long-lived query and its client knows what the zone holds.
 */
#include "tests/unit/zoned/unit.h"

#include "services/llq-watcher/llq-watch-state.h"
#include "tests/unit/zoned/server-fixture.h"

#include <stdio.h>

#define QUESTION     "_autotunnel._udp"
#define LATENCY_MSEC 20
#define CLIENT_PORT  40000
#define UPDATER_PORT 50000
#define NAMES        6

/* What a datagram is for. */
enum kind {
	SETUP,     /* first step: client to server */
	CHALLENGE, /* second: server to client */
	RESPONSE,  /* third: client to server */
	ANSWER,    /* fourth: server to client */
	REFRESH,
	REFRESHED,
	EVENT,
	ACKNOWLEDGEMENT,
	N_KINDS,
};

struct datagram {
	uint64_t arrives;
	bool to_server;
	struct octets octets;
};

/* What happens to the datagrams of one kind. */
struct trouble {
	enum kind kind;
	unsigned int first, n; /* which of them, counted from 0 */
	bool is_lost;
	uint64_t delay;        /* later by so much */
	uint64_t double_after; /* a copy so much later; 0: none */
};

struct world {
	struct fixture fixture;
	struct llq_set *client;
	struct dns_tsig_key key;
	uint8_t secret[32];
	ldns_rdf *name;
	struct datagram items[4096];
	size_t n;
	const struct trouble *trouble;
	unsigned int n_seen[N_KINDS];
	bool is_random;
	uint64_t start_again; /* the client has given up */
	bool holds[NAMES];    /* what the zone holds */
	uint32_t ids;
};

static uint32_t next_id(void *userdata)
{
	struct world *world = userdata;

	return ++world->ids * 2654435761u;
}

static struct llq_time client_time(const struct world *world)
{
	return (struct llq_time){ world->fixture.moment.now, world->fixture.moment.date / 1000 };
}

static void set_up(struct world *world)
{
	struct llq_set_options options = { next_id, world };

	*world = (struct world){};
	fixture_start(&world->fixture);
	world->key = *fixture_key(DESKTOP_KEY);
	memcpy(world->secret, world->key.secret, sizeof world->secret);
	world->key.secret = world->secret;
	world->name = exchange_name(QUESTION);
	assert_int_equal(llq_set_new(&options, &world->client), 0);
	llq_set_want_begin(world->client);
	assert_int_equal(llq_set_want(world->client, world->name, LDNS_RR_TYPE_PTR), 0);
	llq_set_want_end(world->client, &(struct llq_time){});
	llq_set_probe_every(world->client, 30000, &(struct llq_time){});
}

static void tear_down(struct world *world)
{
	for (size_t i = 0; i < world->n; i++)
		free(world->items[i].octets.data);
	llq_set_free(world->client);
	ldns_rdf_deep_free(world->name);
	fixture_stop(&world->fixture);
}

/* The network
 * ---------------------------------------------------------------------------------------- */

static enum kind classify(const uint8_t *data, size_t size, bool to_server)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	struct dns_llq llq;

	assert_int_equal(dns_message_parse(data, size, &message), 0);
	assert_int_equal(dns_options_read_llqs(message->options, message->options_size, &llq, 1),
			 1);
	if (llq.opcode == DNS_LLQ_OPCODE_EVENT)
		return to_server ? ACKNOWLEDGEMENT : EVENT;
	if (llq.opcode == DNS_LLQ_OPCODE_REFRESH)
		return to_server ? REFRESH : REFRESHED;
	if (to_server)
		return llq.id ? RESPONSE : SETUP;
	/* The answer says what is left of the lease, the challenge has no records. */
	return dns_message_count(message, DNS_SECTION_ANSWER) ? ANSWER : CHALLENGE;
}

static void put(struct world *world, const uint8_t *data, size_t size, bool to_server,
		uint64_t delay)
{
	struct datagram *datagram = &world->items[world->n++];

	assert_true(world->n < ARRAY_SIZE(world->items));
	datagram->arrives = world->fixture.moment.now + LATENCY_MSEC + delay;
	datagram->to_server = to_server;
	octets_copy(data, size, &datagram->octets);
}

static void put_randomly(struct world *world, const uint8_t *data, size_t size, bool to_server)
{
	if (rand() % 100 < 30)
		return;
	put(world, data, size, to_server, rand() % 4 ? 0 : rand() % 2500);
	if (rand() % 100 < 10)
		put(world, data, size, to_server, rand() % 5000);
}

static void transmit(struct world *world, const uint8_t *data, size_t size, bool to_server)
{
	enum kind kind = classify(data, size, to_server);
	const struct trouble *trouble = world->trouble;
	unsigned int i = world->n_seen[kind]++;

	if (world->is_random) {
		put_randomly(world, data, size, to_server);
		return;
	}
	if (!trouble || trouble->kind != kind || i < trouble->first ||
	    i >= trouble->first + trouble->n) {
		put(world, data, size, to_server, 0);
		return;
	}
	if (!trouble->is_lost)
		put(world, data, size, to_server, trouble->delay);
	if (trouble->double_after)
		put(world, data, size, to_server, trouble->double_after);
}

static void send_all(struct world *world)
{
	struct llq_time time = client_time(world);
	const uint8_t *data;
	size_t size;

	fixture_work(&world->fixture);
	for (size_t i = 0; i < world->fixture.outbox.n; i++) {
		const struct reply *reply = &world->fixture.outbox.items[i];

		if (reply->peer.remote.port == CLIENT_PORT)
			transmit(world, reply->data, reply->size, false);
	}
	fixture_clear_outbox(&world->fixture);
	llq_set_tick(world->client, &time);
	while (llq_set_next_datagram(world->client, &data, &size))
		transmit(world, data, size, true);
}

static void deliver(struct world *world, struct datagram datagram)
{
	struct fixture *fixture = &world->fixture;
	struct llq_time time = client_time(world);

	if (datagram.to_server) {
		fixture->peer.remote.port = CLIENT_PORT;
		authority_receive(fixture->authority, &fixture->moment, &fixture->peer,
				  datagram.octets.data, datagram.octets.size, &fixture->outbox);
	} else {
		llq_set_receive(world->client, &time, datagram.octets.data, datagram.octets.size);
	}
	free(datagram.octets.data);
	send_all(world);
}

/* Time
 * -----------------------------------------------------------------------------------------------
 */

/* As the watcher does: who has given up tries again soon. */
static void restart_client(struct world *world)
{
	struct llq_time time = client_time(world);
	enum llq_status status = llq_set_status(world->client);

	if (status != LLQ_STATUS_FAILED && status != LLQ_STATUS_REFUSED &&
	    status != LLQ_STATUS_FULL)
		return;
	if (!world->start_again) {
		world->start_again = time.now + 10000;
	} else if (time.now >= world->start_again) {
		world->start_again = 0;
		llq_set_abandon(world->client);
		llq_set_start(world->client, &world->key, &time);
		send_all(world);
	}
}

static uint64_t next_time(const struct world *world, uint64_t end)
{
	uint64_t next = end;
	uint64_t times[] = {
		llq_set_due(world->client),
		authority_next_due(world->fixture.authority, &world->fixture.moment),
		world->start_again ?: UINT64_MAX,
	};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		if (times[i] < next)
			next = times[i];
	for (size_t i = 0; i < world->n; i++)
		if (world->items[i].arrives < next)
			next = world->items[i].arrives;
	return next;
}

static void run(struct world *world, uint64_t msec)
{
	struct moment *moment = &world->fixture.moment;
	uint64_t end = moment->now + msec;

	send_all(world);
	for (;;) {
		uint64_t next = next_time(world, end);

		if (next > moment->now) {
			moment->date += next - moment->now;
			moment->now = next;
		}
		for (size_t i = 0; i < world->n; i++) {
			struct datagram datagram = world->items[i];

			if (datagram.arrives > moment->now)
				continue;
			world->items[i] = world->items[--world->n];
			deliver(world, datagram);
			break;
		}
		send_all(world);
		/* Behind the tick, which may be when it gives up. */
		restart_client(world);
		if (moment->now >= end)
			return;
	}
}

static void change(struct world *world, int which)
{
	struct fixture *fixture = &world->fixture;
	struct exchange exchange;
	char text[64];

	snprintf(text, sizeof text, QUESTION " PTR host%d", which);
	world->holds[which] = !world->holds[which];
	fixture->peer.remote.port = UPDATER_PORT;
	exchange_begin_update(&exchange);
	if (world->holds[which])
		exchange_add(&exchange, text);
	else
		exchange_delete(&exchange, text);
	assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), 0);
	exchange_clear(&exchange);
	send_all(world);
}

static void check_end(struct world *world)
{
	const ldns_rr_list *records = llq_set_records(world->client, world->name, LDNS_RR_TYPE_PTR);
	size_t n = 0;

	assert_int_equal(llq_set_status(world->client), LLQ_STATUS_WATCHING);
	assert_int_equal(authority_n_llqs(world->fixture.authority), 1);
	assert_non_null(records);
	for (int i = 0; i < NAMES; i++) {
		char text[64];
		ldns_rr *rr;
		bool found = false;

		snprintf(text, sizeof text, QUESTION " PTR host%d", i);
		rr = exchange_rr(text);
		for (size_t k = 0; k < ldns_rr_list_rr_count(records); k++)
			found |= ldns_rr_compare(ldns_rr_list_rr(records, k), rr) == 0;
		ldns_rr_free(rr);
		assert_int_equal(found, world->holds[i]);
		n += world->holds[i];
	}
	assert_int_equal(ldns_rr_list_rr_count(records), n);
}

static void start(struct world *world)
{
	struct llq_time time = client_time(world);

	llq_set_start(world->client, &world->key, &time);
}

/* Tests
 * ---------------------------------------------------------------------------------------------- */

/* Setup, then three events with a refresh between them; `trouble` somewhere. */
static void play(const struct trouble *trouble)
{
	struct world *world = calloc(1, sizeof *world);

	set_up(world);
	world->trouble = trouble;
	change(world, 0);
	start(world);
	run(world, 5000);
	change(world, 1);
	run(world, 1000);
	change(world, 0);
	run(world, 40000);
	change(world, 2);
	run(world, 60000);
	check_end(world);
	tear_down(world);
	free(world);
}

static void undisturbed(void **state)
{
	play(NULL);
}

static void lost(void **state)
{
	for (int kind = 0; kind < N_KINDS; kind++)
		for (unsigned int first = 0; first < 3; first++)
			for (unsigned int n = 1; n <= 2; n++)
				play(&(struct trouble){ kind, first, n, .is_lost = true });
}

/* All of a kind for longer than anybody tries: given up, and set up again. */
static void lost_for_long(void **state)
{
	for (int kind = 0; kind < N_KINDS; kind++)
		play(&(struct trouble){ kind, 0, 5, .is_lost = true });
}

static void doubled(void **state)
{
	static const uint64_t times[] = { 1, 700, 3000, 9000, 50000 };

	for (int kind = 0; kind < N_KINDS; kind++)
		for (unsigned int first = 0; first < 2; first++)
			for (size_t i = 0; i < ARRAY_SIZE(times); i++)
				play(&(struct trouble){ kind, first, 1, .double_after = times[i] });
}

/* Late enough to come after the next transmission, the next step and the next event. */
static void delayed(void **state)
{
	static const uint64_t times[] = { 300, 1000, 3000, 9000, 50000 };

	for (int kind = 0; kind < N_KINDS; kind++)
		for (unsigned int first = 0; first < 2; first++)
			for (size_t i = 0; i < ARRAY_SIZE(times); i++)
				play(&(struct trouble){ kind, first, 1, .delay = times[i] });
}

/* A bad network, changes at any time, and now and then the server is killed. Then peace. */
static void everything_at_once(void **state)
{
	struct world *world = calloc(1, sizeof *world);

	for (unsigned int seed = 0; seed < 60; seed++) {
		srand(seed);
		set_up(world);
		world->is_random = true;
		start(world);
		for (int i = 0; i < 40; i++) {
			run(world, rand() % 20000);
			change(world, rand() % NAMES);
			if (rand() % 10 == 0)
				fixture_restart(&world->fixture);
		}
		world->is_random = false;
		run(world, 120000);
		check_end(world);
		tear_down(world);
	}
	free(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(undisturbed),   cmocka_unit_test(lost),
		cmocka_unit_test(lost_for_long), cmocka_unit_test(doubled),
		cmocka_unit_test(delayed),       cmocka_unit_test(everything_at_once),
	};

	return cmocka_run_group_tests_name("zoned llq link", tests, NULL, NULL);
}
