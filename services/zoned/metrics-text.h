/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Counters and measures as OpenMetrics text
 * (https://prometheus.io/docs/specs/om/open_metrics_spec). Names begin with "homeward_zoned_".
 */
#include "common/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: empty. After lack of memory it stays as it was and `failed`. */
struct metrics_text {
	char *data; /* allocated, ended by 0 */
	size_t size;
	size_t capacity;
	bool failed;
};

/* How long things took. */
#define METRICS_BUCKETS 14

struct metrics_histogram {
	uint64_t counts[METRICS_BUCKETS + 1]; /* the last: longer than all bounds */
	uint64_t sum;                         /* microseconds */
};

void metrics_histogram_add(struct metrics_histogram *histogram, uint64_t usec);
uint64_t metrics_histogram_count(const struct metrics_histogram *histogram);

/* `name` as counters have it, "LlqSetups": it becomes "homeward_zoned_llq_setups". `unit` is the
 * name's last word, as "bytes", or NULL. */
void metrics_counter(struct metrics_text *text, const char *name, uint64_t value, const char *help);
void metrics_gauge(struct metrics_text *text, const char *name, const char *unit, uint64_t value,
		   const char *help);
/* `name` ends with "Seconds". */
void metrics_histogram(struct metrics_text *text, const char *name,
		       const struct metrics_histogram *histogram, const char *help);
/* The last line. */
void metrics_end(struct metrics_text *text);
void metrics_text_clear(struct metrics_text *text);
