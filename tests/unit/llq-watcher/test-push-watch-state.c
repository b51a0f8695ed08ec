/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The client side of DNS Push against a server played by the test, in simulated time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "services/llq-watcher/push-watch-state.h"

#include "common/dns/dns-options.h"
#include "common/dns/dns-push.h"
#include "common/dns/dns-records.h"

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#define REALTIME_START 1700000000u
#define LIST           "_autotunnel._udp.alice.example"
#define HOST           "desktop.alice.example"
#define DESKTOP        LIST ". 10 IN PTR _autotunnel._udp.desktop.alice.example."
#define LAPTOP         LIST ". 10 IN PTR _autotunnel._udp.laptop.alice.example."

static uint8_t secret[32] = { 42 };
static struct dns_tsig_key key;
static struct push_set *set;
static struct llq_time now;
static uint32_t random_counter;
static ldns_rdf *list_name, *host_name, *domain;
static uint8_t buffer[DNS_DSO_SIZE_MAX + 64];

static uint32_t counting(void *userdata)
{
	return ++random_counter;
}

static int setup(void **state)
{
	struct llq_set_options options = { .random = counting };

	now = (struct llq_time){ .now = 1000000, .realtime = REALTIME_START };
	random_counter = 0;
	key = (struct dns_tsig_key){ .algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
				     .secret = secret,
				     .secret_size = sizeof(secret) };
	list_name = dns_record_name(LIST);
	host_name = dns_record_name(HOST);
	domain = dns_record_name("alice.example");
	return dns_name_from_text("1a2b3c4d.laptop.alice.example", &key.name) < 0 ||
	       push_set_new(&options, &set) < 0;
}

static int teardown(void **state)
{
	set = push_set_free(set);
	ldns_rdf_deep_free(list_name);
	ldns_rdf_deep_free(host_name);
	ldns_rdf_deep_free(domain);
	return 0;
}

/* Milliseconds since the start; rings what is due. */
static void at(uint64_t msec)
{
	now.now = 1000000 + msec;
	now.realtime = REALTIME_START + msec / 1000;
	push_set_tick(set, &now);
}

static void want(const ldns_rdf *first, const ldns_rdf *second)
{
	push_set_want_begin(set);
	if (first)
		assert_int_equal(push_set_want(set, first, LDNS_RR_TYPE_PTR), 0);
	if (second)
		assert_int_equal(push_set_want(set, second, LDNS_RR_TYPE_AAAA), 0);
	push_set_want_end(set, &now);
}

static void assert_quiet(void)
{
	const uint8_t *data;
	size_t size;

	assert_false(push_set_next_message(set, &data, &size));
}

/* What the client sent: a DSO message of this type. Returns its id. */
static uint16_t expect_dso(enum dns_dso_type type, struct dns_dso *ret)
{
	const uint8_t *data;
	struct dns_dso message;
	size_t size;

	assert_true(push_set_next_message(set, &data, &size));
	memcpy(buffer, data, size);
	assert_int_equal(dns_dso_parse(buffer, size, &message), 0);
	assert_int_equal(message.type, type);
	if (ret)
		*ret = message;
	return message.id;
}

static uint16_t expect_subscribe(const char *name, ldns_rr_type type)
{
	struct dns_push_question question;
	char text[DNS_NAME_TEXT_SIZE];
	struct dns_dso message;
	uint16_t id = expect_dso(DNS_DSO_SUBSCRIBE, &message);

	assert_int_equal(message.kind, DNS_DSO_REQUEST);
	assert_int_equal(dns_push_read_subscribe(&message.data, &question), 0);
	assert_int_equal(dns_name_to_text(&question.name, text, sizeof(text)), 0);
	assert_string_equal(text, name);
	assert_int_equal(question.type, type);
	assert_int_equal(question.class, LDNS_RR_CLASS_IN);
	return id;
}

static void receive(struct dns_builder *builder)
{
	int size = dns_builder_finish(builder);

	assert_true(size > 0);
	push_set_receive(set, &now, buffer, size);
}

static void respond(uint16_t id, uint8_t rcode)
{
	struct dns_builder builder;

	dns_dso_begin_response(&builder, buffer, sizeof(buffer), id, rcode);
	receive(&builder);
}

static void respond_keepalive(uint16_t id, uint32_t interval)
{
	const struct dns_dso_keepalive times = { .inactivity_timeout = 15000,
						 .interval = interval };
	struct dns_builder builder;

	dns_dso_begin_response(&builder, buffer, sizeof(buffer), id, 0);
	dns_dso_add_keepalive(&builder, &times);
	receive(&builder);
}

