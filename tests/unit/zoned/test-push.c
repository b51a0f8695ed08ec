/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* DNS Push through the authority, in simulated time. */
#include "tests/unit/zoned/unit.h"

#include "common/dns/dns-options.h"
#include "common/dns/dns-push.h"
#include "tests/unit/zoned/server-fixture.h"

#include <string.h>

#define TEXT_SIZE 512

static bool read_binding(void *userdata, const struct peer *peer, uint8_t *ret)
{
	memset(ret, (int)peer->connection, DNS_CHANNEL_BINDING_SIZE);
	return true;
}

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture_start(&fixture);
	fixture.options.push_per_key = 4;
	fixture.options.push_total = 6;
	fixture.options.dso_limits = (struct dso_limits){ 30000, 3600000 };
	fixture.options.stream_idle_msec[TRANSPORT_TLS] = 30000;
	fixture.options.channel_binding = read_binding;
	fixture.peer.connection = 7;
	fixture.peer.transport = TRANSPORT_TLS;
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_stop(*state);
	return 0;
}

static void speak_as(struct fixture *fixture, uint64_t connection)
{
	fixture->peer.connection = connection;
	fixture->peer.transport = connection ? TRANSPORT_TLS : TRANSPORT_UDP;
}

/* A signed query on the connection that says it is this one. */
static void bind_as(struct fixture *fixture, const char *key_name, uint64_t connection)
{
	uint8_t binding[DNS_CHANNEL_BINDING_SIZE], octets[64];
	struct writer options = writer_init(octets, sizeof octets);
	struct exchange exchange;

	memset(binding, (int)connection, sizeof binding);
	dns_option_write_channel_binding(&options, binding);
	exchange_begin_query(&exchange, "@", LDNS_RR_TYPE_SOA);
	dns_builder_add_edns(&exchange.builder, 1232, 0, octets, options.position);
	assert_int_equal(fixture_send(fixture, &exchange, key_name), LDNS_RCODE_NOERROR);
	exchange_clear(&exchange);
	fixture_clear_outbox(fixture);
}

static void send_built(struct fixture *fixture, struct dns_builder *builder)
{
	int size = dns_builder_finish(builder);
	uint8_t *exact = malloc(size);

	assert_true(size > 0);
	memcpy(exact, builder->writer.data, size);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exact, size,
			  &fixture->outbox);
	free(exact);
	fixture_work(fixture);
}

/* The n-th thing in the outbox that was sent; NULL: there are no more. */
static const struct reply *nth_sent(struct fixture *fixture, size_t n)
{
	for (size_t i = 0; i < fixture->outbox.n; i++)
		if (fixture->outbox.items[i].kind == REPLY_SEND && n-- == 0)
			return &fixture->outbox.items[i];
	return NULL;
}

static bool was_ordered(struct fixture *fixture, enum reply_kind kind)
{
	for (size_t i = 0; i < fixture->outbox.n; i++)
		if (fixture->outbox.items[i].kind == kind)
			return true;
	return false;
}

/* The RCODE of the response; what else was sent stays in the outbox. -1: none. */
static int subscribe(struct fixture *fixture, uint16_t id, const char *name, uint16_t type)
{
	ldns_rdf *question = exchange_name(name);
	const struct reply *reply;
	struct dns_builder builder;
	struct dns_dso message;
	uint8_t buffer[512];

	fixture_clear_outbox(fixture);
	dns_push_build_subscribe(&builder, buffer, sizeof buffer, id, question, type,
				 LDNS_RR_CLASS_IN);
	ldns_rdf_deep_free(question);
	send_built(fixture, &builder);
	reply = nth_sent(fixture, 0);
	if (!reply)
		return -1;
	assert_int_equal(dns_dso_parse(reply->data, reply->size, &message), 0);
	assert_int_equal(message.kind, DNS_DSO_RESPONSE);
	assert_int_equal(message.id, id);
	return message.rcode;
}

static void add_words(char *text, char sign, const ldns_rr *rr)
{
	char *words = ldns_rr2str(rr), *end = strchr(words, '\n');

	if (end)
		*end = 0;
	for (char *c = words; *c; c++)
		if (*c == '\t')
			*c = ' ';
	snprintf(text + strlen(text), TEXT_SIZE - strlen(text), "%c %s;", sign, words);
	free(words);
}

