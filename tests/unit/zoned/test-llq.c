/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "services/zoned/llq-state.h"
#include "tests/unit/zoned/server-fixture.h"

#define QUESTION "_autotunnel._udp"

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture_start(fixture);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(*state);
	free(*state);
	return 0;
}

static const struct authority_counters *counters(struct fixture *fixture)
{
	return authority_counters(fixture->authority);
}

/* Requests
 * ------------------------------------------------------------------------------------------- */

struct talk {
	const char *key_name;
	const char *name;
	ldns_rr_type type;
	struct dns_llq llq; /* sent, and then what came back */
	int rcode;
	int n_answers;
};

static void talk(struct fixture *fixture, struct talk *talk)
{
	uint8_t option[DNS_OPTION_LLQ_SIZE];
	struct writer writer = writer_init(option, sizeof option);
	struct exchange exchange;

	fixture_clear_outbox(fixture);
	exchange_begin_query(&exchange, talk->name, talk->type);
	dns_option_write_llq(&writer, &talk->llq);
	dns_builder_add_edns(&exchange.builder, 0, 0, option, sizeof option);
	talk->rcode = fixture_send(fixture, &exchange, talk->key_name);
	assert_true(talk->rcode >= 0);
	talk->n_answers = dns_message_count(exchange.answer, DNS_SECTION_ANSWER);
	if (talk->rcode == 0)
		assert_int_equal(dns_options_read_llqs(exchange.answer->options,
						       exchange.answer->options_size, &talk->llq,
						       1),
				 1);
	exchange_clear(&exchange);
}

/* Sends it and does nothing else: it waits for a transaction. */
static void post(struct fixture *fixture, const struct talk *talk)
{
	uint8_t option[DNS_OPTION_LLQ_SIZE];
	struct writer writer = writer_init(option, sizeof option);
	struct exchange exchange;
	int size;

	fixture_clear_outbox(fixture);
	exchange_begin_query(&exchange, talk->name, talk->type);
	dns_option_write_llq(&writer, &talk->llq);
	dns_builder_add_edns(&exchange.builder, 0, 0, option, sizeof option);
	size = dns_builder_sign(&exchange.builder, fixture_key(talk->key_name), NULL,
				fixture->moment.date / 1000, NULL);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  size, &fixture->outbox);
}

static struct talk first_step(struct fixture *fixture, const char *key_name, uint32_t lease)
{
	struct talk step = { key_name,
			     QUESTION,
			     LDNS_RR_TYPE_PTR,
			     { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_SETUP, 0, 0, lease } };

	talk(fixture, &step);
	return step;
}

/* Both steps; the id. */
static uint64_t set_up(struct fixture *fixture, const char *key_name, uint32_t lease)
{
	struct talk step = first_step(fixture, key_name, lease);

	assert_int_equal(step.rcode, 0);
	assert_int_equal(step.llq.error, DNS_LLQ_ERROR_NONE);
	talk(fixture, &step);
	assert_int_equal(step.llq.error, DNS_LLQ_ERROR_NONE);
	assert_int_equal(step.llq.opcode, DNS_LLQ_OPCODE_SETUP);
	return step.llq.id;
}

static struct talk refresh(struct fixture *fixture, const char *key_name, uint64_t id,
			   uint32_t lease)
{
	struct talk step = { key_name,
			     QUESTION,
			     LDNS_RR_TYPE_PTR,
			     { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_REFRESH, 0, id, lease } };

	talk(fixture, &step);
	return step;
}

/* Events
 * --------------------------------------------------------------------------------------------- */

struct event {
	uint16_t id;
	struct dns_llq llq;
	struct dns_tsig_mac mac;
	int n_added, n_removed;
	struct octets octets;
};

/* Takes the one event that was sent. */
static struct event take_event(struct fixture *fixture, const char *key_name)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	const struct reply *reply = &fixture->outbox.items[0];
	struct event event = {};
	struct dns_tsig tsig;

	assert_int_equal(fixture->outbox.n, 1);
	assert_int_equal(dns_message_parse(reply->data, reply->size, &message), 0);
	assert_int_equal(message->flags & ~0xf, DNS_FLAG_QR | DNS_FLAG_AA);
	assert_int_equal(dns_message_count(message, DNS_SECTION_QUESTION), 1);
	assert_int_equal(
		dns_options_read_llqs(message->options, message->options_size, &event.llq, 1), 1);
	assert_int_equal(event.llq.opcode, DNS_LLQ_OPCODE_EVENT);
	assert_int_equal(event.llq.lease, 0);
	assert_int_equal(event.llq.error, 0);
	assert_int_equal(dns_tsig_find(reply->data, reply->size, &tsig), 1);
	assert_int_equal(dns_tsig_verify(reply->data, &tsig, fixture_key(key_name), NULL,
					 fixture->moment.date / 1000, 0),
			 DNS_TSIG_RESULT_OK);
	event.id = message->id;
	event.mac = tsig.mac;
	for (size_t i = 0; i < dns_message_count(message, DNS_SECTION_ANSWER); i++) {
		if (ldns_rr_ttl(dns_message_rr(message, DNS_SECTION_ANSWER, i)) ==
		    DNS_LLQ_TTL_REMOVED)
			event.n_removed++;
		else
			event.n_added++;
	}
	octets_copy(reply->data, reply->size, &event.octets);
	fixture_clear_outbox(fixture);
	return event;
}

