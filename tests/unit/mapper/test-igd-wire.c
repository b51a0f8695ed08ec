/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Headers of HTTP, URLs at a gateway, SSDP, events, and what the worker says. */
#include "common/wire/http-text.h"
#include "services/mapper/gena-wire.h"
#include "services/mapper/ssdp-wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ANSWER                                                                                     \
	"HTTP/1.1 200 OK\r\n"                                                                      \
	"CACHE-CONTROL: max-age=120\r\n"                                                           \
	"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"                              \
	"USN: uuid:1::urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"                     \
	"EXT:\r\n"                                                                                 \
	"SERVER: Debian UPnP/1.1 MiniUPnPd/2.3.1\r\n"                                              \
	"LOCATION: http://192.168.1.1:5000/rootDesc.xml\r\n"                                       \
	"BOOTID.UPNP.ORG: 1763850000\r\n"                                                          \
	"\r\n"

static void test_http_text(void **state)
{
	static const char text[] =
		"NOTIFY /a b HTTP/1.1\nHost:  x \t\nhost: y\r\nEmpty:\r\n\r\nbody";
	struct http_piece method, target, version, value;
	struct http_text header;

	assert_int_equal(http_text_read(text, sizeof text - 1, &header), 1);
	assert_int_equal(header.size, sizeof text - 1 - 4);
	assert_true(http_text_field(&header, "HOST", &value));
	assert_true(http_piece_is(value, "x"));
	assert_true(http_text_field(&header, "empty", &value));
	assert_int_equal(value.size, 0);
	assert_false(http_text_field(&header, "hos", &value));
	assert_false(http_text_request(&header, &method, &target, &version));
	assert_int_equal(http_text_status(&header), 0);
	for (size_t size = 0; size < header.size; size++)
		assert_int_equal(http_text_read(text, size, &header), 0);
	assert_int_equal(http_text_read("\r\n\r\n", 4, &header), -EBADMSG);
	assert_int_equal(http_text_read("GET /\0 HTTP/1.1\r\n\r\n", 19, &header), -EBADMSG);
}

static int status_of(const char *line)
{
	struct http_text header;

	assert_int_equal(http_text_read(line, strlen(line), &header), 1);
	return http_text_status(&header);
}

static void test_http_status(void **state)
{
	assert_int_equal(status_of("HTTP/1.1 200 OK\r\n\r\n"), 200);
	assert_int_equal(status_of("HTTP/1.0 404\r\n\r\n"), 404);
	assert_int_equal(status_of("HTTP/1.1 099 x\r\n\r\n"), 0);
	assert_int_equal(status_of("HTTP/1.1 2000 x\r\n\r\n"), 0);
	assert_int_equal(status_of("HTTP/2 200 x\r\n\r\n"), 0);
	assert_int_equal(status_of("HTTP/1.1 20x OK\r\n\r\n"), 0);
}

static void test_number(void **state)
{
	unsigned long number;

	assert_true(http_piece_number((struct http_piece){ "65535", 5 }, 65535, &number));
	assert_int_equal(number, 65535);
	assert_false(http_piece_number((struct http_piece){ "65536", 5 }, 65535, &number));
	assert_false(http_piece_number((struct http_piece){ "99999999999999999999999", 23 }, 65535,
				       &number));
	assert_false(http_piece_number((struct http_piece){ "", 0 }, 65535, &number));
	assert_false(http_piece_number((struct http_piece){ "-1", 2 }, 65535, &number));
}

static int parse_url(const char *text, struct igd_url *ret)
{
	return igd_url_parse(text, strlen(text), ret);
}

