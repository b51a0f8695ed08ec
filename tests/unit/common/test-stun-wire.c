/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* stun-wire.c: the samples of RFC 5769, each attribute there and back, and what is no message. */
#include "common/net/stun-wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TXID "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"

/* RFC 5769 §2.1, with its SOFTWARE, ICE attributes, USERNAME and MESSAGE-INTEGRITY. */
#define SAMPLE_REQUEST                                                                             \
	"\x00\x01\x00\x58\x21\x12\xa4\x42" TXID "\x80\x22\x00\x10STUN test client"                 \
	"\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"         \
	"\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\x00\x08\x00\x14"         \
	"\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2"         \
	"\x80\x28\x00\x04\xe5\x7a\x3b\xcf"
/* §2.2 */
#define SAMPLE_IPV4                                                                                \
	"\x01\x01\x00\x3c\x21\x12\xa4\x42" TXID "\x80\x22\x00\x0btest vector\x20"                  \
	"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\x00\x08\x00\x14\x2b\x91\xf5\x99"         \
	"\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7"                         \
	"\x80\x28\x00\x04\xc0\x7d\x4c\x96"
/* §2.3 */
#define SAMPLE_IPV6                                                                                \
	"\x01\x01\x00\x48\x21\x12\xa4\x42" TXID "\x80\x22\x00\x0btest vector\x20"                  \
	"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5"         \
	"\xbe\xd2\xb9\xd9\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c"         \
	"\x82\x92\xc2\x75\xbf\xe3\xed\x41\x80\x28\x00\x04\xc8\xfb\x0b\x4c"
/* A request with nothing but FINGERPRINT. */
#define SAMPLE_BARE "\x00\x01\x00\x08\x21\x12\xa4\x42" TXID "\x80\x28\x00\x04\xfd\xf6\xae\x02"

#define HEADER(type, length) type length "\x21\x12\xa4\x42" TXID
#define PARSE(text, ret)     stun_parse(text, sizeof(text) - 1, ret)

static struct stun_address address_of(const char *text, uint16_t port)
{
	struct stun_address address = { .family = strchr(text, ':') ? 6 : 4, .port = port };

	assert_int_equal(inet_pton(address.family == 4 ? AF_INET : AF_INET6, text, address.octets),
			 1);
	return address;
}

static void assert_address(const struct stun_address *address, const char *text, uint16_t port)
{
	struct stun_address expected = address_of(text, port);

	assert_int_equal(address->family, expected.family);
	assert_int_equal(address->port, port);
	assert_memory_equal(address->octets, expected.octets, sizeof expected.octets);
}

static void test_samples(void **state)
{
	struct stun_message message;

	assert_int_equal(PARSE(SAMPLE_IPV4, &message), 0);
	assert_int_equal(message.type, STUN_SUCCESS);
	assert_memory_equal(message.txid, TXID, STUN_TXID_SIZE);
	assert_true(message.has_fingerprint);
	assert_address(stun_reflexive(&message), "192.0.2.1", 32853);
	assert_int_equal(PARSE(SAMPLE_IPV6, &message), 0);
	assert_address(stun_reflexive(&message), "2001:db8:1234:5678:11:2233:4455:6677", 32853);
	assert_int_equal(PARSE(SAMPLE_REQUEST, &message), 0);
	assert_int_equal(message.type, STUN_REQUEST);
	/* PRIORITY must be understood, ICE-CONTROLLED need not. */
	assert_int_equal(message.n_unknown, 1);
	assert_int_equal(message.unknown[0], 0x0024);
	assert_int_equal(PARSE(SAMPLE_BARE, &message), 0);
	assert_true(message.has_fingerprint);
	assert_int_equal(message.n_unknown, 0);
	assert_int_equal(stun_reflexive(&message)->family, 0);
}

static void assert_truncations(const char *octets, size_t size)
{
	struct stun_message message;

	for (size_t n = 0; n < size; n++) {
		/* A copy of its own, so that a step beyond its end is seen. */
		char *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, octets, n);
		assert_int_equal(stun_parse(copy, n, &message), -EBADMSG);
		/* Also where the header goes along with it. */
		if (n >= STUN_HEADER_SIZE) {
			copy[2] = (n - STUN_HEADER_SIZE) >> 8;
			copy[3] = n - STUN_HEADER_SIZE;
			(void)stun_parse(copy, n, &message);
		}
		free(copy);
	}
}

static void test_truncation(void **state)
{
	assert_truncations(SAMPLE_REQUEST, sizeof SAMPLE_REQUEST - 1);
	assert_truncations(SAMPLE_IPV4, sizeof SAMPLE_IPV4 - 1);
	assert_truncations(SAMPLE_IPV6, sizeof SAMPLE_IPV6 - 1);
	assert_truncations(SAMPLE_BARE, sizeof SAMPLE_BARE - 1);
}

