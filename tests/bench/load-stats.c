/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/load.h"

#include <stdarg.h>
#include <sys/resource.h>
#include <time.h>

uint64_t load_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return time.tv_sec * LOAD_SECOND + time.tv_nsec;
}

void load_die(const char *format, ...)
{
	va_list arguments;

	fputs("dns-load: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

void load_series_add(struct load_series *series, uint64_t value)
{
	if (series->n == series->capacity) {
		series->capacity = series->capacity ? 2 * series->capacity : 1024;
		series->items = realloc(series->items, series->capacity * sizeof(*series->items));
		if (!series->items)
			load_die("no memory");
	}
	series->items[series->n++] = value;
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static double quantile(const struct load_series *series, unsigned int permille)
{
	size_t i = series->n * permille / 1000;

	if (series->n == 0)
		return 0;
	return (double)series->items[i < series->n ? i : series->n - 1] / LOAD_MSEC;
}

void load_series_print(struct load_series *series, const char *name, FILE *out)
{
	if (series->n > 0)
		qsort(series->items, series->n, sizeof(*series->items), compare);
	fprintf(out,
		"\"%s\": {\"n\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, "
		"\"max_ms\": %.3f}",
		name, series->n, quantile(series, 500), quantile(series, 990),
		quantile(series, 999), quantile(series, 1000));
}

void load_series_clear(struct load_series *series)
{
	free(series->items);
	*series = (struct load_series){};
}

double load_processor_time(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
