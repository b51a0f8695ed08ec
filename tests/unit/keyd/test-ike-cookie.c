/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-cookie.h"
#include "tests/unit/keyd/test.h"

#include <arpa/inet.h>

static uint32_t next;

static void fill(void *userdata, void *data, size_t size)
{
	next++;
	memset(data, 0, size);
	memcpy(data, &next, sizeof next);
}

static const struct ike_random dice = { fill, NULL };

static const struct sockaddr_in here = {
	.sin_family = AF_INET,
	.sin_port = 4500,
	.sin_addr = { 0x010200c0 },
};

static const struct ike_octets nonce = { (const uint8_t *)"sixteen or more octets", 22 };

static bool check(struct ike_cookies *cookies, uint64_t now, const uint8_t *cookie)
{
	return ike_cookie_check(cookies, now, &here, 7, nonce,
				(struct ike_octets){ cookie, IKE_COOKIE_SIZE });
}

static void make(struct ike_cookies *cookies, uint64_t now, uint8_t *cookie)
{
	assert_int_equal(ike_cookie_make(cookies, &dice, now, &here, 7, nonce, cookie), 0);
}

static void test_bound_to_request(void **state)
{
	struct ike_cookies cookies = {};
	struct sockaddr_in elsewhere = here;
	uint8_t cookie[IKE_COOKIE_SIZE + 1] = {};
	const struct ike_octets octets = { cookie, IKE_COOKIE_SIZE };

	/* Before any was given none is right. */
	assert_false(check(&cookies, 1000, cookie));
	make(&cookies, 1000, cookie);
	assert_true(check(&cookies, 1000, cookie));
	elsewhere.sin_port ^= 1;
	assert_false(ike_cookie_check(&cookies, 1000, &elsewhere, 7, nonce, octets));
	elsewhere = here;
	elsewhere.sin_addr.s_addr ^= 1;
	assert_false(ike_cookie_check(&cookies, 1000, &elsewhere, 7, nonce, octets));
	assert_false(ike_cookie_check(&cookies, 1000, &here, 8, nonce, octets));
	assert_false(ike_cookie_check(&cookies, 1000, &here, 7,
				      (struct ike_octets){ nonce.data, nonce.size - 1 }, octets));
	for (size_t size = 0; size <= sizeof cookie; size++)
		assert_int_equal(ike_cookie_check(&cookies, 1000, &here, 7, nonce,
						  (struct ike_octets){ cookie, size }),
				 size == IKE_COOKIE_SIZE);
	for (size_t bit = 0; bit < 8 * IKE_COOKIE_SIZE; bit++) {
		cookie[bit / 8] ^= 1 << bit % 8;
		assert_false(check(&cookies, 1000, cookie));
		cookie[bit / 8] ^= 1 << bit % 8;
	}
}

/* One period of making, one more of being good. */
static void test_rotation(void **state)
{
	struct ike_cookies cookies = {};
	uint8_t first[IKE_COOKIE_SIZE], last[IKE_COOKIE_SIZE], second[IKE_COOKIE_SIZE];
	uint64_t t = 5;

	make(&cookies, t, first);
	make(&cookies, t + IKE_COOKIE_PERIOD - 1, last);
	assert_memory_equal(first, last, sizeof first);
	make(&cookies, t + IKE_COOKIE_PERIOD, second);
	assert_memory_not_equal(first, second, sizeof first);
	assert_true(check(&cookies, t + 2 * IKE_COOKIE_PERIOD - 1, first));
	assert_true(check(&cookies, t + 2 * IKE_COOKIE_PERIOD - 1, second));
	assert_false(check(&cookies, t + 2 * IKE_COOKIE_PERIOD, first));
	assert_true(check(&cookies, t + 3 * IKE_COOKIE_PERIOD - 1, second));
	assert_false(check(&cookies, t + 3 * IKE_COOKIE_PERIOD, second));
}

/* Nobody came for long. */
static void test_idle(void **state)
{
	struct ike_cookies cookies = {};
	uint8_t first[IKE_COOKIE_SIZE], second[IKE_COOKIE_SIZE];

	make(&cookies, 0, first);
	assert_false(check(&cookies, 10 * IKE_COOKIE_PERIOD, first));
	make(&cookies, 10 * IKE_COOKIE_PERIOD, second);
	assert_false(check(&cookies, 10 * IKE_COOKIE_PERIOD, first));
	assert_true(check(&cookies, 10 * IKE_COOKIE_PERIOD, second));
	/* The number comes round; the secret does not. */
	for (uint64_t i = 11; i < 11 + 256; i++)
		make(&cookies, i * IKE_COOKIE_PERIOD, first);
	assert_int_equal(first[0], second[0]);
	assert_false(check(&cookies, (10 + 256) * (uint64_t)IKE_COOKIE_PERIOD, second));
	ike_cookies_wipe(&cookies);
	assert_false(check(&cookies, (10 + 256) * (uint64_t)IKE_COOKIE_PERIOD, first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound_to_request),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests_name("ike-cookie", tests, NULL, NULL);
}
