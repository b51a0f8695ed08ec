/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-proposal-wire.h"
#include "tests/unit/keyd/test.h"

#include <errno.h>

static struct ike_preferences all;

static int set_up(void **state)
{
	ike_preferences_init(&all);
	return 0;
}

static void test_own_offers(void **state)
{
	uint8_t buffer[256];
	struct writer writer = writer_init(buffer, sizeof buffer);
	const uint64_t own_spi = 0x0102030405060708;
	struct ike_suite ike;
	struct esp_suite esp;
	uint64_t ike_spi;
	uint32_t spi;
	uint8_t number;
	char name[64];

	ike_proposal_write_ike_offer(&writer, &all, NULL);
	assert_false(writer.failed);
	assert_int_equal(
		ike_proposal_choose_ike(&all, buffer, writer.position, &ike, NULL, &number), 0);
	assert_int_equal(number, 1);
	ike_suite_name(&ike, name, sizeof name);
	assert_string_equal(name, "aes128gcm16-prfsha256-x25519");
	/* A rekey has an SPI, the first exchange none. */
	assert_int_equal(
		ike_proposal_choose_ike(&all, buffer, writer.position, &ike, &ike_spi, &number),
		-ENOENT);
	writer = writer_init(buffer, sizeof buffer);
	ike_proposal_write_ike_offer(&writer, &all, &own_spi);
	assert_int_equal(
		ike_proposal_choose_ike(&all, buffer, writer.position, &ike, &ike_spi, &number), 0);
	assert_true(ike_spi == own_spi);
	assert_int_equal(
		ike_proposal_choose_ike(&all, buffer, writer.position, &ike, NULL, &number),
		-ENOENT);
	writer = writer_init(buffer, sizeof buffer);
	ike_proposal_write_esp_offer(&writer, &all, 0x40000001, IKE_WITHOUT_KEY_EXCHANGE);
	assert_int_equal(ike_proposal_choose_esp(&all, buffer, writer.position,
						 IKE_WITHOUT_KEY_EXCHANGE, &esp, &spi, &number),
			 0);
	assert_string_equal(esp_suite_name(&esp), "aes128gcm16");
	assert_true(esp.esn);
	assert_int_equal(esp.group, 0);
	assert_int_equal(spi, 0x40000001);
	assert_int_equal(esp_suite_key_size(&esp), 20);
	/* An offer is no answer. */
	assert_int_equal(ike_proposal_read_esp_answer(&all, buffer, writer.position,
						      IKE_WITHOUT_KEY_EXCHANGE, &esp, &spi),
			 -ENOENT);
}

/* Key exchanges of ESP: in CREATE_CHILD_SA, and not in IKE_AUTH. */
static void test_key_exchanges_of_esp(void **state)
{
	uint8_t buffer[256];
	struct writer writer = writer_init(buffer, sizeof buffer);
	struct esp_suite esp;
	uint32_t spi;
	uint8_t number;

	ike_proposal_write_esp_offer(&writer, &all, 0x40000001, IKE_WITH_KEY_EXCHANGE);
	assert_int_equal(ike_proposal_choose_esp(&all, buffer, writer.position,
						 IKE_WITHOUT_KEY_EXCHANGE, &esp, &spi, &number),
			 -ENOENT);
	assert_int_equal(ike_proposal_choose_esp(&all, buffer, writer.position,
						 IKE_WITH_KEY_EXCHANGE, &esp, &spi, &number),
			 0);
	assert_int_equal(esp.group, IKE_GROUP_X25519);
	writer = writer_init(buffer, sizeof buffer);
	ike_proposal_write_esp(&writer, 1, &esp, 7000);
	assert_int_equal(ike_proposal_read_esp_answer(&all, buffer, writer.position,
						      IKE_WITH_KEY_EXCHANGE, &esp, &spi),
			 0);
	assert_int_equal(esp.group, IKE_GROUP_X25519);
	assert_int_equal(ike_proposal_read_esp_answer(&all, buffer, writer.position,
						      IKE_WITHOUT_KEY_EXCHANGE, &esp, &spi),
			 -ENOENT);
	/* Without one: the caller's decision. */
	esp.group = 0;
	writer = writer_init(buffer, sizeof buffer);
	ike_proposal_write_esp(&writer, 1, &esp, 7000);
	assert_int_equal(ike_proposal_read_esp_answer(&all, buffer, writer.position,
						      IKE_WITH_KEY_EXCHANGE, &esp, &spi),
			 0);
	assert_int_equal(esp.group, 0);
	assert_int_equal(spi, 7000);
}

