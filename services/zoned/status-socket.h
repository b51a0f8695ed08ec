/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What zonectl asks a running zoned: whoever may open the socket (mode 0600) is told the counters,
 * one "Name value" per line, and the connection ends. */
#include "common/loop/loop.h"

struct status_socket;

/* Writes the lines into `text`; at most `size` octets with the NUL. */
typedef void (*status_callback)(void *userdata, char *text, size_t size);
#define STATUS_TEXT_SIZE 4096

/* 0 or a negative errno. Replaces a socket that a killed process left. */
int status_socket_new(struct loop *loop, const char *path, status_callback callback, void *userdata,
		      struct status_socket **ret);
struct status_socket *status_socket_free(struct status_socket *status);

DEFINE_CLEANUP(struct status_socket *, status_socket_free)
