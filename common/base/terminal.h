/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Asks a person for one line on the terminal open as `terminal`, without echo unless told. The
 * terminal is put right again before a signal that came meanwhile does its work. Octets beyond
 * `size` - 1 are dropped. Returns the length, without the line's end; -EINTR after a signal that
 * did not end us, -ENODATA at the end of the input, or another negative errno. On failure nothing
 * of what was typed is left in `line`.
 */
int terminal_ask(int terminal, const char *prompt, bool echo, char *line, size_t size);
