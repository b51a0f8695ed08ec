/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/dns/golden.h"
#include "tests/unit/dns/hex.h"

#include "common/dns/dns-message.h"
#include "common/dns/dns-tsig.h"

#include <errno.h>

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

static void shortened_mac(void **state)
{
	uint8_t buffer[512];
	struct dns_tsig tsig;
	size_t size = from_hex(UPDATE_SIGNED, buffer);

	assert_int_equal(dns_tsig_find(buffer, size, &tsig), 1);
	tsig.mac.size = 16;
	assert_int_equal(dns_tsig_verify(buffer, &tsig, &key, NULL, SIGNED_AT, 0),
			 DNS_TSIG_RESULT_BADTRUNC);
	assert_int_equal(dns_tsig_verify(buffer, &tsig, &key, NULL, SIGNED_AT, 16),
			 DNS_TSIG_RESULT_OK);
	tsig.mac.size = 15;
	assert_int_equal(dns_tsig_verify(buffer, &tsig, &key, NULL, SIGNED_AT, 1),
			 DNS_TSIG_RESULT_FORMERR);
	tsig.mac.size = 33;
	assert_int_equal(dns_tsig_verify(buffer, &tsig, &key, NULL, SIGNED_AT, 0),
			 DNS_TSIG_RESULT_FORMERR);
	tsig.mac.size = 0;
	assert_int_equal(dns_tsig_verify(buffer, &tsig, &key, NULL, SIGNED_AT, 0),
			 DNS_TSIG_RESULT_BADSIG);
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

static void longer_digests(void **state)
{
	enum dns_tsig_algorithm algorithms[] = { DNS_TSIG_ALGORITHM_HMAC_SHA384,
						 DNS_TSIG_ALGORITHM_HMAC_SHA512 };
	struct dns_tsig_key saved = key;
	struct dns_tsig tsig;

	for (int i = 0; i < 2; i++) {
		uint8_t buffer[512];
		struct writer request = unsigned_message(buffer, UPDATE);

		key.algorithm = algorithms[i];
		assert_int_equal(dns_tsig_sign(&request, &key, NULL, SIGNED_AT, NULL), 0);
		assert_int_equal(verify(&request, NULL, SIGNED_AT, &tsig), DNS_TSIG_RESULT_OK);
		assert_int_equal(tsig.mac.size, i ? 64 : 48);
	}
	key = saved;
	assert_int_equal(dns_tsig_algorithm_from_text("hmac-md5"), DNS_TSIG_ALGORITHM_UNKNOWN);
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
		cmocka_unit_test(longer_digests),
	};

	return cmocka_run_group_tests_name("dns-tsig", tests, setup, NULL);
}
