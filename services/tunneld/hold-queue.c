/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/hold-queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void drop_first(struct hold_queue *queue)
{
	struct held_packet *packet = queue->first;

	queue->first = packet->next;
	if (!queue->first)
		queue->last = NULL;
	queue->n_packets--;
	queue->n_octets -= packet->size;
	free(packet);
}

int hold_queue_push(struct hold_queue *queue, uint64_t now, uint32_t probe, const uint8_t *data,
		    size_t size)
{
	struct held_packet *packet = malloc(sizeof *packet + size);
	int n_dropped = 0;

	if (!packet)
		return -ENOMEM;
	packet->next = NULL;
	packet->since = now;
	packet->probe = probe;
	packet->size = size;
	memcpy(packet->data, data, size);
	if (queue->last)
		queue->last->next = packet;
	else
		queue->first = packet;
	queue->last = packet;
	queue->n_packets++;
	queue->n_octets += size;
	while (queue->n_packets > HOLD_QUEUE_PACKETS ||
	       (queue->n_octets > HOLD_QUEUE_OCTETS && queue->n_packets > 1)) {
		drop_first(queue);
		n_dropped++;
	}
	return n_dropped + hold_queue_expire(queue, now);
}

bool hold_queue_is_stale(const struct hold_queue *queue, uint64_t now)
{
	return queue->first && now > queue->first->since + HOLD_QUEUE_AGE_MSEC;
}

int hold_queue_expire(struct hold_queue *queue, uint64_t now)
{
	int n_expired = 0;

	while (hold_queue_is_stale(queue, now)) {
		drop_first(queue);
		n_expired++;
	}
	return n_expired;
}

void hold_queue_clear(struct hold_queue *queue)
{
	while (queue->first)
		drop_first(queue);
}
