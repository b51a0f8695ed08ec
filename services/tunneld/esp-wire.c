/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/esp-wire.h"

#include "common/wire/cursor.h"
#include "services/tunneld/replay-window.h"

#include <openssl/crypto.h>

#define SALT_SIZE    4
#define NONCE_SIZE   AEAD_NONCE_SIZE
#define TRAILER_SIZE 2 /* pad length, next header */

struct esp_out {
	struct aead *aead; /* holds the key */
	uint8_t salt[SALT_SIZE];
	uint32_t spi;
	bool esn;
	uint64_t sequence; /* of the last packet */
	uint64_t limit;    /* the last one there may be */
};

struct esp_in {
	struct aead *aead;
	uint8_t salt[SALT_SIZE];
	uint32_t spi;
	bool esn;
	struct replay_window window;
};

static const struct {
	const char *word;
	enum aead_algorithm aead;
} algorithms[] = {
	[ESP_AES128GCM16] = { "aes128gcm16", AEAD_AES128_GCM },
	[ESP_AES256GCM16] = { "aes256gcm16", AEAD_AES256_GCM },
	[ESP_CHACHA20POLY1305] = { "chacha20poly1305", AEAD_CHACHA20_POLY1305 },
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
	return aead_key_size(algorithms[algorithm].aead) + SALT_SIZE;
}

int esp_out_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn, uint32_t spi,
		const uint8_t *keymat, struct esp_out **ret)
{
	cleanup(esp_out_freep) struct esp_out *out = calloc(1, sizeof *out);
	int r;

	if (!out)
		return -ENOMEM;
	out->spi = spi;
	out->esn = esn;
	out->limit = esn ? UINT64_MAX : UINT32_MAX;
	memcpy(out->salt, keymat + aead_key_size(algorithms[algorithm].aead), SALT_SIZE);
	r = aead_new(engine, algorithms[algorithm].aead, keymat, true, &out->aead);
	if (r < 0)
		return r;
	*ret = steal_ptr(out);
	return 0;
}

int esp_in_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn, uint32_t spi,
	       const uint8_t *keymat, struct esp_in **ret)
{
	cleanup(esp_in_freep) struct esp_in *in = calloc(1, sizeof *in);
	int r;

	if (!in)
		return -ENOMEM;
	in->spi = spi;
	in->esn = esn;
	memcpy(in->salt, keymat + aead_key_size(algorithms[algorithm].aead), SALT_SIZE);
	r = aead_new(engine, algorithms[algorithm].aead, keymat, false, &in->aead);
	if (r < 0)
		return r;
	*ret = steal_ptr(in);
	return 0;
}

struct esp_out *esp_out_free(struct esp_out *out)
{
	if (!out)
		return NULL;
	aead_free(out->aead);
	OPENSSL_cleanse(out->salt, sizeof out->salt);
	free(out);
	return NULL;
}

struct esp_in *esp_in_free(struct esp_in *in)
{
	if (!in)
		return NULL;
	aead_free(in->aead);
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

int esp_seal_in_place(struct esp_out *out, uint8_t next_header, uint8_t *packet, size_t size)
{
	size_t n_padding = padding_for(size), aad_size;
	uint8_t nonce[NONCE_SIZE], aad[12];
	uint8_t *text = packet + ESP_HEADER_SIZE;
	struct writer header = writer_init(packet, ESP_HEADER_SIZE);
	int r;

	if (size > INT32_MAX / 2)
		return -EINVAL;
	if (out->sequence >= out->limit)
		return -EOVERFLOW;
	/* Counted even if what follows fails: a number is never tried twice. */
	out->sequence++;
	writer_u32(&header, out->spi);
	writer_u32(&header, out->sequence);
	writer_u64(&header, out->sequence);
	for (size_t i = 1; i <= n_padding; i++)
		text[size++] = i;
	text[size++] = n_padding;
	text[size++] = next_header;
	build_nonce(nonce, out->salt, packet + 8);
	aad_size = build_aad(aad, out->spi, out->sequence, out->esn);
	r = aead_seal(out->aead, nonce, aad, aad_size, text, size);
	return r < 0 ? r : (int)(ESP_HEADER_SIZE + size + ESP_ICV_SIZE);
}

int esp_seal(struct esp_out *out, uint8_t next_header, const uint8_t *payload, size_t size,
	     uint8_t *target, size_t capacity)
{
	if (size > INT32_MAX / 2 || capacity < esp_sealed_size(size))
		return -EINVAL;
	if (size)
		memcpy(target + ESP_HEADER_SIZE, payload, size);
	return esp_seal_in_place(out, next_header, target, size);
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
	r = aead_open(in->aead, nonce, aad, aad_size, packet + ESP_HEADER_SIZE, text_size);
	if (r < 0)
		return r;
	ret->newest = replay_window_mark(&in->window, sequence);
	ret->sequence = sequence;
	return strip_trailer(packet + ESP_HEADER_SIZE, text_size, ret);
}
