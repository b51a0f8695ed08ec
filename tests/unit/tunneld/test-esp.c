/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/esp-wire.h"
#include "services/tunneld/replay-window.h"
#include "tests/unit/tunneld/unit.h"

#include <errno.h>

#define SPI 0xc0000001

static const char inner_hex[] =
	"60000000000c3b40fd01020304050607002269fffe8e342afd11121314151617002269fffe8e342b"
	"000102030405060708090a0b";
static const char gcm_keymat_hex[] = "000102030405060708090a0b0c0d0e0fa0a1a2a3";
static const char g29_hex[] =
	"c000000100000001000000000000000126711cf26c884c107a6d4414df01926111d0707c687bb48890e0990308"
	"b34905ebd9a754dbbfa4fc300be6bbcb29b913ba5be7dd0042fbeed4879689758970985d98af3d6ccdb885";
static const char g30_hex[] =
	"c000000100000001000000000000000126711cf26c884c107a6d4414df01926111d0707c687bb48890e0990308"
	"b34905ebd9a754dbbfa4fc300be6bbcb29b913ba5be7dd0042fbeeb2a94509539bed51bf274af8533b8979";

struct pair {
	struct esp_out *out;
	struct esp_in *in;
};

static struct pair pair_new(enum esp_algorithm algorithm, bool esn)
{
	uint8_t keymat[36];
	struct pair pair;

	for (size_t i = 0; i < sizeof keymat; i++)
		keymat[i] = i * 7;
	assert_int_equal(esp_out_new(NULL, algorithm, esn, SPI, keymat, &pair.out), 0);
	assert_int_equal(esp_in_new(NULL, algorithm, esn, SPI, keymat, &pair.in), 0);
	return pair;
}

static void pair_free(struct pair *pair)
{
	pair->out = esp_out_free(pair->out);
	pair->in = esp_in_free(pair->in);
}

/* NULL where this machine does not have the provider. */
static struct aead_engine *engine_of(enum aead_provider provider)
{
	struct aead_engine *engine = NULL;
	int r = aead_engine_new(provider, &engine);

	if (r != -ENOTSUP || provider == AEAD_PROVIDER_OPENSSL)
		assert_int_equal(r, 0);
	return engine;
}

static void check_golden(struct aead_engine *engine, const char *packet_hex, bool esn)
{
	uint8_t keymat[36], inner[64], golden[128], packet[128];
	size_t inner_size = unit_unhex(inner_hex, inner), size = unit_unhex(packet_hex, golden);
	struct esp_opened opened;
	struct esp_out *out;
	struct esp_in *in;

	unit_unhex(gcm_keymat_hex, keymat);
	assert_int_equal(esp_out_new(engine, ESP_AES128GCM16, esn, SPI, keymat, &out), 0);
	assert_int_equal(esp_in_new(engine, ESP_AES128GCM16, esn, SPI, keymat, &in), 0);
	assert_int_equal(esp_sealed_size(inner_size), size);
	assert_int_equal(esp_seal(out, ESP_NEXT_IPV6, inner, inner_size, packet, sizeof packet),
			 size);
	assert_memory_equal(packet, golden, size);
	assert_int_equal(esp_open(in, packet, size, &opened), 0);
	assert_int_equal(opened.size, inner_size);
	assert_memory_equal(opened.payload, inner, inner_size);
	assert_int_equal(opened.next_header, ESP_NEXT_IPV6);
	assert_int_equal(opened.sequence, 1);
	assert_true(opened.newest);
	esp_out_free(out);
	esp_in_free(in);
}

/* CHECKLIST G29, and G30 with ESN. */
static void check_golden_packets(enum aead_provider provider)
{
	struct aead_engine *engine = engine_of(provider);

	if (!engine)
		skip();
	check_golden(engine, g29_hex, false);
	check_golden(engine, g30_hex, true);
	aead_engine_free(engine);
}

static void test_golden_openssl(void **state)
{
	check_golden_packets(AEAD_PROVIDER_OPENSSL);
}

static void test_golden_ipsec_mb(void **state)
{
	check_golden_packets(AEAD_PROVIDER_IPSEC_MB);
}

/* Packets of other senders, who choose their own IV: those of RFC 7634 Appendix A, and of "The Use
 * of Galois/Counter Mode in IPsec ESP: test vectors" (McGrew, draft-mcgrew-gcm-test-01), which has
 * what RFC 4106 §9 refers to in the form of packets. */
