/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Key exchanges (RFC 7296 §2.14): X25519 (RFC 8031), P-256 and P-384 (RFC 5903). The initiator
 * begins with a public value, the responder answers it, the initiator finishes with the answer. The
 * one that may be added to it is in ike-kem.h. What is random is an argument.
 */
#include "services/keyd/ike-message-wire.h"

#include "common/base/cleanup.h"

#define IKE_PUBLIC_LIMIT 96 /* octets of the longest public value */
#define IKE_SHARED_LIMIT 48 /* octets of the longest shared secret */

enum ike_group {
	IKE_GROUP_P256 = 19,
	IKE_GROUP_P384 = 20,
	IKE_GROUP_X25519 = 31,
};

/* Fills with random octets; a test gives one that repeats itself. */
struct ike_random {
	void (*fill)(void *userdata, void *data, size_t size);
	void *userdata;
};

/* Our half; the private value is wiped with it. */
struct ike_key_exchange;

/* What both sides have computed; to be wiped with ike_shared_wipe(). */
struct ike_shared {
	size_t size;
	uint8_t data[IKE_SHARED_LIMIT];
};

/* Octets of a public value; 0 for a group we do not have. */
size_t ike_group_public_size(uint16_t group);
/* "x25519"; NULL for a group we do not have. */
const char *ike_group_name(uint16_t group);

/* Initiator: a new private value. 0; -EOPNOTSUPP for a group we do not have, -ENOMEM, -EIO. */
int ike_key_exchange_begin(uint16_t group, const struct ike_random *random,
			   struct ike_key_exchange **ret);
/* Initiator: the secret, from the responder's answer. 0, or -EBADMSG for a value that is not one of
 * the group's or leads to a secret anybody knows (RFC 5903 §5, RFC 7748 §6.1). */
int ike_key_exchange_finish(const struct ike_key_exchange *exchange, struct ike_octets answer,
			    struct ike_shared *ret);
/* Responder: both at once. *ret holds the answer. Errors of both above. */
int ike_key_exchange_answer(uint16_t group, const struct ike_random *random,
			    struct ike_octets offered, struct ike_key_exchange **ret,
			    struct ike_shared *ret_shared);
struct ike_key_exchange *ike_key_exchange_free(struct ike_key_exchange *exchange);

uint16_t ike_key_exchange_group(const struct ike_key_exchange *exchange);
/* What goes into our KE payload; borrowed. */
struct ike_octets ike_key_exchange_public(const struct ike_key_exchange *exchange);

struct ike_octets ike_shared_octets(const struct ike_shared *shared);
void ike_shared_wipe(struct ike_shared *shared);

DEFINE_CLEANUP(struct ike_key_exchange *, ike_key_exchange_free)
