/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* captive-wire.c: which URLs can be asked for, and what the answers mean. */
#include "services/mapper/captive-wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_urls(void **unused)
{
	static const char *const wrong[] = {
		"",
		"http",
		"http://",
		"https://example.org/",
		"ftp://example.org/",
		"http:///page",
		"http://:80/",
		"http://example.org:/",
		"http://example.org:0/",
		"http://example.org:65536/",
		"http://example.org:123456/",
		"http://example.org:8x/",
		"http://me@example.org/",
		"http://[::1]/",
		"http://example.org/a b",
		"http://example.org/a\r\nHost: other",
		"http://ex\x80mple.org/",
	};
	struct captive_url url;
	char longest[1024] = "http://";

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(captive_url_read(wrong[i], &url));
	assert_true(captive_url_read("http://example.org", &url));
	assert_string_equal(url.host, "example.org");
	assert_string_equal(url.port, "80");
	assert_string_equal(url.path, "/");
	assert_true(captive_url_read("HTTP://11.0.0.53:08080/check?who=me#part", &url));
	assert_string_equal(url.host, "11.0.0.53");
	assert_string_equal(url.port, "8080");
	assert_string_equal(url.path, "/check?who=me");
	assert_true(captive_url_read("http://example.org?x", &url));
	assert_string_equal(url.path, "/?x");
	memset(longest + 7, 'a', CAPTIVE_HOST_LIMIT);
	assert_true(captive_url_read(longest, &url));
	longest[7 + CAPTIVE_HOST_LIMIT] = 'a';
	assert_false(captive_url_read(longest, &url));
	strcpy(longest, "http://a/");
	memset(longest + 9, 'b', CAPTIVE_PATH_LIMIT - 2);
	assert_true(captive_url_read(longest, &url));
	memset(longest + 9, 'b', CAPTIVE_PATH_LIMIT);
	assert_false(captive_url_read(longest, &url));
}

static void test_request(void **unused)
{
	struct captive_url url;
	char text[200];
	size_t length;

	assert_true(captive_url_read("http://example.org:8080/check", &url));
	length = captive_request_write(&url, text, sizeof text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text, "GET /check HTTP/1.1\r\nHost: example.org:8080\r\n"
				  "Connection: close\r\nCache-Control: no-cache\r\n"
				  "User-Agent: homeward\r\n\r\n");
	for (size_t size = 0; size <= length; size++) {
		char *room = malloc(size ? size : 1);

		assert_int_equal(captive_request_write(&url, room, size), 0);
		free(room);
	}
}

#define HEADER "HTTP/1.1 200 OK\r\nServer: x\r\n"

static const struct {
	const char *text;
	enum captive_answer complete;
	bool more; /* when the connection has not ended */
} answers[] = {
	{ "", CAPTIVE_UNKNOWN, true },
	{ "HTTP/1.1 20", CAPTIVE_UNKNOWN, true },
	{ "SSH-2.0-OpenSSH_9.2", CAPTIVE_UNKNOWN, false },
	{ "HTTP/2 200 OK\r\n\r\n", CAPTIVE_UNKNOWN, false },
	{ "HTTP/1.1 2x0 OK\r\n\r\n", CAPTIVE_UNKNOWN, false },
	{ "HTTP/1.1 2000 OK\r\n\r\n", CAPTIVE_UNKNOWN, false },
	{ "HTTP/1.1 204 No Content\r\n", CAPTIVE_OPEN, false },
	{ "HTTP/1.0 204\r\n", CAPTIVE_OPEN, false },
	{ "HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", CAPTIVE_PORTAL, false },
	{ "HTTP/1.1 307 Temporary Redirect\r\n", CAPTIVE_PORTAL, false },
	{ "HTTP/1.1 304 Not Modified\r\n", CAPTIVE_UNKNOWN, false },
	{ "HTTP/1.1 511 Network Authentication Required\r\n", CAPTIVE_PORTAL, false },
	{ "HTTP/1.1 404 Not Found\r\n\r\n", CAPTIVE_UNKNOWN, false },
	{ "HTTP/1.1 503 Busy\r\n\r\n", CAPTIVE_UNKNOWN, false },
	{ HEADER, CAPTIVE_PORTAL, true },
	{ HEADER "\r\n", CAPTIVE_PORTAL, true },
	{ HEADER "\r\nNetworkManager", CAPTIVE_PORTAL, true },
	{ HEADER "\r\nNetworkManager is online\n", CAPTIVE_OPEN, false },
	{ HEADER "\r\n<html>Please log in", CAPTIVE_PORTAL, false },
	{ HEADER "x-networkmanager-status:  online\r\n\r\n", CAPTIVE_OPEN, false },
	{ HEADER "X-NetworkManager-Status: no\r\n\r\n<html>", CAPTIVE_PORTAL, false },
	{ HEADER "X-NetworkManager-Status:\r\n\r\n<html>and a page", CAPTIVE_PORTAL, false },
};

/* Each octet sequence in memory of its own size, so that reading beyond is found. */
static enum captive_answer read_answer(const char *text, size_t size, bool complete, bool *more)
{
	char *octets = malloc(size ? size : 1);
	enum captive_answer answer;

	memcpy(octets, text, size);
	answer = captive_answer_read(octets, size, complete, more);
	free(octets);
	return answer;
}

static void test_answers(void **unused)
{
	bool more;

	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		const char *text = answers[i].text;
		enum captive_answer answer = read_answer(text, strlen(text), true, &more);

		assert_int_equal(answer, answers[i].complete);
		assert_false(more);
		answer = read_answer(text, strlen(text), false, &more);
		assert_int_equal(more, answers[i].more);
		if (!more)
			assert_int_equal(answer, answers[i].complete);
		/* In pieces: what is decided early is what is decided at the end. */
		for (size_t size = 0; size < strlen(text); size++) {
			answer = read_answer(text, size, false, &more);
			assert_true(more || answer == answers[i].complete);
		}
	}
}

static void test_endless_header(void **unused)
{
	char text[CAPTIVE_ANSWER_LIMIT];
	bool more;

	memset(text, 'x', sizeof text);
	memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
	assert_int_equal(read_answer(text, sizeof text - 1, false, &more), CAPTIVE_UNKNOWN);
	assert_true(more);
	assert_int_equal(read_answer(text, sizeof text, false, &more), CAPTIVE_PORTAL);
	assert_false(more);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_endless_header),
	};

	return cmocka_run_group_tests_name("captive-wire", tests, NULL, NULL);
}
