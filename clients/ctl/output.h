/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lines for people on standard output; colours only where ctl->colour allows. */
#include "clients/ctl/ctl.h"

enum output_tone {
	OUTPUT_PLAIN,
	OUTPUT_BOLD,
	OUTPUT_FAINT,
	OUTPUT_GOOD,
	OUTPUT_WAITING,
	OUTPUT_BAD,
};

void output_heading(const struct ctl *ctl, const char *text);
/* `text` in `columns` columns at least, counted without the colour. */
void output_padded(const struct ctl *ctl, enum output_tone tone, const char *text, int columns);
/* "  label       words". */
void output_row(const struct ctl *ctl, const char *label, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* How the state of a daemon, mapping, peer or SA is to be taken. */
enum output_tone output_tone_of(const char *state);
