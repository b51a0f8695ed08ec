/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/ctl/peer-words.h"

static void check_dropped(const char *now, const char *before, const char *wanted)
{
	json_object *peer = json_tokener_parse(now);
	json_object *old = before ? json_tokener_parse(before) : NULL;
	char words[PEER_WORDS_SIZE];

	peer_words_dropped(peer, old, words);
	assert_string_equal(words, wanted);
	json_object_put(old);
	json_object_put(peer);
}

static void test_dropped(void **unused)
{
	check_dropped("{}", NULL, "");
	check_dropped("{\"counters\": {\"Replayed\": 0, \"PacketsIn\": 7}}", NULL, "");
	check_dropped("{\"counters\": {\"TooBig\": 1, \"Replayed\": 3}}", NULL,
		      "3 replayed, 1 too large");
	check_dropped("{\"counters\": {\"TooBig\": 1, \"Replayed\": 3}}",
		      "{\"counters\": {\"TooBig\": 1, \"Replayed\": 1}}",
		      "3 replayed (+2), 1 too large");
	/* tunneld was started anew in between. */
	check_dropped("{\"counters\": {\"BadIcv\": 1}}", "{\"counters\": {\"BadIcv\": 5}}",
		      "1 forged or damaged");
}

static void test_dropped_at_most(void **unused)
{
	static const char all[] =
		"{\"counters\": {\"Replayed\": 18446744073709551615, \"BadIcv\": "
		"18446744073709551615,"
		"\"Malformed\": 18446744073709551615, \"WrongSelector\": 18446744073709551615,"
		"\"CongestionDropped\": 18446744073709551615, \"TooBig\": 18446744073709551615,"
		"\"HeldDropped\": 18446744073709551615}}";
	json_object *peer = json_tokener_parse(all);
	json_object *before = json_tokener_parse("{\"counters\": {}}");
	char words[PEER_WORDS_SIZE];

	peer_words_dropped(peer, before, words);
	assert_in_range(strlen(words), 300, PEER_WORDS_SIZE - 1);
	json_object_put(before);
	json_object_put(peer);
}

static void test_moves(void **unused)
{
	json_object *peer = json_tokener_parse("{\"counters\": {\"Handovers\": 1, "
					       "\"StallLongestMsec\": 51}}");
	char words[PEER_WORDS_SIZE];

	peer_words_moves(peer, words);
	assert_string_equal(words, "moved 1 time, longest stall 51 ms");
	peer_words_moves(NULL, words);
	assert_string_equal(words, "");
	json_object_put(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_dropped_at_most),
		cmocka_unit_test(test_moves),
	};

	return cmocka_run_group_tests_name("peer-words", tests, NULL, NULL);
}
