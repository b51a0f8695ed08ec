/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/echo-wire.h"
#include "tests/unit/tunneld/unit.h"

#include <arpa/inet.h>

static struct in6_addr address(const char *words)
{
	struct in6_addr result;

	assert_int_equal(inet_pton(AF_INET6, words, &result), 1);
	return result;
}

/* Made by another program. */
static void test_request(void **state)
{
	struct in6_addr source = address("fd01:203:405:607:22:69ff:fe8e:342a");
	struct in6_addr destination = address("fda1:a2a3:a4a5:a6a7:16:3eff:fe00:1");
	static const char wanted[] =
		"6000000000113a40fd01020304050607002269fffe8e342afda1a2a3a4a5a6a7"
		"00163efffe0000018000ada568775678687773651234567800";
	uint8_t packet[57];
	char digits[2 * sizeof packet + 1];
	uint32_t number;

	echo_write(packet, sizeof packet, &source, &destination, 0x12345678);
	for (size_t i = 0; i < sizeof packet; i++)
		snprintf(digits + 2 * i, 3, "%02x", packet[i]);
	assert_string_equal(digits, wanted);
	/* A request is no answer. */
	assert_false(echo_read_answer(packet, sizeof packet, &number));
}

static void make_answer(uint8_t *target, size_t size, uint32_t number)
{
	struct in6_addr nobody = {};

	echo_write(target, size, &nobody, &nobody, number);
	target[40] = 129;
}

static void test_answer(void **state)
{
	for (size_t size = ECHO_SIZE_LEAST; size < 1500; size++) {
		uint8_t packet[1500];
		uint32_t number = 0;

		make_answer(packet, size, size * 77777);
		assert_true(echo_read_answer(packet, size, &number));
		assert_int_equal(number, size * 77777);
	}
}

static void test_cut(void **state)
{
	uint8_t packet[100];
	uint32_t number;

	make_answer(packet, sizeof packet, 5);
	for (size_t size = 0; size < ECHO_SIZE_LEAST; size++)
		assert_false(echo_read_answer(packet, size, &number));
	assert_true(echo_read_answer(packet, ECHO_SIZE_LEAST, &number));
}

static void test_another_one(void **state)
{
	/* Next header, type, code, identifier, our word. */
	static const size_t places[] = { 6, 40, 41, 44, 45, 48, 49, 50, 51 };
	uint8_t packet[100];
	uint32_t number;

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		make_answer(packet, sizeof packet, 5);
		packet[places[i]] ^= 1;
		assert_false(echo_read_answer(packet, sizeof packet, &number));
	}
}

static void test_fragments(void **state)
{
	uint8_t packet[100], fragment[108] = {};
	uint32_t number = 0;

	make_answer(packet, sizeof packet, 5);
	memcpy(fragment, packet, 40);
	memcpy(fragment + 48, packet + 40, 60);
	fragment[6] = 44;
	fragment[40] = IPPROTO_ICMPV6;
	fragment[43] = 1; /* more follow */
	assert_true(echo_read_answer(fragment, sizeof fragment, &number));
	assert_int_equal(number, 5);
	for (size_t size = 0; size < ECHO_SIZE_LEAST + 8; size++)
		assert_false(echo_read_answer(fragment, size, &number));
	/* A later one. */
	fragment[43] = 0x08;
	assert_false(echo_read_answer(fragment, sizeof fragment, &number));
	fragment[42] = 0x80;
	fragment[43] = 0;
	assert_false(echo_read_answer(fragment, sizeof fragment, &number));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),   cmocka_unit_test(test_answer),
		cmocka_unit_test(test_cut),       cmocka_unit_test(test_another_one),
		cmocka_unit_test(test_fragments),
	};

	return cmocka_run_group_tests_name("tunneld/echo", tests, NULL, NULL);
}
