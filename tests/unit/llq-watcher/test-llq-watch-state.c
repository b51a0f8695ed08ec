/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One query, a server that a test plays, and simulated milliseconds. */
#include "tests/unit/llq-watcher/played-server.h"

#define NAME   "desktop.alice.example."
#define FIRST  NAME " 10 IN A 203.0.113.5"
#define SECOND NAME " 10 IN A 198.51.100.7"
#define ID     0x0123456789abcdef

static ldns_rdf *name;

static int setup(void **state)
{
	if (start_set(state))
		return 1;
	name = dns_record_name(NAME);
	watch_set_want_begin(set);
	assert_int_equal(watch_set_want(set, name, LDNS_RR_TYPE_A), 0);
	watch_set_want_end(set, &now);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_IDLE);
	return 0;
}

static int teardown(void **state)
{
	ldns_rdf_deep_free(name);
	return free_set(state);
}

static void expect_records(const char *const *expected)
{
	const ldns_rr_list *records = watch_set_records(set, name, LDNS_RR_TYPE_A);
	size_t n = 0;

	assert_non_null(records);
	for (; expected[n]; n++) {
		ldns_rr *rr = NULL;

		assert_int_equal(ldns_rr_new_frm_str(&rr, expected[n], 0, NULL, NULL),
				 LDNS_STATUS_OK);
		assert_true(n < ldns_rr_list_rr_count(records));
		assert_int_equal(ldns_rr_compare(ldns_rr_list_rr(records, n), rr), 0);
		ldns_rr_free(rr);
	}
	assert_int_equal(ldns_rr_list_rr_count(records), n);
}

static struct got expect_setup(void)
{
	struct got got = get();

	assert_true(got.any);
	assert_false(got.response);
	assert_int_equal(got.llq.opcode, DNS_LLQ_OPCODE_SETUP);
	assert_int_equal(got.llq.version, 1);
	assert_int_equal(got.llq.id, 0);
	assert_int_equal(got.llq.lease, 7200);
	return got;
}

static struct got expect_response(uint64_t id, uint32_t lease)
{
	struct got got = get();

	assert_true(got.any);
	assert_int_equal(got.llq.opcode, DNS_LLQ_OPCODE_SETUP);
	assert_int_equal(got.llq.id, id);
	assert_int_equal(got.llq.lease, lease);
	return got;
}

static struct got expect_refresh(uint64_t id, uint32_t lease)
{
	struct got got = get();

	assert_true(got.any);
	assert_int_equal(got.llq.opcode, DNS_LLQ_OPCODE_REFRESH);
	assert_int_equal(got.llq.id, id);
	assert_int_equal(got.llq.lease, lease);
	return got;
}

static void expect_again(const struct got *former)
{
	struct got got = get();

	assert_true(got.any);
	assert_int_equal(got.size, former->size);
	assert_memory_equal(got.data, former->data, got.size);
	forget(&got);
}

/* Begins at 0 ms; established with the first address, lease in seconds. */
static void establish(uint32_t lease)
{
	struct got got;

	watch_set_start(set, &key, &now);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_CONNECTING);
	got = expect_setup();
	challenge(&got, ID, lease);
	forget(&got);
	got = expect_response(ID, lease);
	acknowledge(&got, RECORDS(FIRST));
	forget(&got);
	assert_quiet();
	assert_int_equal(watch_set_status(set), LLQ_STATUS_WATCHING);
}

static void send_event(uint64_t id, const char *const *records)
{
	uint8_t buffer[1232];
	size_t size = write_event(name, LDNS_RR_TYPE_A, id, records, buffer, sizeof(buffer));

	watch_set_receive(set, &now, buffer, size);
}

static void expect_ack(uint64_t id)
{
	struct got got = get();

	assert_true(got.any);
	assert_true(got.response);
	assert_int_equal(got.message_id, 0xbeef);
	assert_int_equal(got.llq.opcode, DNS_LLQ_OPCODE_EVENT);
	assert_int_equal(got.llq.id, id);
	forget(&got);
}

