/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/ctl/text.h"

static void test_clean(void **unused)
{
	char text[TEXT_SIZE], longest[2 * TEXT_SIZE];

	text_clean("plain \"text\" \xc3\xa4", text);
	assert_string_equal(text, "plain \"text\" \xc3\xa4");
	text_clean("\033[31mred\r\n\t\x7f", text);
	assert_string_equal(text, "?[31mred????");
	/* CSI as one character of UTF-8. */
	text_clean("\xc2\x9b"
		   "2J",
		   text);
	assert_string_equal(text, "?2J");
	text_clean("\xc2\xa0", text);
	assert_string_equal(text, "\xc2\xa0");
	/* Cut between characters, wherever the limit falls. */
	for (size_t shift = 0; shift < 4; shift++) {
		size_t size;

		memset(longest, 'x', sizeof longest);
		for (size_t i = shift; i + 3 < sizeof longest; i += 3)
			memcpy(longest + i, "\xe2\x82\xac", 3);
		longest[sizeof longest - 4] = 0;
		text_clean(longest, text);
		size = strlen(text);
		assert_in_range(size, TEXT_SIZE - 6, TEXT_SIZE - 1);
		assert_int_equal((size - shift) % 3, 0);
	}
}

static void test_durations(void **unused)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "0 s" },
		{ 59, "59 s" },
		{ 60, "1 min" },
		{ 3599, "59 min" },
		{ 3600, "1 h 0 min" },
		{ 5400, "1 h 30 min" },
		{ 86400 + 7200, "1 d 2 h" },
	};
	char text[TEXT_SIZE];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		text_duration(cases[i].seconds, text);
		assert_string_equal(text, cases[i].text);
	}
	text_relative(100, 40, text);
	assert_string_equal(text, "in 1 min");
	text_relative(40, 100, text);
	assert_string_equal(text, "1 min ago");
	text_relative(40, 40, text);
	assert_string_equal(text, "now");
	text_relative(UINT64_MAX, 0, text);
	text_relative(0, UINT64_MAX, text);
}

static void test_values(void **unused)
{
	json_object *object = json_tokener_parse(
		"{\"endpoint\": {\"address\": \"11.0.1.1\", \"port\": 4500}, \"none\": null,"
		" \"text\": \"a\", \"empty\": \"\", \"list\": [1, \"b\"], \"yes\": true, \"n\": "
		"7}");
	char text[TEXT_SIZE];

	text_endpoint(values_member(object, "endpoint"), "nowhere", text);
	assert_string_equal(text, "11.0.1.1:4500");
	text_endpoint(values_member(object, "none"), "nowhere", text);
	assert_string_equal(text, "nowhere");
	text_endpoint(values_member(object, "text"), "nowhere", text);
	assert_string_equal(text, "nowhere");
	text_value(values_member(object, "text"), text);
	assert_string_equal(text, "a");
	text_value(values_member(object, "empty"), text);
	assert_string_equal(text, "-");
	text_value(values_member(object, "list"), text);
	assert_string_equal(text, "[1,\"b\"]");

	assert_string_equal(values_text(object, "n"), "");
	assert_int_equal(values_number(object, "n"), 7);
	assert_int_equal(values_number(object, "text"), 0);
	assert_true(values_flag(object, "yes"));
	assert_false(values_flag(object, "n"));
	assert_int_equal(values_count(object, "list"), 2);
	assert_int_equal(values_count(object, "text"), 0);
	assert_null(values_element(object, "list", 2));
	assert_null(values_element(object, "text", 0));
	assert_null(values_member(NULL, "text"));
	json_object_put(object);
}

static void test_long_value(void **unused)
{
	json_object *value = json_object_new_string_len(
		"0123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789",
		110);
	char text[TEXT_SIZE];

	text_value(value, text);
	assert_int_equal(strlen(text), 100);
	assert_string_equal(text + 96, "6...");
	json_object_put(value);
}

static void test_keys(void **unused)
{
	static const struct {
		const char *name, *key;
	} cases[] = { { "State", "state" },
		      { "HostId", "host_id" },
		      { "Eui64", "eui64" },
		      { "NetworkGeneration", "network_generation" },
		      { "SpiIn", "spi_in" } };
	char key[VALUES_KEY_SIZE], longest[300];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		values_key(cases[i].name, key);
		assert_string_equal(key, cases[i].key);
	}
	values_list_key("org.homeward.Key1.IkeSa", key);
	assert_string_equal(key, "ike_sas");
	values_list_key("org.homeward.Watcher1.Host", key);
	assert_string_equal(key, "hosts");
	memset(longest, 'A', sizeof longest);
	longest[sizeof longest - 1] = 0;
	values_key(longest, key);
	assert_true(strlen(key) < sizeof key);
	values_list_key(longest, key);
	assert_true(strlen(key) < sizeof key);
}

static void test_labels_and_columns(void **unused)
{
	char text[TEXT_SIZE];

	text_first_label("desktop.alice.members.example.org", text);
	assert_string_equal(text, "desktop");
	text_first_label("", text);
	assert_string_equal(text, "");
	assert_int_equal(text_columns("\xc3\xa4"
				      "bc"),
			 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),  cmocka_unit_test(test_durations),
		cmocka_unit_test(test_values), cmocka_unit_test(test_long_value),
		cmocka_unit_test(test_keys),   cmocka_unit_test(test_labels_and_columns),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
