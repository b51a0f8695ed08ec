/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The SA payload (RFC 7296 §3.3): what we offer, and what we choose from what is offered to us. Our
 * order of preference is the order of the tables here; algorithms without authentication of their
 * own are neither offered nor accepted, so there is never an INTEG transform (RFC 5282 §8).
 */
#include "common/wire/cursor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ike_transform_type {
	IKE_TRANSFORM_ENCR = 1,
	IKE_TRANSFORM_PRF = 2,
	IKE_TRANSFORM_INTEG = 3,
	IKE_TRANSFORM_KE = 4,
	IKE_TRANSFORM_ESN = 5,
};

enum ike_encryption {
	IKE_ENCR_AES_GCM_16 = 20,
	IKE_ENCR_CHACHA20_POLY1305 = 28,
};

enum ike_prf {
	IKE_PRF_HMAC_SHA2_256 = 5,
	IKE_PRF_HMAC_SHA2_384 = 6,
	IKE_PRF_HMAC_SHA2_512 = 7,
};

enum ike_group {
	IKE_GROUP_X25519 = 31,
};

/* What protects an IKE SA. */
struct ike_suite {
	uint16_t encryption; /* enum ike_encryption */
	uint16_t key_bits;
	uint16_t prf;   /* enum ike_prf */
	uint16_t group; /* enum ike_group */
};

/* What protects a pair of ESP SAs. */
struct esp_suite {
	uint16_t encryption; /* enum ike_encryption */
	uint16_t key_bits;
	bool esn;
};

/* The SA payload's body with all that we can do. */
void ike_proposal_write_ike_offer(struct writer *writer);
void ike_proposal_write_esp_offer(struct writer *writer, uint32_t spi);
/* The body of the answer: the one proposal, by its number, with one transform of each type. */
void ike_proposal_write_ike(struct writer *writer, uint8_t number, const struct ike_suite *suite);
void ike_proposal_write_esp(struct writer *writer, uint8_t number, const struct esp_suite *suite,
			    uint32_t spi);

/* Chooses from an offer, by our preference; an answer is an offer with one choice. *ret_number is
 * the chosen proposal's. 0; -ENOENT when nothing suits; -EBADMSG. */
int ike_proposal_choose_ike(const uint8_t *data, size_t size, struct ike_suite *ret,
			    uint8_t *ret_number);
int ike_proposal_choose_esp(const uint8_t *data, size_t size, struct esp_suite *ret,
			    uint32_t *ret_spi, uint8_t *ret_number);

/* As InstallSa of Tunnel1 calls it: "aes128gcm16". */
const char *esp_suite_name(const struct esp_suite *suite);
/* Octets of key and salt for one direction. */
size_t esp_suite_key_size(const struct esp_suite *suite);
/* "aes128gcm16-prfsha256-x25519" */
void ike_suite_name(const struct ike_suite *suite, char *name, size_t size);