/* One wrong bit anywhere is seen: by the header's form, or by FINGERPRINT. */
static void test_fingerprint_covers_all(void **state)
{
	struct stun_message message;

	for (size_t bit = 0; bit < 8 * (sizeof SAMPLE_IPV4 - 1); bit++) {
		char copy[sizeof SAMPLE_IPV4] = SAMPLE_IPV4;

		copy[bit / 8] ^= 1 << bit % 8;
		if (PARSE(copy, &message) < 0)
			continue;
		/* What makes FINGERPRINT another attribute also takes its word away. */
		assert_false(message.has_fingerprint);
	}
}

static void test_written_samples(void **state)
{
	struct stun_address address = address_of("192.0.2.1", 32853);
	uint8_t octets[64];
	struct writer writer = writer_init(octets, sizeof octets);

	stun_begin(&writer, STUN_REQUEST, (const uint8_t *)TXID);
	stun_put_fingerprint(&writer);
	assert_int_equal(stun_end(&writer), sizeof SAMPLE_BARE - 1);
	assert_memory_equal(octets, SAMPLE_BARE, sizeof SAMPLE_BARE - 1);

	writer = writer_init(octets, sizeof octets);
	stun_begin(&writer, STUN_SUCCESS, (const uint8_t *)TXID);
	stun_put_xor_mapped(&writer, &address, (const uint8_t *)TXID);
	assert_int_equal(stun_end(&writer), 32);
	assert_memory_equal(octets + 20, "\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43", 12);

	writer = writer_init(octets, sizeof octets);
	address = address_of("2001:db8:1234:5678:11:2233:4455:6677", 32853);
	stun_begin(&writer, STUN_SUCCESS, (const uint8_t *)TXID);
	stun_put_xor_mapped(&writer, &address, (const uint8_t *)TXID);
	assert_int_equal(stun_end(&writer), 44);
	assert_memory_equal(octets + 20,
			    "\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa"
			    "\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9",
			    24);
}

static void test_request_there_and_back(void **state)
{
	uint8_t octets[128];
	struct writer writer = writer_init(octets, sizeof octets);
	struct stun_message message;

	stun_begin(&writer, STUN_REQUEST, (const uint8_t *)TXID);
	stun_put_change_request(&writer, true, false);
	stun_put_response_port(&writer, 4500);
	stun_put_padding(&writer, 5);
	stun_put_fingerprint(&writer);
	assert_int_equal(stun_parse(octets, stun_end(&writer), &message), 0);
	assert_true(message.has_change_request && message.change_address && !message.change_port);
	assert_true(message.has_response_port && message.has_padding && message.has_fingerprint);
	assert_int_equal(message.response_port, 4500);
	assert_int_equal(message.n_unknown, 0);
}

static void test_response_there_and_back(void **state)
{
	static const uint16_t unknown[] = { 0x0024, 0x7fff, 0x0030 };
	struct stun_address address = address_of("203.0.113.9", 1024);
	struct stun_address other = address_of("2001:db8::2", 3479);
	uint8_t octets[160];
	struct writer writer = writer_init(octets, sizeof octets);
	struct stun_message message;

	stun_begin(&writer, STUN_ERROR, (const uint8_t *)TXID);
	stun_put_error(&writer, 420, "Unknown");
	stun_put_unknown_attributes(&writer, unknown, 3);
	stun_put_address(&writer, STUN_MAPPED_ADDRESS, &address);
	stun_put_address(&writer, STUN_RESPONSE_ORIGIN, &address);
	stun_put_address(&writer, STUN_OTHER_ADDRESS, &other);
	assert_int_equal(stun_parse(octets, stun_end(&writer), &message), 0);
	assert_int_equal(message.error, 420);
	assert_address(stun_reflexive(&message), "203.0.113.9", 1024);
	assert_address(&message.response_origin, "203.0.113.9", 1024);
	assert_address(&message.other_address, "2001:db8::2", 3479);
}

/* Nothing is written beyond the room that there is. */
static void test_no_room(void **state)
{
	static const uint16_t unknown[] = { 0x0024 };

	for (size_t size = 0; size < 92; size++) {
		uint8_t *octets = malloc(size ? size : 1);
		struct writer writer = writer_init(octets, size);

		assert_non_null(octets);
		stun_begin(&writer, STUN_ERROR, (const uint8_t *)TXID);
		stun_put_error(&writer, 420, "Unknown Attribute");
		stun_put_unknown_attributes(&writer, unknown, 1);
		stun_put_padding(&writer, 26);
		stun_put_fingerprint(&writer);
		assert_int_equal(stun_end(&writer), -ENOBUFS);
		free(octets);
	}
}

