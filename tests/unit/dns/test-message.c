/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/dns/golden.h"
#include "tests/unit/dns/hex.h"

#include "common/dns/dns-update.h"

#include <errno.h>

static ldns_rdf *name_from(const char *text)
{
	ldns_rdf *name = ldns_dname_new_frm_str(text);

	assert_non_null(name);
	return name;
}

static struct dns_message *parse_hex(const char *hex, uint8_t *buffer)
{
	struct dns_message *message = NULL;

	assert_int_equal(dns_message_parse(buffer, from_hex(hex, buffer), &message), 0);
	return message;
}

static void update_as_written_elsewhere(void **state)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	struct dns_update_lease lease = { .lease = 5400 };
	ldns_rdf *zone = name_from("alice.members.me.com.");
	ldns_rr *srv =
		rr_from("_autotunnel._udp.myMacPro.alice.members.me.com. 10 IN SRV 0 0 61234 "
			"AutoTunnel-00-22-69-FF-FE-8E-34-2A.alice.members.me.com.");
	struct dns_builder builder;
	uint8_t buffer[512];
	int size;

	dns_update_begin(&builder, buffer, sizeof(buffer), 0x4242, zone);
	dns_update_add(&builder, srv);
	dns_update_add_lease(&builder, &lease);
	size = dns_builder_finish(&builder);
	assert_hex(buffer, size, UPDATE);

	assert_int_equal(dns_message_parse(buffer, size, &message), 0);
	assert_int_equal(message->opcode, LDNS_PACKET_UPDATE);
	assert_int_equal(dns_message_count(message, DNS_SECTION_QUESTION), 1);
	assert_int_equal(dns_message_count(message, DNS_SECTION_AUTHORITY), 1);
	assert_int_equal(ldns_rr_compare(dns_message_rr(message, DNS_SECTION_AUTHORITY, 0), srv),
			 0);
	assert_int_equal(dns_message_count(message, DNS_SECTION_ADDITIONAL), 0);
	assert_true(message->has_edns);
	assert_int_equal(message->edns_udp_size, 1232);
	assert_int_equal(message->options_size, 8);
	assert_false(message->has_tsig);
	ldns_rr_free(srv);
	ldns_rdf_deep_free(zone);
}

static void all_changes_and_back(void **state)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	ldns_rdf *zone = name_from("Alice.example.");
	ldns_rdf *name = name_from("a.a.alice.example.");
	ldns_rr *txt = rr_from("a.alice.example. 10 IN TXT \"model=Linux\" \"os=12\"");
	ldns_rr *ptr = rr_from("alice.example. 10 IN PTR a.a.alice.example.");
	struct dns_builder builder;
	uint8_t buffer[512];
	ldns_rr *rr;
	int size;

	dns_update_begin(&builder, buffer, sizeof(buffer), 1, zone);
	dns_update_require_no_name(&builder, name);
	dns_update_require_name(&builder, name);
	dns_update_delete_name(&builder, name);
	dns_update_delete_rrset(&builder, name, LDNS_RR_TYPE_AAAA);
	dns_update_delete_rr(&builder, txt);
	dns_update_add(&builder, ptr);
	size = dns_builder_finish(&builder);
	assert_true(size > 0);
	assert_int_equal(dns_message_parse(buffer, size, &message), 0);
	assert_int_equal(dns_message_count(message, DNS_SECTION_ANSWER), 2);
	assert_int_equal(dns_message_count(message, DNS_SECTION_AUTHORITY), 4);
	rr = dns_message_rr(message, DNS_SECTION_ANSWER, 0);
	assert_int_equal(ldns_rr_get_class(rr), LDNS_RR_CLASS_NONE);
	assert_int_equal(ldns_rr_get_type(rr), LDNS_RR_TYPE_ANY);
	assert_int_equal(ldns_dname_compare(ldns_rr_owner(rr), name), 0);
	rr = dns_message_rr(message, DNS_SECTION_AUTHORITY, 1);
	assert_int_equal(ldns_rr_get_class(rr), LDNS_RR_CLASS_ANY);
	assert_int_equal(ldns_rr_get_type(rr), LDNS_RR_TYPE_AAAA);
	assert_int_equal(ldns_rr_rd_count(rr), 0);
	rr = dns_message_rr(message, DNS_SECTION_AUTHORITY, 2);
	assert_int_equal(ldns_rr_get_class(rr), LDNS_RR_CLASS_NONE);
	assert_int_equal(ldns_rr_ttl(rr), 0);
	assert_int_equal(ldns_rr_rd_count(rr), 2);
	rr = dns_message_rr(message, DNS_SECTION_AUTHORITY, 3);
	assert_int_equal(ldns_rr_compare(rr, ptr), 0);
	ldns_rr_free(txt);
	ldns_rr_free(ptr);
	ldns_rdf_deep_free(name);
	ldns_rdf_deep_free(zone);
}

