/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/dns/golden.h"
#include "tests/unit/dns/hex.h"

#include "common/dns/dns-message.h"
#include "common/dns/dns-tsig.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static uint8_t secret[32];
static struct dns_tsig_key key = {
	.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
	.secret = secret,
	.secret_size = sizeof(secret),
};

static int setup(void **state)
{
	for (unsigned int i = 0; i < sizeof(secret); i++)
		secret[i] = i;
	return dns_name_from_text("alice-key.alice.members.me.com", &key.name);
}

static struct writer unsigned_message(uint8_t buffer[512], const char *hex)
{
	struct writer writer = writer_init(buffer, 512);

	writer.position = from_hex(hex, buffer);
	return writer;
}

static enum dns_tsig_result verify(const struct writer *message, const struct dns_tsig_mac *prior,
				   uint64_t now, struct dns_tsig *ret)
{
	assert_int_equal(dns_tsig_find(message->data, message->position, ret), 1);
	return dns_tsig_verify(message->data, ret, &key, prior, now, 0);
}

static void request_and_response(void **state)
{
	uint8_t buffer[512], answer[512];
	struct writer request = unsigned_message(buffer, UPDATE);
	struct writer response = unsigned_message(answer, RESPONSE);
	struct dns_tsig_mac request_mac, mac;
	struct dns_tsig tsig;

	assert_int_equal(dns_tsig_sign(&request, &key, NULL, SIGNED_AT, &request_mac), 0);
	assert_hex(request_mac.octets, request_mac.size, UPDATE_MAC);
	assert_hex(buffer, request.position, UPDATE_SIGNED);
	assert_int_equal(verify(&request, NULL, SIGNED_AT, &tsig), DNS_TSIG_RESULT_OK);
	assert_int_equal(tsig.start, strlen(UPDATE) / 2);
	assert_int_equal(dns_tsig_size(&key), request.position - tsig.start + 6);

	assert_int_equal(dns_tsig_sign(&response, &key, &tsig.mac, SIGNED_AT, &mac), 0);
	assert_hex(mac.octets, mac.size, RESPONSE_MAC);
	assert_int_equal(verify(&response, &request_mac, SIGNED_AT, &tsig), DNS_TSIG_RESULT_OK);
	assert_int_equal(verify(&response, NULL, SIGNED_AT, &tsig), DNS_TSIG_RESULT_BADSIG);
	assert_int_equal(verify(&response, &mac, SIGNED_AT, &tsig), DNS_TSIG_RESULT_BADSIG);
}

/* The MAC is over the message and these variables and nothing else. */
static void digest_components(void **state)
{
	uint8_t octets[512], mac[EVP_MAX_MD_SIZE];
	size_t size = from_hex(UPDATE, octets);
	unsigned int mac_size;

	size += from_hex(TSIG_VARIABLES, octets + size);
	assert_non_null(HMAC(EVP_sha256(), secret, sizeof(secret), octets, size, mac, &mac_size));
	assert_hex(mac, mac_size, UPDATE_MAC);
}

static void key_name_in_any_case(void **state)
{
	uint8_t buffer[512];
	struct writer request = unsigned_message(buffer, UPDATE_SIGNED);
	struct dns_tsig tsig;

	/* The key name's first letter: names are digested in lower case. */
	buffer[strlen(UPDATE) / 2 + 1] = 'A';
	assert_int_equal(verify(&request, NULL, SIGNED_AT, &tsig), DNS_TSIG_RESULT_OK);
}

static void forwarded_under_another_id(void **state)
{
	uint8_t buffer[512];
	struct writer request = unsigned_message(buffer, UPDATE_SIGNED);
	struct dns_tsig tsig;

	buffer[0] = 0x99;
	assert_int_equal(verify(&request, NULL, SIGNED_AT, &tsig), DNS_TSIG_RESULT_OK);
}

static void window_of_time(void **state)
{
	uint8_t buffer[512];
	struct writer request = unsigned_message(buffer, UPDATE_SIGNED);
	struct dns_tsig tsig;

	assert_int_equal(verify(&request, NULL, SIGNED_AT + 300, &tsig), DNS_TSIG_RESULT_OK);
	assert_int_equal(verify(&request, NULL, SIGNED_AT - 300, &tsig), DNS_TSIG_RESULT_OK);
	assert_int_equal(verify(&request, NULL, SIGNED_AT + 301, &tsig), DNS_TSIG_RESULT_BADTIME);
	assert_int_equal(verify(&request, NULL, SIGNED_AT - 301, &tsig), DNS_TSIG_RESULT_BADTIME);
}