static void test_url(void **state)
{
	char text[IGD_URL_SIZE], longest[400];
	struct igd_url url;

	assert_int_equal(parse_url("http://192.168.1.1:5000/rootDesc.xml", &url), 0);
	assert_int_equal(url.address.s_addr, inet_addr("192.168.1.1"));
	assert_int_equal(url.port, 5000);
	assert_string_equal(url.path, "/rootDesc.xml");
	igd_url_format(&url, text);
	assert_string_equal(text, "http://192.168.1.1:5000/rootDesc.xml");
	assert_int_equal(parse_url("HTTP://10.0.0.1", &url), 0);
	assert_int_equal(url.port, 80);
	assert_string_equal(url.path, "/");
	memset(longest, 'a', sizeof longest);
	memcpy(longest, "http://10.0.0.1/", 16);
	assert_int_equal(igd_url_parse(longest, 15 + IGD_PATH_LIMIT, &url), 0);
	assert_int_equal(igd_url_parse(longest, 15 + IGD_PATH_LIMIT + 1, &url), -EBADMSG);
}

static void test_url_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"http://",
		"http:///x",
		"https://10.0.0.1/",
		"ftp://10.0.0.1/",
		"file:///etc/passwd",
		"http://router.local/x",
		"http://10.0.0.1:0/",
		"http://10.0.0.1:/",
		"http://10.0.0.1:65536/",
		"http://10.0.0.1:80@10.0.0.2/",
		"http://user@10.0.0.1/",
		"http://10.0.0.01/",
		"http://0x0a.0.0.1/",
		"http://167772161/",
		"http://10.0.0.1:80/a b",
		"http://10.0.0.1/\r\nX: y",
		"http://10.0.0.1/\x80",
		"http://10.0.0.1/<a>",
		"http://[fe80::1]/",
		" http://10.0.0.1/",
		"http://10.0.0.1?x",
	};
	struct igd_url url;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(parse_url(bad[i], &url), -EBADMSG);
		assert_int_equal(url.port, 0);
	}
}

static void test_search(void **state)
{
	const struct in_addr gateway = { inet_addr("192.168.1.1") };
	char text[512];
	size_t size = ssdp_build_search(SSDP_GATEWAY_2, NULL, text, sizeof text);

	assert_string_equal(text, "M-SEARCH * HTTP/1.1\r\n"
				  "HOST: 239.255.255.250:1900\r\n"
				  "MAN: \"ssdp:discover\"\r\n"
				  "MX: 1\r\n"
				  "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\n"
				  "\r\n");
	assert_int_equal(size, strlen(text));
	ssdp_build_search(SSDP_ROOT_DEVICE, &gateway, text, sizeof text);
	assert_string_equal(text, "M-SEARCH * HTTP/1.1\r\n"
				  "HOST: 192.168.1.1:1900\r\n"
				  "MAN: \"ssdp:discover\"\r\n"
				  "ST: upnp:rootdevice\r\n"
				  "\r\n");
	assert_int_equal(ssdp_build_search(SSDP_GATEWAY_1, NULL, text, 100), 0);
}

static void test_ssdp_answer(void **state)
{
	struct ssdp_message message;

	assert_int_equal(ssdp_parse(ANSWER, sizeof ANSWER - 1, &message), 0);
	assert_int_equal(message.kind, SSDP_ANSWER);
	assert_int_equal(message.target, SSDP_GATEWAY_1);
	assert_int_equal(message.location.port, 5000);
	assert_true(message.has_boot_id);
	assert_int_equal(message.boot_id, 1763850000);
	for (size_t size = 0; size < sizeof ANSWER - 1; size++)
		assert_int_equal(ssdp_parse(ANSWER, size, &message), -EBADMSG);
}

static int parse_ssdp(const char *text, struct ssdp_message *ret)
{
	return ssdp_parse(text, strlen(text), ret);
}

