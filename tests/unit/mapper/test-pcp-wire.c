/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* pcp-wire.c: RFC 6887 octet for octet. */
#include "tests/unit/mapper/pcp-server.h"

#include "common/base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAP_REQUEST                                                                                \
	"0201000000000e1000000000000000000000ffffc0a8010a000102030405060708090a0b"                 \
	"110000001194119400000000000000000000ffff00000000"
#define MAP_RESPONSE                                                                               \
	"0281000000000e10000003e8000000000000000000000000000102030405060708090a0b"                 \
	"110000001194ef3200000000000000000000ffffcb007105"
#define ANNOUNCE_REQUEST  "020000000000000000000000000000000000ffffc0a8010a"
#define ANNOUNCE_RESPONSE "0280000000000000000003e8000000000000000000000000"
/* Protocol 6, internal 22, suggested 0 anywhere, remote 198.51.100.7:443. */
#define PEER_REQUEST                                                                               \
	"0202000000000e1000000000000000000000ffffc0a8010a000102030405060708090a0b"                 \
	"060000000016000000000000000000000000ffff00000000"                                         \
	"01bb000000000000000000000000ffffc6336407"

static size_t octets_of(const char *text, uint8_t *octets)
{
	size_t size = strlen(text) / 2;

	for (size_t i = 0; i < size; i++) {
		unsigned int value;

		assert_int_equal(sscanf(text + 2 * i, "%2x", &value), 1);
		octets[i] = value;
	}
	return size;
}

static int parse(const char *text, struct pcp_response *ret)
{
	uint8_t octets[1200];

	return pcp_parse_response(octets, octets_of(text, octets), ret);
}

static struct in6_addr mapped(const char *address)
{
	return pcp_address_from((struct in_addr){ inet_addr(address) });
}

static struct pcp_request map_request(void)
{
	struct pcp_request request = { .opcode = PCP_MAP,
				       .lifetime = 3600,
				       .client = mapped("192.168.1.10"),
				       .mapping = { .protocol = IPPROTO_UDP,
						    .internal_port = 4500,
						    .external_port = 4500,
						    .external = mapped("0.0.0.0") } };

	for (int i = 0; i < PCP_NONCE_SIZE; i++)
		request.mapping.nonce[i] = i;
	return request;
}

static void assert_written(const struct pcp_request *request, const char *text)
{
	uint8_t octets[PCP_MESSAGE_LIMIT], expected[PCP_MESSAGE_LIMIT];
	size_t size = octets_of(text, expected);

	assert_int_equal(pcp_write_request(request, octets, sizeof octets), size);
	assert_memory_equal(octets, expected, size);
	/* In any less room it says so. */
	for (size_t room = 0; room < size; room++) {
		cleanup(freep) uint8_t *exact = malloc(room ? room : 1);

		assert_int_equal(pcp_write_request(request, exact, room), -EMSGSIZE);
	}
}

static void test_requests(void **state)
{
	struct pcp_request request = map_request();

	assert_written(&request, MAP_REQUEST);
	request = (struct pcp_request){ .opcode = PCP_ANNOUNCE, .client = request.client };
	assert_written(&request, ANNOUNCE_REQUEST);
	request = map_request();
	request.opcode = PCP_PEER;
	request.mapping.protocol = IPPROTO_TCP;
	request.mapping.internal_port = 22;
	request.mapping.external_port = 0;
	request.mapping.remote_port = 443;
	request.mapping.remote = mapped("198.51.100.7");
	assert_written(&request, PEER_REQUEST);
	request.opcode = 3;
	assert_int_equal(pcp_write_request(&request, NULL, 0), -EINVAL);
}

static void test_request_options(void **state)
{
	struct pcp_request request = map_request();

	request.options = (struct pcp_options){
		.has_third_party = true,
		.third_party = mapped("192.168.1.20"),
		.prefer_failure = true,
		.n_filters = 1,
		.filters = { { .prefix = 96 + 24,
			       .remote_port = 53,
			       .remote = mapped("198.51.100.0") } },
	};
	assert_written(&request, MAP_REQUEST "01000010"
					     "00000000000000000000ffffc0a80114"
					     "02000000"
					     "03000014"
					     "00780035"
					     "00000000000000000000ffffc6336400");
	request.options.n_filters = PCP_FILTERS_LIMIT + 1;
	assert_int_equal(pcp_write_request(&request, NULL, 0), -EINVAL);
}

static void test_map_response(void **state)
{
	struct pcp_response response;
	struct pcp_request request = map_request();

	assert_int_equal(parse(MAP_RESPONSE, &response), 0);
	assert_int_equal(response.version, 2);
	assert_int_equal(response.opcode, PCP_MAP);
	assert_int_equal(response.result, PCP_SUCCESS);
	assert_int_equal(response.lifetime, 3600);
	assert_int_equal(response.epoch, 1000);
	assert_memory_equal(response.mapping.nonce, request.mapping.nonce, PCP_NONCE_SIZE);
	assert_int_equal(response.mapping.protocol, IPPROTO_UDP);
	assert_int_equal(response.mapping.internal_port, 4500);
	assert_int_equal(response.mapping.external_port, 61234);
	assert_int_equal(pcp_address_to(&response.mapping.external).s_addr,
			 inet_addr("203.0.113.5"));
}