static void test_malformed(void **state)
{
	struct stun_message message;

	/* An address of no family, one that is too short, one that is too long. */
	assert_int_equal(
		PARSE(HEADER("\x01\x01",
			     "\x00\x0c") "\x00\x20\x00\x08\x00\x03\xa1\x47\xe1\x12\xa6\x43",
		      &message),
		-EBADMSG);
	assert_int_equal(
		PARSE(HEADER("\x01\x01", "\x00\x08") "\x00\x20\x00\x04\x00\x01\xa1\x47", &message),
		-EBADMSG);
	assert_int_equal(
		PARSE(HEADER("\x01\x01",
			     "\x00\x10") "\x00\x20\x00\x0c\x00\x01\xa1\x47\xe1\x12\xa6\x43\0\0\0\0",
		      &message),
		-EBADMSG);
	/* An attribute longer than the message; ERROR-CODE 200; something behind FINGERPRINT. */
	assert_int_equal(PARSE(HEADER("\x01\x01", "\x00\x04") "\x80\x22\x00\x04", &message),
			 -EBADMSG);
	assert_int_equal(
		PARSE(HEADER("\x01\x11", "\x00\x08") "\x00\x09\x00\x04\x00\x00\x02\x00", &message),
		-EBADMSG);
	assert_int_equal(PARSE("\x00\x01\x00\x0c\x21\x12\xa4\x42" TXID
			       "\x80\x28\x00\x04\xfd\xf6\xae\x02\x80\x22\x00\x00",
			       &message),
			 -EBADMSG);
	/* Another method, another cookie, the two top bits. */
	assert_int_equal(PARSE(HEADER("\x00\x03", "\x00\x00"), &message), -EBADMSG);
	assert_int_equal(PARSE("\x00\x01\x00\x00\x21\x12\xa4\x43" TXID, &message), -EBADMSG);
	assert_int_equal(PARSE(HEADER("\x80\x01", "\x00\x00"), &message), -EBADMSG);
}

static void test_many_unknown(void **state)
{
	uint8_t octets[20 + 4 * 20];
	struct writer writer = writer_init(octets, sizeof octets);
	struct stun_message message;

	stun_begin(&writer, STUN_REQUEST, (const uint8_t *)TXID);
	for (int i = 0; i < 20; i++)
		writer_u32(&writer, (0x7000 + i) << 16);
	assert_int_equal(stun_parse(octets, stun_end(&writer), &message), 0);
	assert_int_equal(message.n_unknown, STUN_UNKNOWN_LIMIT);
	assert_int_equal(message.unknown[0], 0x7000);
}

/* §14.5: what comes after MESSAGE-INTEGRITY is as if it were not there. */
static void test_after_integrity(void **state)
{
	static const uint8_t hash[20];
	uint8_t octets[80];
	struct writer writer = writer_init(octets, sizeof octets);
	struct stun_message message;

	stun_begin(&writer, STUN_REQUEST, (const uint8_t *)TXID);
	writer_u32(&writer, STUN_MESSAGE_INTEGRITY << 16 | 20);
	writer_copy(&writer, hash, sizeof hash);
	stun_put_response_port(&writer, 53);
	assert_int_equal(stun_parse(octets, stun_end(&writer), &message), 0);
	assert_false(message.has_response_port);
}

static void test_first_counts(void **state)
{
	struct stun_address first = address_of("192.0.2.1", 1), second = address_of("192.0.2.2", 2);
	uint8_t octets[64];
	struct writer writer = writer_init(octets, sizeof octets);
	struct stun_message message;

	stun_begin(&writer, STUN_SUCCESS, (const uint8_t *)TXID);
	stun_put_xor_mapped(&writer, &first, (const uint8_t *)TXID);
	stun_put_xor_mapped(&writer, &second, (const uint8_t *)TXID);
	assert_int_equal(stun_parse(octets, stun_end(&writer), &message), 0);
	assert_address(stun_reflexive(&message), "192.0.2.1", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_fingerprint_covers_all),
		cmocka_unit_test(test_written_samples),
		cmocka_unit_test(test_request_there_and_back),
		cmocka_unit_test(test_response_there_and_back),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_many_unknown),
		cmocka_unit_test(test_after_integrity),
		cmocka_unit_test(test_first_counts),
	};

	return cmocka_run_group_tests_name("stun-wire", tests, NULL, NULL);
}
