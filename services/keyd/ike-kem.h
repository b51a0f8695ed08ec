/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ML-KEM-768 (FIPS 203), the key exchange that is added to the one of IKE_SA_INIT (RFC 9370):
 * whoever records today what goes over the wire cannot read it with a quantum computer of tomorrow.
 * The initiator makes a pair from a seed and sends its public half, the responder encapsulates a
 * secret for it. What is random is an argument: 64 octets make a pair, 32 a secret.
 *
 * Through this interface, so that the state machine does not depend on what the OpenSSL that runs
 * can do.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IKE_KEM_MLKEM768 36 /* the method's number, of IANA */

#define IKE_KEM_SEED       64
#define IKE_KEM_ENTROPY    32
#define IKE_KEM_PUBLIC     1184
#define IKE_KEM_CIPHERTEXT 1088
#define IKE_KEM_SHARED     32

/* All return 0, -EBADMSG, or -EIO when it cannot be computed. Nothing of what is secret is kept. */
struct ike_kem {
	/* The public half of the pair that follows from the seed. */
	int (*make)(const uint8_t seed[IKE_KEM_SEED], uint8_t ret_public[IKE_KEM_PUBLIC]);
	/* A secret, and what carries it to the owner of the pair. -EBADMSG for a public half that
	 * is none (FIPS 203 §7.2). */
	int (*encapsulate)(const uint8_t public_value[IKE_KEM_PUBLIC],
			   const uint8_t entropy[IKE_KEM_ENTROPY],
			   uint8_t ret_ciphertext[IKE_KEM_CIPHERTEXT],
			   uint8_t ret_shared[IKE_KEM_SHARED]);
	/* The secret again. One that was not made for this pair gives another, and no error. */
	int (*decapsulate)(const uint8_t seed[IKE_KEM_SEED],
			   const uint8_t ciphertext[IKE_KEM_CIPHERTEXT],
			   uint8_t ret_shared[IKE_KEM_SHARED]);
};

/* That of the OpenSSL that runs, from 3.5 on, whatever it was built with; NULL: it has none. */
const struct ike_kem *ike_kem_of_openssl(void);
