/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In the place of services/tunneld/aead*.c in the program tunneld-nocrypto, which is built by
 * `./run bench tunnel` alone and never installed: the same packets of the same sizes, not encrypted
 * and with a tag of zeroes. What the data path takes without this and with it is the price of
 * cryptography.
 */
#include "services/tunneld/aead.h"

#include <string.h>

struct aead_engine {
	enum aead_provider provider;
};

struct aead {
	bool encrypt;
};

int aead_provider_from_string(const char *word, enum aead_provider *ret)
{
	*ret = AEAD_PROVIDER_ANY;
	return 0;
}

const char *aead_provider_to_string(enum aead_provider provider)
{
	return "none";
}

size_t aead_key_size(enum aead_algorithm algorithm)
{
	return algorithm == AEAD_AES128_GCM ? 16 : 32;
}

int aead_engine_new(enum aead_provider provider, struct aead_engine **ret)
{
	*ret = calloc(1, sizeof **ret);
	return *ret ? 0 : -ENOMEM;
}

struct aead_engine *aead_engine_free(struct aead_engine *engine)
{
	free(engine);
	return NULL;
}

enum aead_provider aead_engine_provider(const struct aead_engine *engine)
{
	return engine->provider;
}

int aead_new(struct aead_engine *engine, enum aead_algorithm algorithm, const uint8_t *key,
	     bool encrypt, struct aead **ret)
{
	*ret = calloc(1, sizeof **ret);
	return *ret ? 0 : -ENOMEM;
}

struct aead *aead_free(struct aead *aead)
{
	free(aead);
	return NULL;
}

int aead_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *aad,
	      size_t aad_size, uint8_t *text, size_t size)
{
	memset(text + size, 0, AEAD_TAG_SIZE);
	return 0;
}

int aead_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *aad,
	      size_t aad_size, uint8_t *text, size_t size)
{
	return 0;
}