/* Records, "-" before one that is removed; ended by NULL. */
static void push(const char *const *records)
{
	struct dns_builder builder;
	size_t position = dns_push_begin(&builder, buffer, sizeof(buffer));

	for (; *records; records++) {
		bool removed = **records == '-';
		ldns_rr *rr = NULL;

		assert_int_equal(ldns_rr_new_frm_str(&rr, *records + removed, 0, NULL, NULL),
				 LDNS_STATUS_OK);
		if (removed)
			dns_push_remove(&builder, rr);
		else
			dns_push_add(&builder, rr);
		ldns_rr_free(rr);
	}
	dns_push_end(&builder, position);
	receive(&builder);
}
#define PUSH(...) push((const char *const[]){ __VA_ARGS__, NULL })

static size_t n_records(const ldns_rdf *name, ldns_rr_type type)
{
	const ldns_rr_list *records = push_set_records(set, name, type);

	return records ? ldns_rr_list_rr_count(records) : SIZE_MAX;
}

static void start(void)
{
	struct push_start start = { .key = &key, .domain = domain };

	memset(start.binding, 7, sizeof(start.binding));
	push_set_start(set, &start, &now);
}

/* The query that names the connection: looked at, and answered with this. */
static void bind_connection(uint16_t rcode, const struct dns_tsig_key *with)
{
	struct dns_message *message = NULL;
	struct dns_builder builder;
	const uint8_t *data, *binding;
	struct dns_tsig tsig;
	uint8_t expected[PUSH_BINDING_SIZE];
	uint16_t id;
	size_t size;
	int r;

	memset(expected, 7, sizeof(expected));
	assert_true(push_set_next_message(set, &data, &size));
	assert_int_equal(dns_message_parse(data, size, &message), 0);
	assert_int_equal(dns_tsig_find(data, size, &tsig), 1);
	assert_int_equal(dns_tsig_verify(data, &tsig, &key, NULL, now.realtime, 0),
			 DNS_TSIG_RESULT_OK);
	assert_int_equal(
		dns_options_read_channel_binding(message->options, message->options_size, &binding),
		1);
	assert_memory_equal(binding, expected, sizeof(expected));
	id = message->id;
	/* Its length tells nothing of the account's name. */
	assert_int_equal(size % 128, 0);
	dns_message_free(message);
	assert_quiet();
	assert_int_equal(push_set_status(set), LLQ_STATUS_CONNECTING);
	dns_builder_init(&builder, buffer, sizeof(buffer), id, DNS_FLAG_QR | rcode);
	dns_builder_add_question(&builder, domain, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN);
	r = with ? dns_builder_sign(&builder, with, &tsig.mac, now.realtime, NULL)
		 : dns_builder_finish(&builder);
	assert_true(r > 0);
	push_set_receive(set, &now, buffer, r);
}

/* ... up to the session, with the list subscribed. Returns the subscription's id. */
static uint16_t subscribe_list(void)
{
	uint16_t keepalive, id;

	want(list_name, NULL);
	start();
	bind_connection(0, &key);
	keepalive = expect_dso(DNS_DSO_KEEPALIVE, NULL);
	id = expect_subscribe(LIST, LDNS_RR_TYPE_PTR);
	respond_keepalive(keepalive, 20000);
	respond(id, 0);
	return id;
}

static void test_a_session(void **state)
{
	uint16_t id, second;
	struct dns_dso message;
	uint16_t gone;

	id = subscribe_list();
	assert_quiet();
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), SIZE_MAX);
	PUSH(DESKTOP);
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 1);
	assert_int_equal(push_set_status(set), LLQ_STATUS_WATCHING);
	PUSH(LAPTOP, "-" DESKTOP);
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 1);
	/* Another question, and the first one no more. */
	want(NULL, host_name);
	assert_int_equal(expect_dso(DNS_DSO_UNSUBSCRIBE, &message), 0);
	assert_int_equal(dns_push_read_unsubscribe(&message.data, &gone), 0);
	assert_int_equal(gone, id);
	second = expect_subscribe(HOST, LDNS_RR_TYPE_AAAA);
	assert_int_not_equal(second, id);
	respond(second, 0);
	/* What crossed the UNSUBSCRIBE is of no interest. */
	PUSH(DESKTOP, HOST ". 10 IN AAAA fd01::1");
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), SIZE_MAX);
	assert_int_equal(n_records(host_name, LDNS_RR_TYPE_AAAA), 1);
	assert_int_equal(push_set_counts(set)->unexpected, 1);
	assert_false(push_set_is_broken(set));
}