static void other_key(void **state)
{
	uint8_t buffer[512], other_secret[32] = { 0 };
	struct writer request = unsigned_message(buffer, UPDATE_SIGNED);
	struct dns_tsig_key other = key;
	struct dns_tsig tsig;

	assert_int_equal(dns_tsig_find(buffer, request.position, &tsig), 1);
	other.secret = other_secret;
	assert_int_equal(dns_tsig_verify(buffer, &tsig, &other, NULL, SIGNED_AT, 0),
			 DNS_TSIG_RESULT_BADSIG);
	assert_int_equal(dns_tsig_verify(buffer, &tsig, NULL, NULL, SIGNED_AT, 0),
			 DNS_TSIG_RESULT_BADKEY);
	other = key;
	other.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA512;
	assert_int_equal(dns_tsig_verify(buffer, &tsig, &other, NULL, SIGNED_AT, 0),
			 DNS_TSIG_RESULT_BADKEY);
}

/* Any octet changed: never OK, and nothing is read where it should not. */
static void every_octet_counts(void **state)
{
	uint8_t buffer[512];
	struct writer request = unsigned_message(buffer, UPDATE_SIGNED);
	struct dns_tsig tsig;

	for (size_t i = 2; i < request.position; i++) {
		buffer[i] ^= 0x80;
		if (dns_tsig_find(buffer, request.position, &tsig) == 1)
			assert_int_not_equal(
				dns_tsig_verify(buffer, &tsig, &key, NULL, SIGNED_AT, 0),
				DNS_TSIG_RESULT_OK);
		buffer[i] ^= 0x80;
	}
}

static void truncated_message(void **state)
{
	uint8_t buffer[512];
	struct writer request = unsigned_message(buffer, UPDATE_SIGNED);
	struct dns_tsig tsig;

	for (size_t size = 0; size < request.position; size++)
		assert_int_equal(dns_tsig_find(buffer, size, &tsig), -EBADMSG);
	buffer[request.position] = 0;
	assert_int_equal(dns_tsig_find(buffer, request.position + 1, &tsig), -EBADMSG);
}

static void absent_or_misplaced(void **state)
{
	uint8_t buffer[1024];
	size_t unsigned_size = strlen(UPDATE) / 2, size, tsig_size;
	struct dns_tsig tsig;

	assert_int_equal(dns_tsig_find(buffer, from_hex(UPDATE, buffer), &tsig), 0);
	size = from_hex(UPDATE_SIGNED, buffer);
	tsig_size = size - unsigned_size;
	/* Twice. */
	memcpy(buffer + size, buffer + unsigned_size, tsig_size);
	buffer[11] = 3;
	assert_int_equal(dns_tsig_find(buffer, size + tsig_size, &tsig), -EBADMSG);
	/* Before OPT. */
	from_hex(LEASE_4_OPT, buffer + size);
	assert_int_equal(dns_tsig_find(buffer, size + strlen(LEASE_4_OPT) / 2, &tsig), -EBADMSG);
	/* In the Update section. */
	buffer[9] = 3;
	buffer[11] = 0;
	assert_int_equal(dns_tsig_find(buffer, size, &tsig), -EBADMSG);
}

static void compressed_algorithm_name(void **state)
{
	uint8_t buffer[512];
	struct dns_tsig tsig;
	size_t size = from_hex(UPDATE_SIGNED, buffer);
	/* Behind type, class, TTL and RDLENGTH. */
	size_t at = strlen(UPDATE) / 2 + key.name.size + 10;

	assert_memory_equal(buffer + at, "\013hmac-sha256", 13);
	/* The name gives way to a pointer to one. */
	buffer[at - 1] -= 11;
	memmove(buffer + at + 2, buffer + at + 13, size - at - 13);
	buffer[at] = 0xc0;
	buffer[at + 1] = 12;
	assert_int_equal(dns_tsig_find(buffer, size - 11, &tsig), -EBADMSG);
}

static enum dns_tsig_result verify_size(const uint8_t *message, struct dns_tsig *tsig, size_t size,
					size_t least)
{
	tsig->mac.size = size;
	return dns_tsig_verify(message, tsig, &key, NULL, SIGNED_AT, least);
}

