/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/service-offer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NUMBER_MAX 99

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 6335 §5.1: 1 to 15 letters, digits and single hyphens inside, at least one letter. */
static bool is_service_name(const char *name, size_t size)
{
	bool has_letter = false;

	if (size < 1 || size > 15 || name[0] == '-' || name[size - 1] == '-')
		return false;
	for (size_t i = 0; i < size; i++) {
		has_letter = has_letter || is_letter(name[i]);
		if (!is_letter(name[i]) && !is_digit(name[i]) &&
		    (name[i] != '-' || name[i - 1] == '-'))
			return false;
	}
	return has_letter;
}

const char *service_offer_set_type(struct service_offer *offer, const char *type)
{
	const char *dot = strchr(type, '.');

	if (*type != '_' || !dot ||
	    (strcasecmp(dot, "._tcp") != 0 && strcasecmp(dot, "._udp") != 0))
		return "a type is \"_service._tcp\" or \"_service._udp\"";
	if (!is_service_name(type + 1, dot - type - 1))
		return "a service's name is 1 to 15 letters, digits and single hyphens, with a "
		       "letter "
		       "among them";
	if (!strncasecmp(type, "_dns-", 5) || !strncasecmp(type, "_autotunnel.", 12) ||
	    !strncasecmp(type, "_services.", 10))
		return "this type is one that homeward and DNS service discovery themselves need";
	strcpy(offer->type, type);
	return NULL;
}

