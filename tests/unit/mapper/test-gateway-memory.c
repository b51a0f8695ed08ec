/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gateway-memory-state.c and ledger-state.c: what is written down, and how much of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/mapper/gateway-memory-state.h"
#include "services/mapper/ledger-state.h"
#include "services/mapper/packet-count.h"

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const uint8_t MAC[] = { 2, 0, 0, 0, 0, 1 }, OTHER_MAC[] = { 2, 0, 0, 0, 0, 2 };

static struct in_addr address_of(const char *text)
{
	return (struct in_addr){ inet_addr(text) };
}

/* Every home has a 192.168.1.1: the MAC tells them apart, once the kernel knows it. */
static void test_mac_tells_apart(void **state)
{
	struct gateway_memory memory = {};
	struct in_addr address = address_of("192.168.1.1");

	assert_int_equal(gateway_memory_hint(&memory, address, NULL), PROTOCOL_NONE);
	gateway_memory_note(&memory, address, MAC, PROTOCOL_IGD);
	gateway_memory_note_location(&memory, address, MAC, "http://192.168.1.1:5000/d.xml");
	gateway_memory_note(&memory, address, OTHER_MAC, PROTOCOL_PCP);
	assert_int_equal(memory.n, 2);
	assert_int_equal(gateway_memory_hint(&memory, address, MAC), PROTOCOL_IGD);
	assert_int_equal(gateway_memory_hint(&memory, address, OTHER_MAC), PROTOCOL_PCP);
	/* Not known yet: the one met last. */
	assert_int_equal(gateway_memory_hint(&memory, address, NULL), PROTOCOL_PCP);
	gateway_memory_note(&memory, address, MAC, PROTOCOL_PCP);
	assert_string_equal(gateway_memory_find(&memory, address, MAC)->location, "");
}

static void test_mac_is_learned(void **state)
{
	struct gateway_memory memory = {};
	struct in_addr address = address_of("192.168.1.1");

	gateway_memory_note(&memory, address, NULL, PROTOCOL_NATPMP);
	gateway_memory_note(&memory, address, MAC, PROTOCOL_NATPMP);
	assert_int_equal(memory.n, 1);
	assert_true(memory.gateways[0].have_mac);
	/* What worked does no more; and nothing is noted of one that never did. */
	gateway_memory_note(&memory, address, MAC, PROTOCOL_NONE);
	assert_int_equal(gateway_memory_hint(&memory, address, MAC), PROTOCOL_NONE);
	gateway_memory_note(&memory, address_of("10.0.0.1"), NULL, PROTOCOL_NONE);
	assert_int_equal(memory.n, 1);
}

/* RFC 6886 §1.1: a gateway may have learned a better protocol. */
static void test_now_and_then_it_is_not_used(void **state)
{
	struct gateway_memory memory = {};
	struct in_addr address = address_of("192.168.1.1");
	unsigned int n = 0;

	gateway_memory_note(&memory, address, MAC, PROTOCOL_NATPMP);
	for (unsigned int i = 0; i < 10 * MEMORY_USES_LIMIT; i++)
		n += gateway_memory_hint(&memory, address, MAC) == PROTOCOL_NONE;
	assert_int_equal(n, 10);
}

static void test_memory_is_bounded(void **state)
{
	struct gateway_memory memory = {};
	struct remembered_port port = { .transport = IPPROTO_UDP };

	for (uint32_t i = 0; i < 3 * MEMORY_GATEWAYS; i++)
		gateway_memory_note(&memory, (struct in_addr){ htonl(0x0a000001 + i) }, NULL,
				    PROTOCOL_PCP);
	assert_int_equal(memory.n, MEMORY_GATEWAYS);
	assert_int_equal(ntohl(memory.gateways[0].address.s_addr),
			 0x0a000001 + 3 * MEMORY_GATEWAYS - 1);
	for (uint16_t i = 1; i <= 3 * MEMORY_PORTS; i++) {
		port.internal_port = i;
		port.external_port = 1000 + i;
		gateway_memory_note_port(&memory, memory.gateways[0].address, NULL, &port);
	}
	assert_int_equal(memory.gateways[0].n_ports, MEMORY_PORTS);
	assert_int_equal(gateway_memory_port(&memory, memory.gateways[0].address, NULL, IPPROTO_UDP,
					     3 * MEMORY_PORTS),
			 1000 + 3 * MEMORY_PORTS);
	assert_int_equal(
		gateway_memory_port(&memory, memory.gateways[0].address, NULL, IPPROTO_UDP, 1), 0);
	/* What is in use stays, among those that come and go. */
	for (uint16_t i = 1; i <= 3 * MEMORY_PORTS; i++) {
		uint64_t changes = memory.changes;

		port.internal_port = 4500;
		port.external_port = 61234;
		gateway_memory_note_port(&memory, memory.gateways[0].address, NULL, &port);
		assert_true(i == 1 || memory.changes == changes);
		port.internal_port = port.external_port = 10000 + i;
		gateway_memory_note_port(&memory, memory.gateways[0].address, NULL, &port);
	}
	assert_int_equal(
		gateway_memory_port(&memory, memory.gateways[0].address, NULL, IPPROTO_UDP, 4500),
		61234);
	/* A location that would not be one word of the file is none. */
	gateway_memory_note_location(&memory, memory.gateways[0].address, NULL, "http://x/ y");
	assert_string_equal(memory.gateways[0].location, "");
}

