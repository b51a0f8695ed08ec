/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "clients/ctl/octets.h"
#include "clients/ctl/service-types.h"

#include <cmocka.h>
#include <string.h>

static void assert_readable(const char *digits, const char *expected)
{
	json_object *text = octets_readable(digits);

	assert_string_equal(json_object_get_string(text), expected);
	json_object_put(text);
}

static void octets(void **state)
{
	char long_one[2 * 300 + 1];

	assert_readable("", "");
	assert_readable("706174683d2f78", "path=/x");
	assert_readable("c3bc", "ü");
	assert_readable("f09f96a8", "🖨");
	assert_readable("5c0a7f", "\\x5c\\x0a\\x7f");
	assert_readable("c328", "\\xc3(");
	assert_readable("c080e0808022", "\\xc0\\x80\\xe0\\x80\\x80\"");
	assert_readable("eda080", "\\xed\\xa0\\x80");
	assert_readable("c29b", "\\xc2\\x9b");
	assert_readable("f4908080", "\\xf4\\x90\\x80\\x80");
	assert_readable("41c3", "A\\xc3");
	memset(long_one, 'f', sizeof long_one - 1);
	long_one[sizeof long_one - 1] = 0;
	json_object_put(octets_readable(long_one));
}

static void assert_type(const char *text, const char *type, uint16_t port)
{
	char found[SERVICE_TYPE_SIZE];
	uint16_t found_port;

	assert_true(service_type_of(text, found, &found_port));
	assert_string_equal(found, type);
	assert_int_equal(found_port, port);
}

static void types(void **state)
{
	char type[SERVICE_TYPE_SIZE];
	uint16_t port;

	assert_type("ssh", "_ssh._tcp", 22);
	assert_type("VNC", "_rfb._tcp", 5900);
	assert_type("sftp", "_sftp-ssh._tcp", 22);
	assert_type("_ipp._tcp", "_ipp._tcp", 631);
	assert_type("_nobody-knows._udp", "_nobody-knows._udp", 0);
	assert_false(service_type_of("nobody-knows", type, &port));
	assert_false(service_type_of("", type, &port));
	assert_false(service_type_of("a.b", type, &port));
	assert_false(service_type_of("_ssh", type, &port));
	assert_false(service_type_of("_a-name-much-longer-than-a-type-may-be._tcp", type, &port));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(octets),
		cmocka_unit_test(types),
	};

	return cmocka_run_group_tests_name("octets", tests, NULL, NULL);
}