static void acknowledge(struct fixture *fixture, const char *key_name, const struct event *event,
			const struct dns_tsig_mac *prior, enum dns_llq_error error)
{
	uint8_t octets[512], option[DNS_OPTION_LLQ_SIZE];
	struct writer writer = writer_init(option, sizeof option);
	struct dns_llq llq = event->llq;
	ldns_rdf *name = exchange_name(QUESTION);
	struct dns_builder builder;
	int size;

	llq.error = error;
	dns_option_write_llq(&writer, &llq);
	dns_builder_init(&builder, octets, sizeof octets, event->id, DNS_FLAG_QR | DNS_FLAG_AA);
	dns_builder_add_question(&builder, name, LDNS_RR_TYPE_PTR, LDNS_RR_CLASS_IN);
	dns_builder_add_edns(&builder, 1232, 0, option, sizeof option);
	size = dns_builder_sign(&builder, fixture_key(key_name), prior, fixture->moment.date / 1000,
				NULL);
	assert_true(size > 0);
	ldns_rdf_deep_free(name);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, octets, size,
			  &fixture->outbox);
	fixture_work(fixture);
}

static void acknowledge_well(struct fixture *fixture, const char *key_name, struct event *event)
{
	acknowledge(fixture, key_name, event, &event->mac, DNS_LLQ_ERROR_NONE);
	free(event->octets.data);
}

/* A change, with its answer taken away so that only events are left. Events in `fixture->outbox`.
 */
static void change(struct fixture *fixture, bool add, const char *text)
{
	struct exchange exchange;

	fixture_clear_outbox(fixture);
	exchange_begin_update(&exchange);
	if (add)
		exchange_add(&exchange, text);
	else
		exchange_delete(&exchange, text);
	assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), 0);
	exchange_clear(&exchange);
	free(fixture->outbox.items[0].data);
	fixture->outbox.n--;
	memmove(fixture->outbox.items, fixture->outbox.items + 1,
		fixture->outbox.n * sizeof *fixture->outbox.items);
}

#define PTR(host) QUESTION " PTR " QUESTION "." host

/* Setup
 * ---------------------------------------------------------------------------------------------- */

static void four_way_handshake(void **state)
{
	struct fixture *fixture = *state;
	struct talk step;

	fixture_add(fixture, FIXTURE_DOMAIN, 0, PTR("one"));
	fixture_add(fixture, FIXTURE_DOMAIN, 0, PTR("two"));
	step = first_step(fixture, DESKTOP_KEY, 5400);
	assert_int_equal(step.rcode, 0);
	assert_int_equal(step.llq.opcode, DNS_LLQ_OPCODE_SETUP);
	assert_int_equal(step.llq.error, 0);
	assert_int_not_equal(step.llq.id, 0);
	assert_int_equal(step.llq.lease, 5400);
	assert_int_equal(step.n_answers, 0);
	/* Nothing is remembered yet. */
	assert_int_equal(authority_n_llqs(fixture->authority), 0);
	talk(fixture, &step);
	assert_int_equal(step.llq.error, 0);
	assert_int_equal(step.llq.lease, 5400);
	assert_int_equal(step.n_answers, 2);
	assert_int_equal(authority_n_llqs(fixture->authority), 1);
	/* What it knows already is no event. */
	fixture_clear_outbox(fixture);
	fixture_sleep(fixture, 60000);
	assert_int_equal(fixture->outbox.n, 0);
}

static void lease_is_bounded(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(first_step(fixture, DESKTOP_KEY, 0).llq.lease, 900);
	assert_int_equal(first_step(fixture, DESKTOP_KEY, 899).llq.lease, 900);
	assert_int_equal(first_step(fixture, DESKTOP_KEY, 7201).llq.lease, 7200);
	assert_int_equal(first_step(fixture, DESKTOP_KEY, 0xFFFFFFFF).llq.lease, 7200);
}

static void duplicates_get_the_same(void **state)
{
	struct fixture *fixture = *state;
	struct talk step = first_step(fixture, DESKTOP_KEY, 5400), again;

	assert_int_equal(first_step(fixture, DESKTOP_KEY, 5400).llq.id, step.llq.id);
	/* Other clients, questions and keys get another. */
	assert_int_not_equal(first_step(fixture, LAPTOP_KEY, 5400).llq.id, step.llq.id);
	fixture->peer.remote.port++;
	assert_int_not_equal(first_step(fixture, DESKTOP_KEY, 5400).llq.id, step.llq.id);
	fixture->peer.remote.port--;
	again = step;
	talk(fixture, &step);
	fixture_sleep(fixture, 3000);
	talk(fixture, &again);
	assert_int_equal(again.llq.error, 0);
	assert_int_equal(again.llq.id, step.llq.id);
	assert_int_equal(again.llq.lease, 5397);
	assert_int_equal(authority_n_llqs(fixture->authority), 1);
}

static void challenge_must_be_answered_as_given(void **state)
{
	struct fixture *fixture = *state;
	struct talk step = first_step(fixture, DESKTOP_KEY, 5400), wrong;

	wrong = step;
	wrong.llq.id ^= 1;
	talk(fixture, &wrong);
	assert_int_equal(wrong.llq.error, DNS_LLQ_ERROR_NO_SUCH_LLQ);
	wrong = step;
	wrong.llq.lease++;
	talk(fixture, &wrong);
	assert_int_equal(wrong.llq.error, DNS_LLQ_ERROR_NO_SUCH_LLQ);
	wrong = step;
	wrong.key_name = LAPTOP_KEY;
	talk(fixture, &wrong);
	assert_int_equal(wrong.llq.error, DNS_LLQ_ERROR_NO_SUCH_LLQ);
	fixture->peer.remote.port++;
	wrong = step;
	talk(fixture, &wrong);
	assert_int_equal(wrong.llq.error, DNS_LLQ_ERROR_NO_SUCH_LLQ);
	fixture->peer.remote.port--;
	assert_int_equal(authority_n_llqs(fixture->authority), 0);
	fixture_sleep(fixture, 61000);
	talk(fixture, &step);
	assert_int_equal(step.llq.error, DNS_LLQ_ERROR_NO_SUCH_LLQ);
}

