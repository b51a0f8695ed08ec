/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is said about a long-lived query: events, and its form in the storage. */
#include "common/dns/dns-builder.h"
#include "common/dns/dns-options.h"
#include "services/zoned/llq-table.h"

/*
 * The event from `known` to `target` as it is for everybody who asks `question`: header, question
 * and records. Many clients that know the same get the same, so it is kept for the next one.
 */
struct llq_event_text {
	const struct llq_question *question; /* NULL: nothing is kept */
	struct record_set *known;
	struct record_set *target;
	struct record_set *offered; /* what it leads to: `target`, or as much of it as fits */
	struct dns_builder builder;
	uint8_t octets[DNS_UDP_SIZE];
};

/* Makes the text for this query and key, unless what is kept will do. What does not fit one message
 * signed by the key is left for the next event. 0; -EMSGSIZE: not even one record fits; -ENOMEM. */
int llq_wire_write_event(struct llq_event_text *text, const struct llq *llq,
			 const struct dns_tsig_key *key);
void llq_event_text_clear(struct llq_event_text *text);

/* The event itself, signed like a request (there is none it answers). 0 or a negative errno. */
int llq_wire_build_event(const struct llq_event_text *text, const struct llq *llq,
			 uint16_t event_id, const struct dns_tsig_key *key, uint64_t seconds,
			 struct llq_event **ret);

/* Message ids that nobody can foresee without the secret, others for each `n`. */
#define LLQ_EVENT_IDS 16
void llq_wire_make_event_ids(const uint8_t secret[static 32], uint64_t n,
			     uint16_t ret[static LLQ_EVENT_IDS]);

/* 0 or -ENOMEM. */
int llq_wire_to_storage(const struct llq *llq, const struct moment *moment, struct change *ret);
