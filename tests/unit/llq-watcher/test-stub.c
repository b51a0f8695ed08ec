/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stub's zone and its answers. */
#include "tests/unit/llq-watcher/played-server.h"

#include "services/llq-watcher/stub-state.h"

#include <arpa/inet.h>

#define ACCOUNT "alice.members.example.org"
#define DESKTOP "fd01:203:405:607:22:69ff:fe8e:342a"
#define REVERSE "a.2.4.3.e.8.e.f.f.f.9.6.2.2.0.0.7.0.6.0.5.0.4.0.3.0.2.0.1.0.d.f.ip6.arpa"

static const char *const records[] = {
	"desktop." ACCOUNT ". 300 IN AAAA " DESKTOP,
	"desktop." ACCOUNT ". 300 IN TXT \"model=Linux\"",
	"_autotunnel._udp.desktop." ACCOUNT ". 10 IN SRV 0 0 4500 AutoTunnel-00." ACCOUNT ".",
	"AutoTunnel-00." ACCOUNT ". 10 IN A 203.0.113.5",
	"AutoTunnel-00." ACCOUNT ". 10 IN AAAA " DESKTOP,
	"_services._dns-sd._udp." ACCOUNT ". 10 IN PTR _ssh._tcp." ACCOUNT ".",
	"_ssh._tcp." ACCOUNT ". 10 IN PTR My\\032Desktop._ssh._tcp." ACCOUNT ".",
	"_work._sub._ssh._tcp." ACCOUNT ". 10 IN PTR My\\032Desktop._ssh._tcp." ACCOUNT ".",
	"My\\032Desktop._ssh._tcp." ACCOUNT ". 10 IN SRV 0 0 22 desktop." ACCOUNT ".",
	"My\\032Desktop._ssh._tcp." ACCOUNT ". 10 IN TXT \"\"",
	/* Twice, in other letters. */
	"DESKTOP." ACCOUNT ". 10 IN AAAA " DESKTOP,
	/* What nobody is to be told. */
	"desktop." ACCOUNT ". 10 IN A 203.0.113.66",
	"desktop." ACCOUNT ". 10 IN AAAA 2001:db8::66",
	"desktop.bob.members.example.org. 10 IN AAAA fd00::1",
	"www.example.com. 10 IN AAAA fd00::1",
	"evil." ACCOUNT ". 10 IN CNAME www.example.com.",
	"_ssh._tcp." ACCOUNT ". 10 IN PTR www.example.com.",
	"evil._ssh._tcp." ACCOUNT ". 10 IN SRV 0 0 22 www.example.com.",
	"sub." ACCOUNT ". 10 IN NS www.example.com.",
};

static struct stub_zone *zone;
static struct stub_view view;
static struct stub_counts counts;
static uint8_t sent[65535];
static size_t sent_size;
static struct dns_message *got;
static bool last;

static ldns_rr *record(const char *text)
{
	ldns_rr *rr = NULL;

	assert_int_equal(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK);
	return rr;
}

static void add(const char *text)
{
	ldns_rr *rr = record(text);

	assert_int_equal(stub_zone_add(zone, rr), 0);
	ldns_rr_free(rr);
}

static int set_up(void **state)
{
	struct in6_addr own;

	memset(&counts, 0, sizeof(counts));
	inet_pton(AF_INET6, "fd09::9", &own);
	assert_int_equal(stub_zone_new(ACCOUNT, &zone), 0);
	assert_int_equal(stub_zone_add_host(zone, "laptop", &own), 0);
	for (size_t i = 0; i < ARRAY_SIZE(records); i++)
		add(records[i]);
	stub_zone_finish(zone);
	view = (struct stub_view){ .zone = zone, .complete = true };
	return 0;
}

static int tear_down(void **state)
{
	zone = stub_zone_free(zone);
	got = dns_message_free(got);
	return 0;
}

struct asking {
	bool edns, stream;
	uint16_t udp_size, flags, class;
};

