/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The header of a message of HTTP/1.1 (RFC 9112 §2), over TCP or, as SSDP has it, in a datagram: a
 * first line, fields, an empty line. Everything found points into the text that was read.
 */
#include <stdbool.h>
#include <stddef.h>

struct http_piece {
	const char *text; /* without NUL */
	size_t size;
};

struct http_text {
	struct http_piece line;   /* the first, without its end */
	struct http_piece fields; /* the lines after it */
	size_t size;              /* of all, with the empty line; the body follows */
};

/* 1; 0 when the empty line has not come yet; -EBADMSG when no header begins like this. Lines that
 * end with LF alone are taken, too: many devices send them. */
int http_text_read(const void *data, size_t size, struct http_text *ret);

/* The value of the first field of this name in whatever case, without the white space around it.
 * False: there is none. */
bool http_text_field(const struct http_text *text, const char *name, struct http_piece *ret);

/* Of a request's first line: "GET /path HTTP/1.1". False when it is none. `ret_version` is what
 * follows "HTTP/": a digit, a point, a digit. */
bool http_text_request(const struct http_text *text, struct http_piece *ret_method,
		       struct http_piece *ret_target, struct http_piece *ret_version);

/* Of a response's first line: the status, 100 to 599; 0 when it is none. */
int http_text_status(const struct http_text *text);

bool http_piece_is(struct http_piece piece, const char *text);
/* Whatever the case of ASCII letters. */
bool http_piece_is_word(struct http_piece piece, const char *text);
/* Only digits, at most `limit`. False: it is no such number. */
bool http_piece_number(struct http_piece piece, unsigned long limit, unsigned long *ret);
