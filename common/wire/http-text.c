/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/wire/http-text.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

bool http_piece_is(struct http_piece piece, const char *text)
{
	return piece.size == strlen(text) && memcmp(piece.text, text, piece.size) == 0;
}

bool http_piece_is_word(struct http_piece piece, const char *text)
{
	return piece.size == strlen(text) && strncasecmp(piece.text, text, piece.size) == 0;
}

bool http_piece_number(struct http_piece piece, unsigned long limit, unsigned long *ret)
{
	unsigned long value = 0;

	for (size_t i = 0; i < piece.size; i++) {
		unsigned long digit = (unsigned char)piece.text[i] - (unsigned long)'0';

		if (digit > 9 || digit > limit || value > (limit - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return piece.size > 0;
}

/* Takes a line off the front. False: its end is not there. */
static bool take_line(struct http_piece *rest, struct http_piece *ret)
{
	const char *end = rest->size ? memchr(rest->text, '\n', rest->size) : NULL;

	if (!end)
		return false;
	*ret = (struct http_piece){ rest->text, end - rest->text };
	rest->text = end + 1;
	rest->size -= ret->size + 1;
	if (ret->size && ret->text[ret->size - 1] == '\r')
		ret->size--;
	return true;
}

int http_text_read(const void *data, size_t size, struct http_text *ret)
{
	struct http_piece rest = { data, size }, line;

	if (!take_line(&rest, &ret->line))
		return 0;
	/* No message begins with an empty line; what ends a message is waited for all the same. */
	if (!ret->line.size)
		return take_line(&rest, &line) ? -EBADMSG : 0;
	if (memchr(ret->line.text, '\0', ret->line.size))
		return -EBADMSG;
	ret->fields = (struct http_piece){ rest.text, 0 };
	while (take_line(&rest, &line)) {
		if (!line.size) {
			ret->size = rest.text - (const char *)data;
			return 1;
		}
		if (memchr(line.text, '\0', line.size))
			return -EBADMSG;
		ret->fields.size = rest.text - ret->fields.text;
	}
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct http_piece without_blanks(struct http_piece piece)
{
	while (piece.size && is_blank(piece.text[0])) {
		piece.text++;
		piece.size--;
	}
	while (piece.size && is_blank(piece.text[piece.size - 1]))
		piece.size--;
	return piece;
}

bool http_text_field(const struct http_text *text, const char *name, struct http_piece *ret)
{
	struct http_piece rest = text->fields, line;
	size_t size = strlen(name);

	while (take_line(&rest, &line)) {
		if (line.size <= size || line.text[size] != ':' ||
		    strncasecmp(line.text, name, size) != 0)
			continue;
		*ret = without_blanks(
			(struct http_piece){ line.text + size + 1, line.size - size - 1 });
		return true;
	}
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool http_text_request(const struct http_text *text, struct http_piece *ret_method,
		       struct http_piece *ret_target, struct http_piece *ret_version)
{
	const char *end = text->line.text + text->line.size;
	const char *first = memchr(text->line.text, ' ', text->line.size);
	const char *second = first ? memchr(first + 1, ' ', end - first - 1) : NULL;

	if (!second || first == text->line.text || second == first + 1 ||
	    end - second != sizeof " HTTP/1.1" - 1 || memcmp(second, " HTTP/", 6) != 0 ||
	    !is_digit(second[6]) || second[7] != '.' || !is_digit(second[8]))
		return false;
	*ret_method = (struct http_piece){ text->line.text, first - text->line.text };
	*ret_target = (struct http_piece){ first + 1, second - first - 1 };
	*ret_version = (struct http_piece){ second + 6, end - second - 6 };
	return true;
}

int http_text_status(const struct http_text *text)
{
	struct http_piece line = text->line;
	unsigned long status;

	/* "HTTP/1.1 200 OK"; the reason may be missing, with or without its space. */
	if (line.size < 12 || memcmp(line.text, "HTTP/1.", 7) != 0 || line.text[8] != ' ' ||
	    (line.size > 12 && line.text[12] != ' ') ||
	    !http_piece_number((struct http_piece){ line.text + 9, 3 }, 599, &status) ||
	    status < 100)
		return 0;
	return status;
}