/* What a PUSH says, one change after the other. */
static const char *push_text(const struct reply *reply)
{
	static char text[TEXT_SIZE];
	char name[DNS_NAME_TEXT_SIZE];
	struct dns_push_change change;
	struct dns_dso message;
	struct reader data;

	text[0] = 0;
	if (!reply)
		return "nothing";
	assert_int_equal(dns_dso_parse(reply->data, reply->size, &message), 0);
	if (message.type != DNS_DSO_PUSH)
		return "other";
	assert_int_equal(dns_push_check(&message, reply->size), 0);
	data = message.data;
	while (dns_push_next(&data, &change) > 0) {
		size_t n = strlen(text);

		dns_name_to_text(&change.name, name, sizeof name);
		if (strchr(name, '.'))
			*strchr(name, '.') = 0;
		switch (change.kind) {
		case DNS_PUSH_ADD:
			add_words(text, '+', change.rr);
			break;
		case DNS_PUSH_REMOVE:
			ldns_rr_set_ttl(change.rr, 0);
			add_words(text, '-', change.rr);
			break;
		case DNS_PUSH_REMOVE_RRSET:
			snprintf(text + n, TEXT_SIZE - n, "- %s %u;", name, change.type);
			break;
		case DNS_PUSH_REMOVE_CLASS:
			snprintf(text + n, TEXT_SIZE - n, "- %s all;", name);
			break;
		case DNS_PUSH_REMOVE_NAME:
			snprintf(text + n, TEXT_SIZE - n, "- %s of any class;", name);
			break;
		}
		ldns_rr_free(change.rr);
	}
	return text;
}

/* One UPDATE by the account, over UDP from elsewhere; NULL ends the list. "-x" deletes. */
static void update(struct fixture *fixture, uint32_t lease, const char *const *changes)
{
	struct peer peer = fixture->peer;
	struct exchange exchange;

	speak_as(fixture, 0);
	exchange_begin_update(&exchange);
	for (; *changes; changes++) {
		if (**changes == '-')
			exchange_delete(&exchange, *changes + 1);
		else
			exchange_add(&exchange, *changes);
	}
	if (lease)
		exchange_add_lease(&exchange, lease);
	fixture_clear_outbox(fixture);
	assert_int_equal(dns_builder_sign(&exchange.builder, fixture_key(FIXTURE_DOMAIN), NULL,
					  fixture->moment.date / 1000, &exchange.mac) > 0,
			 true);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  exchange.builder.writer.position, &fixture->outbox);
	fixture_work(fixture);
	fixture->moment.date += 1000;
	fixture->peer = peer;
}
#define UPDATE(fixture, ...) update(fixture, 0, (const char *const[]){ __VA_ARGS__, NULL })

/* The n-th message down a connection, the answer to the UPDATE aside. */
static const char *pushed(struct fixture *fixture, size_t n)
{
	for (size_t i = 0; i < fixture->outbox.n; i++)
		if (fixture->outbox.items[i].kind == REPLY_SEND &&
		    fixture->outbox.items[i].peer.connection && n-- == 0)
			return push_text(&fixture->outbox.items[i]);
	return "nothing";
}

static void content_then_changes(void **state)
{
	struct fixture *fixture = *state;

	UPDATE(fixture, "desktop AAAA fd00::1", "desktop TXT x", "laptop AAAA fd00::2");
	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "Desktop", LDNS_RR_TYPE_AAAA), 0);
	assert_true(was_ordered(fixture, REPLY_KEEP));
	assert_string_equal(push_text(nth_sent(fixture, 1)),
			    "+ desktop.alice.members.example.org. 10 IN AAAA fd00::1;");
	/* Our times, since it did not ask; then there is nothing for a name without records. */
	assert_string_equal(push_text(nth_sent(fixture, 2)), "other");
	assert_int_equal(subscribe(fixture, 2, "none", LDNS_RR_TYPE_A), 0);
	assert_null(nth_sent(fixture, 1));

	UPDATE(fixture, "desktop AAAA fd00::3", "laptop AAAA fd00::4", "other A 192.0.2.1");
	assert_string_equal(pushed(fixture, 0),
			    "+ desktop.alice.members.example.org. 10 IN AAAA fd00::3;");
	assert_string_equal(pushed(fixture, 1), "nothing");
	UPDATE(fixture, "-desktop AAAA fd00::1");
	assert_string_equal(pushed(fixture, 0),
			    "- desktop.alice.members.example.org. 0 IN AAAA fd00::1;");
	UPDATE(fixture, "-desktop AAAA fd00::3");
	assert_string_equal(pushed(fixture, 0), "- desktop 28;");
	UPDATE(fixture, "none A 192.0.2.9");
	assert_string_equal(pushed(fixture, 0),
			    "+ none.alice.members.example.org. 10 IN A 192.0.2.9;");
}

