/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How much a server, or a host of the account, can make us keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dns/dns-records.h"
#include "services/llq-watcher/record-list.h"

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* Takes `rr`. */
static size_t add(ldns_rr_list *list, ldns_rr *rr)
{
	assert_non_null(rr);
	record_list_add(list, rr);
	ldns_rr_free(rr);
	return ldns_rr_list_rr_count(list);
}

static void test_many(void **state)
{
	ldns_rr_list *pointers = ldns_rr_list_new(), *addresses = ldns_rr_list_new();
	char name[64];

	for (unsigned int i = 0; i < RECORD_LIST_MAX + 5; i++) {
		struct in_addr address = { .s_addr = htonl(0x0a000000 + i) };

		snprintf(name, sizeof(name), "host%u.alice.example.org", i);
		add(pointers, dns_record_new_ptr("_x._udp.alice.example.org", 10, name));
		add(addresses, dns_record_new_a("host.alice.example.org", 10, address));
	}
	assert_int_equal(ldns_rr_list_rr_count(pointers), RECORD_LIST_MAX);
	assert_int_equal(ldns_rr_list_rr_count(addresses), RECORD_LIST_OWN_MAX);
	/* One that is the same takes its own place. */
	assert_int_equal(add(addresses, ldns_rr_clone(ldns_rr_list_rr(addresses, 3))),
			 RECORD_LIST_OWN_MAX);
	ldns_rr_list_deep_free(pointers);
	ldns_rr_list_deep_free(addresses);
}

static void test_large(void **state)
{
	ldns_rr_list *list = ldns_rr_list_new();
	char string[256];
	const char *strings[65] = { string };

	memset(string, 'x', 255);
	string[255] = 0;
	assert_int_equal(add(list, dns_record_new_txt("a.example.org", 10, strings)), 1);
	for (size_t i = 0; i < 15; i++)
		strings[i] = string;
	assert_int_equal(add(list, dns_record_new_txt("a.example.org", 10, strings)), 2);
	for (size_t i = 0; i < 64; i++)
		strings[i] = string;
	assert_int_equal(add(list, dns_record_new_txt("a.example.org", 10, strings)), 2);
	ldns_rr_list_deep_free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests_name("record-list", tests, NULL, NULL);
}