static void test_nothing_there_is_known_after_a_second(void **state)
{
	subscribe_list();
	assert_int_equal(push_set_status(set), LLQ_STATUS_CONNECTING);
	at(999);
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), SIZE_MAX);
	assert_int_equal(push_set_due(set), 1000000 + 1000);
	at(1000);
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 0);
	assert_int_equal(push_set_status(set), LLQ_STATUS_WATCHING);
}

static void test_unwanted_before_its_response(void **state)
{
	uint16_t keepalive, id;

	want(list_name, NULL);
	start();
	bind_connection(0, &key);
	keepalive = expect_dso(DNS_DSO_KEEPALIVE, NULL);
	id = expect_subscribe(LIST, LDNS_RR_TYPE_PTR);
	respond_keepalive(keepalive, 20000);
	want(NULL, NULL);
	assert_quiet();
	respond(id, 0);
	expect_dso(DNS_DSO_UNSUBSCRIBE, NULL);
	assert_false(push_set_is_broken(set));
}

static void test_the_first_set_is_the_truth(void **state)
{
	const ldns_rr_list *records;
	uint64_t changes;

	subscribe_list();
	PUSH(DESKTOP);
	at(1000);
	at(5000);
	/* Another connection; meanwhile desktop is gone and laptop came. */
	push_set_stop(set);
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 1);
	subscribe_list();
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 1);
	PUSH(LAPTOP);
	records = push_set_records(set, list_name, LDNS_RR_TYPE_PTR);
	assert_int_equal(ldns_rr_list_rr_count(records), 2);
	/* The new one first. */
	assert_true(
		strstr((const char *)ldns_rdf_data(ldns_rr_rdf(ldns_rr_list_rr(records, 0), 0)) +
			       17,
		       "laptop") != NULL);
	changes = push_set_changes(set);
	at(5999);
	assert_int_equal(push_set_changes(set), changes);
	at(6000);
	assert_int_equal(push_set_changes(set), changes + 1);
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 1);
}

/* Interrupted before anything was told: the next connection must not take that for "nothing". */
static void test_interrupted_before_the_first_set(void **state)
{
	subscribe_list();
	PUSH(DESKTOP);
	at(1000);
	push_set_stop(set);
	subscribe_list();
	push_set_stop(set);
	subscribe_list();
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 1);
	PUSH(LAPTOP);
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 2);
	at(2000);
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 1);
}

static void test_collective_removal(void **state)
{
	const struct {
		uint16_t type, class;
	} kinds[] = { { LDNS_RR_TYPE_PTR, LDNS_RR_CLASS_IN },
		      { LDNS_RR_TYPE_ANY, LDNS_RR_CLASS_IN },
		      { LDNS_RR_TYPE_ANY, LDNS_RR_CLASS_ANY } };
	struct dns_builder builder;
	size_t position;

	subscribe_list();
	for (size_t i = 0; i < 3; i++) {
		PUSH(DESKTOP, LAPTOP);
		assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 2);
		position = dns_push_begin(&builder, buffer, sizeof(buffer));
		dns_push_remove_all(&builder, list_name, kinds[i].type, kinds[i].class);
		dns_push_end(&builder, position);
		receive(&builder);
		at(1000 * (i + 1));
		assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 0);
	}
	assert_false(push_set_is_broken(set));
}

static void test_keepalives(void **state)
{
	uint16_t id;

	push_set_probe_every(set, 30000);
	subscribe_list();
	PUSH(DESKTOP);
	at(1000);
	/* The server's interval is the shorter one. */
	assert_int_equal(push_set_due(set), 1000000 + 20000);
	at(20000);
	id = expect_dso(DNS_DSO_KEEPALIVE, NULL);
	respond_keepalive(id, DNS_DSO_FOREVER);
	assert_int_equal(push_set_due(set), 1000000 + 50000);
	/* Any message counts. */
	at(40000);
	PUSH(LAPTOP);
	assert_int_equal(push_set_due(set), 1000000 + 70000);
	at(70000);
	expect_dso(DNS_DSO_KEEPALIVE, NULL);
	at(83999);
	assert_int_equal(push_set_status(set), LLQ_STATUS_WATCHING);
	at(84000);
	assert_int_equal(push_set_status(set), LLQ_STATUS_FAILED);
	assert_false(push_set_is_broken(set));
	/* What was known stays until the caller decides. */
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), 2);
}