static void one_message_for_several_subscriptions(void **state)
{
	struct fixture *fixture = *state;

	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_AAAA), 0);
	assert_int_equal(subscribe(fixture, 2, "desktop", LDNS_RR_TYPE_ANY), 0);
	assert_int_equal(subscribe(fixture, 3, "laptop", LDNS_RR_TYPE_AAAA), 0);
	UPDATE(fixture, "desktop AAAA fd00::1", "laptop AAAA fd00::2", "desktop TXT x");
	assert_string_equal(pushed(fixture, 0),
			    "+ laptop.alice.members.example.org. 10 IN AAAA fd00::2;"
			    "+ desktop.alice.members.example.org. 10 IN TXT \"x\";"
			    "+ desktop.alice.members.example.org. 10 IN AAAA fd00::1;");
	assert_string_equal(pushed(fixture, 1), "nothing");
	/* The name is gone: one collective removal instead of two. */
	UPDATE(fixture, "-desktop AAAA fd00::1", "-laptop AAAA fd00::2", "-desktop TXT x");
	assert_string_equal(pushed(fixture, 0), "- laptop 28;- desktop all;");
}

/* Whoever gets the same gets a copy; others get their own. */
static void several_sessions(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t connection = 7; connection <= 9; connection++) {
		speak_as(fixture, connection);
		bind_as(fixture, connection == 8 ? LAPTOP_KEY : DESKTOP_KEY, connection);
		assert_int_equal(subscribe(fixture, 1, "desktop",
					   connection == 9 ? LDNS_RR_TYPE_ANY : LDNS_RR_TYPE_AAAA),
				 0);
	}
	assert_int_equal(authority_n_subscriptions(fixture->authority), 3);
	UPDATE(fixture, "desktop AAAA fd00::1", "desktop A 192.0.2.1");
	/* The newest subscription comes first. */
	assert_string_equal(pushed(fixture, 0),
			    "+ desktop.alice.members.example.org. 10 IN A 192.0.2.1;"
			    "+ desktop.alice.members.example.org. 10 IN AAAA fd00::1;");
	assert_string_equal(pushed(fixture, 1), pushed(fixture, 2));
	assert_string_equal(pushed(fixture, 1),
			    "+ desktop.alice.members.example.org. 10 IN AAAA fd00::1;");
	assert_string_equal(pushed(fixture, 3), "nothing");
}

static void nothing_before_it_is_durable(void **state)
{
	struct fixture *fixture = *state;

	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_AAAA), 0);
	fixture->fails_to_commit = true;
	UPDATE(fixture, "desktop AAAA fd00::1");
	assert_string_equal(pushed(fixture, 0), "nothing");
	fixture->fails_to_commit = false;
	fixture_sleep(fixture, 2000);
	UPDATE(fixture, "desktop AAAA fd00::2");
	assert_string_equal(pushed(fixture, 0),
			    "+ desktop.alice.members.example.org. 10 IN AAAA fd00::2;");
}

static void lease_ends(void **state)
{
	struct fixture *fixture = *state;

	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_AAAA), 0);
	update(fixture, 1800, (const char *const[]){ "desktop AAAA fd00::1", NULL });
	fixture_clear_outbox(fixture);
	/* Refreshed: nobody sees a difference. */
	fixture_sleep(fixture, 1000000);
	update(fixture, 1800, (const char *const[]){ "desktop AAAA fd00::1", NULL });
	assert_string_equal(pushed(fixture, 0), "nothing");
	fixture_clear_outbox(fixture);
	assert_true(fixture_sleep_until_sent(fixture, 1900000));
	assert_string_equal(pushed(fixture, 0), "- desktop 28;");
}