static const struct foreign_packet {
	enum esp_algorithm algorithm;
	bool esn;
	uint64_t sequence;
	const char *keymat, *packet;
	uint8_t next_header;
	const char *inner;
} foreign_packets[] = {
	{ ESP_AES128GCM16, false, 10, "feffe9928665731c6d6a8f9467308308cafebabe",
	  "0000a5f80000000afacedbaddecaf888deb22cd9b07c72c16e3a65beeb8df304"
	  "a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642"
	  "cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a",
	  1,
	  "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100"
	  "0001000000000000037369700963796265726369747902646b0000010001" },
	{ ESP_AES256GCM16, false, 2,
	  "abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344",
	  "4a2cbfe3000000020102030405060708ff425c9b724599df7a3bcd510194e00d"
	  "6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99d"
	  "ef842d8eb335f4eecfdbf831824b4c4915956c96",
	  1,
	  "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000"
	  "7002400020bf0000020405b401010402" },
	{ ESP_AES128GCM16, false, UINT32_MAX, "7d773d00c144c525ac619d18c84a3f47d9664267",
	  "335467aeffffffff43457e9182443bc6437f866bcb3f699fe9b0822bac961c45"
	  "04bef270",
	  1, "" },
	{ ESP_AES128GCM16, true, 1, "abbccddef00112233445566778899aabdecaf888",
	  "0000010000000001cafedebaceface7418a6fd42f72cbf4ab2a2ea901f73d814"
	  "e3e7f243d95412e1c349c1d2fbec168f9190feebaf2cb01984e65863965d7472"
	  "b79da345e0e780191f0d2f0e0f496c226f2127b27db35724e7845d68651f57e6"
	  "5f354f75ff17015769623436",
	  1,
	  "4500004933ba00007f119106c3fb1d10c2b1d326c02831ce0035dd7b800302d5"
	  "00004e20001e8c18d75b81dc91baa0476b91b924b280389d92c963bac046ec95"
	  "9b6266c04722b14923" },
	{ ESP_CHACHA20POLY1305, false, 5,
	  "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3",
	  "01020304000000051011121314151617"
	  "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
	  "14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
	  "cbec163fac469b502773f6fb94e664da9165b82829f641e0"
	  "76aaa8266b7fb0f7b11b369907e1ad43",
	  4,
	  "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
	  "0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
	  "2425262728292a2b2c2d2e2f3031323334353637" },
};

static void check_foreign(struct aead_engine *engine, const struct foreign_packet *foreign)
{
	uint8_t keymat[36], packet[256], inner[256];
	size_t size = unit_unhex(foreign->packet, packet);
	size_t inner_size = unit_unhex(foreign->inner, inner);
	uint32_t spi = (uint32_t)packet[0] << 24 | packet[1] << 16 | packet[2] << 8 | packet[3];
	struct esp_opened opened;
	struct esp_in *in;

	unit_unhex(foreign->keymat, keymat);
	assert_int_equal(esp_in_new(engine, foreign->algorithm, foreign->esn, spi, keymat, &in), 0);
	assert_int_equal(esp_open(in, packet, size, &opened), 0);
	assert_int_equal(opened.sequence, foreign->sequence);
	assert_int_equal(opened.next_header, foreign->next_header);
	assert_int_equal(opened.size, inner_size);
	assert_memory_equal(opened.payload, inner, inner_size);
	esp_in_free(in);
}

static void check_foreign_packets(enum aead_provider provider)
{
	struct aead_engine *engine = engine_of(provider);

	if (!engine)
		skip();
	for (size_t i = 0; i < sizeof foreign_packets / sizeof *foreign_packets; i++)
		check_foreign(engine, &foreign_packets[i]);
	aead_engine_free(engine);
}

static void test_foreign_openssl(void **state)
{
	check_foreign_packets(AEAD_PROVIDER_OPENSSL);
}

static void test_foreign_ipsec_mb(void **state)
{
	check_foreign_packets(AEAD_PROVIDER_IPSEC_MB);
}