static void shortened_mac(void **state)
{
	uint8_t buffer[512];
	struct dns_tsig tsig;
	size_t size = from_hex(UPDATE_SIGNED, buffer);

	assert_int_equal(dns_tsig_find(buffer, size, &tsig), 1);
	assert_int_equal(verify_size(buffer, &tsig, 16, 0), DNS_TSIG_RESULT_BADTRUNC);
	assert_int_equal(verify_size(buffer, &tsig, 31, 0), DNS_TSIG_RESULT_BADTRUNC);
	assert_int_equal(verify_size(buffer, &tsig, 16, 16), DNS_TSIG_RESULT_OK);
	assert_int_equal(verify_size(buffer, &tsig, 16, 17), DNS_TSIG_RESULT_BADTRUNC);
	assert_int_equal(verify_size(buffer, &tsig, 15, 1), DNS_TSIG_RESULT_FORMERR);
	assert_int_equal(verify_size(buffer, &tsig, 33, 0), DNS_TSIG_RESULT_FORMERR);
	/* None at all is for two kinds of error answers, and proves nothing there. */
	assert_int_equal(verify_size(buffer, &tsig, 0, 0), DNS_TSIG_RESULT_FORMERR);
	tsig.error = DNS_TSIG_ERROR_BADKEY;
	assert_int_equal(verify_size(buffer, &tsig, 0, 0), DNS_TSIG_RESULT_BADSIG);
	/* Key, MAC, time, truncation: what is wrong first is what is said. */
	tsig.error = 0;
	tsig.mac.size = 16;
	assert_int_equal(dns_tsig_verify(buffer, &tsig, &key, NULL, SIGNED_AT + 301, 0),
			 DNS_TSIG_RESULT_BADTIME);
	tsig.mac.octets[15] ^= 1;
	assert_int_equal(dns_tsig_verify(buffer, &tsig, &key, NULL, SIGNED_AT + 301, 0),
			 DNS_TSIG_RESULT_BADSIG);
}

/* A sender may ask for a window that is shorter than ours, not for a longer one. */
static void window_is_the_shorter_one(void **state)
{
	static const unsigned int fudges[] = { 0, 10, 300, 301, 65535 };

	for (size_t i = 0; i < 5; i++) {
		unsigned int window = fudges[i] < 300 ? fudges[i] : 300;
		uint8_t buffer[512];
		struct writer request = unsigned_message(buffer, UPDATE);
		struct dns_tsig asked = { .time_signed = SIGNED_AT, .fudge = fudges[i] };
		struct dns_tsig tsig;

		/* The error answer to a request from the past has that request's fudge. */
		asked.key_name = key.name;
		assert_int_equal(dns_tsig_sign_error(&request, &asked, &key, DNS_TSIG_ERROR_BADTIME,
						     SIGNED_AT),
				 0);
		assert_int_equal(verify(&request, &asked.mac, SIGNED_AT + window, &tsig),
				 DNS_TSIG_RESULT_OK);
		assert_int_equal(verify(&request, &asked.mac, SIGNED_AT + window + 1, &tsig),
				 DNS_TSIG_RESULT_BADTIME);
		assert_int_equal(verify(&request, &asked.mac, SIGNED_AT - window - 1, &tsig),
				 DNS_TSIG_RESULT_BADTIME);
	}
}

static void error_answers(void **state)
{
	uint8_t buffer[512], answer[512];
	struct writer request = unsigned_message(buffer, UPDATE_SIGNED);
	struct dns_tsig asked, tsig;
	struct writer response;

	assert_int_equal(verify(&request, NULL, SIGNED_AT + 1000, &asked), DNS_TSIG_RESULT_BADTIME);
	response = unsigned_message(answer, RESPONSE);
	assert_int_equal(dns_tsig_sign_error(&response, &asked, &key, DNS_TSIG_ERROR_BADTIME,
					     SIGNED_AT + 1000),
			 0);
	assert_int_equal(verify(&response, &asked.mac, SIGNED_AT, &tsig), DNS_TSIG_RESULT_OK);
	assert_int_equal(tsig.error, DNS_TSIG_ERROR_BADTIME);
	assert_int_equal(tsig.time_signed, SIGNED_AT);
	assert_int_equal(dns_tsig_other_time(&tsig), SIGNED_AT + 1000);

	response = unsigned_message(answer, RESPONSE);
	assert_int_equal(
		dns_tsig_sign_error(&response, &asked, NULL, DNS_TSIG_ERROR_BADKEY, SIGNED_AT), 0);
	assert_int_equal(verify(&response, &asked.mac, SIGNED_AT, &tsig), DNS_TSIG_RESULT_BADSIG);
	assert_int_equal(tsig.mac.size, 0);
	assert_int_equal(tsig.error, DNS_TSIG_ERROR_BADKEY);
	assert_true(dns_name_equal(&tsig.key_name, &key.name));
}

static void error_answers_to_the_octet(void **state)
{
	static const struct {
		enum dns_tsig_error error;
		const char *record;
	} cases[] = {
		{ DNS_TSIG_ERROR_BADTIME, BADTIME_RECORD },
		{ DNS_TSIG_ERROR_BADTRUNC, BADTRUNC_RECORD },
		{ DNS_TSIG_ERROR_BADKEY, BADKEY_RECORD },
	};
	uint8_t buffer[512], answer[512];
	struct dns_tsig asked;

	assert_int_equal(dns_tsig_find(buffer, from_hex(UPDATE_SIGNED, buffer), &asked), 1);
	for (size_t i = 0; i < 3; i++) {
		struct writer response = unsigned_message(answer, RESPONSE);
		size_t start = response.position;

		assert_int_equal(dns_tsig_sign_error(&response, &asked, &key, cases[i].error,
						     SIGNED_AT + 1000),
				 0);
		assert_hex(answer + start, response.position - start, cases[i].record);
	}
}

