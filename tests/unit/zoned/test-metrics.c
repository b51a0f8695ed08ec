/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "services/zoned/metrics-http.h"
#include "services/zoned/metrics-text.h"

#include <string.h>

static void text(void **state)
{
	struct metrics_histogram histogram = {};
	struct metrics_text text = {};

	metrics_counter(&text, "LlqSetups", 18446744073709551615u, "Set up.");
	metrics_gauge(&text, "DatabaseBytes", "bytes", 7, "How big.");
	metrics_histogram_add(&histogram, 250);
	metrics_histogram_add(&histogram, 251);
	metrics_histogram_add(&histogram, 1000001);
	assert_int_equal(metrics_histogram_count(&histogram), 3);
	metrics_histogram(&text, "EventSeconds", &histogram, "How long.");
	metrics_end(&text);
	assert_false(text.failed);
	assert_string_equal(text.data, "# TYPE homeward_zoned_llq_setups counter\n"
				       "# HELP homeward_zoned_llq_setups Set up.\n"
				       "homeward_zoned_llq_setups_total 18446744073709551615\n"
				       "# TYPE homeward_zoned_database_bytes gauge\n"
				       "# UNIT homeward_zoned_database_bytes bytes\n"
				       "# HELP homeward_zoned_database_bytes How big.\n"
				       "homeward_zoned_database_bytes 7\n"
				       "# TYPE homeward_zoned_event_seconds histogram\n"
				       "# UNIT homeward_zoned_event_seconds seconds\n"
				       "# HELP homeward_zoned_event_seconds How long.\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.00025\"} 1\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.0005\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.001\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.002\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.003\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.005\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.01\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.015\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.025\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.05\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.1\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.25\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"0.5\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"1.0\"} 2\n"
				       "homeward_zoned_event_seconds_bucket{le=\"+Inf\"} 3\n"
				       "homeward_zoned_event_seconds_sum 1.000502\n"
				       "homeward_zoned_event_seconds_count 3\n"
				       "# EOF\n");
	assert_int_equal(text.size, strlen(text.data));
	metrics_text_clear(&text);
}

static void long_text(void **state)
{
	struct metrics_text text = {};

	for (int i = 0; i < 1000; i++)
		metrics_counter(&text, "Queries", i, "Many.");
	assert_false(text.failed);
	assert_int_equal(text.size, strlen(text.data));
	metrics_text_clear(&text);
}

static void requests(void **state)
{
	static const struct {
		const char *text;
		int status;
		bool is_head;
	} cases[] = {
		{ "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200, false },
		{ "GET /metrics?name=x HTTP/1.0\r\n\r\n", 200, false },
		{ "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200, true },
		{ "GET /metricsx HTTP/1.1\r\n\r\n", 404, false },
		{ "GET / HTTP/1.1\r\n\r\n", 404, false },
		{ "POST /metrics HTTP/1.1\r\n\r\n", 405, false },
		{ "GET /metrics HTTP/2.0\r\n\r\n", 505, false },
		{ "GET /metrics HTTP/1.12\r\n\r\n", 400, false },
		{ "GET /metrics\r\n\r\n", 400, false },
		{ "GET  HTTP/1.1\r\n\r\n", 400, false },
		{ "get /metrics HTTP/1.1\r\n\r\n", 400, false },
		{ "\r\n\r\n", 400, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size = strlen(cases[i].text);
		bool is_head;

		assert_int_equal(metrics_http_read(cases[i].text, size, &is_head), cases[i].status);
		assert_int_equal(is_head, cases[i].is_head);
		for (size_t n = 0; n < size; n++)
			assert_int_equal(metrics_http_read(cases[i].text, n, &is_head), 0);
	}
}

static void endless_request(void **state)
{
	char text[METRICS_HTTP_SIZE_MAX];
	bool is_head;

	memset(text, 'x', sizeof text);
	assert_int_equal(metrics_http_read(text, sizeof text - 1, &is_head), 0);
	assert_int_equal(metrics_http_read(text, sizeof text, &is_head), 431);
}

static void headers(void **state)
{
	char text[512];
	size_t size = metrics_http_header(200, 42, text, sizeof text);

	assert_int_equal(size, strlen(text));
	assert_string_equal(text, "HTTP/1.1 200 OK\r\n"
				  "Content-Type: application/openmetrics-text; version=1.0.0; "
				  "charset=utf-8\r\n"
				  "Content-Length: 42\r\n"
				  "Connection: close\r\n\r\n");
	assert_true(metrics_http_header(405, 0, text, sizeof text) > 0);
	assert_non_null(strstr(text, "Allow: GET, HEAD\r\n"));
	assert_int_equal(metrics_http_header(200, 42, text, 20), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(text),     cmocka_unit_test(long_text),
		cmocka_unit_test(requests), cmocka_unit_test(endless_request),
		cmocka_unit_test(headers),
	};

	return cmocka_run_group_tests_name("zoned metrics", tests, NULL, NULL);
}
