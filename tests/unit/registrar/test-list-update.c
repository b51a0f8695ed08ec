/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/registrar/list-update.h"

#include "common/dns/dns-records.h"

#include <cmocka.h>
#include <string.h>

#define DOMAIN "alice.members.example.org"

static struct list_update make_update(size_t n_former)
{
	struct list_update update = {
		.account_domain = DOMAIN,
		.host = "desktop",
		.former = { { (const uint8_t *)"one", 3 }, { (const uint8_t *)"two", 3 } },
		.n_former = n_former,
		.list = { (const uint8_t *)"three", 5 },
	};

	return update;
}

static struct dns_message *write_parse(const struct list_update *update, uint8_t *octets)
{
	int size = list_update_write(update, octets, 65000);
	struct dns_message *message;

	assert_true(size > 0);
	assert_int_equal(dns_message_parse(octets, size, &message), 0);
	assert_int_equal(message->opcode, LDNS_PACKET_UPDATE);
	return message;
}

static void assert_rr(struct dns_message *message, enum dns_section section, size_t i,
		      const char *owner, ldns_rr_type type, unsigned int class)
{
	ldns_rr *rr = dns_message_rr(message, section, i);
	ldns_rdf *name = dns_record_name(owner);

	assert_non_null(rr);
	assert_int_equal(ldns_dname_compare(ldns_rr_owner(rr), name), 0);
	assert_int_equal(ldns_rr_get_type(rr), type);
	assert_int_equal(ldns_rr_get_class(rr), class);
	ldns_rdf_deep_free(name);
}

static void assert_list(struct dns_message *message, enum dns_section section, size_t i,
			const char *expected)
{
	const uint8_t *data;
	size_t size;

	assert_rr(message, section, i, "_revoked." DOMAIN, LDNS_RR_TYPE_CERT, LDNS_RR_CLASS_IN);
	assert_int_equal(dns_record_read_cert(dns_message_rr(message, section, i), &data, &size),
			 0);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(data, expected, size);
}

/* The list, and the host's names. */
static void assert_changes(struct dns_message *message)
{
	const enum dns_section update = DNS_SECTION_AUTHORITY;
	const ldns_rdf *target;
	ldns_rdf *name;

	assert_int_equal(dns_message_count(message, update), 5);
	assert_rr(message, update, 0, "_revoked." DOMAIN, LDNS_RR_TYPE_CERT, LDNS_RR_CLASS_ANY);
	assert_list(message, update, 1, "three");
	assert_rr(message, update, 2, "desktop." DOMAIN, LDNS_RR_TYPE_ANY, LDNS_RR_CLASS_ANY);
	assert_rr(message, update, 3, "_autotunnel._udp.desktop." DOMAIN, LDNS_RR_TYPE_ANY,
		  LDNS_RR_CLASS_ANY);
	assert_rr(message, update, 4, "_autotunnel._udp." DOMAIN, LDNS_RR_TYPE_PTR,
		  LDNS_RR_CLASS_NONE);
	assert_int_equal(dns_record_read_target(dns_message_rr(message, update, 4), &target), 0);
	name = dns_record_name("_autotunnel._udp.desktop." DOMAIN);
	assert_int_equal(ldns_dname_compare(target, name), 0);
	ldns_rdf_deep_free(name);
}

static void first_list(void **state)
{
	struct list_update update = make_update(0);
	uint8_t octets[65000];
	struct dns_message *message = write_parse(&update, octets);

	/* There must be none: of two that are the first, one is told to try again. */
	assert_int_equal(dns_message_count(message, DNS_SECTION_ANSWER), 1);
	assert_rr(message, DNS_SECTION_ANSWER, 0, "_revoked." DOMAIN, LDNS_RR_TYPE_CERT,
		  LDNS_RR_CLASS_NONE);
	assert_changes(message);
	dns_message_free(message);
}

static void next_list(void **state)
{
	struct list_update update = make_update(2);
	uint8_t octets[65000];
	struct dns_message *message = write_parse(&update, octets);

	assert_int_equal(dns_message_count(message, DNS_SECTION_ANSWER), 2);
	assert_list(message, DNS_SECTION_ANSWER, 0, "one");
	assert_list(message, DNS_SECTION_ANSWER, 1, "two");
	assert_int_equal(ldns_rr_ttl(dns_message_rr(message, DNS_SECTION_ANSWER, 0)), 0);
	assert_changes(message);
	dns_message_free(message);
}

static void too_small(void **state)
{
	struct list_update update = make_update(2);
	uint8_t octets[512];
	int size = list_update_write(&update, octets, sizeof octets);

	assert_true(size > 0);
	for (int capacity = 0; capacity < size; capacity++)
		assert_true(list_update_write(&update, octets, capacity) < 0);
}

static void words(void **state)
{
	assert_null(list_update_words(LDNS_RCODE_NOERROR));
	assert_non_null(strstr(list_update_words(LDNS_RCODE_NXRRSET), "at the same moment"));
	assert_non_null(strstr(list_update_words(LDNS_RCODE_YXRRSET), "at the same moment"));
	assert_non_null(strstr(list_update_words(LDNS_RCODE_REFUSED), "refuses"));
	assert_non_null(strstr(list_update_words(LDNS_RCODE_SERVFAIL), "SERVFAIL"));
	assert_non_null(list_update_words(77));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_list),
		cmocka_unit_test(next_list),
		cmocka_unit_test(too_small),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests_name("list-update", tests, NULL, NULL);
}