static void wrong_requests(void **state)
{
	struct fixture *fixture = *state;
	struct talk step = { DESKTOP_KEY,
			     QUESTION,
			     LDNS_RR_TYPE_ANY,
			     { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_SETUP, 0, 0, 5400 } };

	talk(fixture, &step);
	assert_int_equal(step.llq.error, DNS_LLQ_ERROR_FORMAT_ERR);
	assert_int_equal(step.rcode, 0);
	step = (struct talk){
		DESKTOP_KEY, QUESTION, LDNS_RR_TYPE_PTR, { 2, DNS_LLQ_OPCODE_SETUP, 0, 0, 5400 }
	};
	talk(fixture, &step);
	assert_int_equal(step.llq.error, DNS_LLQ_ERROR_BAD_VERS);
	step = (struct talk){ DESKTOP_KEY,
			      QUESTION,
			      LDNS_RR_TYPE_PTR,
			      { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_EVENT, 0, 1, 0 } };
	talk(fixture, &step);
	assert_int_equal(step.llq.error, DNS_LLQ_ERROR_FORMAT_ERR);
	step = (struct talk){ NULL,
			      QUESTION,
			      LDNS_RR_TYPE_PTR,
			      { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_SETUP, 0, 0, 5400 } };
	talk(fixture, &step);
	assert_int_equal(step.rcode, LDNS_RCODE_REFUSED);
	step = (struct talk){ DESKTOP_KEY,
			      "x.bob.members.example.org.",
			      LDNS_RR_TYPE_PTR,
			      { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_SETUP, 0, 0, 5400 } };
	talk(fixture, &step);
	assert_int_equal(step.rcode, LDNS_RCODE_REFUSED);
}

/* Two questions in one message, an option for each in their order (RFC 8764 §5.2.1). */
static void several_questions(void **state)
{
	static const uint16_t types[] = { LDNS_RR_TYPE_PTR, LDNS_RR_TYPE_AAAA };
	struct fixture *fixture = *state;
	struct dns_llq llqs[2] = { { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_SETUP, 0, 0, 5400 },
				   { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_SETUP, 0, 0, 3600 } };

	fixture_add(fixture, FIXTURE_DOMAIN, 0, PTR("one"));
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "desktop AAAA fd00::1");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "desktop AAAA fd00::2");
	for (int step = 0; step < 3; step++) {
		uint8_t options[2 * DNS_OPTION_LLQ_SIZE];
		struct writer writer = writer_init(options, sizeof options);
		ldns_rdf *desktop = exchange_name("desktop");
		struct exchange exchange;

		fixture_clear_outbox(fixture);
		exchange_begin_query(&exchange, QUESTION, types[0]);
		dns_builder_add_question(&exchange.builder, desktop, types[1], LDNS_RR_CLASS_IN);
		ldns_rdf_deep_free(desktop);
		for (int i = 0; i < 2; i++)
			dns_option_write_llq(&writer, &llqs[i]);
		/* At last an option too few: wrong, but the DNS message is not. */
		dns_builder_add_edns(&exchange.builder, 1232, 0, options,
				     step < 2 ? sizeof options : DNS_OPTION_LLQ_SIZE);
		assert_int_equal(fixture_send(fixture, &exchange, DESKTOP_KEY), 0);
		assert_int_equal(dns_options_read_llqs(exchange.answer->options,
						       exchange.answer->options_size, llqs, 2),
				 step < 2 ? 2 : 1);
		assert_int_equal(dns_message_count(exchange.answer, DNS_SECTION_ANSWER),
				 step == 1 ? 3 : 0);
		assert_int_equal(llqs[0].error,
				 step < 2 ? DNS_LLQ_ERROR_NONE : DNS_LLQ_ERROR_FORMAT_ERR);
		exchange_clear(&exchange);
	}
	assert_int_equal(llqs[1].lease, 3600);
	assert_int_equal(authority_n_llqs(fixture->authority), 2);
}

static void server_is_full(void **state)
{
	struct fixture *fixture = *state;
	struct talk step;

	for (int i = 0; i < 4; i++, fixture->peer.remote.port++)
		set_up(fixture, FIXTURE_DOMAIN, 5400);
	step = first_step(fixture, FIXTURE_DOMAIN, 5400);
	assert_int_equal(step.llq.error, DNS_LLQ_ERROR_SERV_FULL);
	assert_int_equal(step.llq.id, 0);
	assert_int_equal(step.llq.lease, 300);
	/* Each host has room of its own, up to the total. */
	set_up(fixture, DESKTOP_KEY, 5400);
	set_up(fixture, LAPTOP_KEY, 5400);
	assert_int_equal(first_step(fixture, LAPTOP_KEY, 5400).llq.error, DNS_LLQ_ERROR_SERV_FULL);
	assert_int_equal(authority_n_llqs(fixture->authority), 6);
}

/* Wherever it comes from: a host's key is one machine's. */
static void moved_host_replaces_its_query(void **state)
{
	struct fixture *fixture = *state;

	set_up(fixture, DESKTOP_KEY, 5400);
	fixture->peer.remote.port++;
	set_up(fixture, DESKTOP_KEY, 5400);
	assert_int_equal(authority_n_llqs(fixture->authority), 1);
}

/* The same client for the same question, later: one query, not two. */
static void new_setup_replaces_the_old(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id = set_up(fixture, DESKTOP_KEY, 5400);

	fixture_sleep(fixture, 70000);
	assert_int_not_equal(set_up(fixture, DESKTOP_KEY, 5400), id);
	assert_int_equal(authority_n_llqs(fixture->authority), 1);
	fixture_sleep(fixture, 2000);
	assert_int_equal(fixture->storage.n, 1);
}

/* Refresh
 * -------------------------------------------------------------------------------------------- */

