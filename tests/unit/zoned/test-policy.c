/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "tests/unit/zoned/server-fixture.h"

#include <stdio.h>

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture_start(fixture);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(*state);
	free(*state);
	return 0;
}

static int send_as(struct fixture *fixture, struct exchange *exchange, const char *key_name)
{
	int rcode = fixture_send(fixture, exchange, key_name);

	exchange_clear(exchange);
	fixture_clear_outbox(fixture);
	return rcode;
}

static int add_as(struct fixture *fixture, const char *key_name, const char *text)
{
	int rcode = fixture_add(fixture, key_name, 1800, text);

	fixture_clear_outbox(fixture);
	return rcode;
}

static void host_writes_its_own_names(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add_as(fixture, DESKTOP_KEY, "desktop AAAA fd00::1"), 0);
	assert_int_equal(add_as(fixture, DESKTOP_KEY, "Desktop TXT \"model=x\""), 0);
	assert_int_equal(add_as(fixture, DESKTOP_KEY,
				"_autotunnel._udp.desktop SRV 0 0 4500 AutoTunnel-00-11"),
			 0);
	assert_int_equal(add_as(fixture, DESKTOP_KEY, "AutoTunnel-00-11 A 192.0.2.1"), 0);
	assert_int_equal(
		add_as(fixture, DESKTOP_KEY, "_autotunnel._udp PTR _autotunnel._udp.desktop"), 0);
	assert_int_equal(add_as(fixture, LAPTOP_KEY, "laptop AAAA fd00::2"), 0);
	assert_int_equal(
		add_as(fixture, LAPTOP_KEY, "_autotunnel._udp PTR _autotunnel._udp.laptop"), 0);
	assert_int_equal(fixture_count(fixture, "_autotunnel._udp", LDNS_RR_TYPE_PTR), 2);
}

static void host_writes_nothing_else(void **state)
{
	static const char *const others[] = {
		"laptop AAAA fd00::2",
		"@ TXT \"mine\"",
		"other A 192.0.2.1",
		"sub.desktop A 192.0.2.1",
		"_autotunnel._udp.laptop SRV 0 0 4500 AutoTunnel-00-11",
		"_autotunnel._udp PTR _autotunnel._udp.laptop",
		"_autotunnel._udp TXT \"no\"",
		"AutoTunnel- A 192.0.2.1",
		"x.AutoTunnel-00-11 A 192.0.2.1",
		"_dns-update._udp SRV 0 0 53 evil.example.com.",
		"* A 192.0.2.1",
		"LAPTOP AAAA fd00::2",
		"laptop CNAME desktop",
		"@ NS desktop",
		"@ SOA desktop desktop 9 1 1 1 1",
	};
	struct fixture *fixture = *state;
	struct exchange exchange;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(add_as(fixture, DESKTOP_KEY, others[i]), LDNS_RCODE_REFUSED);
	/* All or nothing. */
	exchange_begin_update(&exchange);
	exchange_add(&exchange, "desktop A 192.0.2.1");
	exchange_add(&exchange, "other A 192.0.2.1");
	assert_int_equal(send_as(fixture, &exchange, DESKTOP_KEY), LDNS_RCODE_REFUSED);
	assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_A), -1);
}

static void browsing_pointers_are_each_hosts_own(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	add_as(fixture, DESKTOP_KEY, "_autotunnel._udp PTR _autotunnel._udp.desktop");
	add_as(fixture, LAPTOP_KEY, "_autotunnel._udp PTR _autotunnel._udp.laptop");
	exchange_begin_update(&exchange);
	exchange_delete_rrset(&exchange, "_autotunnel._udp", LDNS_RR_TYPE_PTR);
	assert_int_equal(send_as(fixture, &exchange, DESKTOP_KEY), LDNS_RCODE_REFUSED);
	exchange_begin_update(&exchange);
	exchange_delete_rrset(&exchange, "_autotunnel._udp", LDNS_RR_TYPE_ANY);
	assert_int_equal(send_as(fixture, &exchange, DESKTOP_KEY), LDNS_RCODE_REFUSED);
	exchange_begin_update(&exchange);
	exchange_delete(&exchange, "_autotunnel._udp PTR _autotunnel._udp.laptop");
	assert_int_equal(send_as(fixture, &exchange, DESKTOP_KEY), LDNS_RCODE_REFUSED);
	exchange_begin_update(&exchange);
	exchange_delete(&exchange, "_autotunnel._udp PTR _autotunnel._udp.desktop");
	assert_int_equal(send_as(fixture, &exchange, DESKTOP_KEY), 0);
	assert_int_equal(fixture_count(fixture, "_autotunnel._udp", LDNS_RR_TYPE_PTR), 1);
}