static void test_ssdp_notify(void **state)
{
	struct ssdp_message message;

	assert_int_equal(parse_ssdp("NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
				    "location: http://10.0.0.1/d\r\nnts: SSDP:alive\r\n"
				    "NT: urn:schemas-upnp-org:service:WANIPConnection:1\r\n\r\n",
				    &message),
			 0);
	assert_int_equal(message.kind, SSDP_ALIVE);
	assert_int_equal(message.target, SSDP_IP_CONNECTION_1);
	assert_int_equal(message.location.port, 80);
	assert_false(message.has_boot_id);
	assert_int_equal(parse_ssdp("NOTIFY * HTTP/1.1\nNT: upnp:rootdevice\nNTS: ssdp:byebye\n\n",
				    &message),
			 0);
	assert_int_equal(message.kind, SSDP_GONE);
	assert_int_equal(message.location.port, 0);
	assert_false(message.bad_location);
	assert_int_equal(parse_ssdp("M-SEARCH * HTTP/1.1\r\nST: ssdp:all\r\n\r\n", &message),
			 -EINVAL);
	assert_int_equal(parse_ssdp("HTTP/1.1 404 No\r\n\r\n", &message), -EBADMSG);
	assert_int_equal(
		parse_ssdp("HTTP/1.1 200 OK\r\nST: x\r\nLOCATION: http://evil/\r\n\r\n", &message),
		0);
	assert_true(message.bad_location);
	assert_int_equal(message.target, SSDP_OTHER);
}

#define PATH "/0123456789abcdef"
#define BODY                                                                                       \
	"<e:propertyset><e:property><ExternalIPAddress>11.0.1.2</ExternalIPAddress></e:property>"  \
	"</e:propertyset>"
#define EVENT                                                                                      \
	"NOTIFY " PATH " HTTP/1.1\r\n"                                                             \
	"Host: 192.168.1.10:4000\r\n"                                                              \
	"Content-Type: text/xml\r\n"                                                               \
	"Content-Length: 103\r\n"                                                                  \
	"NT: upnp:event\r\n"                                                                       \
	"NTS: upnp:propchange\r\n"                                                                 \
	"SID: uuid:12\r\n"                                                                         \
	"SEQ: 0\r\n\r\n" BODY

static void test_event(void **state)
{
	struct gena_notification notification;

	assert_int_equal(strlen(BODY), 103);
	assert_int_equal(gena_read(EVENT, sizeof EVENT - 1, PATH, &notification), 200);
	assert_string_equal(notification.subscription, "uuid:12");
	assert_int_equal(notification.external.s_addr, inet_addr("11.0.1.2"));
	for (size_t size = 0; size < sizeof EVENT - 1; size++)
		assert_int_equal(gena_read(EVENT, size, PATH, &notification), 0);
	assert_int_equal(gena_read(EVENT, sizeof EVENT - 1, "/other", &notification), 404);
}

static int read_event(const char *text)
{
	struct gena_notification notification;

	return gena_read(text, strlen(text), PATH, &notification);
}

static void test_event_refused(void **state)
{
	static char long_header[GENA_SIZE_MAX];
	struct gena_notification notification;

	assert_int_equal(read_event("GET " PATH " HTTP/1.1\r\n\r\n"), 405);
	assert_int_equal(read_event("hello\r\n\r\n"), 400);
	assert_int_equal(read_event("NOTIFY " PATH " HTTP/1.1\r\nNT: upnp:event\r\n\r\n"), 400);
	assert_int_equal(read_event("NOTIFY " PATH " HTTP/1.1\r\nNT: upnp:event\r\n"
				    "NTS: upnp:propchange\r\n\r\n"),
			 412);
	assert_int_equal(read_event("NOTIFY " PATH " HTTP/1.1\r\nNT: upnp:event\r\nSID: a b\r\n"
				    "NTS: upnp:propchange\r\n\r\n"),
			 412);
	assert_int_equal(read_event("NOTIFY " PATH " HTTP/1.1\r\nNT: upnp:event\r\nSID: a\r\n"
				    "NTS: upnp:propchange\r\nContent-Length: 16384\r\n\r\n"),
			 413);
	assert_int_equal(read_event("NOTIFY " PATH " HTTP/1.1\r\nNT: upnp:event\r\nSID: a\r\n"
				    "NTS: upnp:propchange\r\nContent-Length: -1\r\n\r\n"),
			 400);
	/* Chunked, say: the body is not read. */
	assert_int_equal(read_event("NOTIFY " PATH " HTTP/1.1\r\nNT: upnp:event\r\nSID: a\r\n"
				    "NTS: upnp:propchange\r\n\r\n"),
			 200);
	memset(long_header, 'a', sizeof long_header);
	assert_int_equal(gena_read(long_header, sizeof long_header, PATH, &notification), 413);
	assert_int_equal(gena_read(long_header, sizeof long_header - 1, PATH, &notification), 0);
}

