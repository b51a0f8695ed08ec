/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-window-state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ike_blob_set(struct ike_blob *blob, const void *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	ike_blob_clear(blob);
	*blob = (struct ike_blob){ copy, size };
	return 0;
}

void ike_blob_clear(struct ike_blob *blob)
{
	free(blob->data);
	*blob = (struct ike_blob){};
}

/* Our requests. */

bool ike_requests_have_room(const struct ike_requests *requests)
{
	unsigned int limit = requests->limit ? requests->limit : 1;

	/* A request may be so far ahead of the oldest without an answer, not more; and it must not
	 * be given a number twice. */
	if (requests->next_id == UINT32_MAX)
		return false;
	for (size_t i = 0; i < IKE_WINDOW; i++)
		if (requests->places[i].message.data &&
		    requests->next_id - requests->places[i].id >= limit)
			return false;
	return true;
}

bool ike_requests_waiting(const struct ike_requests *requests)
{
	for (size_t i = 0; i < IKE_WINDOW; i++)
		if (requests->places[i].message.data)
			return true;
	return false;
}

struct ike_request *ike_requests_add(struct ike_requests *requests, uint32_t id, const void *data,
				     size_t size)
{
	struct ike_request *request = &requests->places[id % IKE_WINDOW];
	struct ike_blob message = request->message;

	if (ike_blob_set(&message, data, size) < 0)
		return NULL;
	*request = (struct ike_request){ .message = message, .id = id };
	if (id >= requests->next_id)
		requests->next_id = id + 1;
	return request;
}

struct ike_request *ike_requests_find(struct ike_requests *requests, uint32_t id)
{
	struct ike_request *request = &requests->places[id % IKE_WINDOW];

	return request->message.data && request->id == id ? request : NULL;
}

void ike_requests_remove(struct ike_requests *requests, struct ike_request *request)
{
	ike_blob_clear(&request->message);
}

void ike_requests_clear(struct ike_requests *requests)
{
	for (size_t i = 0; i < IKE_WINDOW; i++)
		ike_blob_clear(&requests->places[i].message);
}

void ike_requests_set_limit(struct ike_requests *requests, uint32_t limit)
{
	if (limit > IKE_WINDOW)
		limit = IKE_WINDOW;
	if (limit > requests->limit)
		requests->limit = limit;
}

/* The peer's. */

enum ike_arrival ike_answers_judge(struct ike_answers *answers, uint32_t id, const uint8_t hash[32],
				   unsigned int window, struct ike_answer **ret_answer)
{
	struct ike_answer *answer = ike_answers_find(answers, id);

	if (answer) {
		if (memcmp(answer->hash, hash, sizeof answer->hash))
			return IKE_ARRIVAL_OUTSIDE;
		*ret_answer = answer;
		return IKE_ARRIVAL_AGAIN;
	}
	if (id < answers->expected_id || id - answers->expected_id >= window)
		return IKE_ARRIVAL_OUTSIDE;
	return IKE_ARRIVAL_NEW;
}

void ike_answers_add(struct ike_answers *answers, uint32_t id, const uint8_t hash[32],
		     const struct sockaddr_in *from)
{
	struct ike_answer *answer = &answers->places[id % IKE_WINDOW];

	ike_blob_clear(&answer->message);
	answer->known = true;
	answer->id = id;
	answer->to = *from;
	memcpy(answer->hash, hash, sizeof answer->hash);
	while (ike_answers_find(answers, answers->expected_id))
		answers->expected_id++;
}

struct ike_answer *ike_answers_find(struct ike_answers *answers, uint32_t id)
{
	struct ike_answer *answer = &answers->places[id % IKE_WINDOW];

	return answer->known && answer->id == id ? answer : NULL;
}

void ike_answers_clear(struct ike_answers *answers)
{
	for (size_t i = 0; i < IKE_WINDOW; i++)
		ike_blob_clear(&answers->places[i].message);
	*answers = (struct ike_answers){};
}