static void refresh_and_cancel(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id = set_up(fixture, DESKTOP_KEY, 900);
	struct talk step;

	fixture_sleep(fixture, 800 * 1000);
	step = refresh(fixture, DESKTOP_KEY, id, 900);
	assert_int_equal(step.llq.error, 0);
	assert_int_equal(step.llq.opcode, DNS_LLQ_OPCODE_REFRESH);
	assert_int_equal(step.llq.lease, 900);
	assert_int_equal(step.n_answers, 0);
	fixture_sleep(fixture, 899 * 1000);
	assert_int_equal(authority_n_llqs(fixture->authority), 1);
	step = refresh(fixture, LAPTOP_KEY, id, 900);
	assert_int_equal(step.llq.error, DNS_LLQ_ERROR_NO_SUCH_LLQ);
	assert_int_equal(step.llq.id, id);
	fixture->peer.remote.port++;
	assert_int_equal(refresh(fixture, DESKTOP_KEY, id, 900).llq.error,
			 DNS_LLQ_ERROR_NO_SUCH_LLQ);
	fixture->peer.remote.port--;
	step = refresh(fixture, DESKTOP_KEY, id, 0);
	assert_int_equal(step.llq.error, 0);
	assert_int_equal(step.llq.lease, 0);
	assert_int_equal(authority_n_llqs(fixture->authority), 0);
	assert_int_equal(refresh(fixture, DESKTOP_KEY, id, 0).llq.error, DNS_LLQ_ERROR_NO_SUCH_LLQ);
	fixture_sleep(fixture, 2000);
	assert_int_equal(fixture->storage.n, 0);
}

static void lease_ends(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id = set_up(fixture, DESKTOP_KEY, 900);

	fixture_sleep(fixture, 900 * 1000);
	assert_int_equal(authority_n_llqs(fixture->authority), 0);
	change(fixture, true, PTR("one"));
	assert_int_equal(fixture->outbox.n, 0);
	assert_int_equal(refresh(fixture, DESKTOP_KEY, id, 900).llq.error,
			 DNS_LLQ_ERROR_NO_SUCH_LLQ);
	fixture_sleep(fixture, 2000);
	assert_int_equal(fixture->storage.n, 2);
}

/* Events
 * -----------------------------------------------------------------------------------------------
 */

static void events_for_what_comes_and_goes(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id = set_up(fixture, DESKTOP_KEY, 5400);
	struct event event;

	change(fixture, true, PTR("one"));
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.llq.id, id);
	assert_int_equal(event.n_added, 1);
	assert_int_equal(event.n_removed, 0);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	assert_int_equal(counters(fixture)->llq_acks, 1);
	change(fixture, false, PTR("one"));
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_added, 0);
	assert_int_equal(event.n_removed, 1);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	/* Not what was asked. */
	change(fixture, true, "other A 192.0.2.1");
	assert_int_equal(fixture->outbox.n, 0);
	fixture_sleep(fixture, 60000);
	assert_int_equal(fixture->outbox.n, 0);
	assert_int_equal(counters(fixture)->llq_event_retries, 0);
}

/* Events are signed as their client signs, after a restart too. */
static void events_by_the_clients_algorithm(void **state)
{
	struct fixture *fixture = *state;
	struct event event;

	fixture_set_algorithm(DNS_TSIG_ALGORITHM_HMAC_SHA512);
	set_up(fixture, FIXTURE_DOMAIN, 7200);
	fixture_clear_outbox(fixture);
	change(fixture, true, QUESTION " PTR a");
	event = take_event(fixture, FIXTURE_DOMAIN);
	acknowledge_well(fixture, FIXTURE_DOMAIN, &event);
	assert_int_equal(counters(fixture)->llq_acks, 1);
	change(fixture, true, QUESTION " PTR b");
	fixture_clear_outbox(fixture);
	fixture_restart(fixture);
	fixture_work(fixture);
	event = take_event(fixture, FIXTURE_DOMAIN);
	acknowledge_well(fixture, FIXTURE_DOMAIN, &event);
	assert_int_equal(counters(fixture)->llq_acks, 1);
}

static void refreshed_lease_is_no_event(void **state)
{
	struct fixture *fixture = *state;

	fixture_add(fixture, FIXTURE_DOMAIN, 1800, PTR("one"));
	set_up(fixture, DESKTOP_KEY, 5400);
	fixture_clear_outbox(fixture);
	fixture_add(fixture, FIXTURE_DOMAIN, 1800, PTR("one"));
	assert_int_equal(fixture->outbox.n, 1);
}

static void expired_record_is_an_event(void **state)
{
	struct fixture *fixture = *state;
	struct event event;

	fixture_add(fixture, FIXTURE_DOMAIN, 1800, PTR("one"));
	set_up(fixture, DESKTOP_KEY, 5400);
	fixture_clear_outbox(fixture);
	assert_false(fixture_sleep_until_sent(fixture, 1800 * 1000 - 1));
	assert_true(fixture_sleep_until_sent(fixture, 1));
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_removed, 1);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
}

/* Transmissions at 0, 2 and 6 s, the same octets each time; the end at 14 s. */
static void event_without_answer(void **state)
{
	struct fixture *fixture = *state;
	struct event first;
	uint64_t start;

	set_up(fixture, DESKTOP_KEY, 5400);
	change(fixture, true, PTR("one"));
	start = fixture->moment.now;
	first = take_event(fixture, DESKTOP_KEY);
	for (int i = 0; i < 2; i++) {
		static const uint64_t times[] = { 2000, 6000 };

		assert_true(fixture_sleep_until_sent(fixture, 20000));
		assert_int_equal(fixture->moment.now - start, times[i]);
		assert_int_equal(fixture->outbox.n, 1);
		assert_int_equal(fixture->outbox.items[0].size, first.octets.size);
		assert_memory_equal(fixture->outbox.items[0].data, first.octets.data,
				    first.octets.size);
		fixture_clear_outbox(fixture);
	}
	fixture_sleep(fixture, 7999);
	assert_int_equal(authority_n_llqs(fixture->authority), 1);
	fixture_sleep(fixture, 1);
	assert_int_equal(authority_n_llqs(fixture->authority), 0);
	assert_int_equal(counters(fixture)->llq_deaths, 1);
	assert_int_equal(fixture->outbox.n, 0);
	free(first.octets.data);
}

