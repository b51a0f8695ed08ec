/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/aead-internal.h"

#include <openssl/evp.h>

struct openssl_aead {
	struct aead aead;
	EVP_CIPHER_CTX *cipher; /* holds the key */
};

static const EVP_CIPHER *find_cipher(enum aead_algorithm algorithm)
{
	switch (algorithm) {
	case AEAD_AES128_GCM:
		return EVP_aes_128_gcm();
	case AEAD_AES256_GCM:
		return EVP_aes_256_gcm();
	case AEAD_CHACHA20_POLY1305:
		return EVP_chacha20_poly1305();
	}
	return NULL;
}

/* EVP_CIPHER_CTX_free() cleanses what the cipher derived from the key. */
static void openssl_free(struct aead *aead)
{
	struct openssl_aead *openssl = (struct openssl_aead *)aead;

	EVP_CIPHER_CTX_free(openssl->cipher);
	free(openssl);
}

/* A context with key and nonce length set; each packet then sets only its nonce. */
static int openssl_new(void *library, enum aead_algorithm algorithm, const uint8_t *key,
		       bool encrypt, struct aead **ret)
{
	struct openssl_aead *openssl = calloc(1, sizeof *openssl);

	if (!openssl)
		return -ENOMEM;
	openssl->aead.functions = &aead_openssl;
	openssl->cipher = EVP_CIPHER_CTX_new();
	/* The nonce length of all three is 12 octets already, as RFC 4106 §4 and RFC 7634 §2 want.
	 */
	if (!openssl->cipher || EVP_CipherInit_ex(openssl->cipher, find_cipher(algorithm), NULL,
						  key, NULL, encrypt) != 1) {
		openssl_free(&openssl->aead);
		return -EIO;
	}
	*ret = &openssl->aead;
	return 0;
}

static int openssl_seal(struct aead *aead, const uint8_t *nonce, const uint8_t *aad,
			size_t aad_size, uint8_t *text, size_t size)
{
	EVP_CIPHER_CTX *cipher = ((struct openssl_aead *)aead)->cipher;
	int n;

	if (EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_EncryptUpdate(cipher, NULL, &n, aad, aad_size) != 1 ||
	    EVP_EncryptUpdate(cipher, text, &n, text, size) != 1 ||
	    EVP_EncryptFinal_ex(cipher, text + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, text + size) != 1)
		return -EIO;
	return 0;
}

static int openssl_open(struct aead *aead, const uint8_t *nonce, const uint8_t *aad,
			size_t aad_size, uint8_t *text, size_t size)
{
	EVP_CIPHER_CTX *cipher = ((struct openssl_aead *)aead)->cipher;
	int n;

	if (EVP_DecryptInit_ex(cipher, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, text + size) != 1 ||
	    EVP_DecryptUpdate(cipher, NULL, &n, aad, aad_size) != 1 ||
	    EVP_DecryptUpdate(cipher, text, &n, text, size) != 1 ||
	    EVP_DecryptFinal_ex(cipher, text + n, &n) != 1)
		return -EBADMSG;
	return 0;
}

const struct aead_functions aead_openssl = {
	.new = openssl_new,
	.free = openssl_free,
	.seal = openssl_seal,
	.open = openssl_open,
};