static void no_room(void **state)
{
	uint8_t buffer[512];
	struct writer request = unsigned_message(buffer, UPDATE);

	request.capacity = request.position + 50;
	assert_int_equal(dns_tsig_sign(&request, &key, NULL, SIGNED_AT, NULL), -ENOBUFS);
	assert_hex(buffer, request.position, UPDATE);
	assert_false(request.failed);
	request.position = 4;
	assert_int_equal(dns_tsig_sign(&request, &key, NULL, SIGNED_AT, NULL), -EINVAL);
}

/* The same UPDATE under each algorithm; the MACs come from Python's hmac. */
static void algorithms(void **state)
{
	static const struct {
		const char *name;
		enum dns_tsig_algorithm algorithm;
		const char *mac;
	} cases[] = {
		{ "hmac-sha224", DNS_TSIG_ALGORITHM_HMAC_SHA224,
		  "02bc83f392bbaf8b71b4e3e1f8a9b37475ee17ec7e9b15d11458208c" },
		{ "hmac-sha384", DNS_TSIG_ALGORITHM_HMAC_SHA384,
		  "31c38fb126a28910c9c1a52a5bbe99eca4a460970677bc0bad2618f0c8077b6c"
		  "2ff7a9d46155b4dfecf3d152ed1ce0f6" },
		{ "hmac-sha512", DNS_TSIG_ALGORITHM_HMAC_SHA512,
		  "17272358c9cc9660a56cb9954dc725ebcc972db07fefefa9e137cc134a0b58c4"
		  "c4959aa12ab0cdcae4149ce105ea303b271ae1ee7539ba51927285b57e241925" },
		{ "hmac-sha256-128", DNS_TSIG_ALGORITHM_HMAC_SHA256_128,
		  "095fafdd62efb8140324db2f84341d51" },
		{ "hmac-sha384-192", DNS_TSIG_ALGORITHM_HMAC_SHA384_192,
		  "82eeb080e4c70c05b4f2e3f36e6248f486905a6000406b1c" },
		{ "hmac-sha512-256", DNS_TSIG_ALGORITHM_HMAC_SHA512_256,
		  "d6a914fd5cee86a56c87a2a18f1d0af884f12b99c532b099e009f5d353c487dc" },
		{ "hmac-sha1", DNS_TSIG_ALGORITHM_HMAC_SHA1,
		  "fe80542454cc57b46a66bec9cb45a713b53d9000" },
		{ "hmac-md5.sig-alg.reg.int", DNS_TSIG_ALGORITHM_HMAC_MD5,
		  "847522d4be0413f9e353972bcfa48a4f" },
	};
	struct dns_tsig_key saved = key;
	struct dns_tsig tsig;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t buffer[512];
		struct writer request = unsigned_message(buffer, UPDATE);

		assert_int_equal(dns_tsig_algorithm_from_text(cases[i].name), cases[i].algorithm);
		key.algorithm = cases[i].algorithm;
		assert_int_equal(dns_tsig_sign(&request, &key, NULL, SIGNED_AT, NULL), 0);
		assert_int_equal(verify(&request, NULL, SIGNED_AT, &tsig), DNS_TSIG_RESULT_OK);
		assert_hex(tsig.mac.octets, tsig.mac.size, cases[i].mac);
		assert_int_equal(dns_tsig_size(&key), request.position - tsig.start + 6);
		assert_int_equal(verify_size(buffer, &tsig, tsig.mac.size + 1, 0),
				 DNS_TSIG_RESULT_FORMERR);
	}
	key = saved;
	assert_int_equal(dns_tsig_algorithm_from_text("gss-tsig"), DNS_TSIG_ALGORITHM_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_and_response),
		cmocka_unit_test(key_name_in_any_case),
		cmocka_unit_test(forwarded_under_another_id),
		cmocka_unit_test(window_of_time),
		cmocka_unit_test(other_key),
		cmocka_unit_test(every_octet_counts),
		cmocka_unit_test(truncated_message),
		cmocka_unit_test(absent_or_misplaced),
		cmocka_unit_test(shortened_mac),
		cmocka_unit_test(error_answers),
		cmocka_unit_test(no_room),
		cmocka_unit_test(algorithms),
		cmocka_unit_test(digest_components),
		cmocka_unit_test(compressed_algorithm_name),
		cmocka_unit_test(window_is_the_shorter_one),
		cmocka_unit_test(error_answers_to_the_octet),
	};

	return cmocka_run_group_tests_name("dns-tsig", tests, setup, NULL);
}
