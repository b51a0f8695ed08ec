/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The question whether a network shows a page of its own before it lets anything through: an HTTP
 * request for a page whose content is known, in the clear, for that is what such networks answer
 * themselves. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTIVE_HOST_LIMIT   253
#define CAPTIVE_PATH_LIMIT   512
#define CAPTIVE_ANSWER_LIMIT 4096 /* octets that are looked at */

struct captive_url {
	char host[CAPTIVE_HOST_LIMIT + 1];
	char port[6];
	char path[CAPTIVE_PATH_LIMIT + 1]; /* with the query; begins with "/" */
};

enum captive_answer {
	CAPTIVE_UNKNOWN, /* nothing that could be understood */
	CAPTIVE_OPEN,
	CAPTIVE_PORTAL,
};

/* http://HOST[:PORT][/PATH]. False: it is not like that. */
bool captive_url_read(const char *text, struct captive_url *ret);
/* The request, ended by NUL. Returns its size, 0 when there is no room. */
size_t captive_request_write(const struct captive_url *url, char *text, size_t size);
/*
 * The answer, or its beginning. Open is 204, or 200 with what NetworkManager's servers say
 * ("X-NetworkManager-Status: online" or a body that begins "NetworkManager is online"). A redirect,
 * 511 (RFC 6585) and any other page with 200 are a portal's. Other statuses say nothing.
 * `complete`: the connection ended, no more will come. CAPTIVE_UNKNOWN with *ret_more true: more
 * octets could tell.
 */
enum captive_answer captive_answer_read(const char *octets, size_t size, bool complete,
					bool *ret_more);
