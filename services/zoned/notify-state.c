/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/notify-state.h"

void notifier_init(struct notifier *notifier, const struct notify_target_options *options,
		   size_t n_targets)
{
	*notifier = (struct notifier){ .options = options, .n_targets = n_targets };
}

static void append(struct notify_target *target, struct notify_item *item)
{
	item->next = NULL;
	item->previous = target->last;
	if (target->last)
		target->last->next = item;
	else
		target->first = item;
	target->last = item;
	item->is_queued = true;
}

static void unlink_item(struct notify_target *target, struct notify_item *item)
{
	if (item->previous)
		item->previous->next = item->next;
	else
		target->first = item->next;
	if (item->next)
		item->next->previous = item->previous;
	else
		target->last = item->previous;
	item->previous = item->next = NULL;
	item->is_queued = false;
}

static void land(struct notify_target *target, struct notify_item *item)
{
	for (size_t i = 0; i < target->n_in_flight; i++) {
		if (target->in_flight[i] != item)
			continue;
		target->in_flight[i] = target->in_flight[--target->n_in_flight];
		break;
	}
	item->is_in_flight = false;
}

void notifier_zone_changed(struct notifier *notifier, struct notify_zone *zone)
{
	for (size_t i = 0; i < notifier->n_targets; i++) {
		struct notify_item *item = &zone->items[i];

		item->zone = zone;
		if (item->is_in_flight)
			item->has_changed = true;
		else if (!item->is_queued)
			append(&notifier->targets[i], item);
	}
}

void notifier_forget(struct notifier *notifier, struct notify_zone *zone)
{
	for (size_t i = 0; i < notifier->n_targets; i++) {
		struct notify_item *item = &zone->items[i];

		if (item->is_in_flight)
			land(&notifier->targets[i], item);
		else if (item->is_queued)
			unlink_item(&notifier->targets[i], item);
	}
}

/* Everything in flight waits again, behind what waits: this target does not listen. */
static void fall_silent(struct notify_target *target)
{
	target->is_silent = true;
	while (target->n_in_flight > 1) {
		struct notify_item *item = target->in_flight[target->n_in_flight - 1];

		land(target, item);
		append(target, item);
	}
}

static void launch(struct notify_target *target, struct notify_item *item, uint64_t now,
		   uint16_t id)
{
	item->id = id;
	item->n_sent++;
	item->has_changed = false;
	item->due = now + (target->is_silent ? NOTIFY_PROBE_MSEC
					     : NOTIFY_FIRST_RETRY_MSEC << (item->n_sent - 1));
}

static struct notify_item *find_due(struct notify_target *target, uint64_t now)
{
	for (size_t i = 0; i < target->n_in_flight; i++)
		if (target->in_flight[i]->due <= now)
			return target->in_flight[i];
	return NULL;
}

static size_t window(const struct notify_target *target)
{
	return target->is_silent ? 1 : NOTIFY_IN_FLIGHT_MAX;
}

static struct notify_item *next_of(struct notify_target *target, uint64_t now)
{
	struct notify_item *item = find_due(target, now);

	if (item) {
		if (item->n_sent >= NOTIFY_TRIES && !target->is_silent) {
			/* The one that is due stays as the probe. */
			for (size_t i = 0; i < target->n_in_flight; i++)
				if (target->in_flight[i] == item) {
					target->in_flight[i] = target->in_flight[0];
					target->in_flight[0] = item;
				}
			fall_silent(target);
		}
		return item;
	}
	item = target->first;
	if (!item || target->n_in_flight >= window(target))
		return NULL;
	unlink_item(target, item);
	item->is_in_flight = true;
	item->n_sent = 0;
	target->in_flight[target->n_in_flight++] = item;
	return item;
}

bool notifier_next(struct notifier *notifier, uint64_t now, uint16_t id,
		   struct notify_zone **ret_zone, size_t *ret_target)
{
	for (size_t i = 0; i < notifier->n_targets; i++) {
		struct notify_item *item = next_of(&notifier->targets[i], now);

		if (!item)
			continue;
		launch(&notifier->targets[i], item, now, id);
		*ret_zone = item->zone;
		*ret_target = i;
		return true;
	}
	return false;
}

struct notify_zone *notifier_find(struct notifier *notifier, const struct endpoint *remote,
				  uint16_t id, size_t *ret_target)
{
	for (size_t i = 0; i < notifier->n_targets; i++) {
		struct notify_target *target = &notifier->targets[i];

		if (!endpoint_equal(&notifier->options[i].remote, remote))
			continue;
		for (size_t k = 0; k < target->n_in_flight; k++) {
			if (target->in_flight[k]->id != id)
				continue;
			*ret_target = i;
			return target->in_flight[k]->zone;
		}
	}
	return NULL;
}

void notifier_answered(struct notifier *notifier, struct notify_zone *zone, size_t target)
{
	struct notify_item *item = &zone->items[target];
	bool has_changed = item->has_changed;

	notifier->targets[target].is_silent = false;
	land(&notifier->targets[target], item);
	if (has_changed)
		append(&notifier->targets[target], item);
}

uint64_t notifier_next_due(const struct notifier *notifier, uint64_t now)
{
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; i < notifier->n_targets; i++) {
		const struct notify_target *target = &notifier->targets[i];

		if (target->first && target->n_in_flight < window(target))
			return now;
		for (size_t k = 0; k < target->n_in_flight; k++)
			if (target->in_flight[k]->due < due)
				due = target->in_flight[k]->due;
	}
	return due;
}