static void four_messages(void **state)
{
	establish(7200);
	expect_records(RECORDS(FIRST));
	assert_int_equal(watch_set_counts(set)->setups, 1);
}

static void lost_setup(void **state)
{
	struct got got;

	watch_set_start(set, &key, &now);
	got = expect_setup();
	at(1999);
	assert_quiet();
	at(2000);
	expect_again(&got);
	at(5999);
	assert_quiet();
	at(6000);
	expect_again(&got);
	challenge(&got, ID, 900);
	forget(&got);
	got = expect_response(ID, 900);
	forget(&got);
}

static void lost_challenge_comes_again(void **state)
{
	struct got first, second;

	watch_set_start(set, &key, &now);
	first = expect_setup();
	at(2000);
	expect_again(&first);
	challenge(&first, ID, 900);
	second = expect_response(ID, 900);
	/* The challenge to the repetition: it is step 3 that is outstanding, this is no ACK. */
	challenge(&first, ID, 900);
	assert_quiet();
	assert_int_equal(watch_set_status(set), LLQ_STATUS_CONNECTING);
	assert_int_equal(watch_set_counts(set)->unexpected, 1);
	acknowledge(&second, RECORDS(FIRST));
	assert_int_equal(watch_set_status(set), LLQ_STATUS_WATCHING);
	/* Even later, it does not look like an ACK without answers (RFC 8764, appendix A). */
	challenge(&first, ID, 900);
	acknowledge(&second, NO_RECORDS);
	expect_records(RECORDS(FIRST));
	forget(&first);
	forget(&second);
}

static void lost_response_or_ack(void **state)
{
	struct got got;

	watch_set_start(set, &key, &now);
	got = expect_setup();
	at(100);
	challenge(&got, ID, 900);
	forget(&got);
	got = expect_response(ID, 900);
	at(2099);
	assert_quiet();
	at(2100);
	expect_again(&got);
	at(6100);
	expect_again(&got);
	at(14000);
	acknowledge(&got, RECORDS(FIRST));
	forget(&got);
	expect_records(RECORDS(FIRST));
}

/* A server may take a TLS connection for proof enough of the client's address. */
static void ack_at_once(void **state)
{
	struct push_start start = { .key = &key };
	struct got got;

	watch_set_start_stream(set, WATCH_TRANSPORT_LLQ_TLS, &start, &now);
	got = expect_setup();
	got.llq.id = ID;
	got.llq.lease = 7200;
	acknowledge(&got, RECORDS(FIRST));
	forget(&got);
	assert_quiet();
	assert_int_equal(watch_set_status(set), LLQ_STATUS_WATCHING);
	expect_records(RECORDS(FIRST));
	send_event(ID, RECORDS("-" FIRST, SECOND));
	expect_ack(ID);
	expect_records(RECORDS(SECOND));
	/* Four steps as well. */
	watch_set_start_stream(set, WATCH_TRANSPORT_LLQ_TLS, &start, &now);
	got = expect_setup();
	challenge(&got, ID, 900);
	forget(&got);
	got = expect_response(ID, 900);
	acknowledge(&got, NO_RECORDS);
	forget(&got);
	expect_records(NO_RECORDS);
	/* Over UDP there are always four: what comes in the second is not taken. */
	watch_set_stop(set, &now);
	forget(&(struct got){ .name = get().name });
	watch_set_start(set, &key, &now);
	got = expect_setup();
	got.llq.id = ID;
	acknowledge(&got, RECORDS(FIRST));
	forget(&got);
	got = expect_response(ID, 7200);
	forget(&got);
	expect_records(NO_RECORDS);
}

static void silent_server(void **state)
{
	struct got got;

	watch_set_start(set, &key, &now);
	got = expect_setup();
	for (int i = 0; i < 2; i++) {
		at((uint64_t[]){ 2000, 6000 }[i]);
		expect_again(&got);
	}
	at(13999);
	assert_quiet();
	assert_int_equal(watch_set_status(set), LLQ_STATUS_CONNECTING);
	at(14000);
	assert_quiet();
	assert_int_equal(watch_set_status(set), LLQ_STATUS_FAILED);
	assert_int_equal(watch_set_due(set), UINT64_MAX);
	/* It is heard no more, until the caller starts again. */
	challenge(&got, ID, 900);
	forget(&got);
	assert_quiet();
}

