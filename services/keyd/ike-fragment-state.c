/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages too large for one datagram (RFC 7383): ours are encrypted in pieces, which are kept
 * behind each other in one blob and go out together; the peer's are put together
 * (ike-reassembly.h). Where pieces of the usual size get no answer, the way may be narrower, and
 * smaller ones are tried (§2.5.2).
 */
#include "services/keyd/ike-sa-internal.h"

bool ike_fragments_next(const struct ike_blob *message, size_t *at, struct ike_octets *ret)
{
	struct reader reader;

	if (*at + IKE_HEADER_SIZE > message->size)
		return false;
	/* The length of each is in its header. */
	reader = reader_init(message->data + *at + IKE_HEADER_SIZE - 4, 4);
	ret->data = message->data + *at;
	ret->size = reader_u32(&reader);
	*at += ret->size;
	return *at <= message->size;
}

int ike_fragments_seal(struct ike_sa *sa, const struct ike_header *header, uint8_t first,
		       const uint8_t *inner, size_t size, struct ike_blob *ret)
{
	size_t room = sa->fragment_limit - IKE_SKF_OVERHEAD;
	bool whole = !sa->peer_takes_fragments || size + IKE_SK_OVERHEAD <= sa->fragment_limit;
	struct ike_fragment fragment = { .total = whole ? 1 : (size + room - 1) / room };
	size_t capacity = size + fragment.total * IKE_SKF_OVERHEAD, n = 0, done = 0;
	uint8_t *data;
	int r = 0;

	if (fragment.total > IKE_FRAGMENTS_LIMIT)
		return -ENOBUFS;
	data = malloc(capacity);
	if (!data)
		return -ENOMEM;
	while (fragment.number < fragment.total && r >= 0) {
		size_t part = whole || size - done < room ? size - done : room;

		fragment.number++;
		r = whole ? ike_sk_seal(&sa->suite, ike_sa_own_key(sa, header->exchange), sa->iv++,
					header, first, inner, size, data, capacity)
			  : ike_skf_seal(&sa->suite, ike_sa_own_key(sa, header->exchange), sa->iv++,
					 header, &fragment,
					 fragment.number == 1 ? first : IKE_PAYLOAD_NONE,
					 inner + done, part, data + n, capacity - n);
		done += part;
		n += r < 0 ? 0 : r;
	}
	if (r < 0) {
		free(data);
		return r;
	}
	*ret = (struct ike_blob){ data, n };
	return 0;
}

/* The one payload of a message of ours, or of a piece. */
static int read_own(const struct ike_octets *piece, struct ike_header *header,
		    struct ike_chain *chain)
{
	int r = ike_header_read(piece->data, piece->size, header);

	return r < 0 ? r
		     : ike_chain_read(header->next_payload, piece->data + IKE_HEADER_SIZE,
				      piece->size - IKE_HEADER_SIZE, chain);
}

void ike_fragments_divide(struct ike_sa *sa, struct ike_blob *message)
{
	uint8_t inner[IKE_MESSAGE_LIMIT + 256], first = IKE_PAYLOAD_NONE;
	struct ike_header header = {};
	struct ike_blob smaller;
	struct ike_octets piece;
	struct ike_chain chain;
	bool too_large = false;
	size_t size = 0;

	if (!sa->peer_takes_fragments)
		return;
	/* What we have sealed we can open: nothing else needs to be kept for it. */
	for (size_t at = 0; ike_fragments_next(message, &at, &piece);) {
		int r = size + piece.size > sizeof inner ? -ENOBUFS
							 : read_own(&piece, &header, &chain);

		if (r >= 0 && !size)
			first = chain.payloads[0].next;
		if (r >= 0)
			r = ike_sk_open(&sa->suite, ike_sa_own_key(sa, header.exchange), piece.data,
					&chain.payloads[0], inner + size);
		if (r < 0)
			return;
		size += r;
		too_large = too_large || piece.size > sa->fragment_limit;
	}
	if (too_large && ike_fragments_seal(sa, &header, first, inner, size, &smaller) >= 0) {
		ike_blob_clear(message);
		*message = smaller;
	}
	explicit_bzero(inner, sizeof inner);
}

void ike_fragments_shrink(struct ike_sa *sa, struct ike_blob *message)
{
	if (sa->state == IKE_SA_INIT_SENT || !sa->peer_takes_fragments ||
	    sa->fragment_limit <= IKE_FRAGMENT_SMALL || message->size <= IKE_FRAGMENT_SMALL)
		return;
	sa->fragment_limit = IKE_FRAGMENT_SMALL;
	ike_fragments_divide(sa, message);
}

void ike_fragments_follow(struct ike_sa *sa, size_t size)
{
	if (size < sa->fragment_limit)
		sa->fragment_limit = size > IKE_FRAGMENT_SMALL ? size : IKE_FRAGMENT_SMALL;
}

int ike_fragments_take(struct ike_sa *sa, uint64_t now, const struct ike_header *header,
		       const uint8_t *data, const struct ike_payload *payload,
		       uint8_t inner[IKE_MESSAGE_LIMIT], uint8_t *ret_first, uint8_t hash[32])
{
	struct ike_reassembly **pieces =
		header->flags & IKE_FLAG_RESPONSE ? &sa->response_pieces : &sa->request_pieces;
	struct ike_fragment fragment;
	enum ike_piece result;
	int r = ike_fragment_read(payload, &fragment);

	sa->context->counters.fragments_received++;
	if (r < 0 || !ike_reassembly_wants(*pieces, now, header->message_id, &fragment)) {
		sa->context->counters.fragments_refused++;
		return -EAGAIN;
	}
	r = ike_sk_open(&sa->suite, ike_sa_peer_key(sa, header->exchange), data, payload, inner);
	if (r < 0)
		return r;
	sa->heard = now;
	if (fragment.number == 1 && fragment.total > 1 && !(header->flags & IKE_FLAG_RESPONSE))
		ike_fragments_follow(sa, header->length);
	result = ike_reassembly_add(pieces, now, header->message_id, &fragment, payload->next, hash,
				    inner, r);
	if (result == IKE_PIECE_REFUSED)
		sa->context->counters.fragments_refused++;
	if (result != IKE_PIECE_COMPLETE)
		return -EAGAIN;
	sa->context->counters.reassembled++;
	r = ike_reassembly_read(*pieces, inner, ret_first, hash);
	*pieces = ike_reassembly_free(*pieces);
	return r;
}

void ike_fragments_expire(struct ike_sa *sa, uint64_t now)
{
	if (sa->request_pieces && ike_reassembly_expired(sa->request_pieces, now))
		sa->request_pieces = ike_reassembly_free(sa->request_pieces);
	if (sa->response_pieces && ike_reassembly_expired(sa->response_pieces, now))
		sa->response_pieces = ike_reassembly_free(sa->response_pieces);
}

uint64_t ike_fragments_due(const struct ike_sa *sa)
{
	uint64_t request = ike_reassembly_due(sa->request_pieces);
	uint64_t response = ike_reassembly_due(sa->response_pieces);

	return request < response ? request : response;
}
