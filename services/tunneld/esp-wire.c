/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/esp-wire.h"

#include "common/wire/cursor.h"
#include "services/tunneld/replay-window.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define SALT_SIZE    4
#define NONCE_SIZE   12
#define TRAILER_SIZE 2 /* pad length, next header */

struct esp_out {
	EVP_CIPHER_CTX *cipher; /* holds the key */
	uint8_t salt[SALT_SIZE];
	uint32_t spi;
	bool esn;
	uint64_t sequence; /* of the last packet */
	uint64_t limit;    /* the last one there may be */
};

struct esp_in {
	EVP_CIPHER_CTX *cipher;
	uint8_t salt[SALT_SIZE];
	uint32_t spi;
	bool esn;
	struct replay_window window;
};

static const struct {
	const char *word;
	size_t key_size;
	const EVP_CIPHER *(*cipher)(void);
} algorithms[] = {
	[ESP_AES128GCM16] = { "aes128gcm16", 16, EVP_aes_128_gcm },
	[ESP_AES256GCM16] = { "aes256gcm16", 32, EVP_aes_256_gcm },
	[ESP_CHACHA20POLY1305] = { "chacha20poly1305", 32, EVP_chacha20_poly1305 },
};

int esp_algorithm_from_string(const char *word, enum esp_algorithm *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		if (!strcmp(algorithms[i].word, word)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

size_t esp_keymat_size(enum esp_algorithm algorithm)
{
	return algorithms[algorithm].key_size + SALT_SIZE;
}

/* A context with key and nonce length set; each packet then sets only its nonce. */
static int cipher_new(enum esp_algorithm algorithm, const uint8_t *key, bool encrypt,
		      EVP_CIPHER_CTX **ret)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();

	if (!cipher)
		return -ENOMEM;
	/* The nonce length of all three is 12 octets already, as RFC 4106 §4 and RFC 7634 §2 want.
	 */
	if (EVP_CipherInit_ex(cipher, algorithms[algorithm].cipher(), NULL, key, NULL, encrypt) !=
	    1) {
		EVP_CIPHER_CTX_free(cipher);
		return -EIO;
	}
	*ret = cipher;
	return 0;
}

int esp_out_new(enum esp_algorithm algorithm, bool esn, uint32_t spi, const uint8_t *keymat,
		struct esp_out **ret)
{
	cleanup(esp_out_freep) struct esp_out *out = calloc(1, sizeof *out);
	int r;

	if (!out)
		return -ENOMEM;
	out->spi = spi;
	out->esn = esn;
	out->limit = esn ? UINT64_MAX : UINT32_MAX;
	memcpy(out->salt, keymat + algorithms[algorithm].key_size, SALT_SIZE);
	r = cipher_new(algorithm, keymat, true, &out->cipher);
	if (r < 0)
		return r;
	*ret = steal_ptr(out);
	return 0;
}

int esp_in_new(enum esp_algorithm algorithm, bool esn, uint32_t spi, const uint8_t *keymat,
	       struct esp_in **ret)
{
	cleanup(esp_in_freep) struct esp_in *in = calloc(1, sizeof *in);
	int r;

	if (!in)
		return -ENOMEM;
	in->spi = spi;
	in->esn = esn;
	memcpy(in->salt, keymat + algorithms[algorithm].key_size, SALT_SIZE);
	r = cipher_new(algorithm, keymat, false, &in->cipher);
	if (r < 0)
		return r;
	*ret = steal_ptr(in);
	return 0;
}

/* EVP_CIPHER_CTX_free() cleanses what the cipher derived from the key. */
struct esp_out *esp_out_free(struct esp_out *out)
{
	if (!out)
		return NULL;
	EVP_CIPHER_CTX_free(out->cipher);
	OPENSSL_cleanse(out->salt, sizeof out->salt);
	free(out);
	return NULL;
}

struct esp_in *esp_in_free(struct esp_in *in)
{
	if (!in)
		return NULL;
	EVP_CIPHER_CTX_free(in->cipher);
	OPENSSL_cleanse(in->salt, sizeof in->salt);
	free(in);
	return NULL;
}

static size_t padding_for(size_t size)
{
	return -(size + TRAILER_SIZE) & (ESP_ALIGNMENT - 1);
}

size_t esp_sealed_size(size_t size)
{
	return ESP_HEADER_SIZE + size + padding_for(size) + TRAILER_SIZE + ESP_ICV_SIZE;
}

uint64_t esp_out_sequence(const struct esp_out *out)
{
	return out->sequence;
}

bool esp_out_esn(const struct esp_out *out)
{
	return out->esn;
}

int esp_out_skip_to(struct esp_out *out, uint64_t sequence)
{
	if (sequence < out->sequence || sequence > out->limit)
		return -EINVAL;
	out->sequence = sequence;
	return 0;
}

static void build_nonce(uint8_t nonce[NONCE_SIZE], const uint8_t *salt, const uint8_t *iv)
{
	memcpy(nonce, salt, SALT_SIZE);
	memcpy(nonce + SALT_SIZE, iv, NONCE_SIZE - SALT_SIZE);
}

/* RFC 4106 §5, RFC 7634 §2.1: SPI and the sequence number, all 64 bits of it with ESN. */
static size_t build_aad(uint8_t aad[12], uint32_t spi, uint64_t sequence, bool esn)
{
	struct writer writer = writer_init(aad, 12);

	writer_u32(&writer, spi);
	writer_unsigned(&writer, sequence, esn ? 8 : 4);
	return writer.position;
}

static int encrypt_in_place(EVP_CIPHER_CTX *cipher, const uint8_t *nonce, const uint8_t *aad,
			    size_t aad_size, uint8_t *text, size_t size)
{
	int n;

	if (EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_EncryptUpdate(cipher, NULL, &n, aad, aad_size) != 1 ||
	    EVP_EncryptUpdate(cipher, text, &n, text, size) != 1 ||
	    EVP_EncryptFinal_ex(cipher, text + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, ESP_ICV_SIZE, text + size) != 1)
		return -EIO;
	return 0;
}

int esp_seal(struct esp_out *out, uint8_t next_header, const uint8_t *payload, size_t size,
	     uint8_t *target, size_t capacity)
{
	size_t n_padding = padding_for(size), aad_size;
	uint8_t nonce[NONCE_SIZE], aad[12];
	struct writer writer = writer_init(target, capacity);
	int r;

	if (size > INT32_MAX / 2 || capacity < esp_sealed_size(size))
		return -EINVAL;
	if (out->sequence >= out->limit)
		return -EOVERFLOW;
	/* Counted even if what follows fails: a number is never tried twice. */
	out->sequence++;
	writer_u32(&writer, out->spi);
	writer_u32(&writer, out->sequence);
	writer_u64(&writer, out->sequence);
	writer_copy(&writer, payload, size);
	for (size_t i = 1; i <= n_padding; i++)
		writer_u8(&writer, i);
	writer_u8(&writer, n_padding);
	writer_u8(&writer, next_header);
	build_nonce(nonce, out->salt, target + 8);
	aad_size = build_aad(aad, out->spi, out->sequence, out->esn);
	r = encrypt_in_place(out->cipher, nonce, aad, aad_size, target + ESP_HEADER_SIZE,
			     writer.position - ESP_HEADER_SIZE);
	return r < 0 ? r : (int)(writer.position + ESP_ICV_SIZE);
}

static int decrypt_in_place(EVP_CIPHER_CTX *cipher, const uint8_t *nonce, const uint8_t *aad,
			    size_t aad_size, uint8_t *text, size_t size)
{
	int n;

	if (EVP_DecryptInit_ex(cipher, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, ESP_ICV_SIZE, text + size) != 1 ||
	    EVP_DecryptUpdate(cipher, NULL, &n, aad, aad_size) != 1 ||
	    EVP_DecryptUpdate(cipher, text, &n, text, size) != 1 ||
	    EVP_DecryptFinal_ex(cipher, text + n, &n) != 1)
		return -EBADMSG;
	return 0;
}

/* Payload and next header of a decrypted text that ends in padding and trailer. */
static int strip_trailer(uint8_t *text, size_t size, struct esp_opened *ret)
{
	size_t n_padding = text[size - 2];

	if (n_padding > size - TRAILER_SIZE)
		return -EINVAL;
	ret->payload = text;
	ret->size = size - TRAILER_SIZE - n_padding;
	ret->next_header = text[size - 1];
	for (size_t i = 0; i < n_padding; i++)
		if (text[ret->size + i] != i + 1)
			return -EINVAL;
	return 0;
}

int esp_open(struct esp_in *in, uint8_t *packet, size_t size, struct esp_opened *ret)
{
	struct reader reader = reader_init(packet, size);
	uint32_t spi = reader_u32(&reader);
	uint32_t low = reader_u32(&reader);
	uint8_t nonce[NONCE_SIZE], aad[12];
	uint64_t sequence = low;
	size_t text_size, aad_size;
	int r;

	if (size < ESP_HEADER_SIZE + ESP_ALIGNMENT + ESP_ICV_SIZE || size > INT32_MAX ||
	    spi != in->spi)
		return -EINVAL;
	text_size = size - ESP_HEADER_SIZE - ESP_ICV_SIZE;
	if (text_size % ESP_ALIGNMENT)
		return -EINVAL;
	if (in->esn && !replay_window_recover(&in->window, low, &sequence))
		return -EALREADY;
	if (!replay_window_is_new(&in->window, sequence))
		return -EALREADY;
	build_nonce(nonce, in->salt, packet + 8);
	aad_size = build_aad(aad, spi, sequence, in->esn);
	r = decrypt_in_place(in->cipher, nonce, aad, aad_size, packet + ESP_HEADER_SIZE, text_size);
	if (r < 0)
		return r;
	ret->newest = replay_window_mark(&in->window, sequence);
	ret->sequence = sequence;
	return strip_trailer(packet + ESP_HEADER_SIZE, text_size, ret);
}
