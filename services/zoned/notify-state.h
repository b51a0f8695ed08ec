/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who is still to be told that a zone has changed (RFC 1996). For each target there is a queue of
 * zones, some of them in flight; a zone that changes again while it waits is told once. What is not
 * answered is sent again after 1, 2, 4, 8 and 16 seconds; a target that has not answered even then
 * is silent, and only one message a minute asks for it until it answers. So nothing is forgotten,
 * and a target that is down takes neither memory nor packets.
 */
#include "services/zoned/endpoint.h"
#include "services/zoned/transfer-key.h"

#include <stddef.h>

#define NOTIFY_TARGETS_MAX      8
#define NOTIFY_IN_FLIGHT_MAX    16 /* of one target */
#define NOTIFY_TRIES            5  /* before the target is silent */
#define NOTIFY_FIRST_RETRY_MSEC 1000
#define NOTIFY_PROBE_MSEC       60000

struct notify_target_options {
	struct endpoint remote;
	char *key_name;                 /* NULL: unsigned */
	const struct transfer_key *key; /* borrowed */
};

struct notify_zone;

/* One zone in one target's queue. */
struct notify_item {
	struct notify_item *previous, *next; /* NULL without being in a queue */
	struct notify_zone *zone;
	bool is_queued;
	bool is_in_flight;
	bool has_changed; /* since it was sent */
	uint16_t id;
	unsigned int n_sent;
	uint64_t due;
};

/* Part of whatever has a zone. */
struct notify_zone {
	struct notify_item items[NOTIFY_TARGETS_MAX];
};

struct notify_target {
	struct notify_item *first, *last; /* waiting */
	struct notify_item *in_flight[NOTIFY_IN_FLIGHT_MAX];
	size_t n_in_flight;
	bool is_silent;
};

struct notifier {
	const struct notify_target_options *options;
	size_t n_targets;
	struct notify_target targets[NOTIFY_TARGETS_MAX];
};

void notifier_init(struct notifier *notifier, const struct notify_target_options *options,
		   size_t n_targets);
/* The zone has a new serial. `zone` stays where it is until notifier_forget(). */
void notifier_zone_changed(struct notifier *notifier, struct notify_zone *zone);
void notifier_forget(struct notifier *notifier, struct notify_zone *zone);
/* The next message to be sent: true, and for which zone to which target. `id` is the message's. */
bool notifier_next(struct notifier *notifier, uint64_t now, uint16_t id,
		   struct notify_zone **ret_zone, size_t *ret_target);
/* A response came. Returns the zone that it may be about, or NULL; to be confirmed by
 * notifier_answered() once the caller has seen that its question is that zone's. */
struct notify_zone *notifier_find(struct notifier *notifier, const struct endpoint *remote,
				  uint16_t id, size_t *ret_target);
void notifier_answered(struct notifier *notifier, struct notify_zone *zone, size_t target);
/* When notifier_next() has something. */
uint64_t notifier_next_due(const struct notifier *notifier, uint64_t now);