static size_t write_question(const struct asking *asking, const char *name, ldns_rr_type type,
			     uint8_t *octets, size_t capacity)
{
	struct dns_builder builder;
	ldns_rdf *rdf = NULL;

	assert_int_equal(ldns_str2rdf_dname(&rdf, name), LDNS_STATUS_OK);
	dns_builder_init(&builder, octets, capacity, 0x1234, asking->flags);
	dns_builder_add_question(&builder, rdf, type, asking->class ?: LDNS_RR_CLASS_IN);
	if (asking->edns)
		dns_builder_add_edns(&builder, asking->udp_size, 0, NULL, 0);
	ldns_rdf_deep_free(rdf);
	return dns_builder_finish(&builder);
}

static void take(const uint8_t *octets, size_t size, bool stream)
{
	const struct stub_question question = {
		.data = octets, .size = size, .stream = stream, .last = last
	};

	got = dns_message_free(got);
	sent_size = stub_answer(&view, &question, now.now, sent, sizeof(sent), &counts);
	if (sent_size > 0 && sent_size != STUB_LATER)
		assert_int_equal(dns_message_parse(sent, sent_size, &got), 0);
}

/* Asks; the RCODE. */
static unsigned int ask_as(const struct asking *asking, const char *name, ldns_rr_type type)
{
	uint8_t octets[512];

	take(octets, write_question(asking, name, type, octets, sizeof(octets)), asking->stream);
	assert_non_null(got);
	assert_int_equal(got->id, 0x1234);
	assert_true(got->flags & DNS_FLAG_QR);
	return got->rcode;
}

static unsigned int ask(const char *name, ldns_rr_type type)
{
	static const struct asking asking = { .edns = true, .udp_size = 1232, .flags = 0x0100 };

	return ask_as(&asking, name, type);
}

static void assert_record(enum dns_section section, size_t i, const char *text)
{
	const ldns_rr *rr = dns_message_rr(got, section, i);
	ldns_rr *wanted = record(text);

	assert_non_null(rr);
	assert_int_equal(ldns_rr_compare(rr, wanted), 0);
	ldns_rr_free(wanted);
}

static void assert_counts(size_t n_answer, size_t n_authority, size_t n_additional)
{
	assert_int_equal(dns_message_count(got, DNS_SECTION_ANSWER), n_answer);
	assert_int_equal(dns_message_count(got, DNS_SECTION_AUTHORITY), n_authority);
	assert_int_equal(dns_message_count(got, DNS_SECTION_ADDITIONAL), n_additional);
}

static void test_hosts(void **state)
{
	assert_int_equal(ask("desktop." ACCOUNT, LDNS_RR_TYPE_AAAA), 0);
	assert_counts(1, 0, 0);
	assert_record(DNS_SECTION_ANSWER, 0, records[0]);
	assert_int_equal(ldns_rr_ttl(dns_message_rr(got, DNS_SECTION_ANSWER, 0)), STUB_TTL);
	assert_true(got->flags & DNS_FLAG_AA);
	assert_true(got->flags & DNS_FLAG_RD);
	assert_false(got->flags & (DNS_FLAG_RA | DNS_FLAG_TC));
	assert_int_equal(ask("desktop." ACCOUNT, LDNS_RR_TYPE_TXT), 0);
	assert_record(DNS_SECTION_ANSWER, 0, records[1]);
	assert_int_equal(ask("laptop." ACCOUNT, LDNS_RR_TYPE_AAAA), 0);
	assert_record(DNS_SECTION_ANSWER, 0, "laptop." ACCOUNT ". 10 IN AAAA fd09::9");
	assert_int_equal(ask("_autotunnel._udp.desktop." ACCOUNT, LDNS_RR_TYPE_SRV), 0);
	assert_counts(1, 0, 2);
	assert_record(DNS_SECTION_ANSWER, 0, records[2]);
	assert_record(DNS_SECTION_ADDITIONAL, 1, records[3]);
	assert_int_equal(ask("desktop." ACCOUNT, LDNS_RR_TYPE_ANY), 0);
	assert_counts(2, 0, 0);
}

