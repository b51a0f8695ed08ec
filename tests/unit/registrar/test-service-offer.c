/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/registrar/service-records.h"

#include "common/dns/dns-records.h"

#include <cmocka.h>
#include <string.h>

static const struct host_names names = {
	.host_name = "desktop",
	.account_domain = "alice.members.example.org",
};

static void types(void **state)
{
	static const char *const good[] = {
		"_ssh._tcp",      "_http._udp", "_a._TCP",
		"_sftp-ssh._tcp", "_x11._tcp",  "_12345678901234a._tcp"
	};
	static const char *const bad[] = { "",
					   "ssh",
					   "ssh._tcp",
					   "_ssh",
					   "_ssh._sctp",
					   "_._tcp",
					   "_-a._tcp",
					   "_a-._tcp",
					   "_a--b._tcp",
					   "_a b._tcp",
					   "_12._tcp",
					   "_123456789012345a._tcp",
					   "_ssh._tcp.local",
					   "_autotunnel._udp",
					   "_dns-sd._udp",
					   "_DNS-update-tls._tcp",
					   "_services._udp" };
	struct service_offer offer = { 0 };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_null(service_offer_set_type(&offer, good[i]));
		assert_string_equal(offer.type, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(service_offer_set_type(&offer, bad[i]));
}

static void instance_names(void **state)
{
	char long_name[65];
	struct service_offer offer = { 0 };

	assert_null(service_offer_set_name(&offer, ""));
	assert_null(service_offer_set_name(&offer, "Anna's Büro. Drucker \\ 2"));
	memset(long_name, 'x', 64);
	long_name[64] = 0;
	assert_non_null(service_offer_set_name(&offer, long_name));
	long_name[63] = 0;
	assert_null(service_offer_set_name(&offer, long_name));
	assert_non_null(service_offer_set_name(&offer, "a\nb"));
	assert_non_null(service_offer_set_name(&offer, "a\x7f"));
	assert_non_null(service_offer_set_name(&offer, "\xc3"));
	assert_non_null(service_offer_set_name(&offer, "\xc0\x80"));
	assert_non_null(service_offer_set_name(&offer, "\xed\xa0\x80"));
	assert_non_null(service_offer_set_name(&offer, "\xf5\x80\x80\x80"));
	assert_null(service_offer_set_name(&offer, "\xf0\x9f\x96\xa8"));
}

static void numbered_names(void **state)
{
	char name[SERVICE_LABEL_SIZE];

	service_offer_number_name("desktop", 1, name);
	assert_string_equal(name, "desktop");
	service_offer_number_name("desktop", 2, name);
	assert_string_equal(name, "desktop (2)");
	/* 63 octets of two-octet characters and one: cut between characters. */
	service_offer_number_name("üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüx", 12, name);
	assert_string_equal(name, "üüüüüüüüüüüüüüüüüüüüüüüüüüüüü (12)");
	assert_true(strlen(name) <= 63);
}

static void texts(void **state)
{
	struct service_offer offer = { 0 };
	char big[256];

	assert_null(service_offer_add_text(&offer, "path=/x", 7));
	assert_null(service_offer_add_text(&offer, "flag", 4));
	assert_null(service_offer_add_text(&offer, "empty=", 6));
	assert_null(service_offer_add_text(&offer, "b=\0\xff=", 5));
	assert_int_equal(offer.text_size, 8 + 5 + 7 + 6);
	assert_non_null(service_offer_add_text(&offer, "", 0));
	assert_non_null(service_offer_add_text(&offer, "=x", 2));
	assert_non_null(service_offer_add_text(&offer, "PATH", 4));
	assert_non_null(service_offer_add_text(&offer, "\x1f=1", 3));
	assert_non_null(service_offer_add_text(&offer, "\xc3\xbc=1", 4));
	memset(big, 'x', sizeof(big));
	assert_non_null(service_offer_add_text(&offer, big, 256));
	for (char key = '0'; key < '4'; key++) {
		big[0] = key;
		assert_null(service_offer_add_text(&offer, big, 255));
	}
	big[0] = '4';
	assert_non_null(service_offer_add_text(&offer, big, 255));
	assert_int_equal(offer.text_size, 26 + 4 * 256);
}

static void subtypes(void **state)
{
	struct service_offer offer = { 0 };
	char name[] = "_0";

	assert_non_null(service_offer_add_subtype(&offer, ""));
	for (; offer.n_subtypes < SERVICE_SUBTYPES_MAX; name[1]++)
		assert_null(service_offer_add_subtype(&offer, name));
	assert_non_null(service_offer_add_subtype(&offer, "_x"));
	offer.n_subtypes = 1;
	assert_non_null(service_offer_add_subtype(&offer, "_0"));
}

static struct service_offer make(void)
{
	struct service_offer offer = { 0 };

	assert_null(service_offer_set_type(&offer, "_http._tcp"));
	assert_null(service_offer_set_name(&offer, "Anna's Seite. 2"));
	assert_null(service_offer_set_port(&offer, 8080));
	assert_null(service_offer_add_text(&offer, "path=/x", 7));
	assert_null(service_offer_add_text(&offer, "u", 1));
	assert_null(service_offer_add_subtype(&offer, "_printer"));
	assert_null(service_offer_add_subtype(&offer, "Büro"));
	return offer;
}

static void lines(void **state)
{
	struct service_offer offer = make(), again;
	char line[SERVICE_LINE_SIZE];
	unsigned int number;

	assert_int_equal(service_offer_write_line(&offer, 2, line, sizeof(line)), 0);
	assert_string_equal(line, "share _http._tcp 8080 2 416e6e6127732053656974652e2032 "
				  "07706174683d2f780175 5f7072696e746572,42c3bc726f");
	assert_int_equal(service_offer_read_line(line, &again, &number), 0);
	assert_int_equal(number, 2);
	assert_string_equal(again.name, offer.name);
	assert_true(service_offer_equal(&again, &offer));
	/* A part of it is none, whatever part. */
	for (size_t size = 0; size < strlen(line); size++) {
		char part[SERVICE_LINE_SIZE];

		memcpy(part, line, size);
		part[size] = 0;
		/* Less a last subtype, or a piece of its name, may look whole. */
		if (service_offer_read_line(part, &again, &number) == 0)
			assert_true(size > strlen(line) - strlen("5f7072696e746572,42c3bc726f"));
	}
	assert_int_equal(service_offer_read_line("share _ssh._tcp 22 1 - - -", &again, &number), 0);
	assert_int_equal(again.text_size + again.n_subtypes + strlen(again.name), 0);
}

static void bad_lines(void **state)
{
	static const char *const bad[] = {
		"share _ssh._tcp 0 1 - - -",          "share _ssh._tcp 65536 1 - - -",
		"share _ssh._tcp 22 0 - - -",         "share _ssh._tcp 22 1 -",
		"share _ssh._tcp 22 1 zz - -",        "share _ssh._tcp 22 1 0a - -",
		"share _ssh._tcp 22 1 00 - -",        "share _ssh._tcp 22 1 - 05 -",
		"share _ssh._tcp 22 1 - 0141014b -x", "share _ssh._tcp 22 1 - 01410161 -",
		"share _ssh._tcp 22 1 - - 61,",       "share _ssh._tcp 22 1 - - 61,61",
		"share _autotunnel._udp 22 1 - - -",  "share  22 1 - - -",
		"share _ssh._tcp  22 1 - - -",        "carry _ssh._tcp 22 1 - - -",
	};
	struct service_offer offer;
	unsigned int number;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (service_offer_read_line(bad[i], &offer, &number) == 0)
			fail_msg("taken: %s", bad[i]);
}

static void assert_record(const ldns_rr *rr, const char *expected)
{
	char *text = ldns_rr2str(rr);

	text[strcspn(text, "\n")] = 0;
	for (char *tab = text; (tab = strchr(tab, '\t'));)
		*tab = ' ';
	assert_string_equal(text, expected);
	free(text);
}

static void records(void **state)
{
	struct service_offer offer = make(), plain = { .type = "_ssh._tcp", .port = 22 };
	ldns_rr_list *list = ldns_rr_list_new();
	/* RFC 6763 §4.3: dots inside a label are escaped in text and raw on the wire. */
#define INSTANCE "Anna's\\032Seite\\.\\0322._http._tcp.alice.members.example.org."

	assert_int_equal(service_records_push(list, &names, &offer, offer.name), 0);
	assert_int_equal(ldns_rr_list_rr_count(list), 6);
	assert_record(ldns_rr_list_rr(list, 0),
		      INSTANCE " 10 IN SRV 0 0 8080 desktop.alice.members.example.org.");
	assert_record(ldns_rr_list_rr(list, 1), INSTANCE " 10 IN TXT \"path=/x\" \"u\"");
	assert_record(ldns_rr_list_rr(list, 2),
		      "_http._tcp.alice.members.example.org. 10 IN PTR " INSTANCE);
	assert_record(ldns_rr_list_rr(list, 3),
		      "_printer._sub._http._tcp.alice.members.example.org. 10 IN PTR " INSTANCE);
	assert_record(ldns_rr_list_rr(list, 5),
		      "_services._dns-sd._udp.alice.members.example.org. 10 IN PTR "
		      "_http._tcp.alice.members.example.org.");
	/* The same type again is named once. */
	assert_int_equal(service_records_push(list, &names, &offer, "other"), 0);
	assert_int_equal(ldns_rr_list_rr_count(list), 6 + 5);
	/* No texts: one zero octet (G41). */
	assert_int_equal(service_records_push(list, &names, &plain, "desktop"), 0);
	assert_record(ldns_rr_list_rr(list, 12),
		      "desktop._ssh._tcp.alice.members.example.org. 10 IN TXT \"\"");
	assert_int_equal(ldns_rdf_size(ldns_rr_rdf(ldns_rr_list_rr(list, 12), 0)), 1);
	ldns_rr_list_deep_free(list);
}

static void too_long_a_name(void **state)
{
	struct host_names far = { .host_name = "desktop" };
	struct service_offer offer = { .type = "_ssh._tcp", .port = 22 };
	ldns_rr_list *list = ldns_rr_list_new();

	for (int i = 0; i < 200; i++)
		far.account_domain[i] = i % 50 == 49 ? '.' : 'x';
	assert_int_equal(service_records_push(list, &far, &offer, "desktop"), 0);
	ldns_rr_list_deep_free(list);
	list = ldns_rr_list_new();
	assert_int_equal(service_records_push(list, &far, &offer,
					      "a name of more than forty octets that is long"),
			 -EINVAL);
	assert_int_equal(ldns_rr_list_rr_count(list), 0);
	ldns_rr_list_deep_free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),           cmocka_unit_test(instance_names),
		cmocka_unit_test(numbered_names),  cmocka_unit_test(texts),
		cmocka_unit_test(subtypes),        cmocka_unit_test(lines),
		cmocka_unit_test(bad_lines),       cmocka_unit_test(records),
		cmocka_unit_test(too_long_a_name),
	};

	return cmocka_run_group_tests_name("service-offer", tests, NULL, NULL);
}
