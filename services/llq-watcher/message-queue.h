/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages that wait to be sent, in their order. All zero: empty. Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_QUEUE_SIZE 544

struct message_queue {
	struct queued_message {
		uint8_t *data;
		size_t size;
	} items[MESSAGE_QUEUE_SIZE];
	size_t n, first;
	uint8_t *last; /* given out last */
};

/* Copies it. Full only when nobody takes them out, and then, as without memory, it is as if the
 * message were lost: false. */
bool message_queue_push(struct message_queue *queue, const uint8_t *data, size_t size);
/* False: none. The octets live until the next call or message_queue_clear(). */
bool message_queue_next(struct message_queue *queue, const uint8_t **ret_data, size_t *ret_size);
void message_queue_clear(struct message_queue *queue);
