/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* common/base: configuration files and atomic files. */
#include "common/base/atomic-file.h"
#include "common/base/cleanup.h"
#include "common/base/config.h"
#include "common/base/wall-clock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[64];
static char path[128];

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/homeward-test.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/file", folder);
	return 0;
}

static int remove_folder(void **state)
{
	unlink(path);
	/* Fails when anything was left beside. */
	return rmdir(folder);
}

struct settings {
	bool flag;
	uint32_t port;
	char *name;
	int mode;
	struct in_addr server;
};

static const char *const modes[] = { "user", "kernel", NULL };

static const struct config_key keys[] = {
	{ "", "flag", CONFIG_BOOLEAN, offsetof(struct settings, flag) },
	{ "net", "port", CONFIG_UNSIGNED, offsetof(struct settings, port), 1, 65535 },
	{ "net", "name", CONFIG_STRING, offsetof(struct settings, name) },
	{ "net", "mode", CONFIG_CHOICE, offsetof(struct settings, mode), .choices = modes },
	{ "net", "server", CONFIG_CUSTOM, offsetof(struct settings, server),
	  .parse = config_parse_ipv4, .expected = "an IPv4 address" },
	{},
};

static int read_config(const char *text, struct settings *settings, char **ret_message)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return config_read(path, keys, settings, ret_message);
}

static void test_config_values(void **state)
{
	struct settings settings = { .name = strdup("before") };
	char *message;

	assert_int_equal(read_config("flag = Yes\n# a comment\n[net]\nport=4500\nname = two words\n"
				     "mode = kernel\nserver = 192.0.2.1 ; why\n",
				     &settings, &message),
			 0);
	assert_null(message);
	assert_true(settings.flag);
	assert_int_equal(settings.port, 4500);
	assert_string_equal(settings.name, "two words");
	assert_int_equal(settings.mode, 1);
	assert_int_equal(settings.server.s_addr, inet_addr("192.0.2.1"));
	free(settings.name);
}

static void test_config_absent(void **state)
{
	struct settings settings = { .port = 7 };
	char *message;

	unlink(path);
	assert_int_equal(config_read(path, keys, &settings, &message), 0);
	assert_int_equal(settings.port, 7);
	/* It is there and cannot be read: not the same as absent. */
	assert_int_equal(config_read(folder, keys, &settings, &message), -EISDIR);
	assert_non_null(strstr(message, folder));
	free(message);
}