static void test_no_response_to_a_subscription(void **state)
{
	uint16_t keepalive;

	want(list_name, NULL);
	start();
	bind_connection(0, &key);
	keepalive = expect_dso(DNS_DSO_KEEPALIVE, NULL);
	expect_subscribe(LIST, LDNS_RR_TYPE_PTR);
	respond_keepalive(keepalive, 60000);
	at(29999);
	assert_int_equal(push_set_status(set), LLQ_STATUS_CONNECTING);
	at(30000);
	assert_int_equal(push_set_status(set), LLQ_STATUS_FAILED);
}

static void test_binding(void **state)
{
	struct dns_tsig_key other = key;
	uint8_t wrong[32] = { 1 };

	other.secret = wrong;
	want(list_name, NULL);
	start();
	bind_connection(LDNS_RCODE_REFUSED, &key);
	assert_int_equal(push_set_status(set), LLQ_STATUS_REFUSED);
	start();
	bind_connection(0, NULL);
	assert_int_equal(push_set_status(set), LLQ_STATUS_FAILED);
	start();
	bind_connection(0, &other);
	assert_int_equal(push_set_status(set), LLQ_STATUS_FAILED);
	start();
	bind_connection(LDNS_RCODE_SERVFAIL, &key);
	assert_int_equal(push_set_status(set), LLQ_STATUS_FAILED);
	start();
	at(9999);
	assert_int_equal(push_set_status(set), LLQ_STATUS_CONNECTING);
	at(10000);
	assert_int_equal(push_set_status(set), LLQ_STATUS_FAILED);
}

static enum llq_status refused_with(uint8_t rcode)
{
	uint16_t id;

	want(list_name, NULL);
	start();
	bind_connection(0, &key);
	expect_dso(DNS_DSO_KEEPALIVE, NULL);
	id = expect_subscribe(LIST, LDNS_RR_TYPE_PTR);
	respond(id, rcode);
	return push_set_status(set);
}

static void test_refusals(void **state)
{
	struct dns_builder builder;
	uint16_t id;

	assert_int_equal(refused_with(LDNS_RCODE_NOTIMPL), LLQ_STATUS_UNSUPPORTED);
	assert_int_equal(refused_with(LDNS_RCODE_FORMERR), LLQ_STATUS_UNSUPPORTED);
	assert_int_equal(refused_with(DNS_RCODE_DSOTYPENI), LLQ_STATUS_UNSUPPORTED);
	assert_int_equal(refused_with(LDNS_RCODE_REFUSED), LLQ_STATUS_REFUSED);
	assert_int_equal(refused_with(LDNS_RCODE_NOTAUTH), LLQ_STATUS_REFUSED);
	assert_int_equal(refused_with(LDNS_RCODE_SERVFAIL), LLQ_STATUS_FAILED);
	start();
	bind_connection(0, &key);
	expect_dso(DNS_DSO_KEEPALIVE, NULL);
	id = expect_subscribe(LIST, LDNS_RR_TYPE_PTR);
	dns_dso_begin_response(&builder, buffer, sizeof(buffer), id, LDNS_RCODE_SERVFAIL);
	dns_dso_add_retry_delay(&builder, 60000);
	receive(&builder);
	assert_int_equal(push_set_status(set), LLQ_STATUS_DELAYED);
	assert_int_equal(push_set_retry_after(set), 60000);
}

static void test_retry_delay(void **state)
{
	struct dns_builder builder;

	subscribe_list();
	dns_dso_begin(&builder, buffer, sizeof(buffer), 0);
	dns_dso_add_retry_delay(&builder, 0xFFFFFFFF);
	receive(&builder);
	assert_int_equal(push_set_status(set), LLQ_STATUS_DELAYED);
	/* Nobody waits for seven weeks. */
	assert_int_equal(push_set_retry_after(set), 3600000);
	assert_false(push_set_is_broken(set));
}

static bool breaks(const void *octets, size_t size)
{
	bool broken;

	subscribe_list();
	memcpy(buffer, octets, size);
	push_set_receive(set, &now, buffer, size);
	broken = push_set_is_broken(set) && push_set_status(set) == LLQ_STATUS_FAILED;
	push_set_stop(set);
	return broken;
}
#define HEADER(id, flags) id flags "\0\0\0\0\0\0\0\0"
#define BREAKS(octets)    breaks(octets, sizeof(octets) - 1)

