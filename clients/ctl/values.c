/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Structures whose members have names. */
static const struct {
	const char *contents;
	const char *keys[5];
} structures[] = {
	{ "sq", { "address", "port" } },
	{ "ttts", { "generation", "lease", "expires", "server" } },
	{ "tts", { "generation", "time_us", "text" } },
	{ "sbs", { "type", "everyone", "trouble" } },
	{ "sssu", { "interface", "address", "gateway", "metric" } },
	{ "ssq", { "gateway", "protocol", "port" } },
	{ "su", { "protocol", "code" } },
	{ "st", { "host", "until" } },
};

void values_key(const char *name, char ret[static VALUES_KEY_SIZE])
{
	size_t size = 0;

	for (const char *at = name; *at && size < VALUES_KEY_SIZE - 2; at++) {
		if (*at >= 'A' && *at <= 'Z') {
			if (at > name)
				ret[size++] = '_';
			ret[size++] = *at + ('a' - 'A');
		} else {
			ret[size++] = *at;
		}
	}
	ret[size] = 0;
}

void values_list_key(const char *interface, char ret[static VALUES_KEY_SIZE])
{
	const char *last = strrchr(interface, '.');

	values_key(last ? last + 1 : interface, ret);
	if (strlen(ret) < VALUES_KEY_SIZE - 1)
		strcat(ret, "s");
}

static int read_value(sd_bus_message *message, json_object **ret);

static int read_octets(sd_bus_message *message, json_object **ret)
{
	const uint8_t *octets;
	size_t size;
	char *text;
	int r = sd_bus_message_read_array(message, 'y', (const void **)&octets, &size);

	if (r < 0)
		return r;
	text = malloc(2 * size + 1);
	if (!text)
		return -ENOMEM;
	text[0] = 0;
	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", octets[i]);
	*ret = json_object_new_string(text);
	free(text);
	return *ret ? 0 : -ENOMEM;
}

