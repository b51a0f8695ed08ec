/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/aead-internal.h"

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <string.h>

#define ALIGNMENT 64
/* Without both of these OpenSSL is no slower. */
#define NEEDED_FEATURES (IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ)

struct ipsec_mb_aead {
	struct aead aead;
	enum aead_algorithm algorithm;
	IMB_MGR *manager; /* borrowed: the table of functions for this processor */
	uint8_t key[32];  /* ChaCha20-Poly1305 has no expanded one */
	union {
		struct {
			struct gcm_key_data key __attribute__((aligned(ALIGNMENT)));
			struct gcm_context_data context;
		} gcm;
		struct chacha20_poly1305_context_data chacha;
	};
} __attribute__((aligned(ALIGNMENT)));

static int ipsec_mb_open_library(void **ret)
{
	IMB_MGR *manager = alloc_mb_mgr(0);

	if (!manager)
		return -ENOMEM;
	init_mb_mgr_auto(manager, NULL);
	if ((manager->features & NEEDED_FEATURES) != NEEDED_FEATURES || imb_get_errno(manager)) {
		free_mb_mgr(manager);
		return -ENOTSUP;
	}
	*ret = manager;
	return 0;
}

static void ipsec_mb_close_library(void *library)
{
	free_mb_mgr(library);
}

static void ipsec_mb_free(struct aead *aead)
{
	OPENSSL_cleanse(aead, sizeof(struct ipsec_mb_aead));
	free(aead);
}

static int ipsec_mb_new(void *library, enum aead_algorithm algorithm, const uint8_t *key,
			bool encrypt, struct aead **ret)
{
	struct ipsec_mb_aead *aead = aligned_alloc(ALIGNMENT, sizeof *aead);

	if (!aead)
		return -ENOMEM;
	memset(aead, 0, sizeof *aead);
	aead->aead.functions = &aead_ipsec_mb;
	aead->algorithm = algorithm;
	aead->manager = library;
	switch (algorithm) {
	case AEAD_AES128_GCM:
		IMB_AES128_GCM_PRE(aead->manager, key, &aead->gcm.key);
		break;
	case AEAD_AES256_GCM:
		IMB_AES256_GCM_PRE(aead->manager, key, &aead->gcm.key);
		break;
	case AEAD_CHACHA20_POLY1305:
		memcpy(aead->key, key, sizeof aead->key);
		break;
	}
	*ret = &aead->aead;
	return 0;
}

static int ipsec_mb_seal(struct aead *aead, const uint8_t *nonce, const uint8_t *aad,
			 size_t aad_size, uint8_t *text, size_t size)
{
	struct ipsec_mb_aead *mb = (struct ipsec_mb_aead *)aead;

	switch (mb->algorithm) {
	case AEAD_AES128_GCM:
		IMB_AES128_GCM_ENC(mb->manager, &mb->gcm.key, &mb->gcm.context, text, text, size,
				   nonce, aad, aad_size, text + size, AEAD_TAG_SIZE);
		break;
	case AEAD_AES256_GCM:
		IMB_AES256_GCM_ENC(mb->manager, &mb->gcm.key, &mb->gcm.context, text, text, size,
				   nonce, aad, aad_size, text + size, AEAD_TAG_SIZE);
		break;
	case AEAD_CHACHA20_POLY1305:
		IMB_CHACHA20_POLY1305_INIT(mb->manager, mb->key, &mb->chacha, nonce, aad, aad_size);
		IMB_CHACHA20_POLY1305_ENC_UPDATE(mb->manager, mb->key, &mb->chacha, text, text,
						 size);
		IMB_CHACHA20_POLY1305_ENC_FINALIZE(mb->manager, &mb->chacha, text + size,
						   AEAD_TAG_SIZE);
		break;
	}
	return 0;
}

static int ipsec_mb_open(struct aead *aead, const uint8_t *nonce, const uint8_t *aad,
			 size_t aad_size, uint8_t *text, size_t size)
{
	struct ipsec_mb_aead *mb = (struct ipsec_mb_aead *)aead;
	uint8_t tag[AEAD_TAG_SIZE];

	switch (mb->algorithm) {
	case AEAD_AES128_GCM:
		IMB_AES128_GCM_DEC(mb->manager, &mb->gcm.key, &mb->gcm.context, text, text, size,
				   nonce, aad, aad_size, tag, sizeof tag);
		break;
	case AEAD_AES256_GCM:
		IMB_AES256_GCM_DEC(mb->manager, &mb->gcm.key, &mb->gcm.context, text, text, size,
				   nonce, aad, aad_size, tag, sizeof tag);
		break;
	case AEAD_CHACHA20_POLY1305:
		IMB_CHACHA20_POLY1305_INIT(mb->manager, mb->key, &mb->chacha, nonce, aad, aad_size);
		IMB_CHACHA20_POLY1305_DEC_UPDATE(mb->manager, mb->key, &mb->chacha, text, text,
						 size);
		IMB_CHACHA20_POLY1305_DEC_FINALIZE(mb->manager, &mb->chacha, tag, sizeof tag);
		break;
	}
	return CRYPTO_memcmp(tag, text + size, sizeof tag) ? -EBADMSG : 0;
}

const struct aead_functions aead_ipsec_mb = {
	.open_library = ipsec_mb_open_library,
	.close_library = ipsec_mb_close_library,
	.new = ipsec_mb_new,
	.free = ipsec_mb_free,
	.seal = ipsec_mb_seal,
	.open = ipsec_mb_open,
};