static void test_what_is_not_there(void **state)
{
	assert_int_equal(ask("desktop." ACCOUNT, LDNS_RR_TYPE_A), 0);
	assert_counts(0, 1, 0);
	assert_int_equal(ldns_rr_get_type(dns_message_rr(got, DNS_SECTION_AUTHORITY, 0)),
			 LDNS_RR_TYPE_SOA);
	assert_int_equal(ldns_rr_ttl(dns_message_rr(got, DNS_SECTION_AUTHORITY, 0)),
			 STUB_TTL_NEGATIVE);
	/* A name with names below it is there. */
	assert_int_equal(ask("_udp.desktop." ACCOUNT, LDNS_RR_TYPE_AAAA), 0);
	assert_counts(0, 1, 0);
	assert_int_equal(ask("nobody." ACCOUNT, LDNS_RR_TYPE_AAAA), LDNS_RCODE_NXDOMAIN);
	assert_counts(0, 1, 0);
	assert_int_equal(ask("zzz." ACCOUNT, LDNS_RR_TYPE_AAAA), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(ask("x.desktop." ACCOUNT, LDNS_RR_TYPE_AAAA), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(ask("sub." ACCOUNT, LDNS_RR_TYPE_NS), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(ask("evil." ACCOUNT, LDNS_RR_TYPE_CNAME), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(ask("evil._ssh._tcp." ACCOUNT, LDNS_RR_TYPE_SRV), LDNS_RCODE_NXDOMAIN);
}

static void test_what_is_not_ours(void **state)
{
	static const struct asking chaos = { .class = LDNS_RR_CLASS_CH };

	assert_int_equal(ask("members.example.org", LDNS_RR_TYPE_SOA), LDNS_RCODE_REFUSED);
	assert_int_equal(ask("desktop.bob.members.example.org", LDNS_RR_TYPE_AAAA),
			 LDNS_RCODE_REFUSED);
	assert_int_equal(ask("xalice.members.example.org", LDNS_RR_TYPE_AAAA), LDNS_RCODE_REFUSED);
	assert_int_equal(ask(".", LDNS_RR_TYPE_NS), LDNS_RCODE_REFUSED);
	assert_int_equal(ask("1.d.f.ip6.arpa", LDNS_RR_TYPE_PTR), LDNS_RCODE_REFUSED);
	assert_int_equal(ask(ACCOUNT, LDNS_RR_TYPE_AXFR), LDNS_RCODE_REFUSED);
	assert_int_equal(ask_as(&chaos, "desktop." ACCOUNT, LDNS_RR_TYPE_TXT), LDNS_RCODE_REFUSED);
	assert_int_equal(counts.refused, 7);
	view.zone = NULL;
	assert_int_equal(ask("desktop." ACCOUNT, LDNS_RR_TYPE_AAAA), LDNS_RCODE_REFUSED);
}

static void test_apex_and_reverse(void **state)
{
	static const char *const browse[] = { "b", "db", "lb", "r", "dr" };
	char name[100];

	assert_int_equal(ask(ACCOUNT, LDNS_RR_TYPE_SOA), 0);
	assert_counts(1, 0, 0);
	assert_int_equal(ask(ACCOUNT, LDNS_RR_TYPE_NS), 0);
	assert_counts(1, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(browse); i++) {
		snprintf(name, sizeof(name), "%s._dns-sd._udp." ACCOUNT, browse[i]);
		assert_int_equal(ask(name, LDNS_RR_TYPE_PTR), 0);
		assert_counts(1, 0, 0);
	}
	assert_int_equal(ask(REVERSE, LDNS_RR_TYPE_PTR), 0);
	assert_counts(1, 0, 1);
	assert_record(DNS_SECTION_ANSWER, 0, REVERSE ". 10 IN PTR desktop." ACCOUNT ".");
	assert_int_equal(ask(REVERSE, LDNS_RR_TYPE_SOA), 0);
	assert_counts(0, 1, 0);
	assert_int_equal(ask("0." REVERSE, LDNS_RR_TYPE_PTR), LDNS_RCODE_NXDOMAIN);
	assert_string_equal(stub_zone_domain(zone, 0), ACCOUNT);
	assert_non_null(stub_zone_domain(zone, 1));
	assert_string_equal(stub_zone_domain(zone, 2), REVERSE);
	assert_null(stub_zone_domain(zone, 3));
}

static void test_services(void **state)
{
	assert_int_equal(ask("_services._dns-sd._udp." ACCOUNT, LDNS_RR_TYPE_PTR), 0);
	assert_record(DNS_SECTION_ANSWER, 0, records[5]);
	assert_int_equal(ask("_ssh._tcp." ACCOUNT, LDNS_RR_TYPE_PTR), 0);
	/* Its SRV, TXT and address come along. */
	assert_counts(1, 0, 3);
	assert_record(DNS_SECTION_ANSWER, 0, records[6]);
	assert_record(DNS_SECTION_ADDITIONAL, 0, records[8]);
	assert_record(DNS_SECTION_ADDITIONAL, 1, records[9]);
	assert_record(DNS_SECTION_ADDITIONAL, 2, records[0]);
	assert_int_equal(ask("_work._sub._ssh._tcp." ACCOUNT, LDNS_RR_TYPE_PTR), 0);
	assert_counts(1, 0, 3);
	assert_int_equal(ask("my\\032desktop._ssh._tcp." ACCOUNT, LDNS_RR_TYPE_SRV), 0);
	assert_counts(1, 0, 1);
}

static void test_case_is_kept(void **state)
{
	ldns_rdf *name = NULL;

	assert_int_equal(ask("dEsKtOp.aLiCe.members.example.org", LDNS_RR_TYPE_AAAA), 0);
	ldns_str2rdf_dname(&name, "dEsKtOp.aLiCe.members.example.org");
	for (int section = DNS_SECTION_QUESTION; section <= DNS_SECTION_ANSWER; section++) {
		const ldns_rdf *owner = ldns_rr_owner(dns_message_rr(got, section, 0));

		assert_int_equal(ldns_rdf_size(owner), ldns_rdf_size(name));
		assert_memory_equal(ldns_rdf_data(owner), ldns_rdf_data(name), ldns_rdf_size(name));
	}
	ldns_rdf_deep_free(name);
}

static void test_before_all_is_known(void **state)
{
	view.complete = false;
	assert_int_equal(ask("desktop." ACCOUNT, LDNS_RR_TYPE_AAAA), 0);
	assert_int_equal(ask("other." ACCOUNT, LDNS_RR_TYPE_AAAA), LDNS_RCODE_SERVFAIL);
	assert_memory_equal(got->options, "\0\17\0\2\0\16", 6);
	assert_int_equal(counts.not_ready, 1);
	view.complete = true;
	view.stale = true;
	assert_int_equal(ask("desktop." ACCOUNT, LDNS_RR_TYPE_AAAA), 0);
	assert_counts(1, 0, 0);
	assert_memory_equal(got->options, "\0\17\0\2\0\3", 6);
}

static void test_sizes(void **state)
{
	static const struct asking plain = { 0 }, small = { .edns = true, .udp_size = 200 },
				   huge = { .edns = true, .udp_size = 65000 },
				   stream = { .stream = true };
	char text[200];

	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "_x._tcp." ACCOUNT ". 10 IN PTR %d._x._tcp." ACCOUNT,
			 i);
		add(text);
	}
	stub_zone_finish(zone);
	assert_int_equal(ask_as(&plain, "_x._tcp." ACCOUNT, LDNS_RR_TYPE_PTR), 0);
	assert_true(got->flags & DNS_FLAG_TC);
	assert_false(got->has_edns);
	assert_counts(0, 0, 0);
	assert_int_equal(ask_as(&small, "_x._tcp." ACCOUNT, LDNS_RR_TYPE_PTR), 0);
	assert_true(got->flags & DNS_FLAG_TC && got->has_edns);
	assert_int_equal(ask_as(&huge, "_x._tcp." ACCOUNT, LDNS_RR_TYPE_PTR), 0);
	assert_true(got->flags & DNS_FLAG_TC);
	assert_int_equal(ask_as(&stream, "_x._tcp." ACCOUNT, LDNS_RR_TYPE_PTR), 0);
	assert_false(got->flags & DNS_FLAG_TC);
	assert_counts(300, 0, 0);
	/* What fits 512 octets goes without what nobody asked for, and is whole. */
	assert_int_equal(ask_as(&plain, "_ssh._tcp." ACCOUNT, LDNS_RR_TYPE_PTR), 0);
	assert_true(sent_size <= 512 && !(got->flags & DNS_FLAG_TC));
}

static void test_bad_questions(void **state)
{
	static const struct asking update = { .flags = DNS_FLAGS_OPCODE(5) };
	static const struct asking response = { .flags = DNS_FLAG_QR };
	static const struct asking edns = { .edns = true, .udp_size = 1232 };
	uint8_t octets[512];
	size_t size;

	assert_int_equal(ask_as(&update, ACCOUNT, LDNS_RR_TYPE_SOA), LDNS_RCODE_NOTIMPL);
	take(octets, write_question(&response, ACCOUNT, LDNS_RR_TYPE_SOA, octets, 512), false);
	assert_int_equal(sent_size, 0);
	size = write_question(&edns, "desktop." ACCOUNT, LDNS_RR_TYPE_AAAA, octets, 512);
	for (size_t cut = 0; cut < size; cut++) {
		take(octets, cut, false);
		if (cut < DNS_HEADER_SIZE)
			assert_int_equal(sent_size, 0);
		else
			assert_int_equal(got->rcode, LDNS_RCODE_FORMERR);
	}
	/* EDNS of a version to come. */
	octets[size - 5] = 1;
	take(octets, size, false);
	assert_int_equal(got->rcode, 16);
	/* Two questions, and none. */
	octets[size - 5] = 0;
	octets[5] = 2;
	take(octets, size, false);
	assert_int_equal(got->rcode, LDNS_RCODE_FORMERR);
	octets[5] = 0;
	memset(octets + 6, 0, 6);
	take(octets, DNS_HEADER_SIZE, false);
	assert_int_equal(got->rcode, LDNS_RCODE_FORMERR);
}

/* The server says what there is of the subtypes that are wanted. */
static void answer_subtypes(struct stub_subtypes *subtypes, const char *const *found)
{
	static uint64_t next_id = 1;
	struct got message;

	watch_set_want_begin(set);
	stub_subtypes_want(subtypes, set);
	watch_set_want_end(set, &now);
	while ((message = get()).any) {
		if (message.llq.opcode == DNS_LLQ_OPCODE_SETUP && message.llq.id == 0)
			challenge(&message, next_id++, 7200);
		else if (message.llq.opcode == DNS_LLQ_OPCODE_SETUP)
			acknowledge(&message, found);
		forget(&message);
	}
	stub_subtypes_update(subtypes, set);
}

static void ask_subtype(const char *name, bool is_last)
{
	static const struct asking asking = { .edns = true, .udp_size = 1232 };
	uint8_t octets[512];

	last = is_last;
	take(octets, write_question(&asking, name, LDNS_RR_TYPE_PTR, octets, 512), false);
	last = false;
}

static void test_subtypes_are_asked_for(void **state)
{
	struct stub_subtypes subtypes = { 0 };

	assert_int_equal(start_set(state), 0);
	watch_set_start(set, &key, &now);
	view.subtypes = &subtypes;
	ask_subtype("_x._sub._ssh._tcp." ACCOUNT, false);
	assert_true(sent_size == STUB_LATER);
	assert_int_equal(subtypes.changes, 1);
	ask_subtype("_x._sub._ssh._tcp." ACCOUNT, true);
	assert_int_equal(got->rcode, LDNS_RCODE_SERVFAIL);
	ask_subtype("_X._SUB._ssh._tcp." ACCOUNT, false);
	assert_int_equal(subtypes.changes, 1);
	answer_subtypes(&subtypes, RECORDS(NULL));
	ask_subtype("_x._sub._ssh._tcp." ACCOUNT, false);
	assert_int_equal(got->rcode, LDNS_RCODE_NXDOMAIN);
	/* These are none, or of nothing that there is. */
	assert_int_equal(ask("_x._sub._http._tcp." ACCOUNT, LDNS_RR_TYPE_PTR), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(ask("_sub._ssh._tcp." ACCOUNT, LDNS_RR_TYPE_PTR), 0);
	assert_int_equal(ask("_x._sub." ACCOUNT, LDNS_RR_TYPE_PTR), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(ask("_y._sub._ssh._tcp." ACCOUNT, LDNS_RR_TYPE_TXT), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(subtypes.changes, 1);
	stub_subtypes_clear(&subtypes);
	free_set(state);
}

static void test_subtypes_are_few(void **state)
{
	struct stub_subtypes subtypes = { 0 };
	char name[100];

	assert_int_equal(start_set(state), 0);
	view.subtypes = &subtypes;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "_s%d._sub._ssh._tcp." ACCOUNT, i);
		ask_subtype(name, true);
	}
	assert_int_equal(subtypes.changes, STUB_SUBTYPES_MAX);
	/* After a while there is one more, in the place of the one not used for longest. */
	at(STUB_SUBTYPES_PER_MSEC);
	ask_subtype("_s0._sub._ssh._tcp." ACCOUNT, false);
	assert_true(sent_size == STUB_LATER);
	ask_subtype("_new._sub._ssh._tcp." ACCOUNT, false);
	assert_true(sent_size == STUB_LATER);
	ask_subtype("_s1._sub._ssh._tcp." ACCOUNT, false);
	assert_int_equal(got->rcode, LDNS_RCODE_NXDOMAIN);
	assert_int_equal(subtypes.n, STUB_SUBTYPES_MAX);
	stub_subtypes_clear(&subtypes);
	free_set(state);
}

static void test_bounded(void **state)
{
	char text[200];

	for (int i = 0; i < STUB_RECORDS_MAX + 100; i++) {
		snprintf(text, sizeof(text), "h%d." ACCOUNT ". 10 IN AAAA fd00::%x:%x", i, i >> 12,
			 i & 0xfff);
		add(text);
	}
	stub_zone_finish(zone);
	assert_int_equal(ask("desktop." ACCOUNT, LDNS_RR_TYPE_AAAA), 0);
	assert_non_null(stub_zone_domain(zone, STUB_REVERSE_MAX));
	assert_null(stub_zone_domain(zone, STUB_REVERSE_MAX + 1));
}

#define STUB_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STUB_TEST(test_hosts),
		STUB_TEST(test_what_is_not_there),
		STUB_TEST(test_what_is_not_ours),
		STUB_TEST(test_apex_and_reverse),
		STUB_TEST(test_services),
		STUB_TEST(test_case_is_kept),
		STUB_TEST(test_before_all_is_known),
		STUB_TEST(test_sizes),
		STUB_TEST(test_bad_questions),
		STUB_TEST(test_bounded),
		STUB_TEST(test_subtypes_are_asked_for),
		STUB_TEST(test_subtypes_are_few),
	};

	return cmocka_run_group_tests_name("stub", tests, NULL, NULL);
}
