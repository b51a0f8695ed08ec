/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The message windows of an IKE SA (RFC 7296 §2.2, §2.3): which request of ours may go out, which
 * of the peer's may come in, and which of those was answered with what. Each direction counts for
 * itself.
 *
 * A request of the peer is looked at once, in whatever order it comes. Its answer is kept until a
 * request comes that the peer may send only with that answer in its hands. Pure; owns copies of
 * messages.
 */
#include "common/wire/cursor.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IKE_WINDOW 4 /* requests of the peer that we keep answers of; of ours at most */

struct ike_blob {
	uint8_t *data;
	size_t size;
};

/* 0 or -ENOMEM; `blob` is unchanged then. */
int ike_blob_set(struct ike_blob *blob, const void *data, size_t size);
void ike_blob_clear(struct ike_blob *blob);

/* A request of ours that has no answer yet. */
struct ike_request {
	struct ike_blob message; /* data NULL: the place is free */
	uint32_t id;
	uint8_t exchange;
	uint8_t purpose;  /* the sender's: what to do with the answer */
	uint64_t subject; /* and to whom */
	bool has_cookie;  /* the answer must bring it back (RFC 4555 §3.7) */
	uint8_t cookie[16];
	uint64_t sent;        /* ms; the first time */
	unsigned int repeats; /* how often it was sent again */
	bool moved;           /* it went to more than one place */
	bool scattered;       /* also where the peer may be reached besides */
	uint64_t due;         /* ms; of the next repetition */
	uint64_t delay;
	uint64_t deadline;
};

struct ike_requests {
	struct ike_request places[IKE_WINDOW];
	uint32_t next_id;
	unsigned int limit; /* what the peer takes at once; 0 counts as 1 */
};

/* Whether another request may go out now. */
bool ike_requests_have_room(const struct ike_requests *requests);
/* Whether any has no answer. */
bool ike_requests_waiting(const struct ike_requests *requests);
/* A place for the request `id`, which must be the next one or one that is sent anew. Takes the
 * octets as a copy; NULL without memory. */
struct ike_request *ike_requests_add(struct ike_requests *requests, uint32_t id, const void *data,
				     size_t size);
/* The request that an answer with this number is for; NULL: none. */
struct ike_request *ike_requests_find(struct ike_requests *requests, uint32_t id);
void ike_requests_remove(struct ike_requests *requests, struct ike_request *request);
/* All that wait. */
void ike_requests_clear(struct ike_requests *requests);
/* The peer says how many it takes (§2.3): never fewer than before. */
void ike_requests_set_limit(struct ike_requests *requests, uint32_t limit);

/* A request of the peer. */
struct ike_answer {
	bool known; /* there was one in this place */
	uint32_t id;
	uint8_t hash[32];        /* of the request */
	struct ike_blob message; /* data NULL: not answered yet */
	struct sockaddr_in to;   /* where the request came from last */
};

struct ike_answers {
	struct ike_answer places[IKE_WINDOW];
	uint32_t expected_id; /* the lowest that has not come */
};

enum ike_arrival {
	IKE_ARRIVAL_NEW,     /* to be opened, and then noted with ike_answers_add() */
	IKE_ARRIVAL_AGAIN,   /* it came before, with the same octets */
	IKE_ARRIVAL_OUTSIDE, /* too old, too new, or other octets under a number that was used */
};

/* What a request with this number and hash is. `window`: how many the peer may send at once now.
 * With IKE_ARRIVAL_AGAIN *ret_answer is its place. */
enum ike_arrival ike_answers_judge(struct ike_answers *answers, uint32_t id, const uint8_t hash[32],
				   unsigned int window, struct ike_answer **ret_answer);
/* A new request was authentic. */
void ike_answers_add(struct ike_answers *answers, uint32_t id, const uint8_t hash[32],
		     const struct sockaddr_in *from);
/* The place of the request `id`; NULL when it is forgotten. */
struct ike_answer *ike_answers_find(struct ike_answers *answers, uint32_t id);
void ike_answers_clear(struct ike_answers *answers);