/* Whatever may be chosen is read back as an answer, and as nothing else. */
static void test_every_suite(void **state)
{
	for (unsigned int i = 0; i < 27; i++) {
		const struct ike_cipher *cipher = &all.ike.items[i % 3];
		const struct ike_suite suite = { cipher->encryption, cipher->key_bits,
						 all.prfs.items[i / 3 % 3],
						 all.groups.items[i / 9] };
		struct ike_preferences only = {
			.ike = { { *cipher }, 1 },
			.prfs = { { suite.prf }, 1 },
			.groups = { { suite.group }, 1 },
		};
		struct ike_suite chosen;
		uint8_t buffer[256], number;
		struct writer writer = writer_init(buffer, sizeof buffer);
		char name[64];

		ike_proposal_write_ike_offer(&writer, &all, NULL);
		assert_int_equal(ike_proposal_choose_ike(&only, buffer, writer.position, &chosen,
							 NULL, &number),
				 0);
		assert_memory_equal(&chosen, &suite, sizeof suite);
		writer = writer_init(buffer, sizeof buffer);
		ike_proposal_write_ike(&writer, number, &chosen, NULL);
		memset(&chosen, 0, sizeof chosen);
		assert_int_equal(
			ike_proposal_read_ike_answer(&all, buffer, writer.position, &chosen, NULL),
			0);
		assert_memory_equal(&chosen, &suite, sizeof suite);
		ike_suite_name(&suite, name, sizeof name);
		assert_null(strchr(name, '?'));
	}
}