/* The second or third transmission is answered. */
static void event_answered_late(void **state)
{
	struct fixture *fixture = *state;
	struct event event;

	set_up(fixture, DESKTOP_KEY, 5400);
	for (int i = 1; i < 3; i++) {
		change(fixture, i == 1, PTR("one"));
		event = take_event(fixture, DESKTOP_KEY);
		for (int k = 0; k < i; k++) {
			assert_true(fixture_sleep_until_sent(fixture, 20000));
			fixture_clear_outbox(fixture);
		}
		fixture_sleep(fixture, 1000);
		acknowledge_well(fixture, DESKTOP_KEY, &event);
		fixture_sleep(fixture, 60000);
		assert_int_equal(fixture->outbox.n, 0);
		assert_int_equal(authority_n_llqs(fixture->authority), 1);
	}
}

static void next_event_waits_and_coalesces(void **state)
{
	struct fixture *fixture = *state;
	struct event event;

	set_up(fixture, DESKTOP_KEY, 5400);
	change(fixture, true, PTR("one"));
	event = take_event(fixture, DESKTOP_KEY);
	change(fixture, true, PTR("two"));
	assert_int_equal(fixture->outbox.n, 0);
	change(fixture, true, PTR("three"));
	change(fixture, false, PTR("two"));
	change(fixture, false, PTR("one"));
	assert_int_equal(fixture->outbox.n, 0);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_added, 1);
	assert_int_equal(event.n_removed, 1);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	assert_int_equal(fixture->outbox.n, 0);
}

static void only_the_right_acknowledgement_counts(void **state)
{
	struct fixture *fixture = *state;
	struct dns_tsig_mac other = { 32, { 1, 2, 3 } };
	struct event event, wrong;

	set_up(fixture, DESKTOP_KEY, 5400);
	change(fixture, true, PTR("one"));
	event = take_event(fixture, DESKTOP_KEY);
	acknowledge(fixture, LAPTOP_KEY, &event, &event.mac, 0);
	acknowledge(fixture, DESKTOP_KEY, &event, &other, 0);
	acknowledge(fixture, DESKTOP_KEY, &event, NULL, 0);
	wrong = event;
	wrong.id ^= 1;
	acknowledge(fixture, DESKTOP_KEY, &wrong, &event.mac, 0);
	wrong = event;
	wrong.llq.id ^= 1;
	acknowledge(fixture, DESKTOP_KEY, &wrong, &event.mac, 0);
	fixture->peer.remote.port++;
	acknowledge(fixture, DESKTOP_KEY, &event, &event.mac, 0);
	fixture->peer.remote.port--;
	assert_int_equal(counters(fixture)->llq_acks, 0);
	assert_int_equal(counters(fixture)->llq_acks_ignored, 6);
	acknowledge(fixture, DESKTOP_KEY, &event, &event.mac, 0);
	assert_int_equal(counters(fixture)->llq_acks, 1);
	/* Late copy of it. */
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	assert_int_equal(counters(fixture)->llq_acks, 1);
	assert_int_equal(fixture->outbox.n, 0);
}

static void client_has_forgotten_it(void **state)
{
	struct fixture *fixture = *state;
	struct event event;

	set_up(fixture, DESKTOP_KEY, 5400);
	change(fixture, true, PTR("one"));
	event = take_event(fixture, DESKTOP_KEY);
	acknowledge(fixture, DESKTOP_KEY, &event, &event.mac, DNS_LLQ_ERROR_NO_SUCH_LLQ);
	assert_int_equal(authority_n_llqs(fixture->authority), 0);
	free(event.octets.data);
}

/* More than fits into one datagram: in the answer to the setup, and in events. */
static void big_sets_come_in_parts(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;
	struct talk step;
	int n;

	for (int round = 0; round < 2; round++) {
		exchange_begin_update(&exchange);
		for (int i = 0; i < 60; i++) {
			char text[128];

			snprintf(text, sizeof text, PTR("a-host-with-a-long-name-%d-%d"), round, i);
			exchange_add(&exchange, text);
		}
		fixture_clear_outbox(fixture);
		assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), 0);
		exchange_clear(&exchange);
		if (round == 0) {
			step = first_step(fixture, DESKTOP_KEY, 5400);
			talk(fixture, &step);
			n = step.n_answers;
			assert_in_range(n, 5, 40);
		}
		free(fixture->outbox.items[0].data);
		fixture->outbox.n--;
		memmove(fixture->outbox.items, fixture->outbox.items + 1,
			fixture->outbox.n * sizeof *fixture->outbox.items);
		while (fixture->outbox.n) {
			struct event event = take_event(fixture, DESKTOP_KEY);

			assert_true(event.octets.size <= 1232);
			assert_true(event.n_added > 0);
			n += event.n_added;
			acknowledge_well(fixture, DESKTOP_KEY, &event);
		}
		assert_int_equal(n, 60 * (round + 1));
	}
}

/* Restart
 * ---------------------------------------------------------------------------------------------- */

static void query_outlives_a_restart(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id;
	struct event event;

	fixture_add(fixture, FIXTURE_DOMAIN, 0, PTR("one"));
	id = set_up(fixture, DESKTOP_KEY, 5400);
	fixture_restart(fixture);
	fixture_clear_outbox(fixture);
	fixture_sleep(fixture, 5000);
	assert_int_equal(authority_n_llqs(fixture->authority), 1);
	assert_int_equal(fixture->outbox.n, 0);
	change(fixture, false, PTR("one"));
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.llq.id, id);
	assert_int_equal(event.n_removed, 1);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	assert_int_equal(refresh(fixture, DESKTOP_KEY, id, 5400).llq.error, 0);
}

/* Killed after the UPDATEs were durable: what the client may have been told of and has gone is
 * removed, what is there is told again. */
