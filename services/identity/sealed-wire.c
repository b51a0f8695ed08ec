/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * magic[8], the key's mark[8], nonce[12], AES-256-GCM of the octets, tag[16]. Authenticated with
 * it: what comes before the nonce, and the name. The nonces are random: a store is written some
 * times in its life, and 2^32 would be allowed under one key (NIST SP 800-38D §8.3).
 */
#include "services/identity/sealed-wire.h"

#include "common/wire/cursor.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define MARK_SIZE  8
#define NONCE_SIZE 12
#define TAG_SIZE   16
#define HEAD_SIZE  (sizeof magic + MARK_SIZE)

_Static_assert(8 + MARK_SIZE + NONCE_SIZE + TAG_SIZE == SEALED_OVERHEAD, "the sum of the parts");

static const char magic[8] = "hwseal-1";

DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

const char *key_protection_name(enum key_protection protection)
{
	switch (protection) {
	case KEY_PROTECTION_NONE:
		return "none";
	case KEY_PROTECTION_HOST:
		return "host";
	case KEY_PROTECTION_TPM2:
		return "tpm2";
	case KEY_PROTECTION_HOST_TPM2:
		return "host+tpm2";
	}
	return "";
}

struct store_key *store_key_free(struct store_key *key)
{
	if (!key)
		return NULL;
	secret_free(key->secret);
	free(key);
	return NULL;
}

int store_key_parse(const uint8_t *data, size_t size, struct store_key **ret)
{
	cleanup(store_key_freep) struct store_key *key = calloc(1, sizeof *key);
	int r;

	if (!key)
		return -ENOMEM;
	for (;; key->protection++) {
		const char *name = key_protection_name(key->protection);
		size_t length = strlen(name);

		if (!length)
			return -EBADMSG;
		if (size < length || memcmp(data, name, length))
			continue;
		if (key->protection == KEY_PROTECTION_NONE)
			return size == length ? -ENODATA : -EBADMSG;
		if (size != length + 1 + STORE_KEY_SIZE || data[length] != '\n')
			continue;
		r = secret_new_copy(data + length + 1, STORE_KEY_SIZE, &key->secret);
		if (r < 0)
			return r;
		*ret = steal_ptr(key);
		return 0;
	}
}

/* Tells keys apart, and says nothing else about them. */
static int make_mark(const struct store_key *key, uint8_t ret[static MARK_SIZE])
{
	static const char label[] = "homeward store key mark";
	uint8_t digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool made = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(context, label, sizeof label) == 1 &&
		    EVP_DigestUpdate(context, key->secret->data, key->secret->size) == 1 &&
		    EVP_DigestFinal_ex(context, digest, NULL) == 1;

	EVP_MD_CTX_free(context);
	if (made)
		memcpy(ret, digest, MARK_SIZE);
	return made ? 0 : -ENOMEM;
}

/* Ready for the octets. */
static EVP_CIPHER_CTX *begin(const struct store_key *key, const char *name, const uint8_t *head,
			     const uint8_t *nonce, bool encrypt)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int n;

	if (context &&
	    EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key->secret->data, nonce,
			      encrypt) == 1 &&
	    EVP_CipherUpdate(context, NULL, &n, head, HEAD_SIZE) == 1 &&
	    EVP_CipherUpdate(context, NULL, &n, (const uint8_t *)name, (int)strlen(name)) == 1)
		return context;
	EVP_CIPHER_CTX_free(context);
	return NULL;
}

int sealed_write(const struct store_key *key, const char *name, const struct secret *octets,
		 struct secret **ret)
{
	cleanup(secret_freep) struct secret *sealed = NULL;
	cleanup(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *context = NULL;
	uint8_t *nonce, *text;
	int n, r = secret_new(octets->size + SEALED_OVERHEAD, &sealed);

	if (r < 0)
		return r;
	memcpy(sealed->data, magic, sizeof magic);
	r = make_mark(key, sealed->data + sizeof magic);
	if (r < 0)
		return r;
	nonce = sealed->data + HEAD_SIZE;
	text = nonce + NONCE_SIZE;
	if (RAND_bytes(nonce, NONCE_SIZE) != 1)
		return -EIO;
	context = begin(key, name, sealed->data, nonce, true);
	if (!context ||
	    EVP_EncryptUpdate(context, text, &n, octets->data, (int)octets->size) != 1 ||
	    EVP_EncryptFinal_ex(context, text + octets->size, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, text + octets->size) != 1)
		return -ENOMEM;
	*ret = steal_ptr(sealed);
	return 0;
}

bool sealed_is(const uint8_t *data, size_t size)
{
	return size >= sizeof magic && !memcmp(data, magic, sizeof magic);
}

int sealed_read(const struct store_key *key, const char *name, const uint8_t *data, size_t size,
		struct secret **ret)
{
	cleanup(secret_freep) struct secret *octets = NULL;
	cleanup(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *context = NULL;
	struct reader reader = reader_init(data, size);
	const uint8_t *head = reader_take(&reader, HEAD_SIZE), *nonce, *text, *tag;
	uint8_t mark[MARK_SIZE], expected[TAG_SIZE];
	size_t text_size;
	int n, r;

	nonce = reader_take(&reader, NONCE_SIZE);
	if (reader.failed || reader_left(&reader) <= TAG_SIZE || !sealed_is(data, size))
		return -EBADMSG;
	text_size = reader_left(&reader) - TAG_SIZE;
	text = reader_take(&reader, text_size);
	tag = reader_take(&reader, TAG_SIZE);
	if (!key)
		return -ENOKEY;
	r = make_mark(key, mark);
	if (r >= 0 && memcmp(mark, head + sizeof magic, MARK_SIZE))
		r = -EKEYREJECTED;
	if (r >= 0)
		r = secret_new(text_size, &octets);
	if (r < 0)
		return r;
	memcpy(expected, tag, TAG_SIZE);
	context = begin(key, name, head, nonce, false);
	if (!context)
		return -ENOMEM;
	if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, expected) != 1 ||
	    EVP_DecryptUpdate(context, octets->data, &n, text, (int)text_size) != 1 ||
	    EVP_DecryptFinal_ex(context, octets->data + text_size, &n) != 1)
		return -EBADMSG;
	*ret = steal_ptr(octets);
	return 0;
}