static void test_answer_layout(void **state)
{
	const struct ike_suite suite = { 20, 128, 5, 31 };
	const struct esp_suite chacha = { 28, 256, 0, false };
	uint8_t buffer[256];
	struct writer writer = writer_init(buffer, sizeof buffer);

	ike_proposal_write_ike(&writer, 1, &suite, NULL);
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

	return ike_proposal_choose_ike(&all, data, size, suite, NULL, number);
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

/* What has no place among our algorithms is as if it were not there, by itself or beside others. */
static void test_weaker(void **state)
{
	static const char *const refused[] = {
		/* AES-CBC-128 with HMAC-SHA2-256-128 */
		"0000002c010100040300000c0100000c800e0080030000080300000c0300000802000005"
		"000000080400001f",
		/* AES-GCM with an ICV of 8, of 12 */
		"00000024010100030300000c01000012800e00800300000802000005000000080400001f",
		"00000024010100030300000c01000013800e00800300000802000005000000080400001f",
		/* AES-GCM-16 with 64 and with 192 bits */
		"00000024010100030300000c01000014800e00400300000802000005000000080400001f",
		"00000024010100030300000c01000014800e00c00300000802000005000000080400001f",
		/* ChaCha20 with a key length, which must not be there (RFC 7634 §3) */
		"00000024010100030300000c0100001c800e01000300000802000005000000080400001f",
		/* 3DES */
		"00000020010100030300000801000003030000080200000500000008"
		"0400001f",
		/* PRF HMAC-MD5, HMAC-SHA1 */
		"00000024010100030300000c01000014800e00800300000802000001000000080400001f",
		"00000024010100030300000c01000014800e00800300000802000002000000080400001f",
		/* MODP-1024, MODP-2048, 1024 bits with a small subgroup, P-192 */
		"00000024010100030300000c01000014800e008003000008020000050000000804000002",
		"00000024010100030300000c01000014800e00800300000802000005000000080400000e",
		"00000024010100030300000c01000014800e008003000008020000050000000804000016",
		"00000024010100030300000c01000014800e008003000008020000050000000804000019",
		/* No PRF; no key exchange; an INTEG that is not NONE */
		"0000001c010100020300000c01000014800e0080000000080400001f",
		"0000001c010100020300000c01000014800e00800000000802000005",
		"0000002c010100040300000c01000014800e0080030000080300000c0300000802000005"
		"000000080400001f",
		/* AH, and protocol 0 */
		"00000024010200030300000c01000014800e00800300000802000005000000080400001f",
		"00000024010000030300000c01000014800e00800300000802000005000000080400001f",
	};
	struct ike_suite suite;
	uint8_t number;

	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		assert_int_equal(choose_ike(refused[i], &suite, &number), -ENOENT);
	/* INTEG that is NONE (RFC 5282 §8) */
	assert_int_equal(choose_ike("0000002c010100040300000c01000014800e00800300000803000000"
				    "0300000802000005000000080400001f",
				    &suite, &number),
			 0);
	/* The weak ones first in one proposal: ours is what counts. */
	assert_int_equal(choose_ike("0000003c010100060300000c01000014800e0080030000080100001c"
				    "03000008020000020300000802000006030000080400000200000008"
				    "04000013",
				    &suite, &number),
			 0);
	assert_int_equal(suite.encryption, IKE_ENCR_AES_GCM_16);
	assert_int_equal(suite.prf, IKE_PRF_HMAC_SHA2_384);
	assert_int_equal(suite.group, IKE_GROUP_P256);
}

/* An answer with a choice left, a second proposal, another number, or what we did not offer. */
static void test_bad_answers(void **state)
{
	static const struct {
		const char *answer;
		int result;
	} cases[] = {
		{ "00000024010100030300000c01000014800e00800300000802000005000000080400001f", 0 },
		{ "0000002c010100040300000c01000014800e00800300000802000005030000080200000700000008"
		  "0400001f",
		  -ENOENT },
		{ "00000024020100030300000c01000014800e00800300000802000005000000080400001f",
		  -ENOENT },
		{ "02000024010100030300000c01000014800e00800300000802000005000000080400001f"
		  "00000024020100030300000c01000014800e00800300000802000005000000080400001f",
		  -EBADMSG },
		{ "00000024010100030300000c01000014800e01000300000802000005000000080400001f",
		  -ENOENT },
		{ "00000024010100030300000c01000014800e00800300000802000005000000080400000e",
		  -ENOENT },
		{ "00000024010100030300000c01000014800e008003000008020000050000000804000020",
		  -ENOENT },
	};
	struct ike_preferences only_128 = all;
	struct ike_suite suite;
	uint8_t data[128];

	only_128.ike.n = 1;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t size = from_hex(cases[i].answer, data);

		assert_int_equal(ike_proposal_read_ike_answer(&only_128, data, size, &suite, NULL),
				 cases[i].result);
	}
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

	ike_proposal_write_ike_offer(&writer, &all, NULL);
	size = writer.position;
	for (size_t cut = 0; cut < size; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);

		memcpy(exact, buffer, cut);
		assert_int_equal(ike_proposal_choose_ike(&all, exact, cut, &ike, NULL, &number),
				 -EBADMSG);
		free(exact);
	}
	writer = writer_init(buffer, sizeof buffer);
	ike_proposal_write_esp_offer(&writer, &all, 0x40000001, IKE_WITH_KEY_EXCHANGE);
	size = writer.position;
	for (size_t cut = 0; cut < size; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);

		memcpy(exact, buffer, cut);
		assert_int_equal(ike_proposal_choose_esp(&all, exact, cut, IKE_WITH_KEY_EXCHANGE,
							 &esp, &spi, &number),
				 -EBADMSG);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_offers),
		cmocka_unit_test(test_answer_layout),
		cmocka_unit_test(test_key_exchanges_of_esp),
		cmocka_unit_test(test_every_suite),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_weaker),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_truncation),
	};

	return cmocka_run_group_tests_name("ike-proposal", tests, set_up, NULL);
}
