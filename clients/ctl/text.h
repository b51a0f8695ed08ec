/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values made readable for people. Pure. */
#include "clients/ctl/values.h"

#define TEXT_SIZE 256

/* Characters that could steer a terminal become "?": names and texts come from other hosts. Cut to
 * fit. */
void text_clean(const char *text, char ret[static TEXT_SIZE]);
/* "3 s", "12 min", "1 h 29 min", "2 d 3 h". */
void text_duration(uint64_t seconds, char ret[static TEXT_SIZE]);
/* A time in seconds as seen from `now`: "in 12 min", "12 min ago", "now". */
void text_relative(uint64_t then, uint64_t now, char ret[static TEXT_SIZE]);
/* "11.0.1.1:4500", or `otherwise` for null. */
void text_endpoint(json_object *endpoint, const char *otherwise, char ret[static TEXT_SIZE]);
/* Any value, short: strings as they are, the rest as JSON, both cleaned and cut. */
void text_value(json_object *value, char ret[static TEXT_SIZE]);
/* The first label of a domain name. */
void text_first_label(const char *name, char ret[static TEXT_SIZE]);
/* Columns that the text takes on a terminal, counting each character of UTF-8 as one. */
int text_columns(const char *text);