static void event_outlives_a_restart(void **state)
{
	struct fixture *fixture = *state;
	struct event event;

	set_up(fixture, DESKTOP_KEY, 5400);
	change(fixture, true, PTR("one"));
	event = take_event(fixture, DESKTOP_KEY);
	free(event.octets.data);
	change(fixture, true, PTR("two"));
	change(fixture, false, PTR("one"));
	fixture_restart(fixture);
	assert_true(fixture_sleep_until_sent(fixture, 1));
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_added, 1);
	assert_int_equal(event.n_removed, 1);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	assert_int_equal(fixture->outbox.n, 0);
	/* And once more, from what the second life wrote down. */
	change(fixture, false, PTR("two"));
	event = take_event(fixture, DESKTOP_KEY);
	free(event.octets.data);
	fixture_restart(fixture);
	assert_true(fixture_sleep_until_sent(fixture, 1));
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_added, 0);
	assert_int_equal(event.n_removed, 2);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
}

/* A record whose lease ended while nobody was there to say so. */
static void expiry_during_absence_is_an_event(void **state)
{
	struct fixture *fixture = *state;
	struct event event;

	fixture_add(fixture, FIXTURE_DOMAIN, 1800, PTR("one"));
	set_up(fixture, DESKTOP_KEY, 5400);
	fixture_clear_outbox(fixture);
	fixture->moment.now = 7;
	fixture->moment.date += 2000 * 1000;
	fixture_restart(fixture);
	assert_true(fixture_sleep_until_sent(fixture, 1));
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_removed, 1);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
}

/* A refresh writes down how far the client is; nothing before it is told again. */
static void refresh_is_remembered(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id = set_up(fixture, DESKTOP_KEY, 5400);
	struct event event;

	change(fixture, true, PTR("one"));
	event = take_event(fixture, DESKTOP_KEY);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	change(fixture, true, PTR("two"));
	event = take_event(fixture, DESKTOP_KEY);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	change(fixture, false, PTR("one"));
	event = take_event(fixture, DESKTOP_KEY);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	assert_int_equal(refresh(fixture, DESKTOP_KEY, id, 5400).llq.error, 0);
	fixture_restart(fixture);
	fixture_clear_outbox(fixture);
	fixture_sleep(fixture, 1000);
	assert_int_equal(fixture->outbox.n, 0);
	/* Something else changes: "one" is known to be gone. */
	change(fixture, true, "other A 192.0.2.1");
	assert_int_equal(fixture->outbox.n, 0);
	fixture_restart(fixture);
	assert_true(fixture_sleep_until_sent(fixture, 1));
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_added, 1);
	assert_int_equal(event.n_removed, 0);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
}

/* Refreshed while an event is under way: that one may not have arrived. */
static void refresh_does_not_acknowledge(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id = set_up(fixture, DESKTOP_KEY, 5400);
	struct event event;

	change(fixture, true, PTR("one"));
	event = take_event(fixture, DESKTOP_KEY);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	change(fixture, false, PTR("one"));
	event = take_event(fixture, DESKTOP_KEY);
	free(event.octets.data);
	assert_int_equal(refresh(fixture, DESKTOP_KEY, id, 5400).llq.error, 0);
	fixture_restart(fixture);
	fixture_clear_outbox(fixture);
	assert_true(fixture_sleep_until_sent(fixture, 1));
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_removed, 1);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
}

/* The answer to the setup did not hold all there is, and no event followed before the crash. */
static void rest_of_a_big_set_outlives_a_restart(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;
	struct talk step;
	int n;

	exchange_begin_update(&exchange);
	for (int i = 0; i < 60; i++) {
		char text[128];

		snprintf(text, sizeof text, PTR("a-host-with-a-long-name-%d"), i);
		exchange_add(&exchange, text);
	}
	assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), 0);
	exchange_clear(&exchange);
	step = first_step(fixture, DESKTOP_KEY, 5400);
	talk(fixture, &step);
	assert_in_range(step.n_answers, 5, 40);
	fixture_restart(fixture);
	fixture_clear_outbox(fixture);
	fixture_work(fixture);
	for (n = 0; fixture->outbox.n;) {
		struct event event = take_event(fixture, DESKTOP_KEY);

		n += event.n_added;
		acknowledge_well(fixture, DESKTOP_KEY, &event);
	}
	assert_int_equal(n, 60);
}

static void disk_failure_makes_no_query(void **state)
{
	struct fixture *fixture = *state;
	struct talk step = first_step(fixture, DESKTOP_KEY, 5400);

	fixture->fails_to_commit = true;
	talk(fixture, &step);
	assert_int_equal(step.rcode, LDNS_RCODE_SERVFAIL);
	assert_int_equal(authority_n_llqs(fixture->authority), 0);
	fixture->fails_to_commit = false;
	fixture_sleep(fixture, 1000);
	step = first_step(fixture, DESKTOP_KEY, 5400);
	talk(fixture, &step);
	assert_int_equal(step.rcode, 0);
	assert_int_equal(authority_n_llqs(fixture->authority), 1);
}

/* The account is removed, and perhaps made again, while the third step waits for its transaction.
 */
static void removed_account_gets_no_query(void **state)
{
	struct fixture *fixture = *state;

	for (int again = 0; again < 2; again++) {
		struct talk step = first_step(fixture, DESKTOP_KEY, 5400);

		post(fixture, &step);
		authority_unlist_accounts(fixture->authority);
		authority_keep_listed(fixture->authority);
		if (again)
			assert_int_equal(authority_add_account(fixture->authority,
							       FIXTURE_ACCOUNT + 1, FIXTURE_DOMAIN,
							       "another key", 11),
					 0);
		fixture_work(fixture);
		assert_int_equal(fixture->outbox.n, again);
		assert_int_equal(authority_n_llqs(fixture->authority), 0);
		if (!again)
			fixture_add_account(fixture);
	}
}

static struct talk make_refresh(uint64_t id, uint32_t lease)
{
	return (struct talk){ DESKTOP_KEY,
			      QUESTION,
			      LDNS_RR_TYPE_PTR,
			      { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_REFRESH, 0, id, lease } };
}