static void event_adds_and_removes(void **state)
{
	establish(7200);
	send_event(ID, RECORDS("-" FIRST, SECOND));
	expect_ack(ID);
	expect_records(RECORDS(SECOND));
	assert_int_equal(watch_set_counts(set)->events, 1);
	send_event(ID, RECORDS("-" SECOND));
	expect_ack(ID);
	expect_records(NO_RECORDS);
}

static void event_about_another_name_changes_nothing(void **state)
{
	establish(7200);
	send_event(ID, RECORDS("other.alice.example. 10 IN A 192.0.2.1"));
	expect_ack(ID);
	expect_records(RECORDS(FIRST));
}

static void repeated_event_is_acknowledged_again(void **state)
{
	uint8_t event[1232];
	size_t size;

	establish(7200);
	size = write_event(name, LDNS_RR_TYPE_A, ID, RECORDS("-" FIRST, SECOND), event,
			   sizeof(event));
	watch_set_receive(set, &now, event, size);
	expect_ack(ID);
	/* Our acknowledgement was lost. Meanwhile nothing happened. */
	at(2000);
	watch_set_receive(set, &now, event, size);
	expect_ack(ID);
	assert_int_equal(watch_set_counts(set)->events, 1);
	assert_int_equal(watch_set_counts(set)->duplicate_events, 1);
	/* And a recording of it, played after another event, does not bring the old address back.
	 */
	at(4000);
	send_event(ID, RECORDS("-" SECOND, FIRST));
	expect_ack(ID);
	watch_set_receive(set, &now, event, size);
	expect_records(RECORDS(FIRST));
}

static void event_that_overtakes_the_ack(void **state)
{
	struct got got;

	watch_set_start(set, &key, &now);
	got = expect_setup();
	challenge(&got, ID, 900);
	forget(&got);
	got = expect_response(ID, 900);
	send_event(ID, RECORDS(SECOND));
	/* Not acknowledged: the server sends it again. */
	assert_quiet();
	acknowledge(&got, RECORDS(FIRST));
	forget(&got);
	send_event(ID, RECORDS("-" FIRST, SECOND));
	expect_ack(ID);
	expect_records(RECORDS(SECOND));
}

/* Records are nobody's until the message is verified: they may be made to be tedious to read. */
static void records_of_a_stranger(void **state)
{
	uint8_t other_secret[32] = { 1 }, buffer[1024];
	struct dns_tsig_key other = key;
	struct reply forged;
	size_t size, n = 0, i;

	establish(7200);
	other.secret = other_secret;
	forged = (struct reply){ .message_id = 1,
				 .name = name,
				 .type = LDNS_RR_TYPE_A,
				 .llq = { .opcode = DNS_LLQ_OPCODE_EVENT, .id = ID },
				 .records = RECORDS(SECOND),
				 .key = &other };
	size = write_reply(&forged, buffer, sizeof(buffer));
	/* Behind that of the question, type A and class IN of the record become AAAA and IN. */
	for (i = DNS_HEADER_SIZE; n < 2 && i + 4 < size; i++)
		n += memcmp(buffer + i, "\0\1\0\1", 4) == 0;
	assert_int_equal(n, 2);
	buffer[i] = LDNS_RR_TYPE_AAAA;
	watch_set_receive(set, &now, buffer, size);
	assert_int_equal(watch_set_counts(set)->unverified, 1);
	assert_int_equal(watch_set_counts(set)->malformed, 0);
	assert_quiet();
	expect_records(RECORDS(FIRST));
}

