/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/dns/golden.h"
#include "tests/unit/dns/hex.h"

#include "common/dns/dns-builder.h"
#include "common/dns/dns-options.h"

#include <errno.h>

#define RDATA_AT 11

/* The OPT record that a builder makes of these options. */
static void assert_opt(const struct writer *options, uint16_t udp_size, const char *hex)
{
	uint8_t buffer[512];
	struct dns_builder builder;

	dns_builder_init(&builder, buffer, sizeof(buffer), 0, 0);
	dns_builder_add_edns(&builder, udp_size, 0, options->data, options->position);
	assert_hex(buffer + 12, dns_builder_finish(&builder) - 12, hex);
}

static void llq(void **state)
{
	struct dns_llq setup = { .version = 1, .opcode = DNS_LLQ_OPCODE_SETUP, .lease = 7200 };
	struct dns_llq event = { .version = 1,
				 .opcode = DNS_LLQ_OPCODE_EVENT,
				 .id = 0x0123456789abcdef };
	uint8_t octets[64];
	struct writer options = writer_init(octets, sizeof(octets));
	struct dns_llq read[2];

	dns_option_write_llq(&options, &setup);
	assert_int_equal(options.position, DNS_OPTION_LLQ_SIZE);
	assert_opt(&options, 0, LLQ_SETUP_OPT);
	dns_option_write_llq(&options, &event);
	assert_int_equal(dns_options_read_llqs(octets, options.position, read, 2), 2);
	assert_int_equal(read[0].lease, 7200);
	assert_int_equal(read[0].opcode, DNS_LLQ_OPCODE_SETUP);
	assert_int_equal(read[1].id, 0x0123456789abcdef);
	assert_int_equal(dns_options_read_llqs(octets, options.position, read, 1), -E2BIG);
	for (size_t size = 0; size < options.position; size++)
		assert_int_equal(dns_options_read_llqs(octets, size, read, 2),
				 size == 0                     ? 0
				 : size == DNS_OPTION_LLQ_SIZE ? 1
							       : -EBADMSG);
	options = writer_init(octets, sizeof(octets));
	dns_option_write_llq(&options, &event);
	assert_opt(&options, 0, LLQ_EVENT_OPT);
}

static void update_lease(void **state)
{
	struct dns_update_lease four = { .lease = 5400 };
	struct dns_update_lease eight = { .lease = 5400,
					  .key_lease = 604800,
					  .has_key_lease = true };
	uint8_t octets[64];
	struct writer options = writer_init(octets, sizeof(octets));
	struct dns_update_lease read;

	dns_option_write_update_lease(&options, &four);
	assert_opt(&options, 1232, LEASE_4_OPT);
	assert_int_equal(dns_options_read_update_lease(octets, options.position, &read), 1);
	assert_int_equal(read.lease, 5400);
	assert_int_equal(read.key_lease, 5400);
	assert_false(read.has_key_lease);

	options = writer_init(octets, sizeof(octets));
	dns_option_write_update_lease(&options, &eight);
	assert_opt(&options, 1232, LEASE_8_OPT);
	assert_int_equal(dns_options_read_update_lease(octets, options.position, &read), 1);
	assert_int_equal(read.key_lease, 604800);
	assert_true(read.has_key_lease);
	for (size_t size = 1; size < options.position; size++)
		assert_int_equal(dns_options_read_update_lease(octets, size, &read), -EBADMSG);
}

static void wrong_lengths(void **state)
{
	struct dns_update_lease lease;
	struct dns_llq read[2];
	uint8_t octets[64];

	assert_int_equal(dns_options_read_update_lease(
				 octets, from_hex("00020006000015180000", octets), &lease),
			 -EBADMSG);
	assert_int_equal(
		dns_options_read_update_lease(
			octets, from_hex("00020004000015180002000400001518", octets), &lease),
		-EBADMSG);
	assert_int_equal(dns_options_read_llqs(octets, from_hex("000100020001", octets), read, 2),
			 -EBADMSG);
}

static void others_are_passed_over(void **state)
{
	struct dns_update_lease lease;
	struct dns_llq read[2];
	uint8_t octets[64];
	size_t size = from_hex("000a00080102030405060708"
			       "0002000400001518"
			       "000c0000",
			       octets);

	assert_int_equal(dns_options_read_update_lease(octets, size, &lease), 1);
	assert_int_equal(lease.lease, 5400);
	assert_int_equal(dns_options_read_llqs(octets, size, read, 2), 0);
}

/* In a message with a question, an answer whose owner is compressed, OPT and one record after it.
 */