/* The same with a refresh: what it names has gone with the account. */
static void removed_account_refreshes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct talk step = make_refresh(set_up(fixture, DESKTOP_KEY, 5400), 5400);

	for (int is_known = 0; is_known < 2; is_known++) {
		post(fixture, &step);
		authority_forget_account(fixture->authority, FIXTURE_ACCOUNT);
		fixture_work(fixture);
		assert_int_equal(fixture->outbox.n, 0);
		assert_int_equal(authority_n_llqs(fixture->authority), 0);
		fixture_add_account(fixture);
		assert_int_equal(authority_n_llqs(fixture->authority), 1);
	}
}

/* Its client was given up between the begin of the transaction and its end: it must not be told
 * that all is well. */
static void given_up_during_its_refresh(void **state)
{
	struct fixture *fixture = *state;
	struct change_list changes = {};
	uint64_t id = set_up(fixture, DESKTOP_KEY, 5400);
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	struct talk step = make_refresh(id, 5400);
	struct dns_llq option;

	change(fixture, true, PTR("one"));
	fixture_sleep(fixture, 13999);
	assert_int_equal(authority_n_llqs(fixture->authority), 1);
	post(fixture, &step);
	assert_int_equal(authority_begin(fixture->authority, &fixture->moment, &changes), 1);
	fixture->moment.now++;
	fixture->moment.date++;
	authority_tick(fixture->authority, &fixture->moment, &fixture->outbox);
	assert_int_equal(authority_n_llqs(fixture->authority), 0);
	fixture_clear_outbox(fixture);
	memory_storage_apply(&fixture->storage, &changes);
	authority_finish(fixture->authority, &fixture->moment, true, &fixture->outbox);
	assert_int_equal(fixture->outbox.n, 1);
	assert_int_equal(dns_message_parse(fixture->outbox.items[0].data,
					   fixture->outbox.items[0].size, &message),
			 0);
	assert_int_equal(dns_options_read_llqs(message->options, message->options_size, &option, 1),
			 1);
	assert_int_equal(option.error, DNS_LLQ_ERROR_NO_SUCH_LLQ);
	assert_int_equal(option.id, id);
	assert_int_equal(option.lease, 0);
}

/* Whichever row is read first: the older one is gone when the newer is there. */
static void replaced_query_does_not_come_back(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id;

	set_up(fixture, DESKTOP_KEY, 5400);
	for (int i = 0; i < 8; i++) {
		fixture->peer.remote.port++;
		id = set_up(fixture, DESKTOP_KEY, 5400);
		assert_int_equal(fixture->storage.n, 1);
		assert_int_equal(fixture->storage.items[0].llq.id, id);
	}
}

/* A record larger than any event is not told, but all the others of its set are. */
static void huge_record_hides_no_other(void **state)
{
	struct fixture *fixture = *state;
	struct talk step = { DESKTOP_KEY,
			     "notes",
			     LDNS_RR_TYPE_TXT,
			     { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_SETUP, 0, 0, 5400 } };
	struct exchange exchange;
	char text[1600] = "notes TXT \"a\"", part[208] = "";
	struct event event;

	talk(fixture, &step);
	talk(fixture, &step);
	memset(part, 'x', 200);
	for (int i = 0; i < 7; i++)
		sprintf(text + strlen(text), " \"%s\"", part);
	exchange_begin_update(&exchange);
	exchange_add(&exchange, text);
	exchange_add(&exchange, "notes TXT \"b\"");
	fixture_clear_outbox(fixture);
	assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), 0);
	exchange_clear(&exchange);
	fixture_clear_outbox(fixture);
	/* The event went out beside the answer: it is sent again. */
	fixture_sleep(fixture, 2000);
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_added, 1);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	change(fixture, false, "notes TXT \"b\"");
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_removed, 1);
	assert_int_equal(event.n_added, 0);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	fixture_sleep(fixture, 20000);
	assert_int_equal(fixture->outbox.n, 0);
	assert_int_equal(authority_n_llqs(fixture->authority), 1);
}

static int count_removals(const struct fixture *fixture)
{
	int n = 0;

	for (size_t i = 0; i < fixture->storage.n; i++)
		n += fixture->storage.items[i].kind == CHANGE_PUT_REMOVAL;
	return n;
}

/* A record changes all the time: what all clients know to be gone is forgotten, and nothing else.
 */
static void removals_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	struct event event;

	set_up(fixture, DESKTOP_KEY, 5400);
	for (int i = 0; i < 3000; i++) {
		/* The same words at the same time are a replay. */
		fixture_sleep(fixture, 1000);
		change(fixture, i % 2 == 0, PTR("one"));
		event = take_event(fixture, DESKTOP_KEY);
		if (i < 2999)
			acknowledge_well(fixture, DESKTOP_KEY, &event);
		if (i == 2060)
			assert_in_range(count_removals(fixture), 1, 10);
	}
	assert_in_range(count_removals(fixture), 1, 1024);
	/* The last one has not been acknowledged. */
	free(event.octets.data);
	fixture_restart(fixture);
	fixture_clear_outbox(fixture);
	assert_true(fixture_sleep_until_sent(fixture, 1));
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_removed, 1);
	assert_int_equal(event.n_added, 0);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Over TCP and TLS
 * ----------------------------------------------------------------------------------- */

static void speak_on(struct fixture *fixture, uint64_t connection)
{
	fixture->peer.connection = connection;
	fixture->peer.transport = connection ? TRANSPORT_TLS : TRANSPORT_UDP;
	fixture->peer.remote.port = 40000 + connection;
}

/* The UPDATE comes by itself, the events go down the stream. */
static void change_elsewhere(struct fixture *fixture, bool add, const char *text)
{
	uint64_t connection = fixture->peer.connection;

	speak_on(fixture, 0);
	change(fixture, add, text);
	speak_on(fixture, connection);
}

