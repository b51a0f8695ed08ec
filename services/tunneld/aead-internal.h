/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What aead.c asks of a provider. */
#include "services/tunneld/aead.h"

struct aead_functions {
	/* The library's own state, if it has one. */
	int (*open_library)(void **ret);
	void (*close_library)(void *library);
	int (*new)(void *library, enum aead_algorithm algorithm, const uint8_t *key, bool encrypt,
		   struct aead **ret);
	void (*free)(struct aead *aead);
	int (*seal)(struct aead *aead, const uint8_t *nonce, const uint8_t *aad, size_t aad_size,
		    uint8_t *text, size_t size);
	int (*open)(struct aead *aead, const uint8_t *nonce, const uint8_t *aad, size_t aad_size,
		    uint8_t *text, size_t size);
};

/* The first member of a provider's own object. */
struct aead {
	const struct aead_functions *functions;
};

extern const struct aead_functions aead_openssl;
#ifdef HAVE_IPSEC_MB
extern const struct aead_functions aead_ipsec_mb;
#endif