static void taken_name_stays_taken_while_it_lives(void **state)
{
	static const char impostor[] = "99999999.desktop." FIXTURE_DOMAIN;
	struct fixture *fixture = *state;

	assert_int_equal(add_as(fixture, DESKTOP_KEY, "desktop AAAA fd00::1"), 0);
	assert_int_equal(add_as(fixture, impostor, "desktop AAAA fd00::2"), LDNS_RCODE_YXDOMAIN);
	assert_int_equal(add_as(fixture, impostor, "AutoTunnel-99 A 192.0.2.2"),
			 LDNS_RCODE_YXDOMAIN);
	assert_int_equal(add_as(fixture, DESKTOP_KEY, "desktop AAAA fd00::3"), 0);
	fixture_restart(fixture);
	assert_int_equal(add_as(fixture, impostor, "desktop AAAA fd00::2"), LDNS_RCODE_YXDOMAIN);
	fixture_sleep(fixture, 1800 * 1000);
	assert_int_equal(add_as(fixture, impostor, "desktop AAAA fd00::2"), 0);
	assert_int_equal(add_as(fixture, DESKTOP_KEY, "desktop AAAA fd00::1"), LDNS_RCODE_YXDOMAIN);
}

static void tunnel_name_of_another(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add_as(fixture, DESKTOP_KEY, "AutoTunnel-00-11 A 192.0.2.1"), 0);
	assert_int_equal(add_as(fixture, LAPTOP_KEY, "autotunnel-00-11 A 192.0.2.9"),
			 LDNS_RCODE_REFUSED);
	fixture_sleep(fixture, 1800 * 1000);
	assert_int_equal(add_as(fixture, LAPTOP_KEY, "AutoTunnel-00-11 A 192.0.2.9"), 0);
}

static void account_key_may_do_all(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add_as(fixture, FIXTURE_DOMAIN, "desktop TXT \"note\""), 0);
	assert_int_equal(add_as(fixture, DESKTOP_KEY, "desktop AAAA fd00::1"), 0);
	assert_int_equal(add_as(fixture, FIXTURE_DOMAIN, "desktop AAAA fd00::2"), 0);
	assert_int_equal(add_as(fixture, DESKTOP_KEY, "desktop AAAA fd00::1"), 0);
}

/* A host cannot leave records behind for ever. */
static void host_without_lease_gets_one(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(fixture_add(fixture, DESKTOP_KEY, 0, "desktop AAAA fd00::1"), 0);
	fixture_sleep(fixture, 7200 * 1000 - 1);
	assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_AAAA), 1);
	fixture_sleep(fixture, 1);
	assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_AAAA), -1);
}

/* Shared services
 * ------------------------------------------------------------------------------------ */

enum kind { ADD, DELETE };

/* One message with up to four records. */
static int change_as(struct fixture *fixture, const char *key_name, enum kind kind,
		     const char *const texts[4])
{
	struct exchange exchange;

	exchange_begin_update(&exchange);
	for (unsigned int i = 0; i < 4 && texts[i]; i++) {
		if (kind == ADD)
			exchange_add(&exchange, texts[i]);
		else
			exchange_delete(&exchange, texts[i]);
	}
	exchange_add_lease(&exchange, 1800);
	return send_as(fixture, &exchange, key_name);
}
#define CHANGE(key, kind, ...) change_as(fixture, key, kind, (const char *[4]){ __VA_ARGS__ })

#define ENUMERATION "_services._dns-sd._udp PTR _ssh._tcp"

