/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* natpmp-wire.c and announcement-wire.c: RFC 6886 §3 octet for octet. */
#include "services/mapper/announcement-wire.h"
#include "services/mapper/natpmp-wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PARSE(text, ret)    natpmp_parse_response(text, sizeof(text) - 1, ret)
#define ANNOUNCE(text, ret) announcement_parse(text, sizeof(text) - 1, ret)

#define ADDRESS_ANSWER "\x00\x80\x00\x00\x00\x00\x03\xe8\xcb\x00\x71\x05"
#define MAP_ANSWER     "\x00\x81\x00\x00\x00\x00\x03\xe8\x11\x94\xef\x32\x00\x00\x0e\x10"
#define PCP_ANNOUNCE   "\x02\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\0\0\0\0\0\0\0\0\0\0\0\0"

static void test_address_answer(void **state)
{
	struct natpmp_response response;

	assert_int_equal(PARSE(ADDRESS_ANSWER, &response), 0);
	assert_int_equal(response.result, NATPMP_SUCCESS);
	assert_true(response.has_operation);
	assert_int_equal(response.operation, NATPMP_ADDRESS);
	assert_true(response.has_epoch);
	assert_int_equal(response.epoch, 1000);
	assert_int_equal(response.external.s_addr, inet_addr("203.0.113.5"));
}

static void test_map_answer(void **state)
{
	struct natpmp_response response;

	assert_int_equal(PARSE(MAP_ANSWER, &response), 0);
	assert_int_equal(response.operation, NATPMP_MAP_UDP);
	assert_int_equal(response.epoch, 1000);
	assert_true(response.has_internal_port);
	assert_int_equal(response.internal_port, 4500);
	assert_int_equal(response.external_port, 61234);
	assert_int_equal(response.lifetime, 3600);
}

static void test_unsupported_version(void **state)
{
	struct natpmp_response response;

	/* §3.5: the operation is 0, without the answer's bit; miniupnpd sets the bit. */
	assert_int_equal(PARSE("\x00\x00\x00\x01\x00\x00\x03\xe8", &response), 0);
	assert_int_equal(response.result, NATPMP_UNSUPPORTED_VERSION);
	assert_false(response.has_operation);
	assert_int_equal(response.epoch, 1000);
	assert_int_equal(PARSE("\x00\x82\x00\x01\x00\x00\x03\xe8", &response), 0);
	assert_int_equal(response.result, NATPMP_UNSUPPORTED_VERSION);
	/* A box that only knows PCP. */
	assert_int_equal(PARSE("\x02\x80\x00\x01\x00\x00\x00\x00\x00\x00\x03\xe8", &response), 0);
	assert_int_equal(response.result, NATPMP_UNSUPPORTED_VERSION);
	assert_false(response.has_epoch);
	assert_int_equal(PARSE("\x02\x00\x00\x01", &response), -EBADMSG);
	assert_int_equal(PARSE("\x02\x80\x00\x00", &response), -EBADMSG);
	assert_int_equal(PARSE("\x02\x80\x00", &response), -EBADMSG);
}

static void test_failures(void **state)
{
	struct natpmp_response response;

	/* With the internal port (§3.3), and cut as short as may be. */
	assert_int_equal(PARSE("\x00\x81\x00\x02\x00\x00\x00\x09\x11\x94\x00\x00\x00\x00\x00\x00",
			       &response),
			 0);
	assert_int_equal(response.result, NATPMP_REFUSED);
	assert_int_equal(response.internal_port, 4500);
	assert_int_equal(response.external_port, 0);
	assert_int_equal(PARSE("\x00\x81\x00\x04\x00\x00\x00\x09", &response), 0);
	assert_false(response.has_internal_port);
	assert_int_equal(PARSE("\x00\x80\x00\x03\x00\x00\x00\x09\x01\x02\x03\x04", &response), 0);
	assert_int_equal(response.result, NATPMP_NETWORK_FAILURE);
	assert_int_equal(response.external.s_addr, 0);
	/* The request sent back: its ports are no epoch. */
	assert_int_equal(PARSE("\x00\x81\x00\x05\x11\x94\x11\x94\x00\x00\x0e\x10", &response), 0);
	assert_int_equal(response.result, NATPMP_UNSUPPORTED_OPERATION);
	assert_false(response.has_epoch);
	/* A number nobody defined is still an answer. */
	assert_int_equal(PARSE("\x00\x81\x01\x00\x00\x00\x00\x09", &response), 0);
	assert_int_equal(response.result, 256);
}

