/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-reassembly.h"

struct piece {
	uint8_t *data; /* NULL: not there */
	size_t size;
};

struct ike_reassembly {
	uint32_t id;
	uint64_t began; /* ms */
	uint16_t total, n_pieces;
	size_t size; /* of all pieces that are there */
	uint8_t first;
	uint8_t hash[32]; /* of piece 1 */
	struct piece pieces[IKE_FRAGMENTS_LIMIT];
};

static void clear(struct ike_reassembly *reassembly)
{
	for (size_t i = 0; i < IKE_FRAGMENTS_LIMIT; i++) {
		struct piece *piece = &reassembly->pieces[i];

		if (piece->data)
			explicit_bzero(piece->data, piece->size);
		free(piece->data);
	}
	*reassembly = (struct ike_reassembly){};
}

struct ike_reassembly *ike_reassembly_free(struct ike_reassembly *reassembly)
{
	if (!reassembly)
		return NULL;
	clear(reassembly);
	free(reassembly);
	return NULL;
}

uint64_t ike_reassembly_due(const struct ike_reassembly *reassembly)
{
	return reassembly ? reassembly->began + IKE_REASSEMBLY_TIMEOUT : UINT64_MAX;
}

bool ike_reassembly_expired(const struct ike_reassembly *reassembly, uint64_t now)
{
	return now >= ike_reassembly_due(reassembly);
}

/* Whether the piece belongs to the set that is being collected. */
static bool is_same_set(const struct ike_reassembly *reassembly, uint64_t now, uint32_t id,
			const struct ike_fragment *fragment)
{
	return reassembly && reassembly->id == id && reassembly->total == fragment->total &&
	       !ike_reassembly_expired(reassembly, now);
}

bool ike_reassembly_wants(const struct ike_reassembly *reassembly, uint64_t now, uint32_t id,
			  const struct ike_fragment *fragment)
{
	if (!fragment->number || fragment->number > fragment->total ||
	    fragment->total > IKE_FRAGMENTS_LIMIT)
		return false;
	if (is_same_set(reassembly, now, id, fragment))
		return !reassembly->pieces[fragment->number - 1].data;
	/* A greater total is a newer division of the same message (§2.5.2). */
	return !reassembly || ike_reassembly_expired(reassembly, now) || reassembly->id < id ||
	       (reassembly->id == id && reassembly->total < fragment->total);
}

enum ike_piece ike_reassembly_add(struct ike_reassembly **at, uint64_t now, uint32_t id,
				  const struct ike_fragment *fragment, uint8_t first,
				  const uint8_t hash[32], const void *data, size_t size)
{
	struct ike_reassembly *reassembly = *at;
	struct piece *piece;

	if (!ike_reassembly_wants(reassembly, now, id, fragment))
		return IKE_PIECE_REFUSED;
	if (!reassembly)
		reassembly = *at = calloc(1, sizeof *reassembly);
	if (!reassembly)
		return IKE_PIECE_REFUSED;
	if (!reassembly->total || !is_same_set(reassembly, now, id, fragment)) {
		clear(reassembly);
		reassembly->id = id;
		reassembly->total = fragment->total;
		reassembly->began = now;
	}
	if (size > IKE_MESSAGE_LIMIT - reassembly->size)
		return IKE_PIECE_REFUSED;
	piece = &reassembly->pieces[fragment->number - 1];
	piece->data = malloc(size ? size : 1);
	if (!piece->data)
		return IKE_PIECE_REFUSED;
	memcpy(piece->data, data, size);
	piece->size = size;
	reassembly->size += size;
	if (fragment->number == 1) {
		reassembly->first = first;
		memcpy(reassembly->hash, hash, sizeof reassembly->hash);
	}
	reassembly->n_pieces++;
	return reassembly->n_pieces == reassembly->total ? IKE_PIECE_COMPLETE : IKE_PIECE_KEPT;
}

size_t ike_reassembly_read(const struct ike_reassembly *reassembly, uint8_t *ret,
			   uint8_t *ret_first, uint8_t ret_hash[32])
{
	size_t n = 0;

	for (uint16_t i = 0; i < reassembly->total; i++) {
		memcpy(ret + n, reassembly->pieces[i].data, reassembly->pieces[i].size);
		n += reassembly->pieces[i].size;
	}
	*ret_first = reassembly->first;
	memcpy(ret_hash, reassembly->hash, sizeof reassembly->hash);
	return n;
}