static void test_event_answer(void **state)
{
	char text[256];

	assert_true(gena_build_answer(405, text, sizeof text) > 0);
	assert_string_equal(text, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n"
				  "Allow: NOTIFY\r\nConnection: close\r\n\r\n");
	assert_int_equal(gena_build_answer(200, text, 10), 0);
}

static void test_worker_answer(void **state)
{
	const struct in_addr gateway = { inet_addr("10.0.0.1") };
	struct igd_answer answer = { .outcome = IGD_DONE }, read;

	answer.services[0].type = IGD_IP_CONNECTION_1;
	assert_int_equal(igd_answer_read(&answer, sizeof answer, gateway, &read), -EBADMSG);
	/* Calls go to the gateway, whatever its description says. */
	parse_url("http://10.0.0.2:5000/c", &answer.services[0].control);
	assert_int_equal(igd_answer_read(&answer, sizeof answer, gateway, &read), -EBADMSG);
	parse_url("http://10.0.0.1:5000/c", &answer.services[0].control);
	assert_int_equal(igd_answer_read(&answer, sizeof answer, gateway, &read), 0);
	assert_int_equal(igd_answer_read(&answer, sizeof answer - 1, gateway, &read), -EBADMSG);
	assert_int_equal(igd_answer_read(&answer, sizeof answer + 1, gateway, &read), -EBADMSG);
	parse_url("http://10.0.0.2:5000/e", &answer.services[0].events);
	assert_int_equal(igd_answer_read(&answer, sizeof answer, gateway, &read), -EBADMSG);
	answer.services[0].events.port = 0;
	memset(answer.services[0].control.path, '/', sizeof answer.services[0].control.path);
	assert_int_equal(igd_answer_read(&answer, sizeof answer, gateway, &read), -EBADMSG);
	memcpy(answer.services[0].control.path, "/\n", 3);
	assert_int_equal(igd_answer_read(&answer, sizeof answer, gateway, &read), -EBADMSG);
	answer.services[0] = (struct igd_service){};
	memset(answer.subscription, 'a', sizeof answer.subscription);
	assert_int_equal(igd_answer_read(&answer, sizeof answer, gateway, &read), -EBADMSG);
	memcpy(answer.subscription, "a\r\nb", 5);
	assert_int_equal(igd_answer_read(&answer, sizeof answer, gateway, &read), -EBADMSG);
	answer.subscription[0] = '\0';
	answer.outcome = IGD_OUTCOMES;
	assert_int_equal(igd_answer_read(&answer, sizeof answer, gateway, &read), -EBADMSG);
}

static void test_service_names(void **state)
{
	assert_int_equal(igd_service_by_name("urn:schemas-upnp-org:service:WANIPConnection:1"),
			 IGD_IP_CONNECTION_1);
	assert_int_equal(igd_service_by_name("urn:schemas-upnp-org:service:WANIPConnection:2"),
			 IGD_IP_CONNECTION_2);
	assert_int_equal(igd_service_by_name("urn:schemas-upnp-org:service:WANPPPConnection:1"),
			 IGD_PPP_CONNECTION_1);
	assert_int_equal(igd_service_by_name("urn:schemas-upnp-org:service:Layer3Forwarding:1"),
			 IGD_NO_SERVICE);
	assert_int_equal(igd_service_by_name(""), IGD_NO_SERVICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_text),     cmocka_unit_test(test_http_status),
		cmocka_unit_test(test_number),        cmocka_unit_test(test_url),
		cmocka_unit_test(test_url_refused),   cmocka_unit_test(test_search),
		cmocka_unit_test(test_ssdp_answer),   cmocka_unit_test(test_ssdp_notify),
		cmocka_unit_test(test_event),         cmocka_unit_test(test_event_refused),
		cmocka_unit_test(test_event_answer),  cmocka_unit_test(test_worker_answer),
		cmocka_unit_test(test_service_names),
	};

	return cmocka_run_group_tests_name("igd-wire", tests, NULL, NULL);
}