static void an_alias_concerns_every_type(void **state)
{
	struct fixture *fixture = *state;

	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "www", LDNS_RR_TYPE_AAAA), 0);
	UPDATE(fixture, "www CNAME desktop");
	assert_string_equal(pushed(fixture, 0), "+ www.alice.members.example.org. 10 IN CNAME "
						"desktop.alice.members.example.org.;");
	assert_int_equal(subscribe(fixture, 2, "www", LDNS_RR_TYPE_A), 0);
	assert_string_equal(push_text(nth_sent(fixture, 1)),
			    "+ www.alice.members.example.org. 10 IN CNAME "
			    "desktop.alice.members.example.org.;");
}

static void large_content_comes_in_parts(void **state)
{
	struct fixture *fixture = *state;
	char text[400];
	size_t n = 0, total = 0;

	for (unsigned int i = 0; i < 100; i++) {
		snprintf(text, sizeof text, "big TXT \"%0250u\"", i);
		UPDATE(fixture, text);
	}
	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "big", LDNS_RR_TYPE_TXT), 0);
	for (const struct reply *reply; (reply = nth_sent(fixture, n + 1)); n++) {
		struct dns_push_change change;
		struct dns_dso message;
		struct reader data;

		assert_true(reply->size <= DNS_DSO_SIZE_MAX);
		assert_int_equal(dns_dso_parse(reply->data, reply->size, &message), 0);
		if (message.type != DNS_DSO_PUSH)
			break;
		for (data = message.data; dns_push_next(&data, &change) > 0; total++)
			ldns_rr_free(change.rr);
	}
	assert_int_equal(n, 2);
	assert_int_equal(total, 100);
}

static void strangers_all_hear_the_same(void **state)
{
	static const char *const names[] = { "desktop",
					     "none",
					     "@",
					     "desktop.bob.members.example.org.",
					     "nobody.members.example.org.",
					     "members.example.org.",
					     "www.example.com.",
					     "." };
	struct fixture *fixture = *state;
	uint8_t first[64];
	size_t size = 0;

	UPDATE(fixture, "desktop AAAA fd00::1");
	/* Without a key; with the right one but the octets of another connection. */
	for (int step = 0; step < 2; step++) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			assert_int_equal(subscribe(fixture, 9, names[i], LDNS_RR_TYPE_AAAA),
					 LDNS_RCODE_REFUSED);
			if (!size) {
				size = nth_sent(fixture, 0)->size;
				memcpy(first, nth_sent(fixture, 0)->data, size);
			}
			assert_int_equal(nth_sent(fixture, 0)->size, size);
			assert_memory_equal(nth_sent(fixture, 0)->data, first, size);
			assert_null(nth_sent(fixture, 1));
		}
		bind_as(fixture, DESKTOP_KEY, 8);
	}
	/* With the key: of what is not the account's still the same. */
	bind_as(fixture, DESKTOP_KEY, 7);
	for (size_t i = 3; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(subscribe(fixture, 9, names[i], LDNS_RR_TYPE_AAAA),
				 LDNS_RCODE_REFUSED);
		assert_memory_equal(nth_sent(fixture, 0)->data, first, size);
	}
	/* In the clear nobody is anybody. */
	fixture->peer.connection = 11;
	fixture->peer.transport = TRANSPORT_TCP;
	bind_as(fixture, DESKTOP_KEY, 11);
	assert_int_equal(subscribe(fixture, 9, "desktop", LDNS_RR_TYPE_AAAA), LDNS_RCODE_REFUSED);
}

static void too_many(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	struct fixture *fixture = *state;
	struct dns_dso message;
	struct reader data;
	uint32_t delay;

	bind_as(fixture, DESKTOP_KEY, 7);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(subscribe(fixture, i + 1, names[i], LDNS_RR_TYPE_A), 0);
	assert_int_equal(subscribe(fixture, 9, "e", LDNS_RR_TYPE_A), LDNS_RCODE_SERVFAIL);
	dns_dso_parse(nth_sent(fixture, 0)->data, nth_sent(fixture, 0)->size, &message);
	assert_true(dns_dso_find(&message, DNS_DSO_RETRY_DELAY, &data));
	assert_int_equal(dns_dso_read_retry_delay(&data, &delay), 0);
	assert_int_equal(delay, 60000);
	/* Another connection of the same key has the same share. */
	speak_as(fixture, 8);
	bind_as(fixture, DESKTOP_KEY, 8);
	assert_int_equal(subscribe(fixture, 1, "e", LDNS_RR_TYPE_A), LDNS_RCODE_SERVFAIL);
	/* Another key has its own, until there are too many in all. */
	speak_as(fixture, 9);
	bind_as(fixture, LAPTOP_KEY, 9);
	assert_int_equal(subscribe(fixture, 1, "a", LDNS_RR_TYPE_A), 0);
	assert_int_equal(subscribe(fixture, 2, "b", LDNS_RR_TYPE_A), 0);
	assert_int_equal(subscribe(fixture, 3, "c", LDNS_RR_TYPE_A), LDNS_RCODE_SERVFAIL);
	/* Who goes makes room. */
	authority_connection_closed(fixture->authority, &(struct peer){ .connection = 7 });
	assert_int_equal(subscribe(fixture, 4, "d", LDNS_RR_TYPE_A), 0);
	assert_int_equal(authority_n_subscriptions(fixture->authority), 3);
}