static void forged_messages(void **state)
{
	uint8_t other_secret[32] = { 1 };
	struct dns_tsig_key other = key;
	struct got got;
	struct reply forged;

	establish(7200);
	other.secret = other_secret;
	forged = (struct reply){ .message_id = 1,
				 .name = name,
				 .type = LDNS_RR_TYPE_A,
				 .llq = { .opcode = DNS_LLQ_OPCODE_EVENT, .id = ID },
				 .records = RECORDS(SECOND) };
	reply(&forged);
	assert_int_equal(watch_set_counts(set)->unsigned_messages, 1);
	forged.key = &other;
	reply(&forged);
	assert_int_equal(watch_set_counts(set)->unverified, 1);
	forged.key = &key;
	forged.llq.id++;
	reply(&forged);
	assert_int_equal(watch_set_counts(set)->unexpected, 1);
	watch_set_receive(set, &now, (const uint8_t *)"\0\1\2", 3);
	assert_int_equal(watch_set_counts(set)->malformed, 1);
	assert_quiet();
	expect_records(RECORDS(FIRST));

	/* An answer signed with the key, but for another request. */
	watch_set_start(set, &key, &now);
	got = expect_setup();
	got.mac.octets[0] ^= 1;
	challenge(&got, ID, 900);
	forget(&got);
	assert_quiet();
	assert_int_equal(watch_set_counts(set)->unverified, 2);
}

static void refresh_at_80_90_and_95_percent(void **state)
{
	struct got got;

	establish(1000);
	at(799999);
	assert_quiet();
	at(800000);
	got = expect_refresh(ID, 1000);
	at(899999);
	assert_quiet();
	at(900000);
	expect_again(&got);
	at(950000);
	expect_again(&got);
	at(960000);
	acknowledge_refresh(&got);
	forget(&got);
	assert_int_equal(watch_set_due(set), now.now + 800000);
	expect_records(RECORDS(FIRST));
}

static void lease_ends_without_refresh(void **state)
{
	struct got got;

	establish(1000);
	at(800000);
	got = expect_refresh(ID, 1000);
	forget(&got);
	at(900000);
	at(950000);
	at(1000000);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_FAILED);
	/* As last known. */
	expect_records(RECORDS(FIRST));
}

static void probe_keeps_the_path_open(void **state)
{
	struct got got;

	watch_set_probe_every(set, 25000, &now);
	establish(7200);
	for (int i = 1; i <= 3; i++) {
		at(25000 * i);
		got = expect_refresh(ID, 7200);
		acknowledge_refresh(&got);
		forget(&got);
		assert_quiet();
	}
}

static void probe_finds_the_server_gone(void **state)
{
	struct got got;

	watch_set_probe_every(set, 60000, &now);
	establish(7200);
	at(60000);
	got = expect_refresh(ID, 7200);
	for (int i = 0; i < 3; i++) {
		at((uint64_t[]){ 60500, 62000, 66000 }[i]);
		expect_again(&got);
	}
	forget(&got);
	at(74000);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_FAILED);
	expect_records(RECORDS(FIRST));
	/* It is back. */
	watch_set_start(set, &key, &now);
	got = expect_setup();
	forget(&got);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_CONNECTING);
	expect_records(RECORDS(FIRST));
}

/* All attempts of a probe were lost, but an event came meanwhile: the server is there. */
static void bad_luck_is_not_the_end(void **state)
{
	struct got got;

	watch_set_probe_every(set, 60000, &now);
	establish(7200);
	at(60000);
	got = expect_refresh(ID, 7200);
	for (int i = 0; i < 3; i++) {
		at((uint64_t[]){ 60500, 62000, 66000 }[i]);
		expect_again(&got);
	}
	forget(&got);
	at(70000);
	send_event(ID, RECORDS(SECOND));
	expect_ack(ID);
	at(74000);
	got = expect_refresh(ID, 7200);
	acknowledge_refresh(&got);
	forget(&got);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_WATCHING);
}

/* The server gave one query up, because its event was not acknowledged: that one is set up anew,
 * and the other looked at. */
