/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/names.h"

#include "common/keys/issue-time.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Not <ctype.h>: a name means the same whatever the locale. */
static char lower(char character)
{
	return character >= 'A' && character <= 'Z' ? character + ('a' - 'A') : character;
}

static bool is_letter_or_digit(char character)
{
	return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
}

/* `size` octets as a label in lower case. */
static int parse_label(const char *text, size_t size, char ret[static LABEL_SIZE])
{
	if (!size || size >= LABEL_SIZE)
		return -EINVAL;
	for (size_t i = 0; i < size; i++) {
		ret[i] = lower(text[i]);
		if (!is_letter_or_digit(ret[i]) && ret[i] != '-')
			return -EINVAL;
	}
	ret[size] = 0;
	return ret[0] == '-' || ret[size - 1] == '-' ? -EINVAL : 0;
}

int names_parse_label(const char *text, char ret[static LABEL_SIZE])
{
	static const char reserved[] = "autotunnel-";
	int r = parse_label(text, strlen(text), ret);

	if (r >= 0 && !strncmp(ret, reserved, sizeof reserved - 1))
		return -EINVAL;
	return r;
}

int names_from_host_name(const char *text, char ret[static LABEL_SIZE])
{
	char made[LABEL_SIZE];
	size_t size = 0;

	for (; *text && *text != '.' && size < LABEL_SIZE - 1; text++) {
		char character = lower(*text);

		if (!is_letter_or_digit(character))
			character = '-';
		/* No hyphen at the start, and one for several characters that cannot stay. */
		if (character == '-' && (!size || made[size - 1] == '-'))
			continue;
		made[size++] = character;
	}
	while (size && made[size - 1] == '-')
		size--;
	made[size] = 0;
	if (!strcmp(made, "localhost"))
		return -EINVAL;
	return names_parse_label(made, ret);
}

int names_parse_account(const char *text, struct account_name *ret)
{
	struct account_name name = {};
	size_t size = strcspn(text, "@.");
	unsigned int n_labels = 0;
	const char *rest;
	char *end = name.domain;

	if (!text[size] || parse_label(text, size, name.account) < 0)
		return -EINVAL;
	for (rest = text + size + 1; *rest; n_labels++) {
		char label[LABEL_SIZE];

		size = strcspn(rest, ".");
		if (parse_label(rest, size, label) < 0 ||
		    (size_t)(end - name.domain) + size + 2 > sizeof name.domain)
			return -EINVAL;
		if (n_labels)
			*end++ = '.';
		end = stpcpy(end, label);
		rest += size;
		if (*rest == '.')
			rest++;
	}
	if (n_labels < 2 || strlen(name.account) + 1 + strlen(name.domain) >= NAME_SIZE)
		return -EINVAL;
	*ret = name;
	return 0;
}

void names_account_domain(const struct account_name *name, char ret[static NAME_SIZE])
{
	char *end = stpcpy(ret, name->account);

	*end++ = '.';
	strcpy(end, name->domain);
}

int names_check_fit(const struct account_name *name, const char *host)
{
	/* The longest of what stands before the account's domain. */
	size_t before = strlen("_autotunnel._udp.") + strlen(host) + 1;
	size_t label = strlen("AutoTunnel-00-22-69-FF-FE-8E-34-2A.");

	if (before < label)
		before = label;
	return before + strlen(name->account) + 1 + strlen(name->domain) < NAME_SIZE ? 0 : -EINVAL;
}

void names_below_account(const struct account_name *name, const char *first,
			 char ret[static NAME_SIZE])
{
	char domain[NAME_SIZE];

	names_account_domain(name, domain);
	if (snprintf(ret, NAME_SIZE, "%s.%s", first, domain) >= NAME_SIZE)
		ret[0] = 0;
}

void names_tsig_key(const struct account_name *name, const char *host, const char *tag,
		    char ret[static NAME_SIZE])
{
	char first[KEY_TAG_SIZE + LABEL_SIZE];

	if (snprintf(first, sizeof first, "%s.%s", tag, host) >= (int)sizeof first)
		first[0] = 0;
	names_below_account(name, first, ret);
}

int names_check_tag(const char *tag)
{
	return strlen(tag) == TAG_SIZE - 1 && strspn(tag, "0123456789abcdef") == TAG_SIZE - 1
		       ? 0
		       : -EINVAL;
}

void names_key_tag(const char *machine_tag, uint64_t time, char ret[static KEY_TAG_SIZE])
{
	issue_time_to_digits(time, stpcpy(ret, machine_tag));
}

int names_check_key_tag(const char *tag)
{
	size_t size = strlen(tag);

	return (size == KEY_TAG_SIZE - 1 || size == TAG_SIZE - 1) &&
			       strspn(tag, "0123456789abcdef") == size
		       ? 0
		       : -EINVAL;
}
