/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/llq-table.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

/* The challenge -----------------------------------------------------------------------------------
 */

static uint64_t digest_claim(const uint8_t secret[static 32], const struct llq_claim *claim,
			     uint64_t slot)
{
	uint8_t text[sizeof claim->remote + NAME_KEY_SIZE_MAX + 300], digest[32];
	struct writer writer = writer_init(text, sizeof text);
	unsigned int size = sizeof digest;
	struct reader reader;
	uint64_t id;

	writer_copy(&writer, &claim->remote, sizeof claim->remote);
	writer_u64(&writer, slot);
	writer_u32(&writer, claim->lease);
	writer_u16(&writer, claim->type);
	writer_u8(&writer, claim->name.size);
	writer_copy(&writer, claim->name.octets, claim->name.size);
	writer_copy(&writer, claim->key_name, strlen(claim->key_name));
	if (writer.failed || !HMAC(EVP_sha256(), secret, 32, text, writer.position, digest, &size))
		return 0;
	reader = reader_init(digest, sizeof digest);
	id = reader_u64(&reader);
	return id ?: 1;
}

uint64_t llq_challenge(const uint8_t secret[static 32], const struct llq_claim *claim, uint64_t now)
{
	return digest_claim(secret, claim, now / LLQ_CHALLENGE_SLOT_MSEC) ?: 1;
}

bool llq_challenge_is_answered(const uint8_t secret[static 32], const struct llq_claim *claim,
			       uint64_t id, uint64_t now)
{
	uint64_t slot = now / LLQ_CHALLENGE_SLOT_MSEC;

	if (id == 0)
		return false;
	return id == digest_claim(secret, claim, slot) ||
	       (slot > 0 && id == digest_claim(secret, claim, slot - 1));
}

/* One query
 * ------------------------------------------------------------------------------------------ */

bool llq_is_claimed_by(const struct llq *llq, const struct llq_claim *claim)
{
	struct name_key name;

	llq_question_name(llq->question, &name);
	return endpoint_equal(&llq->peer.remote, &claim->remote) &&
	       llq->question->type == claim->type && name_key_equal(&name, &claim->name) &&
	       strcmp(llq->owner->key_name, claim->key_name) == 0;
}

struct llq_event *llq_event_free(struct llq_event *event)
{
	if (!event)
		return NULL;
	record_set_unref(event->offered);
	free(event);
	return NULL;
}

void llq_event_sent(struct llq *llq, struct llq_event *event, uint64_t now)
{
	llq_event_free(llq->event);
	llq->event = event;
	/* What goes down a stream arrives, or the stream ends. */
	event->n_sent = llq->peer.connection ? LLQ_TRANSMISSIONS : 1;
	event->due = now + (llq->peer.connection ? LLQ_STREAM_GIVE_UP_MSEC : LLQ_SECOND_AFTER_MSEC);
}

void llq_event_acknowledged(struct llq *llq)
{
	record_set_unref(llq->known);
	llq->known = steal_ptr(llq->event->offered);
	llq->serial = llq->event->serial;
	llq->event = llq_event_free(llq->event);
}

enum llq_timer llq_on_time(struct llq *llq, uint64_t now)
{
	struct llq_event *event = llq->event;

	if (llq->expires <= now)
		return LLQ_TIMER_EXPIRED;
	if (!event || event->due > now)
		return LLQ_TIMER_NOTHING;
	if (event->n_sent >= LLQ_TRANSMISSIONS)
		return LLQ_TIMER_UNANSWERED;
	event->due += event->n_sent == 1 ? LLQ_THIRD_AFTER_MSEC : LLQ_GIVE_UP_AFTER_MSEC;
	event->n_sent++;
	return LLQ_TIMER_SEND_AGAIN;
}

uint64_t llq_next_due(const struct llq *llq)
{
	return llq->event && llq->event->due < llq->expires ? llq->event->due : llq->expires;
}
