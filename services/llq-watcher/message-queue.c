/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/message-queue.h"

#include <stdlib.h>
#include <string.h>

bool message_queue_push(struct message_queue *queue, const uint8_t *data, size_t size)
{
	struct queued_message *item;

	if (queue->n == MESSAGE_QUEUE_SIZE)
		return false;
	item = &queue->items[(queue->first + queue->n) % MESSAGE_QUEUE_SIZE];
	item->data = malloc(size);
	if (!item->data)
		return false;
	memcpy(item->data, data, size);
	item->size = size;
	queue->n++;
	return true;
}

bool message_queue_next(struct message_queue *queue, const uint8_t **ret_data, size_t *ret_size)
{
	struct queued_message *item = &queue->items[queue->first];

	free(queue->last);
	queue->last = NULL;
	if (queue->n == 0)
		return false;
	queue->last = item->data;
	*ret_data = item->data;
	*ret_size = item->size;
	queue->first = (queue->first + 1) % MESSAGE_QUEUE_SIZE;
	queue->n--;
	return true;
}

void message_queue_clear(struct message_queue *queue)
{
	for (size_t i = 0; i < queue->n; i++)
		free(queue->items[(queue->first + i) % MESSAGE_QUEUE_SIZE].data);
	free(queue->last);
	queue->last = NULL;
	queue->n = queue->first = 0;
}