static void test_what_is_no_answer(void **state)
{
	struct natpmp_response response = { .epoch = 77 };

	assert_int_equal(natpmp_parse_response("", 0, &response), -EBADMSG);
	/* Requests. */
	assert_int_equal(PARSE("\x00\x00", &response), -EBADMSG);
	assert_int_equal(PARSE("\x00\x01\x00\x00\x11\x94\x11\x94\x00\x00\x0e\x10", &response),
			 -EBADMSG);
	/* Another operation, another version. */
	assert_int_equal(PARSE("\x00\x83\x00\x00\x00\x00\x03\xe8\x11\x94\xef\x32\x00\x00\x0e\x10",
			       &response),
			 -EBADMSG);
	assert_int_equal(PARSE("\x01\x80\x00\x00\x00\x00\x03\xe8\xcb\x00\x71\x05", &response),
			 -EBADMSG);
	/* Too long. */
	assert_int_equal(PARSE(ADDRESS_ANSWER "\x00", &response), -EBADMSG);
	assert_int_equal(PARSE(MAP_ANSWER "\x00", &response), -EBADMSG);
	/* An output is not touched on failure. */
	assert_int_equal(response.epoch, 77);
}

/* Each beginning of a message, in memory of exactly its size. */
static void assert_truncations(const char *octets, size_t size, size_t shortest_good,
			       bool announcement)
{
	for (size_t length = 0; length <= size; length++) {
		struct natpmp_response response;
		struct announcement heard;
		char *exact = malloc(length ? length : 1);
		int r;

		memcpy(exact, octets, length);
		r = announcement ? announcement_parse(exact, length, &heard)
				 : natpmp_parse_response(exact, length, &response);
		assert_int_equal(r, length < shortest_good ? -EBADMSG : 0);
		free(exact);
	}
}

static void test_truncations(void **state)
{
	assert_truncations(ADDRESS_ANSWER, 12, 12, false);
	assert_truncations(MAP_ANSWER, 16, 16, false);
	assert_truncations(ADDRESS_ANSWER, 12, 12, true);
	assert_truncations(PCP_ANNOUNCE, 24, 24, true);
	assert_truncations("\x00\x00\x00\x01\x00\x00\x03\xe8", 8, 8, false);
}

static void test_announcements(void **state)
{
	struct announcement announcement;

	assert_int_equal(ANNOUNCE(ADDRESS_ANSWER, &announcement), 0);
	assert_int_equal(announcement.kind, ANNOUNCEMENT_ADDRESS);
	assert_int_equal(announcement.epoch, 1000);
	assert_int_equal(announcement.external.s_addr, inet_addr("203.0.113.5"));
	assert_int_equal(ANNOUNCE(PCP_ANNOUNCE, &announcement), 0);
	assert_int_equal(announcement.kind, ANNOUNCEMENT_RESTART);
	assert_int_equal(announcement.epoch, 7);
	/* With an option. */
	assert_int_equal(ANNOUNCE(PCP_ANNOUNCE "\x80\x00\x00\x00", &announcement), 0);
}

static void test_what_is_no_announcement(void **state)
{
	struct announcement announcement;

	assert_int_equal(ANNOUNCE(MAP_ANSWER, &announcement), -EBADMSG);
	assert_int_equal(
		ANNOUNCE("\x00\x80\x00\x03\x00\x00\x03\xe8\x00\x00\x00\x00", &announcement),
		-EBADMSG);
	assert_int_equal(ANNOUNCE("\x00\x00\x00\x01\x00\x00\x03\xe8", &announcement), -EBADMSG);
	/* PCP: a request, MAP, a failure, a half option. */
	assert_int_equal(
		ANNOUNCE("\x02\x00\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0", &announcement),
		-EBADMSG);
	assert_int_equal(
		ANNOUNCE("\x02\x81\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0", &announcement),
		-EBADMSG);
	assert_int_equal(
		ANNOUNCE("\x02\x80\0\1\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0", &announcement),
		-EBADMSG);
	assert_int_equal(ANNOUNCE(PCP_ANNOUNCE "\x80\x00", &announcement), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_answer),
		cmocka_unit_test(test_map_answer),
		cmocka_unit_test(test_unsupported_version),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_what_is_no_answer),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_announcements),
		cmocka_unit_test(test_what_is_no_announcement),
	};

	return cmocka_run_group_tests_name("natpmp-wire", tests, NULL, NULL);
}
