/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Options of one command by getopt, with our words for what is wrong. */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/* The next option's value, -1 after the last, '?' after a complaint. argv[0] is the command. */
int arguments_next(int argc, char **argv, const struct option *options);
/* A decimal number up to `maximum`. */
bool arguments_number(const char *text, uint64_t maximum, uint64_t *ret);
