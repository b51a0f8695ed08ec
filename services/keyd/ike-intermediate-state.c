/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * IKE_INTERMEDIATE (RFC 9242) with the additional key exchange that IKE_SA_INIT agreed upon (RFC
 * 9370): ML-KEM-768. It is encrypted with the keys of IKE_SA_INIT, so a responder encapsulates only
 * for somebody who has answered from where he is, once; and it comes in pieces like any other (RFC
 * 7383). The keys change after it, and AUTH covers it.
 */
#include "services/keyd/ike-intermediate.h"

#include "services/keyd/ike-proof.h"

#include <openssl/crypto.h>

#define SK_HEADER_SIZE 4

bool ike_intermediate_expected(const struct ike_sa *sa)
{
	/* What is resumed has it in the keys it begins with. */
	return sa->suite.kem && !sa->session && !sa->n_intermediate;
}

/* IntAuth of one direction: over the message as it is before encryption and before it is cut, with
 * lengths as if it ended there. Its keys are those it is encrypted with. */
static int cover(struct ike_sa *sa, const struct ike_header *header, uint8_t first,
		 struct ike_octets content)
{
	bool of_initiator = header->flags & IKE_FLAG_INITIATOR;
	uint8_t head[IKE_HEADER_SIZE + SK_HEADER_SIZE];
	struct writer writer = writer_init(head, sizeof head);
	const struct ike_octets data[] = { { head, sizeof head }, content };
	struct ike_header whole = *header;

	whole.next_payload = IKE_PAYLOAD_SK;
	whole.length = sizeof head + content.size;
	ike_header_write(&writer, &whole);
	writer_u8(&writer, first);
	writer_u8(&writer, 0);
	writer_u16(&writer, SK_HEADER_SIZE + content.size);
	return ike_prf(sa->suite.prf, of_initiator ? sa->keys.pi : sa->keys.pr, sa->keys.prf_size,
		       data, ARRAY_SIZE(data), sa->int_auth[!of_initiator]);
}

static int cover_own(struct ike_sa *sa, uint32_t id, struct ike_builder *inner)
{
	struct ike_header header = ike_sa_header(sa, IKE_EXCHANGE_INTERMEDIATE, !sa->initiator, id);
	int size = ike_builder_finish(inner);

	return size < 0 ? size
			: cover(sa, &header, inner->first,
				(struct ike_octets){ inner->writer.data, size });
}

/* The peer's message, whose payloads follow each other in one place. */
static int cover_peer(struct ike_sa *sa, const struct ike_chain *chain)
{
	const struct ike_payload *first = &chain->payloads[0];
	const struct ike_payload *last = &chain->payloads[chain->n_payloads - 1];
	const uint8_t *start = first->data - SK_HEADER_SIZE;

	return cover(sa, &sa->at_hand, first->type,
		     (struct ike_octets){ start, last->data + last->size - start });
}

struct ike_octets ike_intermediate_covered(const struct ike_sa *sa,
					   uint8_t buffer[2 * IKE_PRF_LIMIT + 4])
{
	struct writer writer = writer_init(buffer, 2 * IKE_PRF_LIMIT + 4);

	if (sa->n_intermediate) {
		writer_copy(&writer, sa->int_auth[0], sa->keys.prf_size);
		writer_copy(&writer, sa->int_auth[1], sa->keys.prf_size);
		/* The number of the first message of IKE_AUTH. */
		writer_u32(&writer, sa->n_intermediate + 1);
	}
	return (struct ike_octets){ buffer, writer.position };
}

void ike_intermediate_forget(struct ike_sa *sa)
{
	if (sa->former_keys)
		ike_keys_wipe(sa->former_keys);
	free(sa->former_keys);
	sa->former_keys = NULL;
}

/* SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr) (RFC 9370 §2.2.2). */
static int update_keys(struct ike_sa *sa, const uint8_t shared[IKE_KEM_SHARED])
{
	struct ike_keys former = sa->keys;
	int r = ike_keys_rekey(sa->suite.prf, &former, &sa->suite, ike_sa_nonce(sa, true),
			       ike_sa_nonce(sa, false),
			       (struct ike_octets){ shared, IKE_KEM_SHARED }, sa->spi_initiator,
			       sa->spi_responder, &sa->keys);

	ike_keys_wipe(&former);
	if (r >= 0)
		sa->n_intermediate++;
	return r;
}

/* The method's value in the message; NULL: there is none. */
static const uint8_t *find_value(const struct ike_sa *sa, const struct ike_chain *chain,
				 size_t size)
{
	const struct ike_payload *payload = ike_chain_find(chain, IKE_PAYLOAD_KE);
	struct ike_octets value;
	uint16_t method;

	if (!payload || ike_ke_read(payload, &method, &value) < 0 || method != sa->suite.kem ||
	    value.size != size)
		return NULL;
	return value.data;
}

