/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-proposal-wire.h"
#include "tests/unit/keyd/test.h"

#include <errno.h>

static void test_own_offers(void **state)
{
	uint8_t buffer[256];
	struct writer writer = writer_init(buffer, sizeof buffer);
	struct ike_suite ike;
	struct esp_suite esp;
	uint32_t spi;
	uint8_t number;
	char name[64];

	ike_proposal_write_ike_offer(&writer);
	assert_false(writer.failed);
	assert_int_equal(ike_proposal_choose_ike(buffer, writer.position, &ike, &number), 0);
	assert_int_equal(number, 1);
	ike_suite_name(&ike, name, sizeof name);
	assert_string_equal(name, "aes128gcm16-prfsha256-x25519");
	writer = writer_init(buffer, sizeof buffer);
	ike_proposal_write_esp_offer(&writer, 0x40000001);
	assert_int_equal(ike_proposal_choose_esp(buffer, writer.position, &esp, &spi, &number), 0);
	assert_string_equal(esp_suite_name(&esp), "aes128gcm16");
	assert_true(esp.esn);
	assert_int_equal(spi, 0x40000001);
	assert_int_equal(esp_suite_key_size(&esp), 20);
}

static void test_answer_layout(void **state)
{
	const struct ike_suite suite = { 20, 128, 5, 31 };
	const struct esp_suite chacha = { 28, 256, false };
	uint8_t buffer[256];
	struct writer writer = writer_init(buffer, sizeof buffer);

	ike_proposal_write_ike(&writer, 1, &suite);
	assert_int_equal(writer.position, 36);
	assert_octets(buffer, "0000002401010003"
			      "0300000c01000014800e0080"
			      "0300000802000005"
			      "000000080400001f");
	writer = writer_init(buffer, sizeof buffer);
	ike_proposal_write_esp(&writer, 2, &chacha, 0x51525354);
	assert_int_equal(writer.position, 28);
	assert_octets(buffer, "0000001c0203040251525354"
			      "030000080100001c"
			      "0000000805000000");
}

static int choose_ike(const char *hex, struct ike_suite *suite, uint8_t *number)
{
	uint8_t data[512];
	size_t size = from_hex(hex, data);

	return ike_proposal_choose_ike(data, size, suite, number);
}

static void test_choice(void **state)
{
	struct ike_suite suite;
	uint8_t number;

	/* A first proposal with CBC and INTEG, a second with GCM-256 and PRF 512 then 256. */
	assert_int_equal(
		choose_ike("0200002c010100040300000c0100000c800e010003000008020000050300000803"
			   "00000c000000080400001f"
			   "0000002c020100040300000c01000014800e010003000008020000070300000802"
			   "000005000000080400001f",
			   &suite, &number),
		0);
	assert_int_equal(number, 2);
	assert_int_equal(suite.key_bits, 256);
	assert_int_equal(suite.prf, IKE_PRF_HMAC_SHA2_256);
	/* Only group 14. */
	assert_int_equal(choose_ike("0000002401010003"
				    "0300000c01000014800e0080"
				    "0300000802000005"
				    "000000080400000e",
				    &suite, &number),
			 -ENOENT);
	/* AES-GCM without a key length, which it must have (RFC 5282 §3). */
	assert_int_equal(choose_ike("0000002001010003"
				    "0300000801000014"
				    "0300000802000005"
				    "000000080400001f",
				    &suite, &number),
			 -ENOENT);
	/* One more transform than the count says. */
	assert_int_equal(choose_ike("0000002401010002"
				    "0300000c01000014800e0080"
				    "0300000802000005"
				    "000000080400001f",
				    &suite, &number),
			 -EBADMSG);
	/* An additional key exchange that cannot be left out (RFC 9370). */
	assert_int_equal(choose_ike("0000002c01010004"
				    "0300000c01000014800e0080"
				    "0300000802000005"
				    "030000080400001f"
				    "0000000806000024",
				    &suite, &number),
			 -ENOENT);
}

static void test_truncation(void **state)
{
	uint8_t buffer[256];
	struct writer writer = writer_init(buffer, sizeof buffer);
	struct ike_suite ike;
	struct esp_suite esp;
	uint32_t spi;
	uint8_t number;
	size_t size;

	ike_proposal_write_ike_offer(&writer);
	size = writer.position;
	for (size_t cut = 0; cut < size; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);

		memcpy(exact, buffer, cut);
		assert_int_equal(ike_proposal_choose_ike(exact, cut, &ike, &number), -EBADMSG);
		free(exact);
	}
	writer = writer_init(buffer, sizeof buffer);
	ike_proposal_write_esp_offer(&writer, 0x40000001);
	size = writer.position;
	for (size_t cut = 0; cut < size; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);

		memcpy(exact, buffer, cut);
		assert_int_equal(ike_proposal_choose_esp(exact, cut, &esp, &spi, &number),
				 -EBADMSG);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_offers),
		cmocka_unit_test(test_answer_layout),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_truncation),
	};

	return cmocka_run_group_tests_name("ike-proposal", tests, NULL, NULL);
}
