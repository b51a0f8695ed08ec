/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/aead.h"

#include "services/tunneld/aead-internal.h"

#include <string.h>

#define TRIAL_SIZE 300 /* more than one round of any implementation, and no multiple of a block */

struct aead_engine {
	enum aead_provider provider;
	const struct aead_functions *functions;
	void *library;
};

static const char *const provider_words[] = {
	[AEAD_PROVIDER_ANY] = "any",
	[AEAD_PROVIDER_OPENSSL] = "openssl",
	[AEAD_PROVIDER_IPSEC_MB] = "ipsec-mb",
};

int aead_provider_from_string(const char *word, enum aead_provider *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(provider_words); i++) {
		if (!strcmp(provider_words[i], word)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *aead_provider_to_string(enum aead_provider provider)
{
	return provider_words[provider];
}

size_t aead_key_size(enum aead_algorithm algorithm)
{
	return algorithm == AEAD_AES128_GCM ? 16 : 32;
}

static int seal_trial(const struct aead_functions *functions, void *library,
		      enum aead_algorithm algorithm, uint8_t *text)
{
	uint8_t key[32], nonce[AEAD_NONCE_SIZE] = { 1, 2, 3 }, aad[12] = { 4, 5, 6 };
	struct aead *aead;
	int r;

	for (size_t i = 0; i < sizeof key; i++)
		key[i] = i;
	for (size_t i = 0; i < TRIAL_SIZE; i++)
		text[i] = i;
	r = functions->new (library, algorithm, key, true, &aead);
	if (r < 0)
		return r;
	r = functions->seal(aead, nonce, aad, sizeof aad, text, TRIAL_SIZE);
	functions->free(aead);
	return r;
}

/* Whether the library seals as OpenSSL does: once at start, since wrong packets would go out
 * unnoticed. */
static int try_algorithms(const struct aead_functions *functions, void *library)
{
	for (enum aead_algorithm i = AEAD_AES128_GCM; i <= AEAD_CHACHA20_POLY1305; i++) {
		uint8_t ours[TRIAL_SIZE + AEAD_TAG_SIZE], theirs[TRIAL_SIZE + AEAD_TAG_SIZE];

		if (seal_trial(functions, library, i, theirs) < 0 ||
		    seal_trial(&aead_openssl, NULL, i, ours) < 0 ||
		    memcmp(ours, theirs, sizeof ours))
			return -ENOTSUP;
	}
	return 0;
}

static int try_ipsec_mb(struct aead_engine *engine)
{
#ifdef HAVE_IPSEC_MB
	int r = aead_ipsec_mb.open_library(&engine->library);

	if (r < 0)
		return r;
	r = try_algorithms(&aead_ipsec_mb, engine->library);
	if (r < 0) {
		aead_ipsec_mb.close_library(engine->library);
		return r;
	}
	engine->functions = &aead_ipsec_mb;
	engine->provider = AEAD_PROVIDER_IPSEC_MB;
	return 0;
#else
	(void)try_algorithms;
	return -ENOTSUP;
#endif
}

int aead_engine_new(enum aead_provider provider, struct aead_engine **ret)
{
	struct aead_engine *engine = calloc(1, sizeof *engine);
	int r = -ENOTSUP;

	if (!engine)
		return -ENOMEM;
	if (provider != AEAD_PROVIDER_OPENSSL)
		r = try_ipsec_mb(engine);
	if (r < 0 && provider == AEAD_PROVIDER_IPSEC_MB) {
		free(engine);
		return r;
	}
	if (r < 0) {
		engine->functions = &aead_openssl;
		engine->provider = AEAD_PROVIDER_OPENSSL;
	}
	*ret = engine;
	return 0;
}

struct aead_engine *aead_engine_free(struct aead_engine *engine)
{
	if (!engine)
		return NULL;
	if (engine->functions->close_library)
		engine->functions->close_library(engine->library);
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
	const struct aead_functions *functions = engine ? engine->functions : &aead_openssl;

	return functions->new (engine ? engine->library : NULL, algorithm, key, encrypt, ret);
}

struct aead *aead_free(struct aead *aead)
{
	if (aead)
		aead->functions->free(aead);
	return NULL;
}

int aead_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *aad,
	      size_t aad_size, uint8_t *text, size_t size)
{
	return aead->functions->seal(aead, nonce, aad, aad_size, text, size);
}

int aead_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *aad,
	      size_t aad_size, uint8_t *text, size_t size)
{
	return aead->functions->open(aead, nonce, aad, aad_size, text, size);
}
