/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ESP packets (RFC 4303) with AEAD algorithms: AES-GCM with a 16-octet ICV (RFC 4106) and
 * ChaCha20-Poly1305 (RFC 7634). One object per direction of a security association; it owns its
 * keys, its counter or replay window, and a cipher context that is set up once.
 *
 *   SPI 4 | sequence number 4 | IV 8 | ciphertext of (payload, padding 1 2 3…, pad length, next
 * header) | ICV 16
 */
#include "common/base/cleanup.h"
#include "services/tunneld/aead.h"
#include "services/tunneld/replay-window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESP_HEADER_SIZE 16 /* with the IV */
#define ESP_ICV_SIZE    16
#define ESP_ALIGNMENT   4
/* Next header values (RFC 4303 §2.6). */
#define ESP_NEXT_IPV6  41
#define ESP_NEXT_DUMMY 59
/* RFC 4303 §2.1: 0 never appears on the wire, 1 to 255 are reserved. */
#define ESP_SPI_MINIMUM 256

enum esp_algorithm {
	ESP_AES128GCM16,
	ESP_AES256GCM16,
	ESP_CHACHA20POLY1305,
};

/* "aes128gcm16", "aes256gcm16", "chacha20poly1305"; -EINVAL for another word. */
int esp_algorithm_from_string(const char *word, enum esp_algorithm *ret);
/* Octets of keying material of one direction: the key and four octets of salt. */
size_t esp_keymat_size(enum esp_algorithm algorithm);

struct esp_out;
struct esp_in;

/* `engine` as for aead_new(). `keymat` is esp_keymat_size() octets, copied. `esn`: 64-bit sequence
 * numbers (RFC 4303 §2.2.1). 0 or a negative errno. */
int esp_out_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn, uint32_t spi,
		const uint8_t *keymat, struct esp_out **ret);
int esp_in_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn, uint32_t spi,
	       const uint8_t *keymat, struct esp_in **ret);
/* Wipe the keys; take and return NULL. */
struct esp_out *esp_out_free(struct esp_out *out);
struct esp_in *esp_in_free(struct esp_in *in);

/* What it has seen, which goes where the association goes. */
struct replay_window *esp_in_window(struct esp_in *in);

/* Size of the ESP packet that carries a payload of `size` octets. */
size_t esp_sealed_size(size_t size);

/* Makes the packet around a payload of `size` octets that is already in its place, at packet +
 * ESP_HEADER_SIZE; there is room for esp_sealed_size(size) octets. Returns as esp_seal(). */
int esp_seal_in_place(struct esp_out *out, uint8_t next_header, uint8_t *packet, size_t size);
/* Writes the packet that carries `payload` to `target`, which has room for esp_sealed_size(size)
 * octets and does not overlap it. Sequence number and IV come from one counter, so that no nonce is
 * used twice under a key. Returns the packet's size; -EOVERFLOW when the counter is used up and the
 * association can carry nothing more (RFC 4303 §3.3.3); -EIO when the cipher failed. */
int esp_seal(struct esp_out *out, uint8_t next_header, const uint8_t *payload, size_t size,
	     uint8_t *target, size_t capacity);
/* Packets sealed so far, the sequence number of the last one. */
uint64_t esp_out_sequence(const struct esp_out *out);
/* Whether its sequence numbers have 64 bits. */
bool esp_out_esn(const struct esp_out *out);
/* Continues after `sequence`, which lets a test come near the end of the counter. It only goes up;
 * -EINVAL otherwise. */
int esp_out_skip_to(struct esp_out *out, uint64_t sequence);

struct esp_opened {
	uint8_t *payload; /* within the packet */
	size_t size;      /* without padding; TFC padding (RFC 4303 §2.7) is still in it */
	uint8_t next_header;
	uint64_t sequence;
	bool newest; /* the highest sequence number authenticated so far */
};

/* Checks and decrypts a packet in place: replay check, ICV, then the window is marked (RFC 4303
 * §3.4.3). 0, or:
 *   -EINVAL    not of the form of a packet of this association, or wrong padding
 *   -EALREADY  a sequence number seen before or too old
 *   -EBADMSG   the ICV is wrong */
int esp_open(struct esp_in *in, uint8_t *packet, size_t size, struct esp_opened *ret);

DEFINE_CLEANUP(struct esp_out *, esp_out_free)
DEFINE_CLEANUP(struct esp_in *, esp_in_free)
