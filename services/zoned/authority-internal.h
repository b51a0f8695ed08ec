/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the authority share among themselves. */
#include "common/dns/dns-options.h"
#include "services/zoned/authority.h"
#include "services/zoned/update-state.h"

/* One message while it is being worked on: on the stack for a query, in the queue for a change. */
struct request {
	struct peer peer;
	uint8_t *octets; /* owned; `message` points into it */
	size_t size;
	struct dns_message *message;
	bool is_signed; /* the signature has been verified */
	struct dns_tsig tsig;
	struct identity identity; /* with is_signed; the key's secret and the account are looked up
				   * again after any wait */
	int64_t account_id;
};

enum operation_kind {
	OPERATION_UPDATE,
};

/* A change that waits for its transaction to become durable. */
struct operation {
	struct operation *next;
	enum operation_kind kind;
	struct request request;
	uint16_t rcode;
	uint32_t granted; /* UPDATE: the lease */
};

struct operation_queue {
	struct operation *first;
	struct operation **last;
	size_t n;
};

struct authority {
	const struct authority_options *options;
	struct name_key zone_name;
	struct name_key server_name;
	struct zone *public_zone;
	struct accounts accounts;
	struct keyring keyring;
	struct operation_queue waiting;
	struct operation_queue under_way;
	bool is_busy;
	int64_t last_record_id;
	struct authority_counters counters;
};

/* authority-reply.c: answers ---------------------------------------------------------------------
 */

/* An answer in the making. Room for OPT and TSIG is set aside. */
struct answer {
	struct dns_builder builder;
	size_t limit; /* of the whole message */
	uint8_t options[DNS_LLQ_MAX * DNS_OPTION_LLQ_SIZE];
	struct writer options_writer;
	uint8_t octets[DNS_MESSAGE_SIZE_MAX];
};

/* Header and question of the answer to `request`; `options_size`: room for that many octets of
 * options. */
void answer_begin(struct answer *answer, const struct request *request, uint16_t flags,
		  size_t options_size);
/* OPT (if the request has one, or there are options), TSIG (if it was signed), and into the outbox.
 * An answer that does not fit goes out as question with TC. */
void answer_send(struct authority *authority, struct answer *answer, const struct request *request,
		 const struct moment *moment, struct outbox *outbox);
/* An answer without records. */
void answer_rcode(struct authority *authority, const struct request *request, uint16_t rcode,
		  const struct moment *moment, struct outbox *outbox);
/* FORMERR to what could not be taken apart: from its first twelve octets. */
void answer_malformed(const struct peer *peer, const uint8_t *data, size_t size,
		      struct outbox *outbox);
/* NOTAUTH with the error in a TSIG record. */
void answer_tsig_error(struct authority *authority, const struct request *request,
		       const struct dns_tsig_key *key, enum dns_tsig_error error,
		       const struct moment *moment, struct outbox *outbox);
int outbox_append(struct outbox *outbox, const struct peer *peer, const void *data, size_t size);

/* authority-batch.c: the queue -------------------------------------------------------------------
 */

/* Puts the request into the queue and leaves `request` empty. False when it is full. */
bool authority_enqueue(struct authority *authority, struct request *request,
		       enum operation_kind kind);
void operation_queue_init(struct operation_queue *queue);
void operation_queue_clear(struct operation_queue *queue);
void request_clear(struct request *request);