static void found_in_a_message(void **state)
{
	static const uint8_t message[] = {
		0,    1,   0x84, 0, 0,   1, 0, 1, 0, 0,  0, 2,               /* header */
		1,    'a', 0,    0, 12,  0, 1,                               /* question */
		0xC0, 12,  0,    1, 0,   1, 0, 0, 0, 10, 0, 4, 192, 0, 2, 1, /* A */
		0,    0,   41,   4, 208, 0, 0, 0, 0, 0,  3, 7, 8,   9,       /* OPT */
		0,    0,   250,  0, 255, 0, 0, 0, 0, 0,  0,                  /* TSIG, empty */
	};
	uint8_t twice[sizeof(message)];
	const uint8_t *options = NULL;
	size_t size = 0;

	assert_int_equal(dns_options_find(message, sizeof(message), &options, &size), 1);
	assert_int_equal(size, 3);
	assert_memory_equal(options, "\7\10\11", 3);
	for (size_t i = 0; i < sizeof(message); i++)
		assert_int_equal(dns_options_find(message, i, &options, &size), -EBADMSG);
	memcpy(twice, message, sizeof(twice));
	twice[sizeof(twice) - 9] = 41;
	assert_int_equal(dns_options_find(twice, sizeof(twice), &options, &size), -EBADMSG);
	memcpy(twice, message, sizeof(twice));
	twice[37] = 42;
	assert_int_equal(dns_options_find(twice, sizeof(twice), &options, &size), 0);
}

static void channel_binding(void **state)
{
	uint8_t octets[128], binding[DNS_CHANNEL_BINDING_SIZE];
	struct writer options = writer_init(octets, sizeof(octets));
	const uint8_t *read;

	memset(binding, 0x5a, sizeof(binding));
	dns_option_write_channel_binding(&options, binding);
	assert_int_equal(options.position, 36);
	assert_int_equal(octets[0] << 8 | octets[1], 65001);
	assert_int_equal(dns_options_read_channel_binding(octets, options.position, &read), 1);
	assert_memory_equal(read, binding, sizeof(binding));
	for (size_t size = 1; size < options.position; size++)
		assert_int_equal(dns_options_read_channel_binding(octets, size, &read), -EBADMSG);
	octets[3] = 31;
	assert_int_equal(dns_options_read_channel_binding(octets, 35, &read), -EBADMSG);
	octets[3] = 32;
	dns_option_write_channel_binding(&options, binding);
	assert_int_equal(dns_options_read_channel_binding(octets, options.position, &read),
			 -EBADMSG);
	assert_int_equal(dns_options_read_channel_binding(octets, 0, &read), 0);
}

static void padding(void **state)
{
	uint8_t octets[512];
	struct writer options;

	for (size_t size = 40; size < 300; size++) {
		options = writer_init(octets, sizeof(octets));
		dns_option_write_padding(&options, size, DNS_PADDING_QUERY, 65535);
		assert_int_equal((size + options.position) % DNS_PADDING_QUERY, 0);
		assert_in_range(options.position, 4, 4 + DNS_PADDING_QUERY - 1);
		assert_true(dns_options_have(octets, options.position, DNS_OPTION_PADDING));
	}
	options = writer_init(octets, sizeof(octets));
	dns_option_write_padding(&options, 100, DNS_PADDING_RESPONSE, 110);
	assert_int_equal(options.position, 10);
	options = writer_init(octets, sizeof(octets));
	dns_option_write_padding(&options, 100, DNS_PADDING_RESPONSE, 103);
	assert_int_equal(options.position, 0);
	options = writer_init(octets, 20);
	dns_option_write_padding(&options, 100, DNS_PADDING_RESPONSE, 65535);
	assert_int_equal(options.position, 0);
	assert_false(options.failed);
}

static void keepalive(void **state)
{
	uint8_t octets[16];
	struct writer options = writer_init(octets, sizeof(octets));
	bool has_timeout;
	uint16_t timeout;

	dns_option_write_keepalive(&options, 100);
	assert_int_equal(
		dns_options_read_keepalive(octets, options.position, &has_timeout, &timeout), 1);
	assert_true(has_timeout);
	assert_int_equal(timeout, 100);
	assert_int_equal(dns_options_read_keepalive(octets, from_hex("000b0000", octets),
						    &has_timeout, &timeout),
			 1);
	assert_false(has_timeout);
	assert_int_equal(dns_options_read_keepalive(octets, from_hex("000b000100", octets),
						    &has_timeout, &timeout),
			 -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llq),
		cmocka_unit_test(update_lease),
		cmocka_unit_test(wrong_lengths),
		cmocka_unit_test(others_are_passed_over),
		cmocka_unit_test(found_in_a_message),
		cmocka_unit_test(channel_binding),
		cmocka_unit_test(padding),
		cmocka_unit_test(keepalive),
	};

	return cmocka_run_group_tests_name("dns-options", tests, NULL, NULL);
}
