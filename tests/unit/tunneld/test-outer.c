/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/outer-wire.h"
#include "tests/unit/tunneld/unit.h"

#include <errno.h>

enum {
	NOT_ECT,
	ECT1,
	ECT0,
	CE,
};

/* RFC 6040 figure 4 as it is printed there: rows and columns in its order. */
static void test_ecn_table(void **state)
{
	static const uint8_t order[] = { NOT_ECT, ECT0, ECT1, CE };
	static const struct {
		uint8_t field;
		enum ecn_verdict verdict;
	} table[4][4] = {
		{ { NOT_ECT, ECN_FINE },
		  { NOT_ECT, ECN_ALARM },
		  { NOT_ECT, ECN_ALARM },
		  { NOT_ECT, ECN_DROP } },
		{ { ECT0, ECN_FINE }, { ECT0, ECN_FINE }, { ECT1, ECN_FINE }, { CE, ECN_FINE } },
		{ { ECT1, ECN_FINE }, { ECT1, ECN_UNUSUAL }, { ECT1, ECN_FINE }, { CE, ECN_FINE } },
		{ { CE, ECN_FINE }, { CE, ECN_FINE }, { CE, ECN_ALARM }, { CE, ECN_FINE } },
	};

	for (unsigned int in = 0; in < 4; in++) {
		for (unsigned int out = 0; out < 4; out++) {
			uint8_t packet[40] = { 0x6a, 0x8f | order[in] << 4, 0xff };
			uint8_t wanted[40] = { 0x6a, 0x8f | table[in][out].field << 4, 0xff };

			/* What else is in the octet says nothing. */
			assert_int_equal(ecn_combine(packet, 0xa4 | order[out]),
					 table[in][out].verdict);
			assert_memory_equal(packet, wanted, sizeof packet);
		}
	}
}

/* RFC 6040 §4.1: the inner field goes out as it is, whatever becomes of the DSCP. */
static void test_outgoing(void **state)
{
	struct outer_tos none, copy, fixed, zero;

	assert_int_equal(outer_tos_from_string("none", &none), 0);
	assert_int_equal(outer_tos_from_string("copy", &copy), 0);
	assert_int_equal(outer_tos_from_string("46", &fixed), 0);
	assert_int_equal(outer_tos_from_string("0", &zero), 0);
	for (unsigned int class = 0; class < 256; class ++) {
		assert_int_equal(outer_tos(none, class), class & 3);
		assert_int_equal(outer_tos(zero, class), class & 3);
		assert_int_equal(outer_tos(copy, class), class);
		assert_int_equal(outer_tos(fixed, class), 46 << 2 | (class & 3));
	}
	assert_int_equal(outer_tos_from_string("63", &fixed), 0);
	assert_int_equal(outer_tos(fixed, 0), 0xfc);
}

static void test_words(void **state)
{
	static const char *const wrong[] = { "",     "64", "-1",         "0x10", "1 ",  " 1",
					     "Copy", "no", "4294967296", "+1",   "1.0", "none," };
	struct outer_tos policy;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(outer_tos_from_string(wrong[i], &policy), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ecn_table),
		cmocka_unit_test(test_outgoing),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("tunneld/outer", tests, NULL, NULL);
}