static int share(struct fixture *fixture, const char *host, const char *key_name)
{
	char srv[100], ptr[100];

	snprintf(srv, sizeof srv, "%s._ssh._tcp SRV 0 0 22 %s", host, host);
	snprintf(ptr, sizeof ptr, "_ssh._tcp PTR %s._ssh._tcp", host);
	return CHANGE(key_name, ADD, srv, ptr, ENUMERATION);
}

static void host_shares_a_service(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(CHANGE(DESKTOP_KEY, ADD, "_ssh._tcp PTR My\\032Desk._ssh._tcp",
				ENUMERATION, "My\\032Desk._ssh._tcp SRV 0 0 22 Desktop",
				"My\\032Desk._ssh._tcp TXT \"\""),
			 0);
	/* Later, what it holds already. */
	assert_int_equal(
		CHANGE(DESKTOP_KEY, ADD, "_sftp-ssh._sub._ssh._tcp PTR my\\032desk._ssh._tcp"), 0);
	assert_int_equal(CHANGE(DESKTOP_KEY, ADD, ENUMERATION), 0);
	assert_int_equal(fixture_count(fixture, "_ssh._tcp", LDNS_RR_TYPE_PTR), 1);
	assert_int_equal(fixture_count(fixture, "_sftp-ssh._sub._ssh._tcp", LDNS_RR_TYPE_PTR), 1);
	assert_int_equal(CHANGE(DESKTOP_KEY, DELETE, "_ssh._tcp PTR My\\032Desk._ssh._tcp",
				"_sftp-ssh._sub._ssh._tcp PTR My\\032Desk._ssh._tcp", ENUMERATION,
				"My\\032Desk._ssh._tcp SRV 0 0 22 desktop"),
			 0);
	assert_int_equal(fixture_count(fixture, "_ssh._tcp", LDNS_RR_TYPE_PTR), 0);
	assert_int_equal(fixture_count(fixture, "_services._dns-sd._udp", LDNS_RR_TYPE_PTR), -1);
}

