/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* As much of HTTP/1.1 (RFC 9112) as one asks for metrics with: GET or HEAD of /metrics, one answer,
 * end of the connection. */
#include <stdbool.h>
#include <stddef.h>

/* A longer request is refused. */
#define METRICS_HTTP_SIZE_MAX 8192

/* 0: the request is not there whole. Otherwise the status of the answer: 200, 400, 404, 405, 431,
 * 505. `ret_is_head`: the answer has no body. */
int metrics_http_read(const char *data, size_t size, bool *ret_is_head);
/* The answer's header, with the empty line. Returns its length. */
size_t metrics_http_header(int status, size_t body_size, char *ret, size_t size);
