/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/dns/hex.h"

#include "common/dns/dns-records.h"

#include <arpa/inet.h>
#include <errno.h>

static void assert_text(ldns_rr *rr, const char *expected)
{
	ldns_rr *other = rr_from(expected);

	assert_non_null(rr);
	assert_int_equal(ldns_rr_compare(rr, other), 0);
	assert_int_equal(ldns_rr_ttl(rr), ldns_rr_ttl(other));
	ldns_rr_free(other);
	ldns_rr_free(rr);
}

static void made_from_values(void **state)
{
	const char *const strings[] = { "model=Linux", "os=12", NULL }, *const none[] = { NULL };
	struct in_addr address = { .s_addr = inet_addr("192.0.2.1") };
	struct in6_addr id = IN6ADDR_LOOPBACK_INIT;

	assert_text(dns_record_new_a("a.example", 10, address), "a.example. 10 IN A 192.0.2.1");
	assert_text(dns_record_new_aaaa("a.example.", 20, &id), "a.example. 20 IN AAAA ::1");
	assert_text(dns_record_new_ptr("a.example", 10, "b.example"),
		    "a.example. 10 IN PTR b.example.");
	assert_text(dns_record_new_srv("a.example", 10, 4500, "b.example"),
		    "a.example. 10 IN SRV 0 0 4500 b.example.");
	assert_text(dns_record_new_txt("a.example", 10, strings),
		    "a.example. 10 IN TXT \"model=Linux\" \"os=12\"");
	assert_text(dns_record_new_txt("a.example", 10, none), "a.example. 10 IN TXT \"\"");
}

/* G41: a TXT record has at least one string (RFC 6763 §6.1). */
static void empty_txt(void **state)
{
	static const char *const none[] = { NULL };
	ldns_rr *rr = dns_record_new_txt("a.example", 10, none);
	uint8_t *octets = NULL;
	size_t size = 0;

	assert_int_equal(ldns_rr2wire(&octets, rr, LDNS_SECTION_ANSWER, &size), LDNS_STATUS_OK);
	/* Length of the data, data. */
	assert_hex(octets + size - 3, 3, "000100");
	free(octets);
	ldns_rr_free(rr);
}

static void no_names(void **state)
{
	struct in_addr address = { 0 };
	char text[300];
	const char *const strings[] = { text, NULL };

	memset(text, 'a', sizeof(text));
	text[299] = 0;
	assert_null(dns_record_new_a("a..example", 10, address));
	assert_null(dns_record_new_ptr("a.example", 10, text));
	assert_null(dns_record_new_srv(text, 10, 1, "b.example"));
	assert_null(dns_record_new_txt("a.example", 10, strings));
}

static void read_back(void **state)
{
	ldns_rr *a = rr_from("a.example. 10 IN A 192.0.2.1");
	ldns_rr *srv = rr_from("a.example. 10 IN SRV 5 0 4500 b.example.");
	ldns_rdf *owner = dns_record_name("A.EXAMPLE");
	const ldns_rdf *target;
	struct in_addr address;
	struct in6_addr id;
	uint16_t priority, port;

	assert_int_equal(dns_record_read_a(a, &address), 0);
	assert_int_equal(address.s_addr, inet_addr("192.0.2.1"));
	assert_int_equal(dns_record_read_aaaa(a, &id), -EINVAL);
	assert_int_equal(dns_record_read_target(a, &target), -EINVAL);
	assert_int_equal(dns_record_read_srv(a, NULL, &port, &target), -EINVAL);
	assert_int_equal(dns_record_read_srv(srv, &priority, &port, &target), 0);
	assert_int_equal(priority, 5);
	assert_int_equal(port, 4500);
	assert_true(dns_record_is(a, owner, LDNS_RR_TYPE_A));
	assert_false(dns_record_is(a, owner, LDNS_RR_TYPE_AAAA));
	assert_false(dns_record_is(a, target, LDNS_RR_TYPE_A));
	ldns_rdf_deep_free(owner);
	ldns_rr_free(a);
	ldns_rr_free(srv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_from_values),
		cmocka_unit_test(empty_txt),
		cmocka_unit_test(no_names),
		cmocka_unit_test(read_back),
	};

	return cmocka_run_group_tests_name("dns-records", tests, NULL, NULL);
}