/* a{s?} */
static int read_dictionary(sd_bus_message *message, const char *contents, json_object *object)
{
	int r = sd_bus_message_enter_container(message, 'a', contents);
	char entry[64];

	snprintf(entry, sizeof entry, "%.*s", (int)strlen(contents) - 2, contents + 1);
	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', entry)) > 0) {
		json_object *value = NULL;
		const char *key;

		r = sd_bus_message_read(message, "s", &key);
		if (r >= 0)
			r = read_value(message, &value);
		if (r >= 0)
			r = json_object_object_add(object, key, value) < 0 ? -ENOMEM : 0;
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_array(sd_bus_message *message, const char *contents, json_object *array)
{
	int r = sd_bus_message_enter_container(message, 'a', contents);

	while (r >= 0 && !sd_bus_message_at_end(message, false)) {
		json_object *value = NULL;

		r = read_value(message, &value);
		if (r >= 0)
			r = json_object_array_add(array, value) < 0 ? -ENOMEM : 0;
	}
	return r < 0 ? r : sd_bus_message_exit_container(message);
}

/* An endpoint without an address and a publication without a server are none. */
static bool is_nothing(json_object *object)
{
	return (json_object_object_get_ex(object, "address", NULL) &&
		!*values_text(object, "address")) ||
	       (json_object_object_get_ex(object, "server", NULL) &&
		!*values_text(object, "server"));
}

static int read_structure(sd_bus_message *message, const char *contents, json_object **ret)
{
	const char *const *keys = NULL;
	json_object *made;
	int r;

	for (size_t i = 0; i < sizeof structures / sizeof *structures; i++)
		if (!strcmp(structures[i].contents, contents))
			keys = structures[i].keys;
	made = keys ? json_object_new_object() : json_object_new_array();
	r = sd_bus_message_enter_container(message, 'r', contents);
	while (r >= 0 && !sd_bus_message_at_end(message, false)) {
		json_object *value = NULL;

		r = read_value(message, &value);
		if (r >= 0 && keys)
			json_object_object_add(made, *keys++, value);
		else if (r >= 0)
			json_object_array_add(made, value);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(message);
	if (r < 0 || (keys && is_nothing(made))) {
		json_object_put(made);
		made = NULL;
	}
	*ret = made;
	return r < 0 ? r : 0;
}

static int read_basic(sd_bus_message *message, char type, json_object **ret)
{
	union {
		uint8_t y;
		int b;
		int16_t n;
		uint16_t q;
		int32_t i;
		uint32_t u;
		int64_t x;
		uint64_t t;
		double d;
		const char *s;
	} value;
	int r = sd_bus_message_read_basic(message, type, &value);

	if (r < 0)
		return r;
	switch (type) {
	case 'y':
		*ret = json_object_new_uint64(value.y);
		break;
	case 'b':
		*ret = json_object_new_boolean(value.b);
		break;
	case 'n':
		*ret = json_object_new_int64(value.n);
		break;
	case 'q':
		*ret = json_object_new_uint64(value.q);
		break;
	case 'i':
		*ret = json_object_new_int64(value.i);
		break;
	case 'u':
		*ret = json_object_new_uint64(value.u);
		break;
	case 'x':
		*ret = json_object_new_int64(value.x);
		break;
	case 't':
		*ret = json_object_new_uint64(value.t);
		break;
	case 'd':
		*ret = json_object_new_double(value.d);
		break;
	case 's':
	case 'o':
	case 'g':
		*ret = json_object_new_string(value.s);
		break;
	default:
		return -EBADMSG;
	}
	return *ret ? 0 : -ENOMEM;
}

static int read_value(sd_bus_message *message, json_object **ret)
{
	const char *contents;
	char type;
	int r = sd_bus_message_peek_type(message, &type, &contents);

	if (r <= 0)
		return r < 0 ? r : -EBADMSG;
	switch (type) {
	case 'v':
		r = sd_bus_message_enter_container(message, 'v', contents);
		if (r >= 0)
			r = read_value(message, ret);
		return r < 0 ? r : sd_bus_message_exit_container(message);
	case 'r':
		return read_structure(message, contents, ret);
	case 'a':
		if (!strcmp(contents, "y"))
			return read_octets(message, ret);
		*ret = *contents == '{' ? json_object_new_object() : json_object_new_array();
		r = *contents == '{' ? read_dictionary(message, contents, *ret)
				     : read_array(message, contents, *ret);
		if (r < 0) {
			json_object_put(*ret);
			*ret = NULL;
		}
		return r;
	}
	return read_basic(message, type, ret);
}

int values_read_properties(sd_bus_message *message, json_object *object)
{
	int r = sd_bus_message_enter_container(message, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
		json_object *value = NULL;
		char key[VALUES_KEY_SIZE];
		const char *name;

		r = sd_bus_message_read(message, "s", &name);
		if (r >= 0)
			r = read_value(message, &value);
		if (r >= 0) {
			values_key(name, key);
			r = json_object_object_add(object, key, value) < 0 ? -ENOMEM : 0;
		}
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	return r < 0 ? r : sd_bus_message_exit_container(message);
}

json_object *values_member(json_object *object, const char *key)
{
	json_object *member;

	return json_object_is_type(object, json_type_object) &&
			       json_object_object_get_ex(object, key, &member)
		       ? member
		       : NULL;
}

const char *values_text(json_object *object, const char *key)
{
	json_object *member = values_member(object, key);

	return json_object_is_type(member, json_type_string) ? json_object_get_string(member) : "";
}

uint64_t values_number(json_object *object, const char *key)
{
	json_object *member = values_member(object, key);

	return json_object_is_type(member, json_type_int) ? json_object_get_uint64(member) : 0;
}

bool values_flag(json_object *object, const char *key)
{
	json_object *member = values_member(object, key);

	return json_object_is_type(member, json_type_boolean) && json_object_get_boolean(member);
}

size_t values_count(json_object *object, const char *key)
{
	json_object *member = values_member(object, key);

	return json_object_is_type(member, json_type_array) ? json_object_array_length(member) : 0;
}

json_object *values_element(json_object *object, const char *key, size_t index)
{
	json_object *member = values_member(object, key);

	return json_object_is_type(member, json_type_array)
		       ? json_object_array_get_idx(member, index)
		       : NULL;
}