static void removal_keeps_its_ttl(void **state)
{
	uint8_t buffer[512], again[512];
	cleanup(dns_message_freep) struct dns_message *message =
		parse_hex(LLQ_REMOVE_EVENT, buffer);
	struct dns_builder builder;
	struct dns_llq llq;
	ldns_rr *rr;

	rr = dns_message_rr(message, DNS_SECTION_ANSWER, 0);
	assert_int_equal(ldns_rr_ttl(rr), DNS_LLQ_TTL_REMOVED);
	assert_int_equal(message->edns_udp_size, 512); /* class 0: to be ignored */
	assert_int_equal(dns_options_read_llqs(message->options, message->options_size, &llq, 1),
			 1);
	assert_int_equal(llq.opcode, DNS_LLQ_OPCODE_EVENT);

	dns_builder_init(&builder, again, sizeof(again), message->id, message->flags);
	dns_builder_add_question(&builder, ldns_rr_owner(rr), LDNS_RR_TYPE_AAAA, LDNS_RR_CLASS_IN);
	dns_builder_add_rr_as(&builder, DNS_SECTION_ANSWER, rr, LDNS_RR_CLASS_IN,
			      DNS_LLQ_TTL_REMOVED);
	dns_builder_add_edns(&builder, 0, 0, message->options, message->options_size);
	assert_hex(again, dns_builder_finish(&builder), LLQ_REMOVE_EVENT);
}

static void several_questions(void **state)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	ldns_rdf *a = name_from("a.example."), *b = name_from("b.example.");
	struct dns_builder builder;
	uint8_t buffer[512];
	int size;

	dns_builder_init(&builder, buffer, sizeof(buffer), 1, 0);
	dns_builder_add_question(&builder, a, LDNS_RR_TYPE_AAAA, LDNS_RR_CLASS_IN);
	dns_builder_add_question(&builder, b, LDNS_RR_TYPE_SRV, LDNS_RR_CLASS_IN);
	size = dns_builder_finish(&builder);
	assert_int_equal(size, 12 + 15 + 8);
	assert_int_equal(dns_message_parse(buffer, size, &message), 0);
	assert_int_equal(dns_message_count(message, DNS_SECTION_QUESTION), 2);
	assert_int_equal(ldns_rr_get_type(dns_message_rr(message, DNS_SECTION_QUESTION, 1)),
			 LDNS_RR_TYPE_SRV);
	assert_null(dns_message_rr(message, DNS_SECTION_QUESTION, 2));
	ldns_rdf_deep_free(a);
	ldns_rdf_deep_free(b);
}

static void truncated_message(void **state)
{
	const char *messages[] = { UPDATE_SIGNED, LLQ_SETUP, LLQ_REMOVE_EVENT, RESPONSE };
	struct dns_message *message;
	uint8_t buffer[512];

	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		size_t whole = from_hex(messages[i], buffer);

		for (size_t size = 0; size < whole; size++)
			assert_int_equal(dns_message_parse(buffer, size, &message), -EBADMSG);
		buffer[whole] = 0;
		assert_int_equal(dns_message_parse(buffer, whole + 1, &message), -EBADMSG);
		assert_int_equal(dns_message_parse(buffer, whole, &message), 0);
		dns_message_free(message);
	}
}

