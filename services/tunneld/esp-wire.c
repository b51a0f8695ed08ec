/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/esp-wire.h"

#include "services/tunneld/net-words.h"
#include "services/tunneld/replay-window.h"

#include <openssl/crypto.h>

#define SALT_SIZE    4
#define NONCE_SIZE   AEAD_NONCE_SIZE
#define TRAILER_SIZE 2 /* pad length, next header */

struct esp_out {
	struct aead *aead; /* holds the key */
	uint32_t salt;
	uint32_t spi;
	bool esn;
	uint64_t sequence; /* of the last packet */
	uint64_t limit;    /* the last one there may be */
};

struct esp_in {
	struct aead *aead;
	uint32_t salt;
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
	out->salt = get_u32(keymat + aead_key_size(algorithms[algorithm].aead));
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
	in->salt = get_u32(keymat + aead_key_size(algorithms[algorithm].aead));
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
	OPENSSL_cleanse(&out->salt, sizeof out->salt);
	free(out);
	return NULL;
}

struct esp_in *esp_in_free(struct esp_in *in)
{
	if (!in)
		return NULL;
	aead_free(in->aead);
	OPENSSL_cleanse(&in->salt, sizeof in->salt);
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

struct replay_window *esp_in_window(struct esp_in *in)
{
	return &in->window;
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

/* What goes into the AEAD beside the text, each written in one piece as libraries read it: reading
 * twelve octets that were written in several pieces just before waits until all that was written
 * before, which is the whole packet, is in the cache. */
typedef uint64_t sixteen_octets __attribute__((vector_size(16)));

struct parameters {
	union {
		sixteen_octets whole;
		uint8_t octets[16];
	} nonce, aad;
	size_t aad_size;
};

/* Eight octets and four, each in network order. */
static sixteen_octets twelve_octets(uint64_t first, uint32_t second)
{
	return (sixteen_octets){ htobe64(first), htobe64((uint64_t)second << 32) };
}

/* The salt and the IV (RFC 4106 §4); SPI and the sequence number, all 64 bits of it with ESN (RFC
 * 4106 §5, RFC 7634 §2.1). */
static void build_parameters(struct parameters *parameters, uint32_t salt, uint64_t iv,
			     uint32_t spi, uint64_t sequence, bool esn)
{
	uint64_t upper = (uint64_t)spi << 32;

	parameters->nonce.whole = twelve_octets((uint64_t)salt << 32 | iv >> 32, iv);
	if (esn)
		parameters->aad.whole = twelve_octets(upper | sequence >> 32, sequence);
	else
		parameters->aad.whole = twelve_octets(upper | (uint32_t)sequence, 0);
	parameters->aad_size = esn ? 12 : 8;
}

int esp_seal_in_place(struct esp_out *out, uint8_t next_header, uint8_t *packet, size_t size)
{
	size_t n_padding = padding_for(size);
	uint8_t *text = packet + ESP_HEADER_SIZE;
	struct parameters parameters;
	int r;

	if (size > INT32_MAX / 2)
		return -EINVAL;
	if (out->sequence >= out->limit)
		return -EOVERFLOW;
	/* Counted even if what follows fails: a number is never tried twice. */
	out->sequence++;
	put_u32(packet, out->spi);
	put_u32(packet + 4, out->sequence);
	put_u64(packet + 8, out->sequence);
	for (size_t i = 1; i <= n_padding; i++)
		text[size++] = i;
	text[size++] = n_padding;
	text[size++] = next_header;
	build_parameters(&parameters, out->salt, out->sequence, out->spi, out->sequence, out->esn);
	r = aead_seal(out->aead, parameters.nonce.octets, parameters.aad.octets,
		      parameters.aad_size, text, size);
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
	struct parameters parameters;
	uint64_t sequence;
	size_t text_size;
	uint32_t spi, low;
	int r;

	if (size < ESP_HEADER_SIZE + ESP_ALIGNMENT + ESP_ICV_SIZE || size > INT32_MAX)
		return -EINVAL;
	spi = get_u32(packet);
	sequence = low = get_u32(packet + 4);
	text_size = size - ESP_HEADER_SIZE - ESP_ICV_SIZE;
	if (spi != in->spi || text_size % ESP_ALIGNMENT)
		return -EINVAL;
	if (in->esn && !replay_window_recover(&in->window, low, &sequence))
		return -EALREADY;
	if (!replay_window_is_new(&in->window, sequence))
		return -EALREADY;
	build_parameters(&parameters, in->salt,
			 (uint64_t)get_u32(packet + 8) << 32 | get_u32(packet + 12), spi, sequence,
			 in->esn);
	r = aead_open(in->aead, parameters.nonce.octets, parameters.aad.octets, parameters.aad_size,
		      packet + ESP_HEADER_SIZE, text_size);
	if (r < 0)
		return r;
	ret->newest = replay_window_mark(&in->window, sequence);
	ret->sequence = sequence;
	return strip_trailer(packet + ESP_HEADER_SIZE, text_size, ret);
}