static void test_memory_lines(void **state)
{
	struct in_addr address = address_of("192.168.1.1");
	struct gateway_memory memory = {}, again = {};
	char line[MEMORY_LINE_LIMIT], cut[MEMORY_LINE_LIMIT];
	static const char *const bad[] = { "",
					   "192.168.1.1",
					   "192.168.1.1 020000000001 9 0 -",
					   "192.168.1.1 02000000000x 1 0 -",
					   "192.168.1.1 0200 1 0 -",
					   "192.168.1.1 - 1 0 - 17:1",
					   "192.168.1 - 1 0 -",
					   "192.168.1.1 - 1 0 - x" };
	int n;

	gateway_memory_note(&memory, address, MAC, PROTOCOL_IGD);
	gateway_memory_note_location(&memory, address, MAC, "http://192.168.1.1:5000/d.xml");
	gateway_memory_note_silence(&memory, address, MAC, 115);
	for (uint16_t i = 1; i <= MEMORY_PORTS; i++)
		gateway_memory_note_port(&memory, address, MAC,
					 &(struct remembered_port){ IPPROTO_TCP, 65000 + i, i });
	n = gateway_memory_format_line(&memory.gateways[0], line, sizeof line);
	assert_int_equal(n, strlen(line));
	assert_int_equal(gateway_memory_parse_line(&again, line), 0);
	assert_memory_equal(&again.gateways[0], &memory.gateways[0], sizeof memory.gateways[0]);
	for (int i = 0; i < n; i++) {
		snprintf(cut, sizeof cut, "%.*s", i, line);
		gateway_memory_parse_line(&again, cut);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(gateway_memory_parse_line(&again, bad[i]), -EBADMSG);
	assert_int_equal(gateway_memory_format_line(&memory.gateways[0], line, 20), -ENOBUFS);
}

static struct ledger_entry entry_of(uint16_t port)
{
	return (struct ledger_entry){ .gateway = address_of("192.168.1.1"),
				      .local = address_of("192.168.1.10"),
				      .protocol = PROTOCOL_PCP,
				      .transport = IPPROTO_UDP,
				      .internal_port = port,
				      .external_port = port,
				      .external = address_of("11.0.1.1"),
				      .expires_at = 1000 + port,
				      .nonce = { 1, 2, 0xff },
				      .label = "tunnel" };
}

static void test_ledger(void **state)
{
	struct ledger ledger = {};
	struct ledger_entry entry;

	for (uint16_t i = 1; i <= LEDGER_LIMIT + 10; i++) {
		entry = entry_of(i);
		ledger_note(&ledger, &entry);
		ledger_note(&ledger, &entry);
	}
	assert_int_equal(ledger.n, LEDGER_LIMIT);
	assert_null(ledger_find(&ledger, entry.gateway, entry.local, IPPROTO_UDP, 10));
	assert_non_null(ledger_find(&ledger, entry.gateway, entry.local, IPPROTO_UDP, 11));
	assert_null(ledger_find(&ledger, entry.gateway, entry.local, IPPROTO_TCP, 11));
	assert_null(ledger_find(&ledger, entry.gateway, entry.gateway, IPPROTO_UDP, 11));
	ledger_forget(&ledger, entry.gateway, entry.local, IPPROTO_UDP, 11);
	assert_null(ledger_find(&ledger, entry.gateway, entry.local, IPPROTO_UDP, 11));
	ledger_expire(&ledger, 1000 + LEDGER_LIMIT + 9);
	assert_int_equal(ledger.n, 1);
}

static void test_ledger_lines(void **state)
{
	struct ledger_entry entry = entry_of(4500), again;
	char line[LEDGER_LINE_LIMIT], cut[LEDGER_LINE_LIMIT];
	int n;

	entry.expires_at = UINT64_MAX;
	memset(entry.label, 'x', MAPPING_LABEL_LIMIT);
	n = ledger_format_line(&entry, line, sizeof line);
	assert_int_equal(n, strlen(line));
	assert_int_equal(ledger_parse_line(line, &again), 0);
	assert_memory_equal(&again, &entry, sizeof entry);
	/* All but the label's end is of a fixed form. */
	for (int i = 0; i <= n - MAPPING_LABEL_LIMIT; i++) {
		snprintf(cut, sizeof cut, "%.*s", i, line);
		assert_int_equal(ledger_parse_line(cut, &again), -EBADMSG);
	}
	strcat(line, "x");
	assert_int_equal(ledger_parse_line(line, &again), -EBADMSG);
	entry.internal_port = 0;
	ledger_format_line(&entry, line, sizeof line);
	assert_int_equal(ledger_parse_line(line, &again), -EBADMSG);
}

static void test_packets_of_a_minute(void **state)
{
	struct packet_count count = {};

	assert_int_equal(packet_count_last_minute(&count, 500), 0);
	packet_count_add(&count, 2, 500);
	packet_count_add(&count, 3, 30000);
	assert_int_equal(packet_count_last_minute(&count, 30000), 5);
	assert_int_equal(packet_count_last_minute(&count, 59999), 5);
	assert_int_equal(packet_count_last_minute(&count, 60000), 3);
	assert_int_equal(packet_count_last_minute(&count, 90000), 0);
	packet_count_add(&count, 1, 10000000);
	assert_int_equal(packet_count_last_minute(&count, 10000000), 1);
	assert_int_equal(packet_count_last_minute(&count, 10059999), 1);
	assert_int_equal(packet_count_last_minute(&count, 10060000), 0);
	assert_int_equal(count.total, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mac_tells_apart),
		cmocka_unit_test(test_mac_is_learned),
		cmocka_unit_test(test_now_and_then_it_is_not_used),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_memory_lines),
		cmocka_unit_test(test_ledger),
		cmocka_unit_test(test_ledger_lines),
		cmocka_unit_test(test_packets_of_a_minute),
	};

	return cmocka_run_group_tests_name("gateway-memory", tests, NULL, NULL);
}