static void test_algorithm_words(void **state)
{
	enum esp_algorithm algorithm;

	assert_int_equal(esp_algorithm_from_string("aes128gcm16", &algorithm), 0);
	assert_int_equal(esp_keymat_size(algorithm), 20);
	assert_int_equal(esp_algorithm_from_string("aes256gcm16", &algorithm), 0);
	assert_int_equal(esp_keymat_size(algorithm), 36);
	assert_int_equal(esp_algorithm_from_string("chacha20poly1305", &algorithm), 0);
	assert_int_equal(esp_keymat_size(algorithm), 36);
	assert_int_equal(esp_algorithm_from_string("null", &algorithm), -EINVAL);
	assert_int_equal(esp_algorithm_from_string("", &algorithm), -EINVAL);
}

static void test_round_trip_of_all_sizes(void **state)
{
	static const enum esp_algorithm algorithms[] = { ESP_AES128GCM16, ESP_AES256GCM16,
							 ESP_CHACHA20POLY1305 };
	uint8_t payload[1500], packet[1600];

	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = i * 31;
	for (size_t a = 0; a < 6; a++) {
		struct pair pair = pair_new(algorithms[a / 2], a % 2);

		for (size_t size = 0; size <= sizeof payload; size += size < 64 ? 1 : 97) {
			int n = esp_seal(pair.out, ESP_NEXT_IPV6, payload, size, packet,
					 sizeof packet);
			struct esp_opened opened;

			assert_int_equal(n, esp_sealed_size(size));
			assert_int_equal(n % ESP_ALIGNMENT, 0);
			assert_int_equal(esp_open(pair.in, packet, n, &opened), 0);
			assert_int_equal(opened.size, size);
			assert_memory_equal(opened.payload, payload, size);
		}
		pair_free(&pair);
	}
}

static void test_truncated_at_every_length(void **state)
{
	struct pair pair = pair_new(ESP_AES128GCM16, true);
	uint8_t packet[128] = { 0 }, cut[128];
	struct esp_opened opened;
	int size = esp_seal(pair.out, ESP_NEXT_DUMMY, packet, 40, cut, sizeof cut);

	for (int n = 0; n < size; n++) {
		memcpy(packet, cut, n);
		assert_true(esp_open(pair.in, packet, n, &opened) < 0);
	}
	/* None of that marked the window. */
	assert_int_equal(esp_open(pair.in, cut, size, &opened), 0);
	pair_free(&pair);
}

static void test_every_octet_counts(void **state)
{
	struct pair pair = pair_new(ESP_CHACHA20POLY1305, true);
	uint8_t packet[128], copy[128], payload[40] = {};
	struct esp_opened opened;
	int size =
		esp_seal(pair.out, ESP_NEXT_IPV6, payload, sizeof payload, packet, sizeof packet);

	for (int i = 0; i < size; i++) {
		memcpy(copy, packet, size);
		copy[i] ^= 0x10;
		assert_true(esp_open(pair.in, copy, size, &opened) < 0);
	}
	memcpy(copy, packet, size);
	assert_int_equal(esp_open(pair.in, copy, size, &opened), 0);
	memcpy(copy, packet, size);
	assert_int_equal(esp_open(pair.in, copy, size, &opened), -EALREADY);
	pair_free(&pair);
}

static void test_forgery_does_not_move_window(void **state)
{
	struct pair pair = pair_new(ESP_AES256GCM16, true);
	uint8_t packet[128], forged[128];
	struct esp_opened opened;
	int size = esp_seal(pair.out, ESP_NEXT_DUMMY, NULL, 0, packet, sizeof packet);

	memcpy(forged, packet, size);
	forged[4] = 0x7f;
	assert_int_equal(esp_open(pair.in, forged, size, &opened), -EBADMSG);
	assert_int_equal(esp_open(pair.in, packet, size, &opened), 0);
	assert_int_equal(opened.sequence, 1);
	pair_free(&pair);
}

static void check_disorder_and_window(bool esn, int error_when_too_old)
{
	struct pair pair = pair_new(ESP_AES128GCM16, esn);
	static uint8_t packets[REPLAY_WINDOW_SIZE + 2][48];
	struct esp_opened opened;
	int size = 0;

	for (size_t i = 1; i <= REPLAY_WINDOW_SIZE + 1; i++)
		size = esp_seal(pair.out, ESP_NEXT_DUMMY, NULL, 0, packets[i], sizeof *packets);
	assert_int_equal(esp_open(pair.in, packets[REPLAY_WINDOW_SIZE + 1], size, &opened), 0);
	assert_true(opened.newest);
	assert_int_equal(esp_open(pair.in, packets[1], size, &opened), error_when_too_old);
	assert_int_equal(esp_open(pair.in, packets[2], size, &opened), 0);
	assert_false(opened.newest);
	pair_free(&pair);
}