/* Field by field, for there are octets between them. */
static void assert_same_mapping(const struct pcp_mapping *a, const struct pcp_mapping *b)
{
	assert_memory_equal(a->nonce, b->nonce, sizeof a->nonce);
	assert_int_equal(a->protocol, b->protocol);
	assert_int_equal(a->internal_port, b->internal_port);
	assert_int_equal(a->external_port, b->external_port);
	assert_memory_equal(&a->external, &b->external, sizeof a->external);
	assert_int_equal(a->remote_port, b->remote_port);
	assert_memory_equal(&a->remote, &b->remote, sizeof a->remote);
}

static void assert_same_options(const struct pcp_options *a, const struct pcp_options *b)
{
	assert_int_equal(a->has_third_party, b->has_third_party);
	assert_memory_equal(&a->third_party, &b->third_party, sizeof a->third_party);
	assert_int_equal(a->prefer_failure, b->prefer_failure);
	assert_int_equal(a->n_filters, b->n_filters);
	for (unsigned int i = 0; i < a->n_filters; i++) {
		assert_int_equal(a->filters[i].prefix, b->filters[i].prefix);
		assert_int_equal(a->filters[i].remote_port, b->filters[i].remote_port);
		assert_memory_equal(&a->filters[i].remote, &b->filters[i].remote,
				    sizeof a->filters[i].remote);
	}
}

/* What a server makes of each request comes back as it was written. */
static void test_round_trip(void **state)
{
	for (uint8_t opcode = PCP_ANNOUNCE; opcode <= PCP_PEER; opcode++) {
		struct pcp_request request = map_request();
		uint8_t octets[PCP_MESSAGE_LIMIT];
		struct pcp_response response;
		int size;

		request.opcode = opcode;
		if (opcode != PCP_ANNOUNCE)
			request.options = (struct pcp_options){
				.has_third_party = true,
				.third_party = mapped("10.1.2.3"),
				.prefer_failure = opcode == PCP_MAP,
				.n_filters = PCP_FILTERS_LIMIT,
				.filters = { [3] = { .prefix = 128, .remote_port = 9 } },
			};
		request.mapping.remote_port = opcode == PCP_PEER ? 443 : 0;
		size = pcp_write_request(&request, octets, sizeof octets);
		assert_true(size > 0 && size % 4 == 0);
		/* A failure has everything as it was in the request (§8.2). */
		pcp_server_answer(octets, size, PCP_NOT_AUTHORIZED, 30, 77, 0, NULL);
		assert_int_equal(pcp_parse_response(octets, size, &response), 0);
		assert_int_equal(response.opcode, opcode);
		assert_int_equal(response.result, PCP_NOT_AUTHORIZED);
		assert_int_equal(response.lifetime, 30);
		assert_int_equal(response.epoch, 77);
		if (opcode != PCP_ANNOUNCE)
			assert_same_mapping(&response.mapping, &request.mapping);
		assert_same_options(&response.options, &request.options);
	}
}

