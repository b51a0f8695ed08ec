/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is said about a long-lived query: events, and its form in the storage. */
#include "common/dns/dns-builder.h"
#include "common/dns/dns-options.h"
#include "services/zoned/llq-state.h"

/* The set that an event from `llq->known` towards `current` leads to: all of it, or as much as fits
 * one message signed by `key`; the rest is for the next event. 0 or a negative errno. */
int llq_wire_plan(const struct llq *llq, const struct zone *current, const struct dns_tsig_key *key,
		  struct zone **ret_offered);

/* The event from `known` to `offered`, signed like a request (there is none it answers). `octets`
 * are the caller's. 0 or a negative errno. */
int llq_wire_build_event(const struct llq *llq, uint16_t event_id, const struct dns_tsig_key *key,
			 uint64_t seconds, struct octets *ret_octets, struct dns_tsig_mac *ret_mac);

/* A message id that nobody can foresee without the secret. */
uint16_t llq_wire_event_id(const uint8_t secret[static 32], const struct llq *llq);

/* `offered` NULL: none under way. 0 or -ENOMEM. */
int llq_wire_to_storage(const struct llq *llq, const struct zone *offered, uint32_t lease,
			uint64_t expires, const struct moment *moment, struct change *ret);
/* 0, -ENOMEM or -EINVAL. */
int llq_wire_from_storage(int64_t account, const struct stored_llq *stored,
			  const struct moment *moment, struct llq **ret);
