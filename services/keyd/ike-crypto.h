/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The cryptography of an IKE SA, by OpenSSL: pseudo-random functions, the keys that follow (RFC
 * 7296 §2.13-2.17) and the encrypted payload with AES-GCM (RFC 5282) or ChaCha20-Poly1305 (RFC
 * 7634). The key exchange is in ike-key-exchange.h.
 */
#include "services/keyd/ike-key-exchange.h"
#include "services/keyd/ike-message-wire.h"
#include "services/keyd/ike-proposal-wire.h"

#include <netinet/in.h>

#define IKE_PRF_LIMIT     64 /* octets of the longest prf */
#define IKE_KEY_LIMIT     36 /* octets of the longest cipher key with its salt */
#define IKE_NONCE_SIZE    32 /* of our own nonces */
#define IKE_NAT_HASH_SIZE 20
#define IKE_SK_OVERHEAD   (IKE_HEADER_SIZE + 4 + 8 + 1 + 16)
#define IKE_SKF_OVERHEAD  (IKE_SK_OVERHEAD + 4)
#define ESP_KEYMAT_LIMIT  (2 * IKE_KEY_LIMIT)

struct ike_keys {
	size_t prf_size; /* of d, pi, pr */
	size_t key_size; /* of ei, er: key and salt */
	uint8_t d[IKE_PRF_LIMIT], pi[IKE_PRF_LIMIT], pr[IKE_PRF_LIMIT];
	uint8_t ei[IKE_KEY_LIMIT], er[IKE_KEY_LIMIT];
};

/* All return 0 or a negative errno; -EIO when OpenSSL cannot. */

/* Octets that enum ike_prf gives; 0 for an unknown one. */
size_t ike_prf_size(uint16_t prf);
/* prf(key, data[0] | data[1] | ...). `ret` has room for IKE_PRF_LIMIT. */
int ike_prf(uint16_t prf, const void *key, size_t key_size, const struct ike_octets *data,
	    size_t n_data, uint8_t *ret);
/* prf+(key, data[0] | ...), `size` octets (§2.13); -EINVAL for more than 255 blocks or 4 pieces. */
int ike_prf_plus(uint16_t prf, const void *key, size_t key_size, const struct ike_octets *data,
		 size_t n_data, uint8_t *ret, size_t size);

/* The seven keys of an IKE SA (§2.14). */
int ike_keys_derive(const struct ike_suite *suite, struct ike_octets nonce_initiator,
		    struct ike_octets nonce_responder, struct ike_octets shared,
		    uint64_t spi_initiator, uint64_t spi_responder, struct ike_keys *ret);
/* Those of an SA that resumes one whose SK_d was this (RFC 5723 §5.1). */
int ike_keys_resume(const struct ike_suite *suite, const uint8_t *former_d,
		    struct ike_octets nonce_initiator, struct ike_octets nonce_responder,
		    uint64_t spi_initiator, uint64_t spi_responder, struct ike_keys *ret);
/* Lets a post-quantum preshared key into what authenticates, and into all keys that follow from
 * these (RFC 8784 §3). The encryption of the IKE SA itself stays as it is. */
int ike_keys_mix_ppk(const struct ike_suite *suite, struct ike_keys *keys, struct ike_octets ppk);
void ike_keys_wipe(struct ike_keys *keys);
/* KEYMAT of a child SA made without a key exchange of its own (§2.17): `size` octets. */
int ike_keys_derive_child(const struct ike_suite *suite, const struct ike_keys *keys,
			  struct ike_octets nonce_initiator, struct ike_octets nonce_responder,
			  uint8_t *ret, size_t size);
/* The same with a key exchange of its own, or without one when `shared` is empty. */
int ike_keys_derive_child_fresh(const struct ike_suite *suite, const struct ike_keys *keys,
				struct ike_octets shared, struct ike_octets nonce_initiator,
				struct ike_octets nonce_responder, uint8_t *ret, size_t size);
/* Those of an IKE SA that takes the place of another (§2.18): the former's prf makes the seed. */
int ike_keys_rekey(uint16_t former_prf, const struct ike_keys *former,
		   const struct ike_suite *suite, struct ike_octets nonce_initiator,
		   struct ike_octets nonce_responder, struct ike_octets shared,
		   uint64_t spi_initiator, uint64_t spi_responder, struct ike_keys *ret);

/*
 * A message whose one payload is SK around the chain `inner` that begins with type `first`. `key`
 * is the sender's key and salt; `iv` must never come twice with one key. Returns the size of the
 * message, or -ENOBUFS.
 */
int ike_sk_seal(const struct ike_suite *suite, const uint8_t *key, uint64_t iv,
		const struct ike_header *header, uint8_t first, const uint8_t *inner,
		size_t inner_size, uint8_t *ret, size_t capacity);
/* The same with an SKF payload: `inner` is the piece of a chain that `fragment` says (RFC 7383
 * §2.5). */
int ike_skf_seal(const struct ike_suite *suite, const uint8_t *key, uint64_t iv,
		 const struct ike_header *header, const struct ike_fragment *fragment,
		 uint8_t first, const uint8_t *inner, size_t inner_size, uint8_t *ret,
		 size_t capacity);
/* What is inside the SK or SKF payload `payload` of `message`. `ret` has room for the payload's
 * size. Returns the size of the chain; -EBADMSG when it is not authentic or has a form it must not
 * have.
 */
int ike_sk_open(const struct ike_suite *suite, const uint8_t *key, const uint8_t *message,
		const struct ike_payload *payload, uint8_t *ret);

/* SHA-1(SPIi | SPIr | address | port) (§2.23): an identifier, not a protection. */
int ike_nat_hash(uint64_t spi_initiator, uint64_t spi_responder, const struct sockaddr_in *endpoint,
		 uint8_t ret[IKE_NAT_HASH_SIZE]);

int ike_sha256(const void *data, size_t size, uint8_t ret[32]);
