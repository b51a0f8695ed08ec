/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/ctl/timelines.h"

static const char three[] =
	"{\"mapper\": {\"running\": true, \"network_generation\": 3, \"timeline\": ["
	"   {\"generation\": 2, \"time_us\": 10, \"text\": \"old\"},"
	"   {\"generation\": 3, \"time_us\": 1000, \"text\": \"network\"},"
	"   {\"generation\": 3, \"time_us\": 251500, \"text\": \"mapped\"}]},"
	" \"tunneld\": {\"running\": true, \"timeline\": ["
	"   {\"generation\": 3, \"time_us\": 2000, \"text\": \"keepalives\"}]},"
	" \"keyd\": {\"running\": false}}";

static json_object *entry(json_object *merged, size_t index)
{
	return values_element(merged, "entries", index);
}

static void test_merged_by_time(void **unused)
{
	json_object *snapshot = json_tokener_parse(three);
	json_object *merged = timelines_merge(snapshot, timelines_last_generation(snapshot));

	assert_int_equal(values_number(merged, "generation"), 3);
	assert_int_equal(values_count(merged, "entries"), 3);
	assert_string_equal(values_text(entry(merged, 0), "text"), "network");
	assert_string_equal(values_text(entry(merged, 1), "text"), "keepalives");
	assert_string_equal(values_text(entry(merged, 1), "daemon"), "tunneld");
	assert_string_equal(values_text(entry(merged, 2), "text"), "mapped");
	assert_string_equal(json_object_get_string(values_member(entry(merged, 2), "ms")), "250.5");
	json_object_put(merged);
	json_object_put(snapshot);
}

static void test_all_and_none(void **unused)
{
	json_object *snapshot = json_tokener_parse(three);
	json_object *merged = timelines_merge(snapshot, TIMELINES_ALL);

	assert_int_equal(values_count(merged, "entries"), 4);
	assert_null(values_member(merged, "generation"));
	json_object_put(merged);
	merged = timelines_merge(snapshot, 9);
	assert_int_equal(values_count(merged, "entries"), 0);
	json_object_put(merged);
	json_object_put(snapshot);
}

static void test_last_generation_without_mapper(void **unused)
{
	json_object *snapshot = json_tokener_parse(
		"{\"mapper\": {\"running\": false}, \"tunneld\": {\"timeline\": ["
		" {\"generation\": 5, \"time_us\": 1, \"text\": \"a\"},"
		" {\"generation\": 4, \"time_us\": 2, \"text\": \"b\"}]}}");

	assert_int_equal(timelines_last_generation(snapshot), 5);
	json_object_put(snapshot);
	snapshot = json_object_new_object();
	assert_int_equal(timelines_last_generation(snapshot), 0);
	json_object_put(snapshot);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merged_by_time),
		cmocka_unit_test(test_all_and_none),
		cmocka_unit_test(test_last_generation_without_mapper),
	};

	return cmocka_run_group_tests_name("timelines", tests, NULL, NULL);
}
