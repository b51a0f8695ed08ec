/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order of servers (RFC 2782), their addresses and keys, out of answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dns-client/server-list.h"

#include "common/dns/dns-builder.h"
#include "common/dns/dns-records.h"

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>

#define SERVICE "_dns-update-tls._udp.alice.example"

static uint32_t next_random;

static uint32_t fixed(void)
{
	return next_random;
}

static struct server_list list;
static uint8_t buffer[4096];

static struct dns_message *make(const char *const *records)
{
	struct dns_message *message = NULL;
	struct dns_builder builder;
	int size;

	dns_builder_init(&builder, buffer, sizeof(buffer), 1, DNS_FLAG_QR);
	for (; *records; records++) {
		ldns_rr *rr = NULL;
		enum dns_section section = DNS_SECTION_ANSWER;
		const char *text = *records;

		if (*text == '+') {
			section = DNS_SECTION_ADDITIONAL;
			text++;
		}
		assert_int_equal(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK);
		dns_builder_add_rr(&builder, section, rr);
		ldns_rr_free(rr);
	}
	size = dns_builder_finish(&builder);
	assert_true(size > 0);
	assert_int_equal(dns_message_parse(buffer, size, &message), 0);
	return message;
}

#define RECORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static size_t add(const char *const *records)
{
	struct dns_message *message = make(records);
	ldns_rdf *owner = dns_record_name(SERVICE);
	size_t n = server_list_add(&list, message, owner, 7, true, fixed);

	ldns_rdf_deep_free(owner);
	dns_message_free(message);
	return n;
}

static int setup(void **state)
{
	memset(&list, 0, sizeof(list));
	next_random = 0;
	return 0;
}

static void test_priority(void **state)
{
	assert_int_equal(add(RECORDS(SERVICE ". 10 IN SRV 20 0 1 c.example.",
				     SERVICE ". 10 IN SRV 0 0 2 a.example.",
				     SERVICE ". 10 IN SRV 10 0 3 b.example.",
				     "other.example. 10 IN SRV 0 0 4 d.example.",
				     "+b.example. 10 IN A 192.0.2.2")),
			 3);
	assert_string_equal(list.items[0].trust.name, "a.example");
	assert_string_equal(list.items[1].trust.name, "b.example");
	assert_string_equal(list.items[2].trust.name, "c.example");
	assert_int_equal(list.items[0].service, 7);
	assert_int_equal(ntohs(list.items[0].address.sin_port), 2);
	assert_int_equal(list.items[1].address.sin_addr.s_addr, inet_addr("192.0.2.2"));
	assert_int_equal(server_list_without_address(&list), 0);
	server_list_set_address(&list, "A.example", (struct in_addr){ inet_addr("192.0.2.1") });
	assert_int_equal(server_list_without_address(&list), 2);
}

/* RFC 2782: a number from 0 to the sum, and the first whose running sum is not below it. */
static void test_weight(void **state)
{
	const struct {
		uint32_t random;
		const char *first;
	} draws[] = { { 0, "zero.example" },
		      { 1, "one.example" },
		      { 2, "three.example" },
		      { 4, "three.example" },
		      { 5, "zero.example" } };

	for (size_t i = 0; i < ARRAY_SIZE(draws); i++) {
		list.n = 0;
		next_random = draws[i].random;
		assert_int_equal(add(RECORDS(SERVICE ". 10 IN SRV 0 1 1 one.example.",
					     SERVICE ". 10 IN SRV 0 3 1 three.example.",
					     SERVICE ". 10 IN SRV 0 0 1 zero.example.")),
				 3);
		assert_string_equal(list.items[0].trust.name, draws[i].first);
	}
}

static void test_not_offered(void **state)
{
	assert_int_equal(add(RECORDS(SERVICE ". 10 IN SRV 0 0 0 .")), 0);
	assert_int_equal(add(RECORDS(SERVICE ". 10 IN SRV 0 0 853 .")), 0);
	assert_int_equal(add(RECORDS(SERVICE ". 10 IN SRV 0 0 0 a.example.")), 0);
	assert_int_equal(server_list_without_address(&list), 0);
}

static void test_room(void **state)
{
	for (int i = 0; i < 2 * DNS_SERVERS_MAX; i++)
		add(RECORDS(SERVICE ". 10 IN SRV 0 0 853 a.example."));
	assert_int_equal(list.n, DNS_SERVERS_MAX);
}

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void test_tlsa(void **state)
{
	struct dns_message *message =
		make(RECORDS("_853._tcp.a.example. 10 IN TLSA 3 1 1 " DIGEST,
			     "_853._tcp.a.example. 10 IN TLSA 3 0 1 " DIGEST,
			     "_853._tcp.a.example. 10 IN TLSA 2 1 1 " DIGEST,
			     "_853._tcp.a.example. 10 IN TLSA 3 1 2 " DIGEST,
			     "_853._tcp.a.example. 10 IN TLSA 3 1 1 0011",
			     "_853._tcp.b.example. 10 IN TLSA 3 1 1 " DIGEST));
	ldns_rdf *owner = dns_record_name("_853._tcp.a.example");
	struct dns_pins pins = { 0 };

	server_list_read_tlsa(message, owner, &pins);
	assert_int_equal(pins.n, 1);
	assert_int_equal(pins.items[0][1], 0x11);
	assert_int_equal(pins.items[0][31], 0xff);
	ldns_rdf_deep_free(owner);
	dns_message_free(message);
}

static void test_same_server_twice(void **state)
{
	add(RECORDS(SERVICE ". 10 IN SRV 0 0 853 a.example.", "+a.example. 10 IN A 192.0.2.1"));
	add(RECORDS(SERVICE ". 10 IN SRV 0 0 853 A.example.", "+a.example. 10 IN A 192.0.2.1"));
	add(RECORDS(SERVICE ". 10 IN SRV 0 0 854 a.example.", "+a.example. 10 IN A 192.0.2.1"));
	assert_int_equal(server_list_find_same(&list, 0), 0);
	assert_int_equal(server_list_find_same(&list, 1), 0);
	assert_int_equal(server_list_find_same(&list, 2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_priority, setup),
		cmocka_unit_test_setup(test_weight, setup),
		cmocka_unit_test_setup(test_not_offered, setup),
		cmocka_unit_test_setup(test_room, setup),
		cmocka_unit_test_setup(test_tlsa, setup),
		cmocka_unit_test_setup(test_same_server_twice, setup),
	};

	return cmocka_run_group_tests_name("server-list", tests, NULL, NULL);
}
