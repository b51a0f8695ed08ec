/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/output.h"

#include "clients/ctl/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LABEL_COLUMNS 12

static const char *sequence(enum output_tone tone)
{
	switch (tone) {
	case OUTPUT_PLAIN:
		return "";
	case OUTPUT_BOLD:
		return "\033[1m";
	case OUTPUT_FAINT:
		return "\033[2m";
	case OUTPUT_GOOD:
		return "\033[32m";
	case OUTPUT_WAITING:
		return "\033[33m";
	case OUTPUT_BAD:
		return "\033[31m";
	}
	return "";
}

void output_padded(const struct ctl *ctl, enum output_tone tone, const char *text, int columns)
{
	bool coloured = ctl->colour && tone != OUTPUT_PLAIN;
	int missing = columns - text_columns(text);

	printf("%s%s%s%*s", coloured ? sequence(tone) : "", text, coloured ? "\033[0m" : "",
	       missing > 0 ? missing : 0, "");
}

void output_heading(const struct ctl *ctl, const char *text)
{
	output_padded(ctl, OUTPUT_BOLD, text, 0);
	putchar('\n');
}

void output_row(const struct ctl *ctl, const char *label, const char *format, ...)
{
	va_list arguments;

	fputs("  ", stdout);
	output_padded(ctl, OUTPUT_FAINT, label, LABEL_COLUMNS);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

enum output_tone output_tone_of(const char *state)
{
	static const char *const good[] = { "ready",  "signed-in", "published",   "watching",
					    "mapped", "public",    "established", "running" };
	static const char *const bad[] = { "refused",          "bad-key",         "clock-skew",
					   "untrusted-server", "unreachable",     "name-taken",
					   "failed",           "no-network",      "retrying",
					   "not running",      "failed to answer" };

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!strcmp(state, good[i]))
			return OUTPUT_GOOD;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (!strcmp(state, bad[i]))
			return OUTPUT_BAD;
	return !strcmp(state, "idle") ? OUTPUT_FAINT : OUTPUT_WAITING;
}