/* Initiator. */

static int go_on(struct ike_sa *sa, uint64_t now)
{
	int r = ike_proof_mix_ppk(sa);

	return r < 0 ? r : ike_proof_begin(sa, now);
}

int ike_intermediate_begin(struct ike_sa *sa, uint64_t now)
{
	const struct ike_random *random = &sa->context->random;
	uint8_t buffer[IKE_KEM_PUBLIC + 64], public_value[IKE_KEM_PUBLIC];
	struct ike_builder inner;
	int r;

	if (!ike_intermediate_expected(sa))
		return go_on(sa, now);
	random->fill(random->userdata, sa->kem_seed, sizeof sa->kem_seed);
	sa->context->counters.key_exchanges++;
	r = sa->context->kem->make(sa->kem_seed, public_value);
	if (r < 0)
		return r;
	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_builder_add_ke(&inner, sa->suite.kem, public_value, sizeof public_value);
	r = cover_own(sa, sa->requests.next_id, &inner);
	if (r < 0)
		return r;
	sa->auth_began = now;
	ike_sa_set_state(sa, IKE_SA_INTERMEDIATE_SENT, UINT64_MAX);
	return ike_sa_request_sealed(sa, now, IKE_EXCHANGE_INTERMEDIATE, &inner, IKE_AUTH_DEADLINE);
}

void ike_intermediate_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	uint8_t shared[IKE_KEM_SHARED];
	const uint8_t *ciphertext;
	struct ike_notify error;
	int r;

	if (sa->state != IKE_SA_INTERMEDIATE_SENT)
		return;
	ciphertext = find_value(sa, chain, IKE_KEM_CIPHERTEXT);
	if (!ciphertext) {
		if (ike_chain_find_error(chain, &error))
			ike_sa_fail(sa, "it refused with %s", ike_notify_name(error.type));
		else
			ike_sa_fail(sa, "its key exchange is not the one it agreed to");
		return;
	}
	r = cover_peer(sa, chain);
	if (r >= 0)
		r = sa->context->kem->decapsulate(sa->kem_seed, ciphertext, shared);
	if (r >= 0)
		r = update_keys(sa, shared);
	OPENSSL_cleanse(shared, sizeof shared);
	OPENSSL_cleanse(sa->kem_seed, sizeof sa->kem_seed);
	if (r < 0 || go_on(sa, now) < 0)
		ike_sa_fail(sa, "cannot go on after the key exchange");
}

/* Responder. */

static void refuse(struct ike_sa *sa, uint64_t now)
{
	sa->context->counters.refused_peers++;
	ike_sa_answer_error(sa, IKE_EXCHANGE_INTERMEDIATE, IKE_NOTIFY_INVALID_SYNTAX, NULL, 0);
	ike_sa_set_state(sa, IKE_SA_CLOSED, now + IKE_CLOSED_LINGER);
}

/* With the keys that there are, which are kept: the initiator may need the answer again, and in
 * smaller pieces. */
static int answer(struct ike_sa *sa, const struct ike_chain *chain,
		  const uint8_t ciphertext[IKE_KEM_CIPHERTEXT])
{
	uint8_t buffer[IKE_KEM_CIPHERTEXT + 64];
	struct ike_builder inner;
	int r;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_builder_add_ke(&inner, sa->suite.kem, ciphertext, IKE_KEM_CIPHERTEXT);
	r = cover_peer(sa, chain);
	if (r >= 0)
		r = cover_own(sa, sa->asked_id, &inner);
	if (r < 0)
		return r;
	sa->former_keys = malloc(sizeof *sa->former_keys);
	if (!sa->former_keys)
		return -ENOMEM;
	*sa->former_keys = sa->keys;
	return ike_sa_answer_sealed(sa, IKE_EXCHANGE_INTERMEDIATE, &inner);
}

void ike_intermediate_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	const struct ike_random *random = &sa->context->random;
	const uint8_t *public_value = find_value(sa, chain, IKE_KEM_PUBLIC);
	uint8_t entropy[IKE_KEM_ENTROPY], ciphertext[IKE_KEM_CIPHERTEXT], shared[IKE_KEM_SHARED];
	int r = -EBADMSG;

	if (public_value) {
		random->fill(random->userdata, entropy, sizeof entropy);
		sa->context->counters.key_exchanges++;
		r = sa->context->kem->encapsulate(public_value, entropy, ciphertext, shared);
	}
	if (r == -EBADMSG) {
		refuse(sa, now);
		return;
	}
	if (r >= 0)
		r = answer(sa, chain, ciphertext);
	if (r >= 0)
		r = update_keys(sa, shared);
	OPENSSL_cleanse(entropy, sizeof entropy);
	OPENSSL_cleanse(shared, sizeof shared);
	if (r < 0)
		ike_sa_fail(sa, "cannot answer the key exchange");
}
