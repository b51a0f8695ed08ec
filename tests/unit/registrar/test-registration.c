/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/registrar/registration.h"

#include "common/dns/dns-options.h"
#include "common/dns/dns-records.h"

#include <arpa/inet.h>
#include <cmocka.h>

static const struct host_names identity = {
	.host_name = "desktop",
	.tunnel_label = "AutoTunnel-00-22-69-FF-FE-8E-34-2A",
	.account_domain = "alice.members.example.org",
	.members_domain = "members.example.org",
	.host_id = { { { 0xfd, 1, 2, 3, 4, 5, 6, 7, 0, 0x22, 0x69, 0xff, 0xfe, 0x8e, 0x34,
			 0x2a } } },
};
static const struct registration_device device = { { "model=Linux x86_64", "os=Debian" } };

static ldns_rr_list *make_records(void)
{
	struct sockaddr_in endpoint = { .sin_family = AF_INET, .sin_port = htons(61234) };

	endpoint.sin_addr.s_addr = inet_addr("203.0.113.5");
	return registration_records(&identity, &device, &endpoint);
}

static void assert_record(const ldns_rr *rr, const char *expected)
{
	ldns_rr *other = NULL;
	char *text = ldns_rr2str(rr);

	assert_int_equal(ldns_rr_new_frm_str(&other, expected, 0, NULL, NULL), LDNS_STATUS_OK);
	if (ldns_rr_compare(rr, other) != 0 || ldns_rr_ttl(rr) != ldns_rr_ttl(other))
		fail_msg("%s is not %s", text, expected);
	ldns_rr_free(other);
	free(text);
}

static void records(void **state)
{
	const char *expected[] = {
		"_autotunnel._udp.desktop.alice.members.example.org. 10 IN SRV 0 0 61234 "
		"AutoTunnel-00-22-69-FF-FE-8E-34-2A.alice.members.example.org.",
		"AutoTunnel-00-22-69-FF-FE-8E-34-2A.alice.members.example.org. 10 IN A 203.0.113.5",
		"AutoTunnel-00-22-69-FF-FE-8E-34-2A.alice.members.example.org. 10 IN AAAA "
		"fd01:203:405:607:22:69ff:fe8e:342a",
		"AutoTunnel-00-22-69-FF-FE-8E-34-2A.alice.members.example.org. 10 IN TXT "
		"\"model=Linux x86_64\" \"os=Debian\"",
		"desktop.alice.members.example.org. 10 IN AAAA fd01:203:405:607:22:69ff:fe8e:342a",
		"desktop.alice.members.example.org. 10 IN TXT \"model=Linux x86_64\" \"os=Debian\"",
		"_autotunnel._udp.alice.members.example.org. 10 IN PTR "
		"_autotunnel._udp.desktop.alice.members.example.org.",
	};
	ldns_rr_list *list = make_records();

	assert_int_equal(ldns_rr_list_rr_count(list), ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_record(ldns_rr_list_rr(list, i), expected[i]);
	ldns_rr_list_deep_free(list);
}

static uint32_t granted(const char *option, size_t size)
{
	struct dns_message response = { .options = (const uint8_t *)option, .options_size = size };

	return registration_read_lease(&response, 5400);
}

static void lease(void **state)
{
	assert_int_equal(granted("\0\2\0\4\0\0\x07\x08", 8), 1800);
	assert_int_equal(granted("", 0), 5400);
	assert_int_equal(granted("\0\2\0\3\0\0\0", 7), 5400);
	assert_int_equal(granted("\0\2\0\4\0\0\0\0", 8), 30);
	assert_int_equal(granted("\0\2\0\4\xff\xff\xff\xff", 8), 604800);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(lease),
	};

	return cmocka_run_group_tests_name("registration", tests, NULL, NULL);
}
