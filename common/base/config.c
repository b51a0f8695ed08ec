/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/config.h"

#include "common/base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct config_reader {
	const struct config_key *keys;
	void *target;
	/* inih reports the first bad line by number only: what was wrong with it is kept here. */
	char *complaint;
	int complaint_line;
	FILE *file;
	int line;  /* the one being read */
	int error; /* errno of a read that failed */
};

static int parse_boolean(const char *value, bool *ret)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!strcasecmp(value, yes[i]))
			return *ret = true, 0;
		if (!strcasecmp(value, no[i]))
			return *ret = false, 0;
	}
	return -EINVAL;
}

static int parse_unsigned(const char *value, const struct config_key *key, uint32_t *ret)
{
	unsigned long long number;
	char *end;

	if (*value < '0' || *value > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(value, &end, 10);
	if (errno || *end || number < key->minimum || number > key->maximum)
		return -EINVAL;
	*ret = number;
	return 0;
}

static int parse_string(const char *value, char **ret)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*ret);
	*ret = copy;
	return 0;
}

static int parse_choice(const char *value, const struct config_key *key, int *ret)
{
	for (int i = 0; key->choices[i]; i++)
		if (!strcmp(value, key->choices[i]))
			return *ret = i, 0;
	return -EINVAL;
}

int config_parse_ipv4(const char *value, void *field)
{
	return inet_pton(AF_INET, value, field) == 1 ? 0 : -EINVAL;
}

static int parse_value(const struct config_key *key, const char *value, void *target)
{
	void *field = (char *)target + key->offset;

	switch (key->type) {
	case CONFIG_BOOLEAN:
		return parse_boolean(value, field);
	case CONFIG_UNSIGNED:
		return parse_unsigned(value, key, field);
	case CONFIG_STRING:
		return parse_string(value, field);
	case CONFIG_CHOICE:
		return parse_choice(value, key, field);
	case CONFIG_CUSTOM:
		return key->parse(value, field);
	}
	return -EINVAL;
}

static char *describe_expected(const struct config_key *key)
{
	char *text = NULL;

	if (key->expected)
		return strdup(key->expected);
	switch (key->type) {
	case CONFIG_BOOLEAN:
		return strdup("yes or no");
	case CONFIG_UNSIGNED:
		if (asprintf(&text, "a number from %u to %u", key->minimum, key->maximum) < 0)
			return NULL;
		return text;
	case CONFIG_CHOICE:
		text = strdup("one of");
		for (int i = 0; text && key->choices[i]; i++) {
			char *longer = NULL;

			if (asprintf(&longer, "%s %s", text, key->choices[i]) < 0)
				longer = NULL;
			free(text);
			text = longer;
		}
		return text;
	case CONFIG_STRING:
	case CONFIG_CUSTOM:
		break;
	}
	return strdup("another value");
}

static void complain(struct config_reader *reader, char *complaint)
{
	if (reader->complaint) {
		free(complaint);
		return;
	}
	reader->complaint = complaint;
	reader->complaint_line = reader->line;
}

static char *read_line(char *line, int size, void *user)
{
	struct config_reader *reader = user;

	char *got = fgets(line, size, reader->file);

	reader->line++;
	if (!got && ferror(reader->file))
		reader->error = errno;
	return got;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct config_reader *reader = user;
	char *complaint = NULL;

	for (const struct config_key *key = reader->keys; key->key; key++) {
		cleanup(freep) char *expected = NULL;

		if (strcmp(section, key->section) || strcmp(name, key->key))
			continue;
		if (parse_value(key, value, reader->target) >= 0)
			return 1;
		expected = describe_expected(key);
		if (asprintf(&complaint, "%s = %s: expected %s", name, value,
			     expected ? expected : "another value") < 0)
			complaint = NULL;
		complain(reader, complaint);
		return 0;
	}
	if (asprintf(&complaint, "unknown key \"%s\" in section [%s]", name, section) < 0)
		complaint = NULL;
	complain(reader, complaint);
	return 0;
}

int config_read(const char *path, const struct config_key *keys, void *target, char **ret_message)
{
	struct config_reader reader = { .keys = keys, .target = target };
	cleanup(freep) char *complaint = NULL;
	FILE *file;
	int line;

	*ret_message = NULL;
	file = fopen(path, "re");
	if (!file) {
		int error = errno;

		if (error == ENOENT)
			return 0;
		if (asprintf(ret_message, "%s: %s", path, strerror(error)) < 0)
			*ret_message = NULL;
		return -error;
	}
	reader.file = file;
	line = ini_parse_stream(read_line, &reader, on_value, &reader);
	fclose(file);
	complaint = reader.complaint;
	if (reader.error) {
		/* What came before may be half of what was meant. */
		if (asprintf(ret_message, "%s: %s", path, strerror(reader.error)) < 0)
			*ret_message = NULL;
		return -reader.error;
	}
	if (line == 0)
		return 0;
	/* The first bad line may be one that inih itself could not make sense of. */
	if (asprintf(ret_message, "%s:%d: %s", path, line,
		     complaint && reader.complaint_line == line
			     ? complaint
			     : "expected a [section], key = value or a # comment") < 0)
		*ret_message = NULL;
	return -EINVAL;
}
