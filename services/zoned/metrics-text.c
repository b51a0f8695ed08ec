/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/metrics-text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_SIZE 96

/* Upper bounds in microseconds, and as they are written, in seconds. */
static const struct {
	uint64_t usec;
	const char *text;
} bounds[METRICS_BUCKETS] = {
	{ 250, "0.00025" }, { 500, "0.0005" },  { 1000, "0.001" }, { 2000, "0.002" },
	{ 3000, "0.003" },  { 5000, "0.005" },  { 10000, "0.01" }, { 15000, "0.015" },
	{ 25000, "0.025" }, { 50000, "0.05" },  { 100000, "0.1" }, { 250000, "0.25" },
	{ 500000, "0.5" },  { 1000000, "1.0" },
};

void metrics_histogram_add(struct metrics_histogram *histogram, uint64_t usec)
{
	size_t i = 0;

	while (i < METRICS_BUCKETS && usec > bounds[i].usec)
		i++;
	histogram->counts[i]++;
	histogram->sum += usec;
}

uint64_t metrics_histogram_count(const struct metrics_histogram *histogram)
{
	uint64_t n = 0;

	for (size_t i = 0; i <= METRICS_BUCKETS; i++)
		n += histogram->counts[i];
	return n;
}

static bool reserve(struct metrics_text *text, size_t size)
{
	size_t capacity = text->capacity ?: 4096;
	char *data;

	while (capacity - text->size <= size)
		capacity *= 2;
	if (capacity == text->capacity)
		return true;
	data = realloc(text->data, capacity);
	if (!data)
		return false;
	text->data = data;
	text->capacity = capacity;
	return true;
}

static void add(struct metrics_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void add(struct metrics_text *text, const char *format, ...)
{
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (text->failed || size < 0 || !reserve(text, size)) {
		text->failed = true;
		return;
	}
	va_start(arguments, format);
	vsnprintf(text->data + text->size, size + 1, format, arguments);
	va_end(arguments);
	text->size += size;
}

/* "LlqSetups" becomes "homeward_zoned_llq_setups". */
static void make_name(const char *camel, char ret[static NAME_SIZE])
{
	size_t size = (size_t)snprintf(ret, NAME_SIZE, "homeward_zoned");

	for (const char *c = camel; *c && size + 3 < NAME_SIZE; c++) {
		if (isupper((unsigned char)*c))
			ret[size++] = '_';
		ret[size++] = tolower((unsigned char)*c);
	}
	ret[size] = 0;
}

static void add_family(struct metrics_text *text, const char *name, const char *type,
		       const char *unit, const char *help)
{
	add(text, "# TYPE %s %s\n", name, type);
	if (unit)
		add(text, "# UNIT %s %s\n", name, unit);
	add(text, "# HELP %s %s\n", name, help);
}

void metrics_counter(struct metrics_text *text, const char *name, uint64_t value, const char *help)
{
	char family[NAME_SIZE];

	make_name(name, family);
	add_family(text, family, "counter", NULL, help);
	add(text, "%s_total %" PRIu64 "\n", family, value);
}

void metrics_gauge(struct metrics_text *text, const char *name, const char *unit, uint64_t value,
		   const char *help)
{
	char family[NAME_SIZE];

	make_name(name, family);
	add_family(text, family, "gauge", unit, help);
	add(text, "%s %" PRIu64 "\n", family, value);
}

void metrics_histogram(struct metrics_text *text, const char *name,
		       const struct metrics_histogram *histogram, const char *help)
{
	char family[NAME_SIZE];
	uint64_t n = 0;

	make_name(name, family);
	add_family(text, family, "histogram", "seconds", help);
	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		n += histogram->counts[i];
		add(text, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", family, bounds[i].text, n);
	}
	n += histogram->counts[METRICS_BUCKETS];
	add(text, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", family, n);
	add(text, "%s_sum %" PRIu64 ".%06" PRIu64 "\n", family, histogram->sum / 1000000,
	    histogram->sum % 1000000);
	add(text, "%s_count %" PRIu64 "\n", family, n);
}

void metrics_end(struct metrics_text *text)
{
	add(text, "# EOF\n");
}

void metrics_text_clear(struct metrics_text *text)
{
	free(text->data);
	*text = (struct metrics_text){};
}
