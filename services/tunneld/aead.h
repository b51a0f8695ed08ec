/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Authenticated encryption of ESP packets, in place, by one of two libraries: libipsec-mb, which
 * costs least per packet where the processor has AES and carry-less multiplication, or OpenSSL. An
 * object holds one key for one direction; only the nonce is set per packet. All the algorithms have
 * nonces of 12 octets and tags of 16, which stand right behind the text.
 *
 * An engine is what a library is called through; objects of several keys share one, and one thread
 * at a time uses an engine and its objects. It is nothing to wipe: keys are in the objects.
 */
#include "common/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AEAD_NONCE_SIZE 12
#define AEAD_TAG_SIZE   16

enum aead_algorithm {
	AEAD_AES128_GCM,
	AEAD_AES256_GCM,
	AEAD_CHACHA20_POLY1305,
};

enum aead_provider {
	AEAD_PROVIDER_ANY, /* the fastest that works here */
	AEAD_PROVIDER_OPENSSL,
	AEAD_PROVIDER_IPSEC_MB,
};

struct aead_engine;
struct aead;

/* -ENOTSUP: the provider is not built in, not served by this processor, or does not give the known
 * answers. AEAD_PROVIDER_ANY falls back to OpenSSL instead. */
int aead_engine_new(enum aead_provider provider, struct aead_engine **ret);
struct aead_engine *aead_engine_free(struct aead_engine *engine);
/* Never AEAD_PROVIDER_ANY. */
enum aead_provider aead_engine_provider(const struct aead_engine *engine);

/* "any", "openssl", "ipsec-mb"; -EINVAL for another word. */
int aead_provider_from_string(const char *word, enum aead_provider *ret);
const char *aead_provider_to_string(enum aead_provider provider);

size_t aead_key_size(enum aead_algorithm algorithm);
/* `key` is aead_key_size() octets, copied. `engine` is borrowed and must live longer; NULL is
 * OpenSSL. 0 or a negative errno. */
int aead_new(struct aead_engine *engine, enum aead_algorithm algorithm, const uint8_t *key,
	     bool encrypt, struct aead **ret);
/* Wipes the key. Takes NULL, returns NULL. */
struct aead *aead_free(struct aead *aead);

/* Encrypts `size` octets in place and writes the tag behind them. 0 or -EIO. */
int aead_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *aad,
	      size_t aad_size, uint8_t *text, size_t size);
/* Decrypts `size` octets in place and compares the tag behind them in constant time. 0; -EBADMSG
 * when it is another: the octets are then of no use. */
int aead_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *aad,
	      size_t aad_size, uint8_t *text, size_t size);

DEFINE_CLEANUP(struct aead *, aead_free)
DEFINE_CLEANUP(struct aead_engine *, aead_engine_free)
