/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The algorithms we speak, in our order of preference. What is not in these lists does not exist
 * for us: nothing weaker can be negotiated, whatever the other side offers or somebody on the way
 * takes out of an offer (RFC 8221, RFC 8247).
 */
#include "services/keyd/ike-key-exchange.h"

enum ike_encryption {
	IKE_ENCR_AES_GCM_16 = 20,
	IKE_ENCR_CHACHA20_POLY1305 = 28,
};

enum ike_prf {
	IKE_PRF_HMAC_SHA2_256 = 5,
	IKE_PRF_HMAC_SHA2_384 = 6,
	IKE_PRF_HMAC_SHA2_512 = 7,
};

/* An algorithm that encrypts and authenticates, with a key length. */
struct ike_cipher {
	uint16_t encryption; /* enum ike_encryption */
	uint16_t key_bits;
};

/* When ML-KEM-768 is added to the key exchange of an IKE SA. */
enum ike_kem_use {
	IKE_KEM_PREFERRED, /* with every peer that has it */
	IKE_KEM_REQUIRED,  /* and with nobody else */
	IKE_KEM_NEVER,
};

#define IKE_PREFERENCES_LIMIT 3 /* of each kind: all there are */

struct ike_ciphers {
	struct ike_cipher items[IKE_PREFERENCES_LIMIT];
	size_t n;
};

/* Numbers of one kind of transform. */
struct ike_numbers {
	uint16_t items[IKE_PREFERENCES_LIMIT];
	size_t n;
};

/* Best first; no list is empty. */
struct ike_preferences {
	struct ike_ciphers ike, esp;
	struct ike_numbers prfs;   /* enum ike_prf */
	struct ike_numbers groups; /* enum ike_group */
	int kem_use;               /* enum ike_kem_use */
	bool has_kem;              /* it can be computed here; not at first */
};

#define IKE_CIPHER_WORDS "aes128gcm16 aes256gcm16 chacha20poly1305"
#define IKE_PRF_WORDS    "prfsha256 prfsha384 prfsha512"
#define IKE_GROUP_WORDS  "x25519 ecp256 ecp384"

/* All, in the order of the words above. */
void ike_preferences_init(struct ike_preferences *preferences);

/* What of it is left where it cannot be computed. */
enum ike_kem_use ike_preferences_kem(const struct ike_preferences *preferences);

/* Lists of such words with white space between them. -EINVAL for a word that is none of them or
 * comes twice, and for an empty list; then *ret is as before. Of the form of config.h's parse(). */
int ike_preferences_parse_ciphers(const char *words, void *ret);
int ike_preferences_parse_prfs(const char *words, void *ret);
int ike_preferences_parse_groups(const char *words, void *ret);

/* NULL for what is not known. */
const char *ike_cipher_name(uint16_t encryption, uint16_t key_bits);
const char *ike_prf_name(uint16_t prf);