/* Octets of the UTF-8 character at `text`; 0: none (RFC 3629 §4). */
static size_t character_size(const unsigned char *text)
{
	static const struct {
		unsigned char first, last, low, high, size;
	} forms[] = {
		{ 0x01, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (text[0] < forms[i].first || text[0] > forms[i].last)
			continue;
		if (forms[i].size > 1 && (text[1] < forms[i].low || text[1] > forms[i].high))
			return 0;
		for (size_t n = 2; n < forms[i].size; n++)
			if ((text[n] & 0xc0) != 0x80)
				return 0;
		return forms[i].size;
	}
	return 0;
}

/* RFC 6763 §4.1.1. That accents are composed (NFC) is left to who types: no library here knows. */
static const char *check_label(const char *label)
{
	const unsigned char *at = (const unsigned char *)label;

	if (strlen(label) >= SERVICE_LABEL_SIZE)
		return "the name is longer than 63 octets";
	while (*at) {
		size_t size = character_size(at);

		if (!size)
			return "the name is not UTF-8";
		if (*at < 0x20 || *at == 0x7f)
			return "the name has a control character in it";
		at += size;
	}
	return NULL;
}

const char *service_offer_set_name(struct service_offer *offer, const char *name)
{
	const char *wrong = check_label(name);

	if (!wrong)
		strcpy(offer->name, name);
	return wrong;
}

const char *service_offer_set_port(struct service_offer *offer, unsigned int port)
{
	if (port < 1 || port > 65535)
		return "a port is 1 to 65535";
	offer->port = port;
	return NULL;
}

static size_t key_size(const uint8_t *string, size_t size)
{
	const uint8_t *equals = memchr(string, '=', size);

	return equals ? (size_t)(equals - string) : size;
}

static bool has_key(const struct service_offer *offer, const uint8_t *key, size_t size)
{
	for (size_t at = 0; at < offer->text_size; at += 1 + offer->text[at])
		if (key_size(offer->text + at + 1, offer->text[at]) == size &&
		    !strncasecmp((const char *)offer->text + at + 1, (const char *)key, size))
			return true;
	return false;
}

const char *service_offer_add_text(struct service_offer *offer, const void *string, size_t size)
{
	size_t key;

	if (size > 255)
		return "a text is longer than 255 octets";
	key = size ? key_size(string, size) : 0;
	if (!key)
		return "a text is \"key\" or \"key=value\"";
	for (size_t i = 0; i < key; i++)
		if (((const uint8_t *)string)[i] < 0x20 || ((const uint8_t *)string)[i] > 0x7e)
			return "the key of a text is of printable ASCII characters";
	if (has_key(offer, string, key))
		return "two texts have the same key";
	if (offer->text_size + 1 + size > SERVICE_TEXT_MAX)
		return "the texts have more than 1300 octets together";
	offer->text[offer->text_size] = size;
	memcpy(offer->text + offer->text_size + 1, string, size);
	offer->text_size += 1 + size;
	return NULL;
}

const char *service_offer_add_subtype(struct service_offer *offer, const char *subtype)
{
	const char *wrong = *subtype ? check_label(subtype) : "a subtype has a name";

	if (wrong)
		return wrong;
	if (offer->n_subtypes == SERVICE_SUBTYPES_MAX)
		return "a service has at most 8 subtypes";
	for (size_t i = 0; i < offer->n_subtypes; i++)
		if (!strcasecmp(offer->subtypes[i], subtype))
			return "a subtype is there twice";
	strcpy(offer->subtypes[offer->n_subtypes++], subtype);
	return NULL;
}

bool service_offer_equal(const struct service_offer *a, const struct service_offer *b)
{
	if (strcasecmp(a->type, b->type) != 0 || a->port != b->port ||
	    a->text_size != b->text_size || memcmp(a->text, b->text, a->text_size) != 0 ||
	    a->n_subtypes != b->n_subtypes)
		return false;
	for (size_t i = 0; i < a->n_subtypes; i++)
		if (strcmp(a->subtypes[i], b->subtypes[i]) != 0)
			return false;
	return true;
}

void service_offer_number_name(const char *name, unsigned int number,
			       char ret[static SERVICE_LABEL_SIZE])
{
	char suffix[16] = "";
	size_t room, size = strlen(name);

	if (number > 1)
		snprintf(suffix, sizeof(suffix), " (%u)", number);
	room = SERVICE_LABEL_SIZE - 1 - strlen(suffix);
	if (size > room) {
		size = room;
		/* Not in the middle of a character. */
		while (size && ((unsigned char)name[size] & 0xc0) == 0x80)
			size--;
	}
	memcpy(ret, name, size);
	strcpy(ret + size, suffix);
}

/* Lines -----------------------------------------------------------------------------------------
 */

struct line {
	char *text;
	size_t size, used;
};

static void append(struct line *line, const char *text)
{
	size_t size = strlen(text);

	if (line->used + size < line->size)
		strcpy(line->text + line->used, text);
	line->used += size;
}

static void append_octets(struct line *line, const void *octets, size_t size)
{
	char digits[3];

	if (!size)
		append(line, "-");
	for (size_t i = 0; i < size; i++) {
		snprintf(digits, sizeof(digits), "%02x", ((const uint8_t *)octets)[i]);
		append(line, digits);
	}
}

int service_offer_write_line(const struct service_offer *offer, unsigned int number, char *text,
			     size_t size)
{
	struct line line = { .text = text, .size = size };
	char numbers[32];

	snprintf(numbers, sizeof(numbers), " %u %u ", offer->port, number);
	append(&line, "share ");
	append(&line, offer->type);
	append(&line, numbers);
	append_octets(&line, offer->name, strlen(offer->name));
	append(&line, " ");
	append_octets(&line, offer->text, offer->text_size);
	append(&line, " ");
	for (size_t i = 0; i < offer->n_subtypes; i++) {
		append(&line, i ? "," : "");
		append_octets(&line, offer->subtypes[i], strlen(offer->subtypes[i]));
	}
	if (!offer->n_subtypes)
		append(&line, "-");
	return line.used < line.size ? 0 : -ENOBUFS;
}

static int digit_value(char c)
{
	if (is_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to a space, a comma or the end; *at is moved there. How many, or -EBADMSG. */
static int read_octets(const char **at, uint8_t *octets, size_t capacity)
{
	size_t n = 0;

	if (**at == '-') {
		++*at;
		return 0;
	}
	for (; **at && **at != ' ' && **at != ','; *at += 2, n++) {
		int high = digit_value((*at)[0]);
		int low = high < 0 ? -1 : digit_value((*at)[1]);

		if (low < 0 || n == capacity)
			return -EBADMSG;
		octets[n] = high << 4 | low;
	}
	return n;
}

static bool read_space(const char **at)
{
	return *(*at)++ == ' ';
}

static bool read_number(const char **at, unsigned long maximum, unsigned int *ret)
{
	unsigned long number;
	char *end;

	if (!is_digit(**at))
		return false;
	number = strtoul(*at, &end, 10);
	*at = end;
	*ret = number;
	return number >= 1 && number <= maximum;
}

static bool read_label(const char **at, char label[static SERVICE_LABEL_SIZE])
{
	int size = read_octets(at, (uint8_t *)label, SERVICE_LABEL_SIZE - 1);

	if (size < 0 || memchr(label, 0, size))
		return false;
	label[size] = 0;
	return true;
}

static bool read_text(const char **at, struct service_offer *offer)
{
	uint8_t text[SERVICE_TEXT_MAX];
	int size = read_octets(at, text, sizeof(text));

	for (int i = 0; i < size; i += 1 + text[i])
		if (i + 1 + text[i] > size || service_offer_add_text(offer, text + i + 1, text[i]))
			return false;
	return size >= 0;
}

static bool read_subtypes(const char **at, struct service_offer *offer)
{
	char label[SERVICE_LABEL_SIZE];

	if (!strcmp(*at, "-"))
		return true;
	for (;; ++*at) {
		if (!read_label(at, label) || service_offer_add_subtype(offer, label))
			return false;
		if (**at != ',')
			return !**at;
	}
}

int service_offer_read_line(const char *line, struct service_offer *ret, unsigned int *ret_number)
{
	static const char start[] = "share ";
	char type[SERVICE_TYPE_SIZE], name[SERVICE_LABEL_SIZE];
	unsigned int port;
	const char *at;
	size_t size;

	*ret = (struct service_offer){ 0 };
	if (strncmp(line, start, sizeof(start) - 1) != 0)
		return -EBADMSG;
	at = line + sizeof(start) - 1;
	size = strcspn(at, " ");
	if (size >= sizeof(type))
		return -EBADMSG;
	memcpy(type, at, size);
	type[size] = 0;
	at += size;
	if (service_offer_set_type(ret, type) || !read_space(&at) ||
	    !read_number(&at, 65535, &port) || !read_space(&at) ||
	    !read_number(&at, NUMBER_MAX, ret_number) || !read_space(&at) ||
	    !read_label(&at, name) || service_offer_set_name(ret, name) || !read_space(&at) ||
	    !read_text(&at, ret) || !read_space(&at) || !read_subtypes(&at, ret))
		return -EBADMSG;
	ret->port = port;
	return 0;
}
