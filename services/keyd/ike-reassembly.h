/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages that come in pieces (RFC 7383 §2.6): pieces that are authentic already are put together.
 * One message at a time; what it may take is bounded, however many pieces are promised.
 */
#include "services/keyd/ike-message-wire.h"

#include "common/base/cleanup.h"

#define IKE_FRAGMENTS_LIMIT    32    /* of one message */
#define IKE_REASSEMBLY_TIMEOUT 30000 /* ms from the first piece to the last */

/* The pieces of one message, in order of their numbers. */
struct ike_reassembly;

/* What became of a piece. */
enum ike_piece {
	IKE_PIECE_KEPT,     /* others are missing */
	IKE_PIECE_COMPLETE, /* it was the last one */
	IKE_PIECE_REFUSED,  /* it was there already, or belongs to a set that is older or too big */
};

struct ike_reassembly *ike_reassembly_free(struct ike_reassembly *reassembly);

/*
 * Whether a piece of the message `id` with these numbers would be taken; to be asked before the
 * work of decrypting it. `reassembly` may be NULL.
 */
bool ike_reassembly_wants(const struct ike_reassembly *reassembly, uint64_t now, uint32_t id,
			  const struct ike_fragment *fragment);
/*
 * Takes the content of an authentic piece, which is copied. `first` is the type of the first
 * payload (of piece 1), `hash` says which datagram it was. A piece of another message, of a set
 * with a greater total, or one that comes too late begins anew. *reassembly is made when it is
 * NULL. Without memory the piece is refused.
 */
enum ike_piece ike_reassembly_add(struct ike_reassembly **reassembly, uint64_t now, uint32_t id,
				  const struct ike_fragment *fragment, uint8_t first,
				  const uint8_t hash[32], const void *data, size_t size);
/* After IKE_PIECE_COMPLETE: the whole content, at most IKE_MESSAGE_LIMIT octets. Returns the size.
 */
size_t ike_reassembly_read(const struct ike_reassembly *reassembly, uint8_t *ret,
			   uint8_t *ret_first, uint8_t ret_hash[32]);
/* Whether it waits for pieces in vain. */
uint64_t ike_reassembly_due(const struct ike_reassembly *reassembly);
bool ike_reassembly_expired(const struct ike_reassembly *reassembly, uint64_t now);

DEFINE_CLEANUP(struct ike_reassembly *, ike_reassembly_free)
