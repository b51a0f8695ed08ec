/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/octets.h"

#include "clients/ctl/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many octets a character of UTF-8 takes that begins here; 0: none does, or one that could
 * steer a terminal (RFC 3629 §4; C1 controls are U+0080 to U+009F). */
static size_t character_size(const unsigned char *at, size_t left)
{
	static const unsigned int first[] = { 0, 0x20, 0xa0, 0x800, 0x10000 };
	size_t size = at[0] < 0x80             ? 1
		      : (at[0] & 0xe0) == 0xc0 ? 2
		      : (at[0] & 0xf0) == 0xe0 ? 3
		      : (at[0] & 0xf8) == 0xf0 ? 4
					       : 0;
	unsigned int code = at[0];

	if (!size || size > left)
		return 0;
	if (size > 1)
		code &= 0x7f >> size;
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < first[size] || code == 0x7f || code == '\\' || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return size;
}

json_object *octets_readable(const char *digits)
{
	unsigned char octets[255];
	char text[4 * sizeof octets + 1], pair[3] = "";
	size_t n = 0, used = 0;

	for (; digits[0] && digits[1] && n < sizeof octets; digits += 2) {
		memcpy(pair, digits, 2);
		octets[n++] = (unsigned char)strtoul(pair, NULL, 16);
	}
	for (size_t at = 0; at < n;) {
		size_t size = character_size(octets + at, n - at);

		memcpy(text + used, octets + at, size);
		used += size;
		if (!size)
			used += (size_t)sprintf(text + used, "\\x%02x", octets[at]);
		at += size ? size : 1;
	}
	return json_object_new_string_len(text, (int)used);
}

void octets_make_readable(json_object *service)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < values_count(service, "text"); i++)
		json_object_array_add(list, octets_readable(json_object_get_string(
						    values_element(service, "text", i))));
	json_object_object_add(service, "text", list);
}
