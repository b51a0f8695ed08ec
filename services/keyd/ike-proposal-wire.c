/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-proposal-wire.h"

#include "common/base/cleanup.h"
#include "services/keyd/ike-message-wire.h"

#include <errno.h>
#include <stdio.h>

#define PROPOSALS_LIMIT      16
#define TRANSFORMS_LIMIT     64     /* of one proposal; what comes after is not looked at */
#define ATTRIBUTE_KEY_LENGTH 0x800e /* type and value (§3.3.5) */
#define LAST                 0
#define MORE_PROPOSALS       2
#define MORE_TRANSFORMS      3
#define SALT_SIZE            4

struct cipher {
	uint16_t encryption, key_bits;
	const char *name;
};

static const struct cipher ike_ciphers[] = {
	{ IKE_ENCR_AES_GCM_16, 128, "aes128gcm16" },
	{ IKE_ENCR_AES_GCM_16, 256, "aes256gcm16" },
};

static const struct cipher esp_ciphers[] = {
	{ IKE_ENCR_AES_GCM_16, 128, "aes128gcm16" },
	{ IKE_ENCR_AES_GCM_16, 256, "aes256gcm16" },
	{ IKE_ENCR_CHACHA20_POLY1305, 256, "chacha20poly1305" },
};

static const uint16_t prfs[] = { IKE_PRF_HMAC_SHA2_256, IKE_PRF_HMAC_SHA2_384,
				 IKE_PRF_HMAC_SHA2_512 };
static const uint16_t groups[] = { IKE_GROUP_X25519 };
static const uint16_t sequences[] = { 1, 0 }; /* extended first */

/* One transform of an offer; key_bits 0: no such attribute. */
struct transform {
	uint8_t type;
	uint16_t id;
	uint16_t key_bits;
	bool unknown_attribute;
};

struct proposal {
	uint8_t number;
	uint8_t protocol;
	uint8_t spi_size;
	const uint8_t *spi;
	struct transform transforms[TRANSFORMS_LIMIT];
	size_t n_transforms;
};

static void write_transform(struct writer *writer, bool last, uint8_t type, uint16_t id,
			    uint16_t key_bits)
{
	writer_u8(writer, last ? LAST : MORE_TRANSFORMS);
	writer_u8(writer, 0);
	writer_u16(writer, key_bits ? 12 : 8);
	writer_u8(writer, type);
	writer_u8(writer, 0);
	writer_u16(writer, id);
	if (key_bits) {
		writer_u16(writer, ATTRIBUTE_KEY_LENGTH);
		writer_u16(writer, key_bits);
	}
}

/* ChaCha20 has one key length and must not name it (RFC 7634 §2). */
static uint16_t attribute_bits(uint16_t encryption, uint16_t key_bits)
{
	return encryption == IKE_ENCR_CHACHA20_POLY1305 ? 0 : key_bits;
}

static size_t begin_proposal(struct writer *writer, uint8_t number, uint8_t protocol,
			     const uint32_t *spi, uint8_t n_transforms)
{
	size_t start = writer->position;

	writer_u8(writer, LAST);
	writer_u8(writer, 0);
	writer_u16(writer, 0);
	writer_u8(writer, number);
	writer_u8(writer, protocol);
	writer_u8(writer, spi ? IKE_SPI_SIZE_ESP : 0);
	writer_u8(writer, n_transforms);
	if (spi)
		writer_u32(writer, *spi);
	return start;
}

static void end_proposal(struct writer *writer, size_t start)
{
	writer_patch_u16(writer, start + 2, writer->position - start);
}

