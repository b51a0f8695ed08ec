/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What zoned tells about itself, as metrics. */
#include "services/zoned/authority.h"
#include "services/zoned/metrics-text.h"
#include "services/zoned/server-stream.h"
#include "services/zoned/stun-responder-state.h"

/* What zoned measures besides the authority's counters. */
struct zoned_measures {
	struct metrics_histogram transaction; /* from its begin until it is durable */
	struct metrics_histogram event;       /* from its UPDATE's arrival until events are out */
	uint64_t arrival;                     /* of the first UPDATE that waits; usec, 0: none */
	uint64_t under_way;                   /* arrival of the first in the transaction */
	uint64_t durable;                     /* arrival of the first in the last transaction */
	uint64_t began;                       /* the transaction */
	uint64_t events;                      /* counted when it began */
};

/* Microseconds of a clock that nobody sets. */
uint64_t zoned_measures_now(void);
/* To be called after: a message was taken, which may have queued an UPDATE; a transaction began; it
 * is over; something was sent. */
void zoned_measures_receive(struct zoned_measures *measures, const struct authority *authority);
void zoned_measures_begin(struct zoned_measures *measures, const struct authority *authority,
			  bool writes);
void zoned_measures_finish(struct zoned_measures *measures, bool durable);
void zoned_measures_sent(struct zoned_measures *measures, const struct authority *authority);

/* All of it but the end: the caller may have more. */
void zoned_metrics_write(struct metrics_text *text, const struct authority *authority,
			 const struct zoned_measures *measures, const char *database);
void zoned_metrics_write_stun(struct metrics_text *text, const struct stun_counters *counters);
void zoned_metrics_write_streams(struct metrics_text *text, const struct stream_counters *counters,
				 size_t n_tcp, size_t n_tls);