static void one_query_was_given_up(void **state)
{
	ldns_rdf *other = dns_record_name("other.alice.example");
	struct got got;

	watch_set_probe_every(set, 60000, &now);
	establish(7200);
	at(30000);
	watch_set_want_begin(set);
	watch_set_want(set, name, LDNS_RR_TYPE_A);
	watch_set_want(set, other, LDNS_RR_TYPE_A);
	watch_set_want_end(set, &now);
	got = expect_setup();
	challenge(&got, 77, 7200);
	forget(&got);
	got = expect_response(77, 7200);
	acknowledge(&got, NO_RECORDS);
	forget(&got);
	at(60000);
	got = expect_refresh(ID, 7200);
	refuse(&got, DNS_LLQ_ERROR_NO_SUCH_LLQ, 0);
	forget(&got);
	got = expect_setup();
	forget(&got);
	assert_quiet();
	at(60001);
	got = expect_refresh(77, 7200);
	acknowledge_refresh(&got);
	forget(&got);
	assert_quiet();
	ldns_rdf_deep_free(other);
}

static void probe_finds_the_server_restarted(void **state)
{
	struct got got;

	watch_set_probe_every(set, 60000, &now);
	establish(7200);
	at(60000);
	got = expect_refresh(ID, 7200);
	refuse(&got, DNS_LLQ_ERROR_NO_SUCH_LLQ, 0);
	forget(&got);
	got = expect_setup();
	challenge(&got, ID + 1, 7200);
	forget(&got);
	got = expect_response(ID + 1, 7200);
	acknowledge(&got, RECORDS(SECOND));
	forget(&got);
	expect_records(RECORDS(SECOND));
}

static void probe_begins_when_the_mapping_is_gone(void **state)
{
	struct got got;

	watch_set_probe_every(set, 60000, &now);
	establish(7200);
	at(10000);
	watch_set_probe_every(set, 25000, &now);
	at(35000);
	got = expect_refresh(ID, 7200);
	forget(&got);
}

static void full_server(void **state)
{
	struct got got;

	watch_set_start(set, &key, &now);
	got = expect_setup();
	refuse(&got, DNS_LLQ_ERROR_SERV_FULL, 300);
	forget(&got);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_FULL);
	assert_int_equal(watch_set_retry_after(set), 300000);
}

static void refusing_server(void **state)
{
	struct got got;
	struct reply refused;

	watch_set_start(set, &key, &now);
	got = expect_setup();
	refused = (struct reply){ .message_id = got.message_id,
				  .rcode = LDNS_RCODE_REFUSED,
				  .name = got.name,
				  .type = got.type,
				  .prior = &got.mac,
				  .key = &key };
	reply(&refused);
	forget(&got);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_REFUSED);
}

/* No word about what this host may do: the clocks differ, which will be put right. */
static void server_of_another_time(void **state)
{
	struct got got;
	struct dns_builder builder;
	struct dns_tsig request;
	uint8_t octets[512];

	watch_set_start(set, &key, &now);
	got = expect_setup();
	assert_int_equal(dns_tsig_find(got.data, got.size, &request), 1);
	dns_builder_init(&builder, octets, sizeof(octets), got.message_id,
			 DNS_FLAG_QR | LDNS_RCODE_NOTAUTH);
	dns_builder_add_question(&builder, got.name, got.type, LDNS_RR_CLASS_IN);
	assert_true(dns_builder_finish(&builder) > 0);
	assert_int_equal(dns_tsig_sign_error(&builder.writer, &request, &key,
					     DNS_TSIG_ERROR_BADTIME, now.realtime + 3600),
			 0);
	watch_set_receive(set, &now, octets, builder.writer.position);
	forget(&got);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_FAILED);
}

static void challenge_response_refused(void **state)
{
	struct got got;

	watch_set_start(set, &key, &now);
	for (int i = 0; i < 4; i++) {
		got = expect_setup();
		challenge(&got, ID + i, 900);
		forget(&got);
		got = expect_response(ID + i, 900);
		refuse(&got, DNS_LLQ_ERROR_NO_SUCH_LLQ, 0);
		forget(&got);
	}
	assert_int_equal(watch_set_status(set), LLQ_STATUS_FAILED);
}

static void goodbye(void **state)
{
	struct got got;

	establish(7200);
	watch_set_stop(set, &now);
	got = expect_refresh(ID, 0);
	forget(&got);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_IDLE);
	assert_int_equal(watch_set_due(set), UINT64_MAX);
	expect_records(RECORDS(FIRST));
	watch_set_clear(set);
	assert_null(watch_set_records(set, name, LDNS_RR_TYPE_A));
}

