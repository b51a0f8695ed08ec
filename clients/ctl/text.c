/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VALUE_COLUMNS 100

void text_clean(const char *text, char ret[static TEXT_SIZE])
{
	size_t size = 0;

	for (const unsigned char *at = (const unsigned char *)text; *at && size < TEXT_SIZE - 1;
	     at++) {
		/* Also the C1 controls, U+0080 to U+009F: c2 80 to c2 9f. */
		if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f) {
			ret[size++] = '?';
			at++;
		} else {
			ret[size++] = *at < 0x20 || *at == 0x7f ? '?' : (char)*at;
		}
	}
	/* Not through the middle of a character. */
	if (size == TEXT_SIZE - 1)
		while (size && (ret[size - 1] & 0xc0) == 0x80)
			size--;
	if (size && (ret[size - 1] & 0xc0) == 0xc0)
		size--;
	ret[size] = 0;
}

void text_duration(uint64_t seconds, char ret[static TEXT_SIZE])
{
	uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (!minutes)
		snprintf(ret, TEXT_SIZE, "%" PRIu64 " s", seconds);
	else if (!hours)
		snprintf(ret, TEXT_SIZE, "%" PRIu64 " min", minutes);
	else if (!days)
		snprintf(ret, TEXT_SIZE, "%" PRIu64 " h %" PRIu64 " min", hours, minutes % 60);
	else
		snprintf(ret, TEXT_SIZE, "%" PRIu64 " d %" PRIu64 " h", days, hours % 24);
}

void text_relative(uint64_t then, uint64_t now, char ret[static TEXT_SIZE])
{
	char duration[TEXT_SIZE];

	text_duration(then > now ? then - now : now - then, duration);
	if (then == now)
		snprintf(ret, TEXT_SIZE, "now");
	else
		snprintf(ret, TEXT_SIZE, then > now ? "in %.40s" : "%.40s ago", duration);
}

void text_endpoint(json_object *endpoint, const char *otherwise, char ret[static TEXT_SIZE])
{
	char address[TEXT_SIZE];

	text_clean(values_text(endpoint, "address"), address);
	if (*address)
		snprintf(ret, TEXT_SIZE, "%.64s:%" PRIu64, address,
			 values_number(endpoint, "port"));
	else
		snprintf(ret, TEXT_SIZE, "%s", otherwise);
}

void text_value(json_object *value, char ret[static TEXT_SIZE])
{
	const char *text =
		json_object_is_type(value, json_type_string)
			? json_object_get_string(value)
			: json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE);

	text_clean(text, ret);
	if (strlen(ret) > VALUE_COLUMNS) {
		size_t size = VALUE_COLUMNS - 3;

		while (size && (ret[size] & 0xc0) == 0x80)
			size--;
		strcpy(ret + size, "...");
	}
	if (!*ret)
		strcpy(ret, "-");
}

void text_first_label(const char *name, char ret[static TEXT_SIZE])
{
	text_clean(name, ret);
	ret[strcspn(ret, ".")] = 0;
}

int text_columns(const char *text)
{
	int columns = 0;

	for (; *text; text++)
		columns += (*text & 0xc0) != 0x80;
	return columns;
}
