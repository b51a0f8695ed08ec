/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static enum log_level log_threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	log_threshold = level;
}

void log_line(enum log_level level, const char *format, ...)
{
	int saved = errno;
	char line[1024];
	va_list arguments;
	int prefix, length;

	if (level > log_threshold)
		return;
	prefix = snprintf(line, sizeof line, "<%d>", (int)level);
	va_start(arguments, format);
	length = vsnprintf(line + prefix, sizeof line - prefix - 1, format, arguments);
	va_end(arguments);
	if (length < 0)
		length = 0;
	if (length > (int)sizeof line - prefix - 2)
		length = sizeof line - prefix - 2;
	line[prefix + length] = '\n';
	/* One write a line: the lines of several processes on one terminal do not mix. */
	if (write(STDERR_FILENO, line, prefix + length + 1) < 0)
		errno = 0;
	errno = saved;
}
