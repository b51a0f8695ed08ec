/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who the other side is: certificates of the account (docs/ARCHITECTURE.md, "Account and trust")
 * and signatures by them over the octets of RFC 7296 §2.15 in the form of RFC 7427. Our own
 * signature is made by identity; nothing here has a private key.
 */
#include "services/keyd/ike-crypto.h"

#include "common/base/cleanup.h"

#include <openssl/evp.h>

#define IKE_NAME_LIMIT        256 /* a domain name with its NUL */
#define IKE_CERTIFICATE_LIMIT 4096
#define IKE_CERTREQ_HASH_SIZE 20

enum ike_hash {
	IKE_HASH_SHA2_256 = 2,
	IKE_HASH_SHA2_384 = 3,
	IKE_HASH_SHA2_512 = 4,
	IKE_HASH_IDENTITY = 5,
};

/* How two hosts prove themselves to each other. */
enum ike_proof {
	IKE_PROOF_CERTIFICATE,
	IKE_PROOF_PSK,
};

/* The account that we and our peers belong to. */
struct ike_trust;

/* `certificate` is the account's, DER, self-signed; `domain` its domain, such as
 * "alice.members.example.org". -EBADMSG for no certificate. */
int ike_trust_new(const uint8_t *certificate, size_t size, const char *domain,
		  struct ike_trust **ret);
struct ike_trust *ike_trust_free(struct ike_trust *trust);
/* What a CERTREQ asks for: SHA-1 of the account's public key (§3.7). */
void ike_trust_hash(const struct ike_trust *trust, uint8_t ret[IKE_CERTREQ_HASH_SIZE]);
const char *ike_trust_domain(const struct ike_trust *trust);

/* What a certificate proves about its holder. */
struct ike_holder {
	uint8_t eui64[8]; /* of the AutoTunnel name: the low half of the host id */
	uint64_t issued;  /* seconds since 1970: common/keys/issue-time.h; 0: long ago */
	EVP_PKEY *key;    /* its public key */
	int64_t expires;  /* the same; from when on the certificate is worth nothing */
};

/*
 * Checks the certificate of a host that says it is `name`: signed by the account, valid at
 * `realtime` (seconds), no authority itself, with `name` (one label below the account's domain) and
 * exactly one AutoTunnel name of that domain among its names. 0, or -EACCES with a sentence in
 * *ret_reason. The caller frees ret->key.
 */
int ike_certificate_check(const struct ike_trust *trust, const uint8_t *certificate, size_t size,
			  const char *name, int64_t realtime, struct ike_holder *ret,
			  const char **ret_reason);

/* Whether `name` is `<label>.<domain of the account>`, in lower case: letters, digits and "-". */
bool ike_trust_has_name(const struct ike_trust *trust, const char *name);

/*
 * What one side signs: its own first message, the other side's nonce, prf(its SK_p, its ID body),
 * and what covers exchanges in between (RFC 9242 §3.3.2; empty: there were none). `id` is the body
 * of the ID payload after the generic header. Allocates *ret; the caller frees.
 */
int ike_signed_octets(uint16_t prf, const uint8_t *sk_p, size_t sk_p_size,
		      struct ike_octets message, struct ike_octets nonce, struct ike_octets id,
		      struct ike_octets between, uint8_t **ret, size_t *ret_size);

/* The AUTH data around an ECDSA signature with SHA-256 (RFC 7427 §3). Returns the size or -ENOBUFS.
 */
int ike_signature_wrap(const uint8_t *signature, size_t size, uint8_t *ret, size_t capacity);
/* Checks AUTH data of the method IKE_METHOD_SIGNATURE: ECDSA or RSA with SHA-2, Ed25519. 0,
 * -EBADMSG, -EOPNOTSUPP for an algorithm we do not take, -EACCES for a wrong signature. */
int ike_signature_check(EVP_PKEY *key, const uint8_t *data, size_t size, const uint8_t *octets,
			size_t octets_size);

/* Body of SIGNATURE_HASH_ALGORITHMS: what we can check. */
void ike_hash_algorithms_write(struct writer *writer);
/* Whether such a body names the hash. */
bool ike_hash_algorithms_have(struct ike_octets body, enum ike_hash hash);

DEFINE_CLEANUP(struct ike_trust *, ike_trust_free)