static void test_errors_of_the_protocol(void **state)
{
	assert_true(BREAKS(HEADER("\0\0", "\xb0\0")));                             /* no id */
	assert_true(BREAKS(HEADER("\x77\x77", "\xb0\0")));                         /* not asked */
	assert_true(BREAKS(HEADER("\0\0", "\x30\0") "\0\x41\0\0"));                /* nothing */
	assert_true(BREAKS(HEADER("\0\1", "\x30\0") "\0\x41\0\0"));                /* with id */
	assert_true(BREAKS(HEADER("\0\0", "\x30\0") "\0\x42\0\2\0\1"));            /* ours */
	assert_true(BREAKS(HEADER("\0\0", "\x30\0") "\xff\0\0\0"));                /* unknown */
	assert_true(BREAKS(HEADER("\0\1", "\x30\0") "\0\1\0\x8\0\0\0\0\0\0\0\0")); /* request */
	assert_true(BREAKS(HEADER("\0\0", "\x30\0") "\0\1\0\x8\0\0\0\0\0\0\x27\x0f"));
	assert_true(BREAKS(HEADER("\0\0", "\x30\0") "\0\2\0\3\0\0\0"));
	/* The least interval there may be. */
	assert_false(BREAKS(HEADER("\0\0", "\x30\0") "\0\1\0\x8\0\0\0\0\0\0\x27\x10"));
}

static void test_a_request_that_is_not_known(void **state)
{
	struct dns_dso message;
	const uint8_t *data;
	size_t size;

	subscribe_list();
	memcpy(buffer, HEADER("\0\5", "\x30\0") "\xff\0\0\0", 16);
	push_set_receive(set, &now, buffer, 16);
	assert_true(push_set_next_message(set, &data, &size));
	assert_int_equal(dns_dso_parse(data, size, &message), 0);
	assert_int_equal(message.kind, DNS_DSO_RESPONSE);
	assert_int_equal(message.id, 5);
	assert_int_equal(message.rcode, DNS_RCODE_DSOTYPENI);
	assert_false(push_set_is_broken(set));
}

static void test_cut_at_every_length(void **state)
{
	uint8_t whole[512];
	struct dns_builder builder;
	size_t position;
	ldns_rr *rr = NULL;
	int size;

	assert_int_equal(ldns_rr_new_frm_str(&rr, DESKTOP, 0, NULL, NULL), LDNS_STATUS_OK);
	position = dns_push_begin(&builder, whole, sizeof(whole));
	dns_push_add(&builder, rr);
	dns_push_end(&builder, position);
	size = dns_builder_finish(&builder);
	ldns_rr_free(rr);
	for (int i = 4; i < size; i++)
		assert_true(breaks(whole, i));
	assert_int_equal(n_records(list_name, LDNS_RR_TYPE_PTR), SIZE_MAX);
}

static void test_room(void **state)
{
	char name[64];

	push_set_want_begin(set);
	for (int i = 0; i <= LLQ_SET_MAX; i++) {
		ldns_rdf *rdf;

		snprintf(name, sizeof(name), "h%d.alice.example", i);
		rdf = dns_record_name(name);
		assert_int_equal(push_set_want(set, rdf, LDNS_RR_TYPE_A),
				 i < LLQ_SET_MAX ? 0 : -ENOSPC);
		ldns_rdf_deep_free(rdf);
	}
	push_set_want_end(set, &now);
	start();
	bind_connection(0, &key);
	expect_dso(DNS_DSO_KEEPALIVE, NULL);
	for (int i = 0; i < LLQ_SET_MAX; i++)
		expect_dso(DNS_DSO_SUBSCRIBE, NULL);
	assert_quiet();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_session),
		TEST(test_nothing_there_is_known_after_a_second),
		TEST(test_unwanted_before_its_response),
		TEST(test_the_first_set_is_the_truth),
		TEST(test_interrupted_before_the_first_set),
		TEST(test_collective_removal),
		TEST(test_keepalives),
		TEST(test_no_response_to_a_subscription),
		TEST(test_binding),
		TEST(test_refusals),
		TEST(test_retry_delay),
		TEST(test_errors_of_the_protocol),
		TEST(test_a_request_that_is_not_known),
		TEST(test_cut_at_every_length),
		TEST(test_room),
	};

	return cmocka_run_group_tests_name("push-watch-state", tests, NULL, NULL);
}