static void test_config_complaints(void **state)
{
	static const struct {
		const char *text, *complaint;
	} cases[] = {
		{ "[net]\nprot = 1\n", ":2: unknown key \"prot\" in section [net]" },
		{ "port = 1\n", ":1: unknown key \"port\" in section []" },
		{ "[net]\n\nport = 0\n", ":3: port = 0: expected a number from 1 to 65535" },
		{ "[net]\nport = 65536\n", ":2: port = 65536: expected a number from 1 to 65535" },
		{ "[net]\nport = -1\n", ":2: port = -1: expected a number" },
		{ "[net]\nport = 12x\n", ":2: port = 12x: expected a number" },
		{ "[net]\nport = 99999999999999999999\n", ": expected a number" },
		{ "flag = perhaps\n", ":1: flag = perhaps: expected yes or no" },
		{ "[net]\nmode = fast\n", ":2: mode = fast: expected one of user kernel" },
		{ "[net]\nserver = 192.0.2\n", ":2: server = 192.0.2: expected an IPv4 address" },
		{ "words\n", ":1: expected a [section], key = value or a # comment" },
		/* The first line that is wrong, with what was wrong with it. */
		{ "words\nflag = perhaps\n", ":1: expected a [section]" },
		{ "flag = perhaps\nwords\n", ":1: flag = perhaps: expected yes or no" },
		{ "flag = perhaps\nflag = maybe\n", ":1: flag = perhaps" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct settings settings = {};
		char *message = NULL;

		assert_int_equal(read_config(cases[i].text, &settings, &message), -EINVAL);
		assert_non_null(message);
		if (!strstr(message, cases[i].complaint) || strncmp(message, path, strlen(path)))
			fail_msg("%s: %s", cases[i].complaint, message);
		free(message);
		free(settings.name);
	}
}

static void test_atomic_file(void **state)
{
	struct stat status;
	uint8_t *data;
	size_t size;

	assert_int_equal(atomic_file_write(path, "first", 5, 0600), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(atomic_file_write(path, "a\0b", 3, 0644), 0);
	assert_int_equal(atomic_file_read(path, 3, &data, &size), 0);
	assert_int_equal(size, 3);
	/* And a NUL behind it. */
	assert_memory_equal(data, "a\0b", 4);
	free(data);
	assert_int_equal(atomic_file_read(path, 2, &data, &size), -EFBIG);
	assert_int_equal(atomic_file_write_volatile(path, "", 0, 0600), 0);
	assert_int_equal(atomic_file_read(path, 100, &data, &size), 0);
	assert_int_equal(size, 0);
	free(data);
}

static void test_atomic_file_failures(void **state)
{
	char elsewhere[160];
	uint8_t *data;
	size_t size;

	snprintf(elsewhere, sizeof elsewhere, "%s/none/file", folder);
	assert_int_equal(atomic_file_write(elsewhere, "x", 1, 0600), -ENOENT);
	assert_int_equal(atomic_file_read(elsewhere, 10, &data, &size), -ENOENT);
	assert_int_equal(atomic_file_read(folder, 10, &data, &size), -EINVAL);
	/* A name that cannot be replaced: nothing is left beside it (see remove_folder()). */
	snprintf(elsewhere, sizeof elsewhere, "%s/sub", folder);
	assert_int_equal(mkdir(elsewhere, 0700), 0);
	assert_true(atomic_file_write(elsewhere, "x", 1, 0600) < 0);
	assert_int_equal(rmdir(elsewhere), 0);
}

/* What a writer that was killed left is written over, with the new mode, and not followed. */
static void test_atomic_file_unfinished(void **state)
{
	char beside[160], victim[160];
	struct stat status;
	uint8_t *data;
	size_t size;
	FILE *file;

	snprintf(beside, sizeof beside, "%s" ATOMIC_FILE_UNFINISHED, path);
	snprintf(victim, sizeof victim, "%s/victim", folder);
	file = fopen(beside, "we");
	assert_non_null(file);
	fputs("half of something longer", file);
	fclose(file);
	assert_int_equal(chmod(beside, 0644), 0);
	assert_int_equal(atomic_file_write(path, "whole", 5, 0600), 0);
	assert_int_equal(access(beside, F_OK), -1);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(atomic_file_read(path, 100, &data, &size), 0);
	assert_int_equal(size, 5);
	free(data);
	assert_int_equal(symlink(victim, beside), 0);
	assert_int_equal(atomic_file_write(path, "other", 5, 0600), -ELOOP);
	assert_int_equal(access(victim, F_OK), -1);
	assert_int_equal(unlink(beside), 0);
}

#define SECOND UINT64_C(1000000) /* of CLOCK_REALTIME */

static void test_wall_clock(void **state)
{
	struct wall_clock clock = {};

	/* Ten seconds after the start, in 1970. */
	assert_int_equal(wall_clock_seconds(&clock, 70000, 10000, 10 * SECOND), 70);
	/* Steered a little: the same moment. */
	assert_int_equal(wall_clock_seconds(&clock, 70000, 20000, 21 * SECOND + 900000), 70);
	assert_int_equal(wall_clock_seconds(&clock, 70000, 20000, 18 * SECOND), 70);
	/* Set: the moment is as far away as before. */
	assert_int_equal(wall_clock_seconds(&clock, 70000, 20000, 1800000000 * SECOND), 1800000050);
	assert_int_equal(wall_clock_seconds(&clock, 70000, 30000, 1800000012 * SECOND), 1800000050);
	/* And set back, to before the start. */
	assert_int_equal(wall_clock_seconds(&clock, 40000, 30000, 5 * SECOND), 15);
	assert_int_equal(wall_clock_seconds(&clock, 10000, 30000, 5 * SECOND), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_values),
		cmocka_unit_test(test_config_absent),
		cmocka_unit_test(test_config_complaints),
		cmocka_unit_test(test_atomic_file),
		cmocka_unit_test(test_atomic_file_failures),
		cmocka_unit_test(test_atomic_file_unfinished),
		cmocka_unit_test(test_wall_clock),
	};

	return cmocka_run_group_tests_name("base", tests, make_folder, remove_folder);
}