/* With ESN a number left of the window reads as one of the next span (RFC 4303 Appendix A2.2),
 * whose ICV then does not fit. */
static void test_disorder_and_window(void **state)
{
	check_disorder_and_window(false, -EALREADY);
	check_disorder_and_window(true, -EBADMSG);
}

static void test_esn_passes_32_bits(void **state)
{
	struct pair pair = pair_new(ESP_AES128GCM16, true);
	uint8_t before[48], after[48];
	struct esp_opened opened;
	int size;

	/* In two steps: a first number at the very end of the span would read as one of the past.
	 */
	assert_int_equal(esp_out_skip_to(pair.out, UINT32_MAX / 2), 0);
	size = esp_seal(pair.out, ESP_NEXT_DUMMY, NULL, 0, before, sizeof before);
	assert_int_equal(esp_open(pair.in, before, size, &opened), 0);
	assert_int_equal(esp_out_skip_to(pair.out, UINT32_MAX - 1), 0);
	size = esp_seal(pair.out, ESP_NEXT_DUMMY, NULL, 0, before, sizeof before);
	assert_int_equal(esp_open(pair.in, before, size, &opened), 0);
	assert_int_equal(opened.sequence, UINT32_MAX);
	size = esp_seal(pair.out, ESP_NEXT_DUMMY, NULL, 0, before, sizeof before);
	size = esp_seal(pair.out, ESP_NEXT_DUMMY, NULL, 0, after, sizeof after);
	assert_int_equal(esp_open(pair.in, after, size, &opened), 0);
	assert_int_equal(opened.sequence, UINT64_C(0x100000001));
	assert_int_equal(esp_open(pair.in, before, size, &opened), 0);
	assert_int_equal(opened.sequence, UINT64_C(0x100000000));
	pair_free(&pair);
}

/* A counter at its end refuses; it never wraps, and nothing lets it go back. */
static void test_no_number_twice(void **state)
{
	uint8_t packet[48];

	for (int esn = 0; esn < 2; esn++) {
		struct pair pair = pair_new(ESP_AES128GCM16, esn);
		uint64_t limit = esn ? UINT64_MAX : UINT32_MAX;

		assert_int_equal(esp_out_skip_to(pair.out, limit - 1), 0);
		assert_true(esp_seal(pair.out, ESP_NEXT_DUMMY, NULL, 0, packet, sizeof packet) > 0);
		assert_int_equal(esp_out_sequence(pair.out), limit);
		for (int i = 0; i < 3; i++)
			assert_int_equal(
				esp_seal(pair.out, ESP_NEXT_DUMMY, NULL, 0, packet, sizeof packet),
				-EOVERFLOW);
		assert_int_equal(esp_out_skip_to(pair.out, 1), -EINVAL);
		pair_free(&pair);
	}
}

static void test_no_room_uses_no_number(void **state)
{
	struct pair pair = pair_new(ESP_AES128GCM16, true);
	uint8_t packet[48], payload[40] = {};

	assert_int_equal(
		esp_seal(pair.out, ESP_NEXT_IPV6, payload, sizeof payload, packet, sizeof packet),
		-EINVAL);
	assert_int_equal(esp_out_sequence(pair.out), 0);
	pair_free(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_openssl),
		cmocka_unit_test(test_golden_ipsec_mb),
		cmocka_unit_test(test_foreign_openssl),
		cmocka_unit_test(test_foreign_ipsec_mb),
		cmocka_unit_test(test_algorithm_words),
		cmocka_unit_test(test_round_trip_of_all_sizes),
		cmocka_unit_test(test_truncated_at_every_length),
		cmocka_unit_test(test_every_octet_counts),
		cmocka_unit_test(test_forgery_does_not_move_window),
		cmocka_unit_test(test_disorder_and_window),
		cmocka_unit_test(test_esn_passes_32_bits),
		cmocka_unit_test(test_no_number_twice),
		cmocka_unit_test(test_no_room_uses_no_number),
	};

	return cmocka_run_group_tests_name("tunneld/esp", tests, NULL, NULL);
}