void ike_proposal_write_ike_offer(struct writer *writer)
{
	size_t start =
		begin_proposal(writer, 1, IKE_PROTOCOL_IKE, NULL,
			       ARRAY_SIZE(ike_ciphers) + ARRAY_SIZE(prfs) + ARRAY_SIZE(groups));

	for (size_t i = 0; i < ARRAY_SIZE(ike_ciphers); i++)
		write_transform(writer, false, IKE_TRANSFORM_ENCR, ike_ciphers[i].encryption,
				ike_ciphers[i].key_bits);
	for (size_t i = 0; i < ARRAY_SIZE(prfs); i++)
		write_transform(writer, false, IKE_TRANSFORM_PRF, prfs[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		write_transform(writer, i + 1 == ARRAY_SIZE(groups), IKE_TRANSFORM_KE, groups[i],
				0);
	end_proposal(writer, start);
}

void ike_proposal_write_esp_offer(struct writer *writer, uint32_t spi)
{
	size_t start = begin_proposal(writer, 1, IKE_PROTOCOL_ESP, &spi,
				      ARRAY_SIZE(esp_ciphers) + ARRAY_SIZE(sequences));

	for (size_t i = 0; i < ARRAY_SIZE(esp_ciphers); i++)
		write_transform(writer, false, IKE_TRANSFORM_ENCR, esp_ciphers[i].encryption,
				attribute_bits(esp_ciphers[i].encryption, esp_ciphers[i].key_bits));
	for (size_t i = 0; i < ARRAY_SIZE(sequences); i++)
		write_transform(writer, i + 1 == ARRAY_SIZE(sequences), IKE_TRANSFORM_ESN,
				sequences[i], 0);
	end_proposal(writer, start);
}

void ike_proposal_write_ike(struct writer *writer, uint8_t number, const struct ike_suite *suite)
{
	size_t start = begin_proposal(writer, number, IKE_PROTOCOL_IKE, NULL, 3);

	write_transform(writer, false, IKE_TRANSFORM_ENCR, suite->encryption,
			attribute_bits(suite->encryption, suite->key_bits));
	write_transform(writer, false, IKE_TRANSFORM_PRF, suite->prf, 0);
	write_transform(writer, true, IKE_TRANSFORM_KE, suite->group, 0);
	end_proposal(writer, start);
}

void ike_proposal_write_esp(struct writer *writer, uint8_t number, const struct esp_suite *suite,
			    uint32_t spi)
{
	size_t start = begin_proposal(writer, number, IKE_PROTOCOL_ESP, &spi, 2);

	write_transform(writer, false, IKE_TRANSFORM_ENCR, suite->encryption,
			attribute_bits(suite->encryption, suite->key_bits));
	write_transform(writer, true, IKE_TRANSFORM_ESN, suite->esn, 0);
	end_proposal(writer, start);
}

/* Attributes: type and value, or type, length and value (§3.3.5). */
static void read_attributes(struct reader *reader, struct transform *transform)
{
	while (reader_left(reader)) {
		uint16_t type = reader_u16(reader);
		uint16_t value = reader_u16(reader);

		if (type == ATTRIBUTE_KEY_LENGTH) {
			transform->key_bits = value;
			continue;
		}
		/* A transform with an attribute we do not understand is not for us (§3.3.6). */
		transform->unknown_attribute = true;
		if (!(type & 0x8000))
			reader_take(reader, value);
	}
}

static int read_transforms(struct reader *reader, unsigned int n, struct proposal *proposal)
{
	proposal->n_transforms = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct transform transform = {};
		struct reader attributes;
		uint8_t more = reader_u8(reader);
		uint16_t length;

		reader_u8(reader);
		length = reader_u16(reader);
		transform.type = reader_u8(reader);
		reader_u8(reader);
		transform.id = reader_u16(reader);
		if (reader->failed || length < 8 || (more == LAST) != (i + 1 == n))
			return -EBADMSG;
		attributes = reader_sub(reader, length - 8);
		read_attributes(&attributes, &transform);
		if (attributes.failed)
			return -EBADMSG;
		if (proposal->n_transforms < TRANSFORMS_LIMIT)
			proposal->transforms[proposal->n_transforms++] = transform;
	}
	return reader_left(reader) ? -EBADMSG : 0;
}

/* The next proposal of the payload. 1, 0 after the last one, -EBADMSG. */
static int read_proposal(struct reader *reader, bool *more, struct proposal *proposal)
{
	struct reader body;
	unsigned int n_transforms;
	uint16_t length;
	uint8_t mark;
	int r;

	if (!*more)
		return reader_left(reader) ? -EBADMSG : 0;
	mark = reader_u8(reader);
	reader_u8(reader);
	length = reader_u16(reader);
	if (reader->failed || length < 8 || (mark != LAST && mark != MORE_PROPOSALS))
		return -EBADMSG;
	*more = mark == MORE_PROPOSALS;
	body = reader_sub(reader, length - 4);
	proposal->number = reader_u8(&body);
	proposal->protocol = reader_u8(&body);
	proposal->spi_size = reader_u8(&body);
	n_transforms = reader_u8(&body);
	proposal->spi = reader_take(&body, proposal->spi_size);
	if (body.failed)
		return -EBADMSG;
	r = read_transforms(&body, n_transforms, proposal);
	return r < 0 ? r : 1;
}

static bool offers(const struct proposal *proposal, uint8_t type, uint16_t id, uint16_t key_bits)
{
	for (size_t i = 0; i < proposal->n_transforms; i++) {
		const struct transform *transform = &proposal->transforms[i];

		if (transform->type == type && transform->id == id &&
		    transform->key_bits == key_bits && !transform->unknown_attribute)
			return true;
	}
	return false;
}

/* Whether the proposal has no transform of this type, or one that says "none". */
static bool can_do_without(const struct proposal *proposal, uint8_t type)
{
	bool has = false;

	for (size_t i = 0; i < proposal->n_transforms; i++)
		if (proposal->transforms[i].type == type) {
			if (proposal->transforms[i].id == 0)
				return true;
			has = true;
		}
	return !has;
}

/* The first of ours that is offered; -1: none. */
static int choose_cipher(const struct proposal *proposal, const struct cipher *ciphers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (offers(proposal, IKE_TRANSFORM_ENCR, ciphers[i].encryption,
			   attribute_bits(ciphers[i].encryption, ciphers[i].key_bits)))
			return i;
	return -1;
}

static int choose_id(const struct proposal *proposal, uint8_t type, const uint16_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (offers(proposal, type, ids[i], 0))
			return i;
	return -1;
}

/* Transform types we do not know: additional key exchanges and others to come (RFC 9370). */
static bool has_only_known_types(const struct proposal *proposal)
{
	for (size_t i = 0; i < proposal->n_transforms; i++)
		if (proposal->transforms[i].type > IKE_TRANSFORM_ESN &&
		    !can_do_without(proposal, proposal->transforms[i].type))
			return false;
	return true;
}

static bool suits_ike(const struct proposal *proposal, struct ike_suite *ret)
{
	int cipher = choose_cipher(proposal, ike_ciphers, ARRAY_SIZE(ike_ciphers));
	int prf = choose_id(proposal, IKE_TRANSFORM_PRF, prfs, ARRAY_SIZE(prfs));
	int group = choose_id(proposal, IKE_TRANSFORM_KE, groups, ARRAY_SIZE(groups));

	if (proposal->protocol != IKE_PROTOCOL_IKE || proposal->spi_size != 0 || cipher < 0 ||
	    prf < 0 || group < 0 || !can_do_without(proposal, IKE_TRANSFORM_INTEG) ||
	    !has_only_known_types(proposal))
		return false;
	*ret = (struct ike_suite){
		.encryption = ike_ciphers[cipher].encryption,
		.key_bits = ike_ciphers[cipher].key_bits,
		.prf = prfs[prf],
		.group = groups[group],
	};
	return true;
}

static bool suits_esp(const struct proposal *proposal, struct esp_suite *ret)
{
	int cipher = choose_cipher(proposal, esp_ciphers, ARRAY_SIZE(esp_ciphers));
	int sequence = choose_id(proposal, IKE_TRANSFORM_ESN, sequences, ARRAY_SIZE(sequences));

	/* In IKE_AUTH there is no second key exchange (§1.2). */
	if (proposal->protocol != IKE_PROTOCOL_ESP || proposal->spi_size != IKE_SPI_SIZE_ESP ||
	    cipher < 0 || sequence < 0 || !can_do_without(proposal, IKE_TRANSFORM_INTEG) ||
	    !can_do_without(proposal, IKE_TRANSFORM_KE) || !has_only_known_types(proposal))
		return false;
	*ret = (struct esp_suite){
		.encryption = esp_ciphers[cipher].encryption,
		.key_bits = esp_ciphers[cipher].key_bits,
		.esn = sequences[sequence],
	};
	return true;
}

int ike_proposal_choose_ike(const uint8_t *data, size_t size, struct ike_suite *ret,
			    uint8_t *ret_number)
{
	struct reader reader = reader_init(data, size);
	struct proposal proposal;
	bool more = true, found = false;
	int r;

	/* All are read even after one suits, so that a malformed payload never half works. */
	for (unsigned int i = 0; (r = read_proposal(&reader, &more, &proposal)) > 0; i++) {
		if (i == PROPOSALS_LIMIT)
			return -EBADMSG;
		if (!found && suits_ike(&proposal, ret)) {
			found = true;
			*ret_number = proposal.number;
		}
	}
	if (r < 0)
		return r;
	return found ? 0 : -ENOENT;
}

int ike_proposal_choose_esp(const uint8_t *data, size_t size, struct esp_suite *ret,
			    uint32_t *ret_spi, uint8_t *ret_number)
{
	struct reader reader = reader_init(data, size);
	struct proposal proposal;
	bool more = true, found = false;
	int r;

	for (unsigned int i = 0; (r = read_proposal(&reader, &more, &proposal)) > 0; i++) {
		if (i == PROPOSALS_LIMIT)
			return -EBADMSG;
		if (!found && suits_esp(&proposal, ret)) {
			struct reader spi = reader_init(proposal.spi, proposal.spi_size);

			found = true;
			*ret_number = proposal.number;
			*ret_spi = reader_u32(&spi);
		}
	}
	if (r < 0)
		return r;
	return found ? 0 : -ENOENT;
}

const char *esp_suite_name(const struct esp_suite *suite)
{
	for (size_t i = 0; i < ARRAY_SIZE(esp_ciphers); i++)
		if (esp_ciphers[i].encryption == suite->encryption &&
		    esp_ciphers[i].key_bits == suite->key_bits)
			return esp_ciphers[i].name;
	return "";
}

size_t esp_suite_key_size(const struct esp_suite *suite)
{
	return suite->key_bits / 8 + SALT_SIZE;
}

void ike_suite_name(const struct ike_suite *suite, char *name, size_t size)
{
	const char *prf = suite->prf == IKE_PRF_HMAC_SHA2_512   ? "prfsha512"
			  : suite->prf == IKE_PRF_HMAC_SHA2_384 ? "prfsha384"
								: "prfsha256";

	snprintf(name, size, "aes%ugcm16-%s-x25519", suite->key_bits, prf);
}