static void unsubscribe(void **state)
{
	struct fixture *fixture = *state;
	struct dns_builder builder;
	uint8_t buffer[64];

	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_A), 0);
	assert_int_equal(subscribe(fixture, 2, "desktop", LDNS_RR_TYPE_AAAA), 0);
	fixture_clear_outbox(fixture);
	dns_push_build_unsubscribe(&builder, buffer, sizeof buffer, 1);
	send_built(fixture, &builder);
	dns_push_build_unsubscribe(&builder, buffer, sizeof buffer, 99);
	send_built(fixture, &builder);
	assert_int_equal(fixture->outbox.n, 0);
	UPDATE(fixture, "desktop A 192.0.2.1");
	assert_string_equal(pushed(fixture, 0), "nothing");
	UPDATE(fixture, "desktop AAAA fd00::1");
	assert_string_equal(pushed(fixture, 0),
			    "+ desktop.alice.members.example.org. 10 IN AAAA fd00::1;");
	/* The id is free again. */
	assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_A), 0);
}

static void assert_fatal(struct fixture *fixture)
{
	assert_true(was_ordered(fixture, REPLY_ABORT));
	assert_null(nth_sent(fixture, 0));
	assert_int_equal(authority_n_sessions(fixture->authority), 0);
	assert_int_equal(authority_n_subscriptions(fixture->authority), 0);
	fixture_clear_outbox(fixture);
}

static void fatal_errors(void **state)
{
	struct fixture *fixture = *state;
	struct dns_builder builder;
	uint8_t buffer[64];
	struct exchange exchange;

	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_A), 0);
	/* The same question, in another case, with another id. */
	assert_int_equal(subscribe(fixture, 2, "DESKTOP", LDNS_RR_TYPE_A), -1);
	assert_fatal(fixture);
	/* The same id. */
	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_A), 0);
	assert_int_equal(subscribe(fixture, 1, "laptop", LDNS_RR_TYPE_A), -1);
	assert_fatal(fixture);
	/* What only servers send. */
	dns_dso_begin(&builder, buffer, sizeof buffer, 0);
	dns_dso_add_retry_delay(&builder, 1);
	send_built(fixture, &builder);
	assert_fatal(fixture);
	/* edns-tcp-keepalive on a session (RFC 8490 §7.1.2). */
	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_A), 0);
	fixture_clear_outbox(fixture);
	exchange_begin_query(&exchange, "@", LDNS_RR_TYPE_SOA);
	dns_builder_add_edns(&exchange.builder, 1232, 0, "\0\x0b\0\0", 4);
	send_built(fixture, &exchange.builder);
	assert_fatal(fixture);
}

/* RECONFIRM is taken and never answered: there is nobody to ask (RFC 8765 §6.5). */
static void reconfirm(void **state)
{
	ldns_rr *rr = exchange_rr("desktop A 192.0.2.1");
	struct fixture *fixture = *state;
	struct dns_builder builder;
	uint8_t buffer[128];

	UPDATE(fixture, "desktop A 192.0.2.1");
	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_A), 0);
	fixture_clear_outbox(fixture);
	dns_push_build_reconfirm(&builder, buffer, sizeof buffer, rr);
	send_built(fixture, &builder);
	assert_int_equal(fixture->outbox.n, 0);
	assert_int_equal(authority_counters(fixture->authority)->push_reconfirms, 1);
	assert_int_equal(authority_n_subscriptions(fixture->authority), 1);
	assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_A), 1);
	/* Of any type is not allowed. */
	fixture_clear_outbox(fixture);
	ldns_rr_set_type(rr, LDNS_RR_TYPE_ANY);
	dns_push_build_reconfirm(&builder, buffer, sizeof buffer, rr);
	send_built(fixture, &builder);
	assert_fatal(fixture);
	ldns_rr_free(rr);
}