static void host_shares_nothing_else(void **state)
{
	static const char *const others[] = {
		"x._ssh._tcp SRV 0 0 22 laptop",
		"x._ssh._tcp SRV 0 0 22 www.example.com.",
		"x._ssh._tcp A 192.0.2.1",
		"x._ssh._sctp SRV 0 0 22 desktop",
		"x.ssh._tcp SRV 0 0 22 desktop",
		"x._._tcp SRV 0 0 22 desktop",
		"_ssh._tcp SRV 0 0 22 desktop",
		"_ssh._tcp PTR none._ssh._tcp",
		"_ssh._tcp PTR desktop",
		"_ssh._tcp PTR mine._http._tcp",
		"_ssh._tcp PTR x._ssh._tcp.example.com.",
		"_sub._http._tcp SRV 0 0 22 desktop",
		"_sub._http._tcp TXT \"no\"",
		"a._sub._http._tcp TXT \"no\"",
		"a.b._http._tcp PTR mine._http._tcp",
		"a.b._sub._http._tcp PTR mine._http._tcp",
		"x._autotunnel._udp SRV 0 0 22 desktop",
		"x._dns-sd._udp SRV 0 0 53 desktop",
		"b._dns-sd._udp PTR desktop",
		"_services._dns-sd._udp PTR _ssh._tcp",
		"_services._dns-sd._udp PTR mine._http._tcp",
		"_services._dns-sd._udp PTR _autotunnel._udp",
		"_services._dns-sd._udp TXT \"no\"",
		"_dns-llq._udp PTR x._dns-llq._udp",
		"*._tcp SRV 0 0 22 desktop",
		"*._http._tcp SRV 0 0 22 desktop",
	};
	struct fixture *fixture = *state;
	struct exchange exchange;

	assert_int_equal(CHANGE(DESKTOP_KEY, ADD, "mine._http._tcp SRV 0 0 80 desktop"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(add_as(fixture, DESKTOP_KEY, others[i]), LDNS_RCODE_REFUSED);
	/* What belongs to all of them goes record by record only. */
	exchange_begin_update(&exchange);
	exchange_delete_rrset(&exchange, "_http._tcp", LDNS_RR_TYPE_PTR);
	assert_int_equal(send_as(fixture, &exchange, DESKTOP_KEY), LDNS_RCODE_REFUSED);
	exchange_begin_update(&exchange);
	exchange_delete_rrset(&exchange, "_services._dns-sd._udp", LDNS_RR_TYPE_ANY);
	assert_int_equal(send_as(fixture, &exchange, DESKTOP_KEY), LDNS_RCODE_REFUSED);
	/* A name that is its own may go as a whole. */
	exchange_begin_update(&exchange);
	exchange_delete_rrset(&exchange, "mine._http._tcp", LDNS_RR_TYPE_ANY);
	assert_int_equal(send_as(fixture, &exchange, DESKTOP_KEY), 0);
}

static void instance_of_another(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	assert_int_equal(share(fixture, "desktop", DESKTOP_KEY), 0);
	assert_int_equal(CHANGE(LAPTOP_KEY, ADD, "DESKTOP._ssh._tcp SRV 0 0 22 laptop"),
			 LDNS_RCODE_YXDOMAIN);
	assert_int_equal(CHANGE(LAPTOP_KEY, ADD, "_ssh._tcp PTR desktop._ssh._tcp"),
			 LDNS_RCODE_YXDOMAIN);
	assert_int_equal(CHANGE(LAPTOP_KEY, DELETE, "_ssh._tcp PTR desktop._ssh._tcp"),
			 LDNS_RCODE_YXDOMAIN);
	exchange_begin_update(&exchange);
	exchange_delete_rrset(&exchange, "desktop._ssh._tcp", LDNS_RR_TYPE_ANY);
	assert_int_equal(send_as(fixture, &exchange, LAPTOP_KEY), LDNS_RCODE_YXDOMAIN);
	fixture_sleep(fixture, 1800 * 1000);
	assert_int_equal(CHANGE(LAPTOP_KEY, ADD, "desktop._ssh._tcp SRV 0 0 22 laptop"), 0);
}

/* The list of types has one record for all hosts that offer one: it goes with the last of them. */
static void list_of_types_is_common(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(share(fixture, "desktop", DESKTOP_KEY), 0);
	assert_int_equal(share(fixture, "laptop", LAPTOP_KEY), 0);
	assert_int_equal(CHANGE(DESKTOP_KEY, DELETE, "_ssh._tcp PTR desktop._ssh._tcp", ENUMERATION,
				"desktop._ssh._tcp SRV 0 0 22 desktop"),
			 0);
	assert_int_equal(fixture_count(fixture, "_services._dns-sd._udp", LDNS_RR_TYPE_PTR), 1);
	assert_int_equal(CHANGE(LAPTOP_KEY, DELETE, "_ssh._tcp PTR laptop._ssh._tcp", ENUMERATION,
				"laptop._ssh._tcp SRV 0 0 22 laptop"),
			 0);
	assert_int_equal(fixture_count(fixture, "_services._dns-sd._udp", LDNS_RR_TYPE_PTR), -1);
}

static void list_of_types_lives_as_long_as_the_last_host(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, "desktop._ssh._tcp SRV 0 0 22 desktop");
	exchange_add(&exchange, ENUMERATION);
	exchange_add_lease(&exchange, 7200);
	assert_int_equal(send_as(fixture, &exchange, DESKTOP_KEY), 0);
	assert_int_equal(share(fixture, "laptop", LAPTOP_KEY), 0);
	fixture_sleep(fixture, 1800 * 1000);
	assert_int_equal(fixture_count(fixture, "_services._dns-sd._udp", LDNS_RR_TYPE_PTR), 1);
	fixture_sleep(fixture, (7200 - 1800) * 1000);
	assert_int_equal(fixture_count(fixture, "_services._dns-sd._udp", LDNS_RR_TYPE_PTR), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(host_writes_its_own_names),
		TEST(host_writes_nothing_else),
		TEST(browsing_pointers_are_each_hosts_own),
		TEST(taken_name_stays_taken_while_it_lives),
		TEST(tunnel_name_of_another),
		TEST(account_key_may_do_all),
		TEST(host_without_lease_gets_one),
		TEST(host_shares_a_service),
		TEST(host_shares_nothing_else),
		TEST(instance_of_another),
		TEST(list_of_types_is_common),
		TEST(list_of_types_lives_as_long_as_the_last_host),
	};

	return cmocka_run_group_tests_name("zoned policy", tests, NULL, NULL);
}
