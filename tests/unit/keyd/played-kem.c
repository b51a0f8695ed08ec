/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/keyd/played-kem.h"

#include "services/keyd/ike-crypto.h"

#include <string.h>

static void expand(const uint8_t *from, size_t size, uint8_t *to, size_t wanted)
{
	uint8_t block[32], text[IKE_KEM_SEED + 1];

	memcpy(text, from, size);
	for (size_t done = 0; done < wanted; done += sizeof block) {
		size_t left = wanted - done;

		text[size] = done / sizeof block;
		ike_sha256(text, size + 1, block);
		memcpy(to + done, block, left < sizeof block ? left : sizeof block);
	}
	to[0] &= 0x7f;
}

static void share(const uint8_t *public_value, const uint8_t *ciphertext, uint8_t *ret)
{
	uint8_t both[IKE_KEM_PUBLIC + IKE_KEM_CIPHERTEXT];

	memcpy(both, public_value, IKE_KEM_PUBLIC);
	memcpy(both + IKE_KEM_PUBLIC, ciphertext, IKE_KEM_CIPHERTEXT);
	ike_sha256(both, sizeof both, ret);
}

static int make(const uint8_t seed[IKE_KEM_SEED], uint8_t ret_public[IKE_KEM_PUBLIC])
{
	expand(seed, IKE_KEM_SEED, ret_public, IKE_KEM_PUBLIC);
	return 0;
}

static int encapsulate(const uint8_t public_value[IKE_KEM_PUBLIC],
		       const uint8_t entropy[IKE_KEM_ENTROPY],
		       uint8_t ret_ciphertext[IKE_KEM_CIPHERTEXT],
		       uint8_t ret_shared[IKE_KEM_SHARED])
{
	if (public_value[0] == PLAYED_KEM_BAD)
		return -EBADMSG;
	expand(entropy, IKE_KEM_ENTROPY, ret_ciphertext, IKE_KEM_CIPHERTEXT);
	share(public_value, ret_ciphertext, ret_shared);
	return 0;
}

static int decapsulate(const uint8_t seed[IKE_KEM_SEED],
		       const uint8_t ciphertext[IKE_KEM_CIPHERTEXT],
		       uint8_t ret_shared[IKE_KEM_SHARED])
{
	uint8_t public_value[IKE_KEM_PUBLIC];

	make(seed, public_value);
	share(public_value, ciphertext, ret_shared);
	return 0;
}

const struct ike_kem played_kem = { make, encapsulate, decapsulate };