static void silent_clients_are_dropped(void **state)
{
	static const struct dns_dso_keepalive wanted = { 10000, 20000 };
	struct fixture *fixture = *state;
	struct dns_builder builder;
	uint8_t buffer[64];

	bind_as(fixture, DESKTOP_KEY, 7);
	dns_dso_begin(&builder, buffer, sizeof buffer, 1);
	dns_dso_add_keepalive(&builder, &wanted);
	send_built(fixture, &builder);
	assert_int_equal(subscribe(fixture, 2, "desktop", LDNS_RR_TYPE_A), 0);
	for (uint16_t i = 3; i < 8; i++) {
		fixture_sleep(fixture, 39000);
		assert_false(was_ordered(fixture, REPLY_ABORT));
		fixture_clear_outbox(fixture);
		dns_dso_begin(&builder, buffer, sizeof buffer, i);
		dns_dso_add_keepalive(&builder, &wanted);
		send_built(fixture, &builder);
	}
	fixture_clear_outbox(fixture);
	fixture_sleep(fixture, 39999);
	assert_int_equal(fixture->outbox.n, 0);
	fixture_sleep(fixture, 1);
	assert_fatal(fixture);
}

/* Its account goes: nothing more, a word of goodbye, five seconds. */
static void account_goes(void **state)
{
	struct fixture *fixture = *state;
	struct dns_dso message;
	struct reader data;
	uint32_t delay;

	bind_as(fixture, DESKTOP_KEY, 7);
	assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_A), 0);
	fixture_clear_outbox(fixture);
	authority_forget_account(fixture->authority, FIXTURE_ACCOUNT);
	fixture_work(fixture);
	assert_int_equal(
		dns_dso_parse(nth_sent(fixture, 0)->data, nth_sent(fixture, 0)->size, &message), 0);
	assert_int_equal(message.kind, DNS_DSO_UNIDIRECTIONAL);
	assert_int_equal(message.rcode, LDNS_RCODE_REFUSED);
	assert_true(dns_dso_find(&message, DNS_DSO_RETRY_DELAY, &data));
	assert_int_equal(dns_dso_read_retry_delay(&data, &delay), 0);
	/* Whatever it says now is not heard. */
	assert_int_equal(subscribe(fixture, 2, "desktop", LDNS_RR_TYPE_A), -1);
	fixture_sleep(fixture, 4999);
	assert_int_equal(fixture->outbox.n, 0);
	fixture_sleep(fixture, 1);
	assert_fatal(fixture);
}

/* By zonectl: a new password, or no access at all. */
static void account_is_changed(void **state)
{
	static const uint8_t other_key[32] = "another key of thirty-two octets";
	struct fixture *fixture = *state;
	struct account_terms terms = { .key = other_key, .key_size = sizeof other_key };
	struct dns_dso message;

	for (int round = 0; round < 2; round++) {
		fixture_clear_outbox(fixture);
		if (round == 1)
			terms.is_disabled = true;
		speak_as(fixture, 7 + round);
		terms.key = round ? fixture_key(FIXTURE_DOMAIN)->secret : other_key;
		bind_as(fixture, DESKTOP_KEY, 7 + round);
		assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_A), 0);
		assert_int_equal(authority_n_subscriptions(fixture->authority), 1);
		fixture_clear_outbox(fixture);
		assert_int_equal(authority_change_account(fixture->authority, FIXTURE_ACCOUNT,
							  &terms, &fixture->moment),
				 1);
		assert_int_equal(authority_n_subscriptions(fixture->authority), 0);
		fixture_work(fixture);
		assert_int_equal(dns_dso_parse(nth_sent(fixture, 0)->data,
					       nth_sent(fixture, 0)->size, &message),
				 0);
		assert_int_equal(message.rcode, LDNS_RCODE_REFUSED);
		/* The first key again. */
		terms.key = fixture_key(FIXTURE_DOMAIN)->secret;
		authority_change_account(fixture->authority, FIXTURE_ACCOUNT, &terms,
					 &fixture->moment);
	}
}