static void events_go_down_the_stream(void **state)
{
	struct fixture *fixture = *state;
	struct event event, other;

	speak_on(fixture, 7);
	set_up(fixture, DESKTOP_KEY, 5400);
	assert_int_equal(fixture->outbox.items[0].kind, REPLY_KEEP);
	change_elsewhere(fixture, true, PTR("one"));
	assert_int_equal(fixture->outbox.items[0].peer.connection, 7);
	assert_int_equal(fixture->outbox.items[0].peer.transport, TRANSPORT_TLS);
	event = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(event.n_added, 1);
	/* Once; the next follows the acknowledgement, which must come the same way. */
	assert_false(fixture_sleep_until_sent(fixture, 20000));
	change_elsewhere(fixture, true, PTR("two"));
	assert_int_equal(fixture->outbox.n, 0);
	speak_on(fixture, 8);
	acknowledge(fixture, DESKTOP_KEY, &event, &event.mac, DNS_LLQ_ERROR_NONE);
	assert_int_equal(fixture->outbox.n, 0);
	speak_on(fixture, 7);
	acknowledge_well(fixture, DESKTOP_KEY, &event);
	other = take_event(fixture, DESKTOP_KEY);
	assert_int_equal(other.n_added, 1);
	/* Who never acknowledges has no use for it. */
	free(other.octets.data);
	fixture_sleep(fixture, LLQ_STREAM_GIVE_UP_MSEC);
	assert_int_equal(authority_n_llqs(fixture->authority), 0);
	assert_int_equal(counters(fixture)->llq_deaths, 1);
}

static void ends_with_its_connection(void **state)
{
	struct fixture *fixture = *state;

	speak_on(fixture, 7);
	set_up(fixture, DESKTOP_KEY, 5400);
	speak_on(fixture, 8);
	set_up(fixture, LAPTOP_KEY, 5400);
	assert_int_equal(authority_n_llqs(fixture->authority), 2);
	authority_connection_closed(fixture->authority, &(struct peer){ .connection = 7 });
	assert_int_equal(authority_n_llqs(fixture->authority), 1);
	change_elsewhere(fixture, true, PTR("one"));
	assert_int_equal(fixture->outbox.n, 1);
	assert_int_equal(fixture->outbox.items[0].peer.connection, 8);
	/* The storage has none of them. */
	fixture_restart(fixture);
	assert_int_equal(authority_n_llqs(fixture->authority), 0);
}

static void connection_ends_before_the_setup_does(void **state)
{
	struct fixture *fixture = *state;
	struct change_list changes = {};
	struct exchange exchange;
	uint8_t option[DNS_OPTION_LLQ_SIZE];
	struct writer writer = writer_init(option, sizeof option);
	struct talk step;
	int size;

	speak_on(fixture, 7);
	step = first_step(fixture, DESKTOP_KEY, 5400);
	exchange_begin_query(&exchange, QUESTION, LDNS_RR_TYPE_PTR);
	dns_option_write_llq(&writer, &step.llq);
	dns_builder_add_edns(&exchange.builder, 0, 0, option, sizeof option);
	size = dns_builder_sign(&exchange.builder, fixture_key(DESKTOP_KEY), NULL,
				fixture->moment.date / 1000, NULL);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  size, &fixture->outbox);
	assert_int_equal(authority_begin(fixture->authority, &fixture->moment, &changes), 1);
	authority_connection_closed(fixture->authority, &fixture->peer);
	change_list_clear(&changes);
	authority_finish(fixture->authority, &fixture->moment, true, &fixture->outbox);
	assert_int_equal(authority_n_llqs(fixture->authority), 0);
	assert_int_equal(authority_n_sessions(fixture->authority), 0);
}

static void connection_is_kept_as_long_as_it_has_queries(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id;

	speak_on(fixture, 7);
	id = set_up(fixture, DESKTOP_KEY, 5400);
	assert_int_equal(refresh(fixture, DESKTOP_KEY, id, 0).llq.error, DNS_LLQ_ERROR_NONE);
	fixture_clear_outbox(fixture);
	assert_true(fixture_sleep_until_sent(fixture, 3600000));
	assert_int_equal(fixture->outbox.n, 1);
	assert_int_equal(fixture->outbox.items[0].kind, REPLY_RELEASE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(four_way_handshake),
		TEST(lease_is_bounded),
		TEST(duplicates_get_the_same),
		TEST(challenge_must_be_answered_as_given),
		TEST(wrong_requests),
		TEST(several_questions),
		TEST(server_is_full),
		TEST(moved_host_replaces_its_query),
		TEST(new_setup_replaces_the_old),
		TEST(refresh_and_cancel),
		TEST(lease_ends),
		TEST(events_for_what_comes_and_goes),
		TEST(refreshed_lease_is_no_event),
		TEST(events_by_the_clients_algorithm),
		TEST(expired_record_is_an_event),
		TEST(event_without_answer),
		TEST(event_answered_late),
		TEST(next_event_waits_and_coalesces),
		TEST(only_the_right_acknowledgement_counts),
		TEST(client_has_forgotten_it),
		TEST(big_sets_come_in_parts),
		TEST(query_outlives_a_restart),
		TEST(event_outlives_a_restart),
		TEST(expiry_during_absence_is_an_event),
		TEST(refresh_is_remembered),
		TEST(refresh_does_not_acknowledge),
		TEST(rest_of_a_big_set_outlives_a_restart),
		TEST(removed_account_gets_no_query),
		TEST(removed_account_refreshes_nothing),
		TEST(given_up_during_its_refresh),
		TEST(removals_are_bounded),
		TEST(huge_record_hides_no_other),
		TEST(replaced_query_does_not_come_back),
		TEST(disk_failure_makes_no_query),
		TEST(events_go_down_the_stream),
		TEST(ends_with_its_connection),
		TEST(connection_ends_before_the_setup_does),
		TEST(connection_is_kept_as_long_as_it_has_queries),
	};

	return cmocka_run_group_tests_name("zoned llq", tests, NULL, NULL);
}