static int parse_record(const char *record)
{
	uint8_t buffer[512];
	size_t size = from_hex("000080000000000100000000", buffer);
	struct dns_message *message = NULL;
	int r;

	size += from_hex(record, buffer + size);
	r = dns_message_parse(buffer, size, &message);
	dns_message_free(message);
	return r;
}

static void incomplete_data_is_refused(void **state)
{
	assert_int_equal(parse_record("0000010001000000000004"
				      "01020304"),
			 0); /* A */
	assert_int_equal(parse_record("0000010001000000000000"), -EBADMSG);
	assert_int_equal(parse_record("0000010001000000000003"
				      "010203"),
			 -EBADMSG);
	assert_int_equal(parse_record("0000010001000000000005"
				      "0102030405"),
			 -EBADMSG);
	assert_int_equal(parse_record("00000100ff000000000000"), 0); /* A, class ANY */
	assert_int_equal(parse_record("0000210001000000000007"
				      "00010002000300"),
			 0); /* SRV */
	assert_int_equal(parse_record("0000210001000000000006"
				      "000100020003"),
			 -EBADMSG);
	assert_int_equal(parse_record("0000210001000000000008"
				      "0001000200030000"),
			 -EBADMSG);
	assert_int_equal(parse_record("00000c0001000000000000"), -EBADMSG); /* PTR */
	assert_int_equal(parse_record("0000100001000000000003"
				      "026162"),
			 0); /* TXT */
	assert_int_equal(parse_record("0000100001000000000003"
				      "036162"),
			 -EBADMSG);
	assert_int_equal(parse_record("0000290001000000000000"), -EBADMSG); /* OPT as an answer */
	assert_int_equal(parse_record("0000fa00ff000000000000"), -EBADMSG); /* TSIG as an answer */
}

static void too_big_is_said(void **state)
{
	ldns_rr *rr = rr_from("host.example. 10 IN A 192.0.2.1");
	struct dns_builder_mark mark;
	struct dns_builder builder;
	uint8_t buffer[60];
	int size;

	dns_builder_init(&builder, buffer, sizeof(buffer), 1, DNS_FLAG_QR);
	dns_builder_add_rr(&builder, DNS_SECTION_ANSWER, rr);
	mark = dns_builder_mark(&builder);
	dns_builder_add_rr(&builder, DNS_SECTION_ANSWER, rr);
	dns_builder_add_rr(&builder, DNS_SECTION_ANSWER, rr);
	assert_int_equal(dns_builder_finish(&builder), -EMSGSIZE);
	dns_builder_rewind(&builder, &mark);
	size = dns_builder_finish(&builder);
	assert_int_equal(size, 12 + 14 + 14);
	assert_int_equal(buffer[7], 1);
	ldns_rr_free(rr);
}

/* 13,000 questions fit a message of TCP, and would cost what 1,000 messages do. */
static void many_questions(void **state)
{
	struct dns_message *message;
	uint8_t data[12 + 5 * 33] = { 0 };

	for (unsigned int n = 32; n <= 33; n++) {
		data[5] = n;
		for (unsigned int i = 0; i < n; i++)
			memcpy(data + 12 + 5 * i, "\0\0\1\0\1", 5);
		assert_int_equal(dns_message_parse(data, 12 + 5 * n, &message), 0);
		assert_int_equal(dns_message_count(message, DNS_SECTION_QUESTION), n);
		dns_message_free(message);
		assert_int_equal(dns_message_parse_outline(data, 12 + 5 * n, &message),
				 n == 33 ? -EBADMSG : 0);
		if (n == 32)
			dns_message_free(message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_questions),
		cmocka_unit_test(update_as_written_elsewhere),
		cmocka_unit_test(all_changes_and_back),
		cmocka_unit_test(removal_keeps_its_ttl),
		cmocka_unit_test(several_questions),
		cmocka_unit_test(truncated_message),
		cmocka_unit_test(incomplete_data_is_refused),
		cmocka_unit_test(too_big_is_said),
	};

	return cmocka_run_group_tests_name("dns-message", tests, NULL, NULL);
}