static void abandoned_without_a_word(void **state)
{
	const uint8_t *data;
	size_t size;

	establish(7200);
	watch_set_abandon(set);
	assert_false(watch_set_next_message(set, &data, &size));
	assert_int_equal(watch_set_status(set), LLQ_STATUS_IDLE);
	assert_int_equal(watch_set_due(set), UINT64_MAX);
	expect_records(RECORDS(FIRST));
}

static void question_no_longer_wanted(void **state)
{
	ldns_rdf *other = dns_record_name("other.alice.example");
	struct got got;

	establish(7200);
	watch_set_want_begin(set);
	watch_set_want(set, name, LDNS_RR_TYPE_A);
	watch_set_want(set, other, LDNS_RR_TYPE_A);
	watch_set_want_end(set, &now);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_CONNECTING);
	got = expect_setup();
	challenge(&got, 77, 900);
	forget(&got);
	got = expect_response(77, 900);
	acknowledge(&got, NO_RECORDS);
	forget(&got);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_WATCHING);
	watch_set_want_begin(set);
	watch_set_want(set, name, LDNS_RR_TYPE_A);
	watch_set_want_end(set, &now);
	got = expect_refresh(77, 0);
	forget(&got);
	assert_null(watch_set_records(set, other, LDNS_RR_TYPE_A));
	ldns_rdf_deep_free(other);
}

/* Every event, cut at every length and with any octet changed: never taken, never a crash. */
static void damaged_events(void **state)
{
	uint8_t event[1232];
	size_t size;

	establish(7200);
	size = write_event(name, LDNS_RR_TYPE_A, ID, RECORDS(SECOND), event, sizeof(event));
	for (size_t cut = 0; cut < size; cut++)
		watch_set_receive(set, &now, event, cut);
	for (size_t i = 2; i < size; i++) {
		event[i] ^= 0x40;
		/* Letters in another case are the same name, to TSIG too. */
		if ((event[i] | 0x20) < 'a' || (event[i] | 0x20) > 'z')
			watch_set_receive(set, &now, event, size);
		event[i] ^= 0x40;
	}
	assert_quiet();
	expect_records(RECORDS(FIRST));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(four_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_setup, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_challenge_comes_again, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_response_or_ack, setup, teardown),
		cmocka_unit_test_setup_teardown(ack_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(silent_server, setup, teardown),
		cmocka_unit_test_setup_teardown(event_adds_and_removes, setup, teardown),
		cmocka_unit_test_setup_teardown(event_about_another_name_changes_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(repeated_event_is_acknowledged_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(event_that_overtakes_the_ack, setup, teardown),
		cmocka_unit_test_setup_teardown(records_of_a_stranger, setup, teardown),
		cmocka_unit_test_setup_teardown(forged_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(refresh_at_80_90_and_95_percent, setup, teardown),
		cmocka_unit_test_setup_teardown(lease_ends_without_refresh, setup, teardown),
		cmocka_unit_test_setup_teardown(probe_keeps_the_path_open, setup, teardown),
		cmocka_unit_test_setup_teardown(probe_finds_the_server_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_luck_is_not_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(one_query_was_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(probe_finds_the_server_restarted, setup, teardown),
		cmocka_unit_test_setup_teardown(probe_begins_when_the_mapping_is_gone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(full_server, setup, teardown),
		cmocka_unit_test_setup_teardown(refusing_server, setup, teardown),
		cmocka_unit_test_setup_teardown(server_of_another_time, setup, teardown),
		cmocka_unit_test_setup_teardown(challenge_response_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(goodbye, setup, teardown),
		cmocka_unit_test_setup_teardown(abandoned_without_a_word, setup, teardown),
		cmocka_unit_test_setup_teardown(question_no_longer_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_events, setup, teardown),
	};

	return cmocka_run_group_tests_name("llq-watch-state", tests, NULL, NULL);
}