static void server_goes(void **state)
{
	struct fixture *fixture = *state;
	uint32_t delays[2];

	for (uint64_t connection = 7; connection <= 8; connection++) {
		speak_as(fixture, connection);
		bind_as(fixture, DESKTOP_KEY, connection);
		assert_int_equal(subscribe(fixture, 1, "desktop", LDNS_RR_TYPE_A), 0);
	}
	/* Bound, but no session. */
	speak_as(fixture, 9);
	bind_as(fixture, DESKTOP_KEY, 9);
	authority_say_goodbye(fixture->authority, &fixture->moment, &fixture->outbox);
	for (size_t i = 0; i < 2; i++) {
		struct dns_dso message;
		struct reader data;

		dns_dso_parse(nth_sent(fixture, i)->data, nth_sent(fixture, i)->size, &message);
		assert_int_equal(message.rcode, LDNS_RCODE_NOERROR);
		assert_true(dns_dso_find(&message, DNS_DSO_RETRY_DELAY, &data));
		assert_int_equal(dns_dso_read_retry_delay(&data, &delays[i]), 0);
	}
	/* They do not all come back at once. */
	assert_int_not_equal(delays[0], delays[1]);
	assert_int_equal(authority_n_sessions(fixture->authority), 2);
	/* What changes before they have gone they learn where they go to. */
	UPDATE(fixture, "desktop A 192.0.2.1");
	assert_string_equal(pushed(fixture, 0), "nothing");
	authority_connection_closed(fixture->authority, &(struct peer){ .connection = 7 });
	fixture_clear_outbox(fixture);
	fixture_sleep(fixture, 5000);
	assert_fatal(fixture);
}

static void what_is_padded_is_answered_padded(void **state)
{
	struct fixture *fixture = *state;
	ldns_rdf *name = exchange_name("desktop");
	struct dns_builder builder;
	uint8_t buffer[512];

	UPDATE(fixture, "desktop A 192.0.2.1");
	bind_as(fixture, DESKTOP_KEY, 7);
	dns_push_build_subscribe(&builder, buffer, sizeof buffer, 1, name, LDNS_RR_TYPE_A,
				 LDNS_RR_CLASS_IN);
	ldns_rdf_deep_free(name);
	dns_dso_add_padding(&builder, 128);
	send_built(fixture, &builder);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(nth_sent(fixture, i)->size, 468);
	assert_string_equal(push_text(nth_sent(fixture, 1)),
			    "+ desktop.alice.members.example.org. 10 IN A 192.0.2.1;");
}

static void malformed_requests(void **state)
{
	struct fixture *fixture = *state;
	struct dns_builder builder;
	struct dns_dso message;
	uint8_t buffer[64];

	bind_as(fixture, DESKTOP_KEY, 7);
	for (int type = DNS_DSO_KEEPALIVE; type <= DNS_DSO_SUBSCRIBE; type += 0x3f) {
		fixture_clear_outbox(fixture);
		dns_dso_begin(&builder, buffer, sizeof buffer, 5);
		dns_dso_end_tlv(&builder, dns_dso_begin_tlv(&builder, type));
		send_built(fixture, &builder);
		assert_int_equal(dns_dso_parse(nth_sent(fixture, 0)->data,
					       nth_sent(fixture, 0)->size, &message),
				 0);
		assert_int_equal(message.rcode, LDNS_RCODE_FORMERR);
		assert_int_equal(message.id, 5);
	}
	/* No session came of that: it may not be spoken to without being asked. */
	fixture_clear_outbox(fixture);
	authority_forget_account(fixture->authority, FIXTURE_ACCOUNT);
	fixture_work(fixture);
	assert_fatal(fixture);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(content_then_changes),
		TEST(one_message_for_several_subscriptions),
		TEST(several_sessions),
		TEST(nothing_before_it_is_durable),
		TEST(lease_ends),
		TEST(an_alias_concerns_every_type),
		TEST(large_content_comes_in_parts),
		TEST(strangers_all_hear_the_same),
		TEST(too_many),
		TEST(unsubscribe),
		TEST(fatal_errors),
		TEST(reconfirm),
		TEST(silent_clients_are_dropped),
		TEST(account_goes),
		TEST(account_is_changed),
		TEST(server_goes),
		TEST(what_is_padded_is_answered_padded),
		TEST(malformed_requests),
	};

	return cmocka_run_group_tests_name("push", tests, NULL, NULL);
}
