/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The SA payload (RFC 7296 §3.3): what we offer, and what we choose from what is offered to us,
 * both by our preferences. Algorithms without authentication of their own are neither offered nor
 * accepted, so there is never an INTEG transform (RFC 5282 §8).
 */
#include "services/keyd/ike-preferences.h"

enum ike_transform_type {
	IKE_TRANSFORM_ENCR = 1,
	IKE_TRANSFORM_PRF = 2,
	IKE_TRANSFORM_INTEG = 3,
	IKE_TRANSFORM_KE = 4,
	IKE_TRANSFORM_ESN = 5,
	IKE_TRANSFORM_ADDKE1 = 6, /* a first additional key exchange (RFC 9370) */
};

/* What protects an IKE SA. */
struct ike_suite {
	uint16_t encryption; /* enum ike_encryption */
	uint16_t key_bits;
	uint16_t prf;   /* enum ike_prf */
	uint16_t group; /* enum ike_group */
	uint16_t kem;   /* IKE_KEM_MLKEM768: its keys come of that too, or those they follow from
			   do; 0 */
};

/* What protects a pair of ESP SAs. */
struct esp_suite {
	uint16_t encryption; /* enum ike_encryption */
	uint16_t key_bits;
	uint16_t group; /* enum ike_group; 0: keys from the IKE SA alone (§2.17) */
	bool esn;
};

/* Whether a proposal for ESP has key exchanges: those of IKE_AUTH must not (§1.2), those of
 * CREATE_CHILD_SA may. */
enum ike_key_exchanges {
	IKE_WITHOUT_KEY_EXCHANGE,
	IKE_WITH_KEY_EXCHANGE,
};

/*
 * The SA payload's body with all that we can do. `spi`: the new IKE SA's SPI of ours when one is
 * rekeyed, NULL in IKE_SA_INIT. Only in the latter a key exchange may be added; that is a proposal
 * of its own before the one without, since who does not know of such passes it over whole.
 */
void ike_proposal_write_ike_offer(struct writer *writer, const struct ike_preferences *preferences,
				  const uint64_t *spi);
void ike_proposal_write_esp_offer(struct writer *writer, const struct ike_preferences *preferences,
				  uint32_t spi, enum ike_key_exchanges key_exchanges);
/* The body of the answer: the one proposal, by its number, with one transform of each type. */
void ike_proposal_write_ike(struct writer *writer, uint8_t number, const struct ike_suite *suite,
			    const uint64_t *spi);
void ike_proposal_write_esp(struct writer *writer, uint8_t number, const struct esp_suite *suite,
			    uint32_t spi);

/*
 * Chooses from an offer: the first proposal that suits, and from it what we prefer; one with an
 * additional key exchange before all without. *ret_number is
 * the chosen proposal's. `ret_spi` is NULL in IKE_SA_INIT, where there must be none. With
 * IKE_WITH_KEY_EXCHANGE a proposal without any is taken too; its suite's group is 0. 0; -ENOENT
 * when nothing suits; -EBADMSG.
 */
int ike_proposal_choose_ike(const struct ike_preferences *preferences, const uint8_t *data,
			    size_t size, struct ike_suite *ret, uint64_t *ret_spi,
			    uint8_t *ret_number);
int ike_proposal_choose_esp(const struct ike_preferences *preferences, const uint8_t *data,
			    size_t size, enum ike_key_exchanges key_exchanges,
			    struct esp_suite *ret, uint32_t *ret_spi, uint8_t *ret_number);

/* Reads an answer to our offer: exactly one proposal of ours, by its number, with exactly one
 * transform of each type, all of them in it. 0, -ENOENT or -EBADMSG. */
int ike_proposal_read_ike_answer(const struct ike_preferences *preferences, const uint8_t *data,
				 size_t size, struct ike_suite *ret, uint64_t *ret_spi);
int ike_proposal_read_esp_answer(const struct ike_preferences *preferences, const uint8_t *data,
				 size_t size, enum ike_key_exchanges key_exchanges,
				 struct esp_suite *ret, uint32_t *ret_spi);

/* As InstallSa of Tunnel1 calls it: "aes128gcm16". */
const char *esp_suite_name(const struct esp_suite *suite);
/* Octets of key and salt for one direction. */
size_t esp_suite_key_size(const struct esp_suite *suite);
/* "aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-x25519-ke1_mlkem768" */
void ike_suite_name(const struct ike_suite *suite, char *name, size_t size);