static void test_truncations(void **state)
{
	static const struct {
		const char *text;
		size_t whole;
	} messages[] = {
		{ MAP_RESPONSE, 60 },
		{ ANNOUNCE_RESPONSE, 24 },
		{ MAP_RESPONSE "0100001000000000000000000000ffffc0a80114", 80 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		uint8_t octets[200];
		size_t size = octets_of(messages[i].text, octets);

		for (size_t length = 0; length <= size; length++) {
			/* In memory of exactly its size. */
			cleanup(freep) uint8_t *exact = malloc(length ? length : 1);
			struct pcp_response response = { .epoch = 99 };
			/* Without its option, it is a message, too. */
			bool good = length == messages[i].whole || (size == 80 && length == 60);

			memcpy(exact, octets, length);
			assert_int_equal(pcp_parse_response(exact, length, &response),
					 good ? 0 : -EBADMSG);
			if (!good)
				assert_int_equal(response.epoch, 99);
		}
	}
}

static void test_limits(void **state)
{
	uint8_t octets[PCP_MESSAGE_LIMIT + 4] = {};
	struct pcp_response response;

	/* Filled with optional options of no length. */
	octets_of(ANNOUNCE_RESPONSE, octets);
	for (size_t i = PCP_HEADER_SIZE; i < sizeof octets; i += 4)
		octets[i] = 0x80;
	assert_int_equal(pcp_parse_response(octets, PCP_MESSAGE_LIMIT, &response), 0);
	assert_int_equal(pcp_parse_response(octets, PCP_MESSAGE_LIMIT + 4, &response), -EBADMSG);
	assert_int_equal(pcp_parse_response(octets, PCP_MESSAGE_LIMIT - 1, &response), -EBADMSG);
	assert_int_equal(pcp_parse_response(octets, PCP_MESSAGE_LIMIT - 2, &response), -EBADMSG);
}

static void test_what_is_no_response(void **state)
{
	struct pcp_response response;

	/* Requests. */
	assert_int_equal(parse(MAP_REQUEST, &response), -EBADMSG);
	assert_int_equal(parse(ANNOUNCE_REQUEST, &response), -EBADMSG);
	/* Another version that does not say so. */
	assert_int_equal(parse("03"
			       "80000000000000000003e8000000000000000000000000",
			       &response),
			 -EBADMSG);
	/* NAT-PMP's address. */
	assert_int_equal(parse("00800000000003e8cb007105", &response), -EBADMSG);
}

/* PC-12, PC-13 */
static void test_unsupported_version(void **state)
{
	static const char *const natpmp[] = {
		"00000001000003e8", /* RFC 6886 §3.5, without the bit of a response */
		"00810001000003e8", /* miniupnpd */
	};
	struct pcp_response response;

	for (size_t i = 0; i < ARRAY_SIZE(natpmp); i++) {
		assert_int_equal(parse(natpmp[i], &response), 0);
		assert_int_equal(response.result, PCP_UNSUPP_VERSION);
		assert_int_equal(response.version, 0);
	}
	/* Only that: a request of version 0, other results, other lengths. */
	assert_int_equal(parse("00000000000003e8", &response), -EBADMSG);
	assert_int_equal(parse("00000002000003e8", &response), -EBADMSG);
	assert_int_equal(parse("00000001000003", &response), -EBADMSG);
	assert_int_equal(parse("00000001000003e800000000", &response), -EBADMSG);
	assert_int_equal(parse("02000001000003e8", &response), -EBADMSG);
	/* Before anything is asked of its length. */
	assert_int_equal(parse("03810001"
			       "00000708",
			       &response),
			 0);
	assert_int_equal(response.version, 3);
	assert_int_equal(response.lifetime, 1800);
	assert_int_equal(parse("01810001", &response), 0);
	assert_int_equal(response.version, 1);
	assert_int_equal(response.lifetime, 0);
	assert_int_equal(parse("0281000100", &response), 0);
	assert_int_equal(parse("018100", &response), -EBADMSG);
}

static void test_response_options(void **state)
{
	struct pcp_response response;

	/* Unknown ones, mandatory and optional, padded. */
	assert_int_equal(parse(MAP_RESPONSE "7f000005"
					    "0102030405000000"
					    "ff000000",
			       &response),
			 0);
	assert_false(response.options.has_third_party);
	assert_int_equal(parse(MAP_RESPONSE "02000000", &response), 0);
	assert_true(response.options.prefer_failure);
	assert_int_equal(parse(MAP_RESPONSE "03000014"
					    "00780035"
					    "00000000000000000000ffffc6336400",
			       &response),
			 0);
	assert_int_equal(response.options.n_filters, 1);
	assert_int_equal(response.options.filters[0].prefix, 120);
	assert_int_equal(response.options.filters[0].remote_port, 53);
	/* Beyond the end, padding missing, wrong lengths, THIRD_PARTY twice. */
	assert_int_equal(parse(MAP_RESPONSE "7f000008"
					    "01020304",
			       &response),
			 -EBADMSG);
	assert_int_equal(parse(MAP_RESPONSE "7f00ffff", &response), -EBADMSG);
	assert_int_equal(parse(MAP_RESPONSE "02000004"
					    "00000000",
			       &response),
			 -EBADMSG);
	assert_int_equal(parse(MAP_RESPONSE "01000004"
					    "c0a80114",
			       &response),
			 -EBADMSG);
	assert_int_equal(parse(MAP_RESPONSE "03000004"
					    "00780035",
			       &response),
			 -EBADMSG);
	assert_int_equal(parse(MAP_RESPONSE "0100001000000000000000000000ffffc0a80114"
					    "0100001000000000000000000000ffffc0a80115",
			       &response),
			 -EBADMSG);
}

static void test_addresses(void **state)
{
	struct in6_addr plain = {}, six;

	/* PC-22: all 128 bits. */
	memcpy(plain.s6_addr + 12, "\x0b\x00\x01\x01", 4);
	assert_int_equal(pcp_address_to(&plain).s_addr, 0);
	assert_int_equal(inet_pton(AF_INET6, "fd00::ffff:11.0.1.1", &six), 1);
	assert_int_equal(pcp_address_to(&six).s_addr, 0);
	six = mapped("11.0.1.1");
	assert_int_equal(pcp_address_to(&six).s_addr, inet_addr("11.0.1.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_request_options),
		cmocka_unit_test(test_map_response),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_what_is_no_response),
		cmocka_unit_test(test_unsupported_version),
		cmocka_unit_test(test_response_options),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests_name("pcp-wire", tests, NULL, NULL);
}
